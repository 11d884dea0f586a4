/**
 * The agent's microphone during a call: never without a track. When there is none, or it is pulled out, silence is
 * sent in its place (a line without packets is taken for dead by the PBX), and a microphone that appears takes over.
 */
import { borrowAudio, returnAudio } from './audio'

export type MicrophoneProblem = 'no_microphone' | 'microphone_refused' | 'microphone_gone'

export interface MicrophoneListener {
  problem(problem: MicrophoneProblem | null): void
  /** Another track than before: it has to be sent instead. */
  changed(stream: MediaStream): void
}

const SOUND = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 }

/** The problem that an error of getUserMedia stands for. */
export function problemOf(error: unknown): MicrophoneProblem {
  const name = error instanceof DOMException ? error.name : ''
  return name === 'NotAllowedError' || name === 'SecurityError' ? 'microphone_refused' : 'no_microphone'
}

/** The chosen microphone, or any other when that one is not there. Raises the browser's DOMException. */
export async function openMicrophone(id: string): Promise<MediaStream> {
  const devices = navigator.mediaDevices
  // Pages without https have no devices at all.
  if (!devices) throw new DOMException('no devices', 'NotAllowedError')
  if (id) {
    try {
      return await devices.getUserMedia({ audio: { ...SOUND, deviceId: { exact: id } } })
    } catch (error) {
      if (problemOf(error) === 'microphone_refused') throw error
    }
  }
  return devices.getUserMedia({ audio: SOUND })
}

/** Whether there is a microphone that we may use; closes it again. */
export async function tryMicrophone(id: string): Promise<MicrophoneProblem | null> {
  try {
    close(await openMicrophone(id))
    return null
  } catch (error) {
    return problemOf(error)
  }
}

export function close(stream: MediaStream | null): void {
  for (const track of stream?.getTracks() ?? []) track.stop()
}

export class Microphone {
  private stream: MediaStream | null = null
  private opening: Promise<MediaStream> | null = null
  private endSilence: (() => void) | null = null
  /** It has been there in this call. */
  private lost = false
  private closed = false

  constructor(
    private id: string,
    private readonly listener: MicrophoneListener,
  ) {}

  /** The stream to send: the microphone's, or silence. Never fails. */
  open(): Promise<MediaStream> {
    this.opening ??= this.take()
    return this.opening
  }
  /** Another microphone, or the same one again after it was missing. */
  async choose(id: string): Promise<void> {
    this.id = id
    if (!this.opening) return
    await this.opening
    this.opening = this.take()
    const stream = await this.opening
    if (!this.closed) this.listener.changed(stream)
  }
  /** Something was plugged in: if silence is being sent, try again. */
  retry(): void {
    if (this.endSilence && !this.closed) void this.choose(this.id)
  }
  close(): void {
    this.closed = true
    this.drop()
  }

  private async take(): Promise<MediaStream> {
    let stream: MediaStream
    let problem: MicrophoneProblem | null = null
    try {
      stream = await openMicrophone(this.id)
    } catch (error) {
      problem = problemOf(error)
      if (this.lost && problem === 'no_microphone') problem = 'microphone_gone'
      if (this.endSilence && this.stream && !this.closed) {
        this.listener.problem(problem)
        return this.stream
      }
      stream = this.silence()
    }
    if (this.closed) {
      close(stream)
      this.drop()
      return stream
    }
    if (!problem) {
      this.lost = false
      this.drop()
    }
    this.stream = stream
    this.listener.problem(problem)
    const [track] = stream.getAudioTracks()
    if (!problem && track) track.onended = () => void this.lose(stream)
    return stream
  }
  private async lose(stream: MediaStream): Promise<void> {
    if (this.closed || this.stream !== stream) return
    this.lost = true
    this.stream = this.silence()
    this.opening = Promise.resolve(this.stream)
    this.listener.problem('microphone_gone')
    this.listener.changed(this.stream)
    const silent = this.stream
    this.opening = this.take()
    const next = await this.opening
    if (!this.closed && next !== silent) this.listener.changed(next)
  }
  /** A track that sends packets with nothing in them. */
  private silence(): MediaStream {
    const audio = borrowAudio()
    const out = audio.createMediaStreamDestination()
    const source = audio.createConstantSource()
    const nothing = audio.createGain()
    nothing.gain.value = 0
    source.connect(nothing).connect(out)
    source.start()
    this.endSilence = () => {
      source.stop()
      source.disconnect()
      close(out.stream)
      returnAudio()
    }
    return out.stream
  }
  private drop(): void {
    for (const track of this.stream?.getTracks() ?? []) track.onended = null
    close(this.stream)
    this.stream = null
    this.endSilence?.()
    this.endSilence = null
  }
}
