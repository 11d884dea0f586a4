/** What was spoken in the page as a WAV file: the server takes no other form that every browser can make. */

/** Mono samples (-1 to 1) as 16 bit PCM in a RIFF header. */
export function wavOf(samples: Float32Array, rate: number): Blob {
  const view = new DataView(new ArrayBuffer(44 + samples.length * 2))
  const word = (at: number, text: string) =>
    [...text].forEach((sign, i) => view.setUint8(at + i, sign.charCodeAt(0)))
  word(0, 'RIFF')
  view.setUint32(4, 36 + samples.length * 2, true)
  word(8, 'WAVEfmt ')
  view.setUint32(16, 16, true)
  view.setUint16(20, 1, true)
  view.setUint16(22, 1, true)
  view.setUint32(24, rate, true)
  view.setUint32(28, rate * 2, true)
  view.setUint16(32, 2, true)
  view.setUint16(34, 16, true)
  word(36, 'data')
  view.setUint32(40, samples.length * 2, true)
  samples.forEach((sample, i) =>
    view.setInt16(44 + i * 2, Math.round(Math.max(-1, Math.min(1, sample)) * 32767), true),
  )
  return new Blob([view.buffer], { type: 'audio/wav' })
}

export interface Recording {
  stop(): Promise<Blob>
  cancel(): void
}

/** Begin to record the microphone. Rejects where there is none or it is not allowed. */
export async function record(): Promise<Recording> {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } })
  const recorder = new MediaRecorder(stream)
  const parts: Blob[] = []
  recorder.ondataavailable = ({ data }) => parts.push(data)
  recorder.start()
  const quiet = () => stream.getTracks().forEach((track) => track.stop())
  return {
    stop: () =>
      new Promise((resolve, reject) => {
        recorder.onstop = () => {
          quiet()
          asWav(new Blob(parts)).then(resolve, reject)
        }
        recorder.stop()
      }),
    cancel() {
      recorder.onstop = quiet
      recorder.stop()
    },
  }
}

async function asWav(given: Blob): Promise<Blob> {
  const context = new AudioContext()
  try {
    const sound = await context.decodeAudioData(await given.arrayBuffer())
    return wavOf(sound.getChannelData(0), sound.sampleRate)
  } finally {
    void context.close()
  }
}
