import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { loudness } from '../src/softphone/levels'
import { problemOf } from '../src/softphone/microphone'
import { judge, look, type Look } from '../src/softphone/quality'
import { PAGE_GONE } from '../src/softphone/sip'
import { ApiError } from '../src/api'
import { useSoftphone } from '../src/stores/softphone'
import { answer, newBrowser, newPage } from './setting'

const sources = (folder: string): string[] =>
  readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    return statSync(path).isDirectory() ? sources(path) : [path]
  })

describe('the softphone folder', () => {
  it('has one file that knows JsSIP', () => {
    const knowing = sources('src').filter((path) => /from ['"]jssip/.test(readFileSync(path, 'utf8')))
    expect(knowing).toEqual([join('src', 'softphone', 'sip.ts')])
  })
})

describe('call quality', () => {
  const at = (changes: Partial<Look> = {}): Look => ({
    received: 100,
    lost: 0,
    lostThere: 0,
    jitterMs: 4,
    roundTripMs: 20,
    ...changes,
  })
  const later = (changes: Partial<Look>) => judge(at(), at({ received: 200, ...changes })).level

  it('is good on a local network', () => expect(later({})).toBe('good'))
  it('counts the loss of the last interval only', () => {
    const quality = judge(at({ received: 1_000, lost: 500 }), at({ received: 1_097, lost: 503 }))
    expect([quality.loss, quality.level]).toEqual([3, 'fair'])
  })
  it('takes the worse direction', () => expect(later({ lostThere: 0.1 })).toBe('bad'))
  it('falls with jitter', () =>
    expect([later({ jitterMs: 40 }), later({ jitterMs: 90 })]).toEqual(['fair', 'bad']))
  it('falls with the way there and back', () =>
    expect([later({ roundTripMs: 500 }), later({ roundTripMs: 900 })]).toEqual(['fair', 'bad']))
  it('is bad when nothing arrives, but not while the call is held', () => {
    expect(judge(at(), at()).level).toBe('bad')
    expect(judge(at(), at(), true).level).toBe('good')
  })
  it('does not count packets that came after all as a loss below nothing', () =>
    expect(judge(at({ lost: 5 }), at({ received: 200, lost: 3 })).loss).toBe(0))

  it('is read from what getStats gives', () => {
    const reports = [
      { type: 'candidate-pair', nominated: true, state: 'succeeded', currentRoundTripTime: 0.5 },
      { type: 'inbound-rtp', kind: 'video', packetsReceived: 1 },
      { type: 'inbound-rtp', kind: 'audio', packetsReceived: 50, packetsLost: 2, jitter: 0.0123 },
      { type: 'remote-inbound-rtp', kind: 'audio', fractionLost: 0.25, roundTripTime: 0.034 },
    ]
    expect(look(reports)).toEqual({ received: 50, lost: 2, lostThere: 0.25, jitterMs: 12, roundTripMs: 34 })
    expect(look(reports.slice(0, 3))?.roundTripMs).toBe(500)
    expect(look([])).toBeNull()
  })
})

describe('a level', () => {
  const sine = (size: number) => Array.from({ length: 480 }, (_, i) => size * Math.sin((i * Math.PI) / 24))
  it('is nothing for silence, all for the loudest, and even steps for the ear between', () => {
    expect([loudness(sine(0)), loudness(sine(1))]).toEqual([0, 0.95])
    expect(loudness(sine(0.1)) - loudness(sine(0.01))).toBeCloseTo(1 / 3, 1)
  })
})

describe('a microphone that does not open', () => {
  it('has been refused, or is not there', () => {
    expect(problemOf(new DOMException('', 'NotAllowedError'))).toBe('microphone_refused')
    expect(problemOf(new DOMException('', 'NotFoundError'))).toBe('no_microphone')
    expect(problemOf(new DOMException('', 'NotReadableError'))).toBe('no_microphone')
  })
})

describe('the header of a vanished page', () => {
  it('carries the cause by which the dialplan gives the citizen back', () =>
    expect(PAGE_GONE).toContain('Q.850;cause=44'))
})

describe('the telephone of a page', () => {
  const elsewhere = new ApiError(409, 'phone_elsewhere', '软电话自 09:00 起在另一个页面使用')
  let asked: ReturnType<typeof answer>

  beforeEach(() => {
    vi.useFakeTimers()
    newBrowser()
    newPage()
    const nobody = { addEventListener: () => undefined, removeEventListener: () => undefined }
    vi.stubGlobal('addEventListener', () => undefined)
    vi.stubGlobal('removeEventListener', () => undefined)
    vi.stubGlobal('document', { ...nobody, visibilityState: 'visible' })
    vi.stubGlobal('navigator', { mediaDevices: undefined })
    vi.stubGlobal(
      'Audio',
      class {
        srcObject = null
        pause() {}
      },
    )
    asked = answer('phone')
  })
  afterEach(() => {
    useSoftphone().stop()
    vi.useRealTimers()
    vi.unstubAllGlobals()
    vi.restoreAllMocks()
  })

  it('is not taken from another page without being asked, and then it is', async () => {
    asked.mockRejectedValue(elsewhere)
    const softphone = useSoftphone()
    softphone.start('page-1')
    await vi.advanceTimersByTimeAsync(10_000)
    expect([softphone.state, softphone.problem]).toEqual(['elsewhere', 'elsewhere'])
    expect(softphone.elsewhereNote).toContain('09:00')
    const before = asked.mock.calls.length
    await vi.advanceTimersByTimeAsync(60_000)
    expect(asked.mock.calls.length).toBe(before)
    softphone.takeOver()
    await vi.advanceTimersByTimeAsync(1)
    expect(asked).toHaveBeenLastCalledWith('page-1', true)
  })

  it('asks again for ever while the server is away, and says so', async () => {
    asked.mockRejectedValue(new ApiError(0, 'offline', ''))
    const softphone = useSoftphone()
    softphone.start('page-1')
    await vi.advanceTimersByTimeAsync(30_000)
    expect([softphone.state, softphone.problem]).toEqual(['connecting', 'no_server'])
    const before = asked.mock.calls.length
    await vi.advanceTimersByTimeAsync(4_001)
    expect(asked.mock.calls.length).toBe(before + 1)
  })

  it('warns of a missing microphone before it registers', async () => {
    asked.mockReturnValue(new Promise(() => undefined))
    const softphone = useSoftphone()
    softphone.start('page-1')
    await vi.advanceTimersByTimeAsync(10)
    expect([softphone.problem, softphone.fit]).toEqual(['microphone_refused', false])
  })

  it('knows its own name in a push, and yields to another', async () => {
    asked.mockReturnValue(new Promise(() => undefined))
    const softphone = useSoftphone()
    softphone.start('page-1')
    softphone.phoneTaken('page-1')
    expect(softphone.state).toBe('connecting')
    softphone.phoneTaken('page-2')
    expect(softphone.state).toBe('elsewhere')
  })

  it('remembers how a person answers', () => {
    const softphone = useSoftphone()
    softphone.start('page-1')
    softphone.chooseAutoAnswer('after_3s')
    softphone.stop()
    newPage()
    useSoftphone().start('page-2')
    expect(useSoftphone().autoAnswer).toBe('after_3s')
  })
})
