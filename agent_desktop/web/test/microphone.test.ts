import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { Microphone, type MicrophoneProblem } from '../src/softphone/microphone'

/** A track that a test can pull out. */
class Track {
  readyState = 'live'
  onended: (() => void) | null = null
  stop() {
    this.readyState = 'ended'
  }
  pull() {
    this.stop()
    this.onended?.()
  }
}
class Stream {
  constructor(readonly track: Track) {}
  getTracks = () => [this.track]
  getAudioTracks = () => [this.track]
}
class Node {
  gain = { value: 1 }
  stream = new Stream(new Track())
  connect = (to: unknown) => to
  disconnect = () => undefined
  start = () => undefined
  stop = () => undefined
}
class Context {
  state = 'running'
  createMediaStreamDestination = () => new Node()
  createConstantSource = () => new Node()
  createGain = () => new Node()
  suspend = async () => undefined
  close = async () => undefined
}

describe('the microphone of a call', () => {
  let there = true
  let opened: Stream[] = []
  let told: (MicrophoneProblem | null)[] = []
  let sent: Stream[] = []
  const live = () => opened.filter((one) => one.track.readyState === 'live').length
  const settle = () => vi.advanceTimersByTimeAsync(1)

  function microphone(): Microphone {
    return new Microphone('', {
      problem: (problem) => told.push(problem),
      changed: (stream) => sent.push(stream as unknown as Stream),
    })
  }
  beforeEach(() => {
    vi.useFakeTimers()
    ;[there, opened, told, sent] = [true, [], [], []]
    vi.stubGlobal('AudioContext', Context)
    vi.stubGlobal('navigator', {
      mediaDevices: {
        async getUserMedia() {
          if (!there) throw new DOMException('', 'NotFoundError')
          opened.push(new Stream(new Track()))
          return opened[opened.length - 1]
        },
      },
    })
  })
  afterEach(() => {
    vi.useRealTimers()
    vi.unstubAllGlobals()
  })

  it('is opened once and closed with the call', async () => {
    const mine = microphone()
    expect(await mine.open()).toBe(await mine.open())
    mine.close()
    expect([opened.length, live(), told]).toEqual([1, 0, [null]])
  })

  it('gives silence where there is none, and takes over when it is plugged in', async () => {
    there = false
    const mine = microphone()
    const silence = (await mine.open()) as unknown as Stream
    expect([told, silence.track.readyState]).toEqual([['no_microphone'], 'live'])
    there = true
    mine.retry()
    await settle()
    expect([told.at(-1), sent.at(-1), silence.track.readyState]).toEqual([null, opened[0], 'ended'])
    mine.close()
    expect(live()).toBe(0)
  })

  it('that is pulled out is replaced by silence at once, and by another where there is one', async () => {
    const mine = microphone()
    await mine.open()
    opened[0].track.pull()
    expect([told.at(-1), sent.length]).toEqual(['microphone_gone', 1])
    await settle()
    expect([told.at(-1), sent.at(-1)]).toEqual([null, opened[1]])
    there = false
    opened[1].track.pull()
    await settle()
    mine.retry()
    await settle()
    expect(told.at(-1)).toBe('microphone_gone')
    mine.close()
  })

  it('that opens only after the call is over is closed again', async () => {
    const mine = microphone()
    const opening = mine.open()
    mine.close()
    await opening
    expect(live()).toBe(0)
  })
})
