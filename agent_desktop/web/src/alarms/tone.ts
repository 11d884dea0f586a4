/** The alarm's two tones, through the page's one AudioContext. */
import { borrowAudio, returnAudio, wake } from '../softphone/audio'

const HERTZ = [880, 660, 880, 660]
const EACH = 0.22
const LOUDEST = 0.5

/** Plays once. False: the browser lets nothing sound before a click or a key. `volume` 0 to 1. */
export async function playAlarm(volume: number): Promise<boolean> {
  const audio = borrowAudio()
  try {
    if (!(await wake())) return false
    const gain = audio.createGain()
    gain.connect(audio.destination)
    const begins = audio.currentTime + 0.02
    HERTZ.forEach((hertz, at) => {
      const tone = audio.createOscillator()
      tone.frequency.value = hertz
      tone.connect(gain)
      tone.start(begins + at * EACH)
      tone.stop(begins + (at + 1) * EACH)
    })
    // Soft edges: a tone that is cut clicks.
    const ends = begins + HERTZ.length * EACH
    gain.gain.setValueAtTime(0, begins)
    gain.gain.linearRampToValueAtTime(volume * LOUDEST, begins + 0.03)
    gain.gain.setValueAtTime(volume * LOUDEST, ends - 0.06)
    gain.gain.linearRampToValueAtTime(0, ends)
    await new Promise((over) => setTimeout(over, (ends - audio.currentTime) * 1000 + 50))
    gain.disconnect()
    return true
  } finally {
    returnAudio()
  }
}
