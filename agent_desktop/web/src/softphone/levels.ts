/** How loud a stream is, ten times a second, for a meter. */
import { borrowAudio, returnAudio } from './audio'

const EVERY_MS = 100
/** The meter's lower end: a quiet room. */
const FLOOR_DB = -60

/** 0..1 for samples of -1..1: their root mean square on a scale of decibels, as ears hear it. */
export function loudness(samples: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < samples.length; i += 1) sum += samples[i] * samples[i]
  const db = 10 * Math.log10(sum / Math.max(1, samples.length) + 1e-12)
  return Math.round(100 * Math.min(1, Math.max(0, 1 - db / FLOOR_DB))) / 100
}

/** Tell the level of `stream` until the returned function is called; it ends with a 0. */
export function meter(stream: MediaStream, tell: (level: number) => void): () => void {
  if (!stream.getAudioTracks().length) return () => undefined
  const audio = borrowAudio()
  const source = audio.createMediaStreamSource(stream)
  const analyser = audio.createAnalyser()
  analyser.fftSize = 1024
  source.connect(analyser)
  const samples = new Float32Array(analyser.fftSize)
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples)
    tell(loudness(samples))
  }, EVERY_MS)
  return () => {
    clearInterval(timer)
    source.disconnect()
    returnAudio()
    tell(0)
  }
}
