/**
 * Everything that the agent hears: the other side, the ring, tones; all of it from the chosen speaker.
 * Two elements for the page's whole life. What the browser does not let sound yet starts at the next click or key.
 */
import { borrowAudio, onNextGesture, returnAudio, wake } from './audio'

type Sinkable = HTMLAudioElement & { setSinkId?: (id: string) => Promise<void> }

/** A ring is two soft notes, then a pause. Seconds, hertz. */
const RING = { notes: [659, 523], each: 0.4, every: 2.6 }
const NEWS = { notes: [880], each: 0.15 }
const TRY = { notes: [440, 554, 659], each: 0.35 }

/** "Blocked" is told true when the browser keeps the other side silent, false when it sounds. */
export class Speaker {
  private readonly voice = new Audio() as Sinkable
  private readonly signal = new Audio() as Sinkable
  private endRing: (() => void) | null = null
  private endNotes: (() => void) | null = null

  constructor(private readonly blocked: (blocked: boolean) => void = () => undefined) {}

  /** false: that speaker is not there, the default one sounds. */
  async choose(id: string): Promise<boolean> {
    try {
      await Promise.all([this.voice.setSinkId?.(id), this.signal.setSinkId?.(id)])
      return true
    } catch {
      await Promise.all([this.voice.setSinkId?.(''), this.signal.setSinkId?.('')]).catch(() => undefined)
      return false
    }
  }
  /** Let the other side be heard. */
  play(stream: MediaStream): void {
    if (this.voice.srcObject !== stream) this.voice.srcObject = stream
    void this.sound(this.voice)
  }
  /** The call is over. */
  quiet(): void {
    this.voice.pause()
    this.voice.srcObject = null
    this.blocked(false)
  }
  ring(): void {
    if (this.endRing) return
    const once = () => void this.notes(RING.notes, RING.each)
    const timer = setInterval(once, RING.every * 1000)
    this.endRing = () => clearInterval(timer)
    once()
  }
  stopRing(): void {
    this.endRing?.()
    this.endRing = null
    this.endNotes?.()
  }
  /** One short note: a call is on by itself. */
  beep(): Promise<void> {
    return this.notes(NEWS.notes, NEWS.each)
  }
  /** Three notes, for the headset test. */
  tryOut(): Promise<void> {
    return this.notes(TRY.notes, TRY.each)
  }
  /** Play what was recorded, to its end. */
  async replay(recorded: Blob): Promise<void> {
    const bytes = await recorded.arrayBuffer()
    await this.emit(async (audio, out) => {
      const source = audio.createBufferSource()
      source.buffer = await audio.decodeAudioData(bytes)
      source.connect(out)
      source.start()
      return source
    })
  }
  close(): void {
    this.stopRing()
    this.quiet()
    this.signal.pause()
    this.signal.srcObject = null
  }

  private notes(hertz: number[], each: number): Promise<void> {
    return this.emit((audio, out) => {
      const at = audio.currentTime + 0.02
      const tones = hertz.map((pitch, i) => {
        const tone = audio.createOscillator()
        const envelope = audio.createGain()
        tone.frequency.value = pitch
        const from = at + i * each
        // A soft edge: a bare sine clicks at both ends.
        envelope.gain.setValueAtTime(0, from)
        envelope.gain.linearRampToValueAtTime(0.25, from + 0.02)
        envelope.gain.setValueAtTime(0.25, from + each * 0.7)
        envelope.gain.linearRampToValueAtTime(0, from + each)
        tone.connect(envelope).connect(out)
        tone.start(from)
        tone.stop(from + each)
        return tone
      })
      return tones[tones.length - 1]
    })
  }
  /** Send sound through the chosen speaker until its source ends, then let go of everything. */
  private async emit(
    make: (
      audio: AudioContext,
      out: AudioNode,
    ) => AudioScheduledSourceNode | Promise<AudioScheduledSourceNode>,
  ): Promise<void> {
    const audio = borrowAudio()
    const out = audio.createMediaStreamDestination()
    let end: (() => void) | null = null
    try {
      // Not allowed to sound yet: what is late is not wanted.
      if (!(await wake())) return
      const source = await make(audio, out)
      this.signal.srcObject = out.stream
      void this.sound(this.signal)
      await new Promise<void>((done) => {
        source.onended = () => done()
        end = () => {
          source.onended = null
          source.stop()
          done()
        }
        this.endNotes = end
      })
    } finally {
      if (this.endNotes === end) this.endNotes = null
      for (const track of out.stream.getTracks()) track.stop()
      if (this.signal.srcObject === out.stream) this.signal.srcObject = null
      returnAudio()
    }
  }
  private async sound(element: HTMLAudioElement): Promise<void> {
    try {
      await element.play()
      if (element === this.voice) this.blocked(false)
    } catch (error) {
      if (!(error instanceof DOMException) || error.name !== 'NotAllowedError') return
      if (element !== this.voice) return
      this.blocked(true)
      onNextGesture(() => element.srcObject && void this.sound(element))
    }
  }
}
