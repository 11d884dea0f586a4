import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { order } from '../src/rules/pushes'
import { seatWord, useSeat } from '../src/stores/seat'
import { aCall, answer, aPush, aSeat, newBrowser, offline } from './setting'

beforeEach(() => {
  vi.useFakeTimers()
  newBrowser()
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

const picture = (answered = 3) => ({ seat: aSeat(), call: null, today: { answered, talk_seconds: 60 } })

describe('the number on a push', () => {
  it('is next, late or leaves a gap', () => {
    expect([order(4, 5), order(4, 4), order(4, 2), order(4, 6), order(null, 1)]).toEqual([
      'next',
      'late',
      'late',
      'gap',
      'gap',
    ])
  })
})

describe('pushes to the seat', () => {
  it('in order need no snapshot', () => {
    const get = answer('seat').mockResolvedValue(picture())
    const seat = useSeat()
    seat.n = 4
    seat.takePush(aPush(5, aCall()))
    expect(seat.word).toBe('ringing')
    expect(get).not.toHaveBeenCalled()
  })

  it('that come late change nothing', () => {
    const seat = useSeat()
    seat.n = 4
    seat.takePush(aPush(5))
    seat.takePush(aPush(4, aCall()))
    expect(seat.word).toBe('ready')
    expect(seat.n).toBe(5)
  })

  it('after a gap are taken and the rest is fetched', async () => {
    const get = answer('seat').mockResolvedValue(picture(9))
    const seat = useSeat()
    seat.n = 4
    seat.takePush(aPush(8))
    expect(seat.word).toBe('ready')
    await vi.runAllTimersAsync()
    expect(get).toHaveBeenCalledOnce()
    expect(seat.today?.answered).toBe(9)
  })

  it('that overtake the fetched answer win, and the seat is asked again', async () => {
    const seat = useSeat()
    seat.n = 4
    const get = answer('seat').mockImplementationOnce(async () => {
      seat.takePush(aPush(5, aCall()))
      return picture()
    })
    get.mockResolvedValue({
      ...picture(),
      seat: aSeat({ activity: 'ringing', call: 'pbx1-1.1' }),
      call: aCall(),
    })
    await seat.refresh()
    expect(seat.word).toBe('ringing')
    await vi.runAllTimersAsync()
    expect(get).toHaveBeenCalledTimes(2)
    expect(seat.call?.uid).toBe('pbx1-1.1')
  })

  it('of a started-again server count from its snapshot', () => {
    answer('seat').mockResolvedValue(picture())
    const seat = useSeat()
    seat.n = 400
    seat.takeSnapshot({ n: 0, seat: aSeat(), call: null, links: {} })
    seat.takePush(aPush(1, aCall()))
    expect(seat.word).toBe('ringing')
  })

  it('keep what the fetched picture knew about the same call', () => {
    const seat = useSeat()
    seat.n = 4
    seat.call = { ...aCall(), number: { masked: '138****5678' } }
    seat.takePush(aPush(5, aCall({ state: 'talking', answered_at: 5_000 }), { activity: 'talking' }))
    expect(seat.call?.number?.masked).toBe('138****5678')
    expect(seat.call?.answered_at).toBe(5_000)
  })
})

it('the seat is asked for again and again until the server is back', async () => {
  const get = answer('seat').mockRejectedValue(offline())
  const seat = useSeat()
  void seat.refresh()
  await vi.advanceTimersByTimeAsync(4_000)
  expect(get.mock.calls.length).toBeGreaterThan(2)
  get.mockResolvedValue(picture(5))
  await vi.advanceTimersByTimeAsync(8_000)
  expect(seat.today?.answered).toBe(5)
})

it('the word of a seat puts the call before the presence', () => {
  expect(seatWord(null)).toBe('signed_out')
  expect(seatWord(aSeat({ presence: 'not_ready', reason: 'meal', activity: 'talking' }))).toBe('talking')
  expect(seatWord(aSeat({ presence: 'not_ready', reason: 'after_call' }))).toBe('after_call')
  expect(seatWord(aSeat({ presence: 'not_ready', reason: 'meal' }))).toBe('not_ready')
  expect(seatWord(aSeat({ reachable: false }))).toBe('unreachable')
})
