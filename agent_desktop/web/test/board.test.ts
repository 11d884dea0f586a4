import { describe, expect, it } from 'vitest'

import { definitionOf } from '../src/board/definitions'
import {
  ABANDON_NORM,
  ANSWER_NORM,
  estimate,
  figureJudged,
  figureText,
  inCallCount,
  judgeRate,
  judgeReady,
  judgeShare,
  judgeTrunk,
  judgeWait,
  longestWait,
  momentOfDay,
  notReadyCount,
  overflowBody,
  rate,
  seatChoices,
  seatStates,
  sight,
  SIGNS,
  untilChoices,
  wait,
} from '../src/rules/board'
import { dayStart } from '../src/rules/time'
import type { Figures, Tile } from '../src/types/floor'
import { someFigures, someSeats } from './floors'

/** 2026-11-22 10:00:00 in Shanghai. */
const NOW = Date.UTC(2026, 10, 22, 2)
const HOUR = 3_600_000

describe('a rate', () => {
  it('is cut and not rounded: below the norm it never reads as the norm', () => {
    expect(rate(0.9499)).toBe('94.9%')
    expect(rate(0.95)).toBe('95.0%')
    expect(rate(0.9999)).toBe('99.9%')
    expect(rate(0.964)).toBe('96.4%')
    expect(rate(1)).toBe('100%')
    expect(rate(0)).toBe('0.0%')
    expect(rate(null)).toBe('—')
    for (let n = 0; n <= 1000; n++)
      expect(rate(n / 1000)).toBe(n === 1000 ? '100%' : `${(n / 10).toFixed(1)}%`)
  })
  it('stands against 95 percent', () => {
    const judged = [0.95, 0.9499, 0.9, 0.8999, null].map((value) => judgeRate(value, ANSWER_NORM))
    expect(judged).toEqual(['good', 'warn', 'warn', 'bad', 'none'])
    expect([0.05, 0.0501, 0.11].map((value) => judgeShare(value, ABANDON_NORM))).toEqual([
      'good',
      'warn',
      'bad',
    ])
  })
  it('has a sign beside its colour, each another', () => {
    const { none, ...signs } = SIGNS
    expect(none).toBe('')
    expect(new Set(Object.values(signs)).size).toBe(3)
  })
})

describe('a wait', () => {
  it('is within the norm for 15 seconds and red from a minute on', () => {
    expect([0, 15_000, 15_001, 60_000, 60_001, null].map((ms) => judgeWait(ms, 15))).toEqual([
      'good',
      'good',
      'warn',
      'warn',
      'bad',
      'none',
    ])
  })
  it('of the first in the queue counts from where he asked for a person, and never backwards', () => {
    expect(longestWait({ longest_asked_at: NOW - 61_000 }, NOW)).toBe(61_000)
    expect(longestWait({ longest_asked_at: NOW + 500 }, NOW)).toBe(0)
    expect(longestWait({ longest_asked_at: null }, NOW)).toBeNull()
    expect([wait(61), wait(0), wait(null)]).toEqual(['1:01', '0:00', '—'])
  })
  it('that is estimated is not told to the second', () => {
    expect(estimate(null)).toEqual({ unit: 'none', n: 0 })
    expect(estimate(0)).toEqual({ unit: 'soon', n: 0 })
    expect(estimate(59)).toEqual({ unit: 'soon', n: 0 })
    expect(estimate(61)).toEqual({ unit: 'minutes', n: 2 })
  })
})

describe('seats and trunk', () => {
  it('count what is in a call and who is not ready, whatever the reasons', () => {
    const row = { seats: someSeats({ ringing: 1, talking: 4, holding: 2, not_ready: { 小休: 2, 就餐: 1 } }) }
    expect([inCallCount(row), notReadyCount(row)]).toEqual([7, 3])
    expect(seatStates(row).map(({ n }) => n)).toEqual([0, 1, 4, 2, 0, 3, 0])
  })
  it('are an alarm when nobody is ready and somebody waits', () => {
    expect([judgeReady(1, 9, 9), judgeReady(0, 1, 9), judgeReady(0, 0, 9), judgeReady(0, 0, 0)]).toEqual([
      'good',
      'bad',
      'warn',
      'none',
    ])
    expect([judgeTrunk(44, 60), judgeTrunk(45, 60), judgeTrunk(54, 60), judgeTrunk(3, null)]).toEqual([
      'good',
      'warn',
      'bad',
      'none',
    ])
  })
  it('offer for a caller those who are ready, of his queue first', () => {
    const tile = (seat: string, word: string, queues: string[]) =>
      ({ seat, word, queues, agent: `agent${seat}` }) as unknown as Tile
    const tiles = [
      tile('8003', 'ready', ['other']),
      tile('8001', 'talking', ['consultation']),
      tile('8004', 'ready', ['consultation']),
      tile('8002', 'ready', ['consultation']),
    ]
    expect(seatChoices(tiles, 'consultation').map((one) => one.seat)).toEqual(['8002', '8004', '8003'])
  })
})

describe('what cannot be seen', () => {
  it('is nothing, some PBX, or all, since the first moment', () => {
    expect(sight({ pbx1: null })).toEqual({ blind: 'none', since: null, names: [] })
    expect(sight({ pbx1: 5, pbx2: null })).toEqual({ blind: 'some', since: 5, names: ['pbx1'] })
    expect(sight({ pbx2: 3, pbx1: 5 })).toEqual({ blind: 'all', since: 3, names: ['pbx1', 'pbx2'] })
    expect(sight(undefined).blind).toBe('none')
    expect(sight({}).blind).toBe('none')
  })
})

describe('switches', () => {
  it('end today, or when they are undone', () => {
    const all = untilChoices(NOW)
    expect(all.map((one) => one.key)).toEqual(['m30', 'h1', 'h2', 'day', 'open'])
    expect(all.find((one) => one.key === 'day')!.at).toBe(dayStart(NOW) + 24 * HOUR)
    const late = dayStart(NOW) + 23 * HOUR
    expect(untilChoices(late).map((one) => one.key)).toEqual(['m30', 'day', 'open'])
  })
  it('take a time of the day, of tomorrow where it is over', () => {
    expect(momentOfDay('18:30', NOW)).toBe(NOW + 8.5 * HOUR)
    expect(momentOfDay('09:59', NOW)).toBe(NOW + 24 * HOUR - 60_000)
    expect([momentOfDay('', NOW), momentOfDay('noon', NOW)]).toEqual([null, null])
  })
  it('of overflow name a target only where there is one', () => {
    expect(overflowBody(null)).toEqual({ then: null })
    expect(overflowBody({ after_seconds: 60, then: 'duty', target: 'x' })).toEqual({
      after_seconds: 60,
      then: 'duty',
      target: '',
    })
    expect(overflowBody({ after_seconds: 60, then: 'queue', target: 'general' }).target).toBe('general')
  })
})

describe('the figures of a window', () => {
  const figures: Figures = someFigures({
    offered: 40,
    answered: 36,
    answer_rate: 0.9,
    in_15_rate: 0.7,
    average_wait_seconds: 14.6,
  })
  it('are written as counts, rates and lengths', () => {
    expect(figureText('offered', figures)).toBe('40')
    expect(figureText('answer_rate', figures)).toBe('90.0%')
    expect(figureText('average_wait_seconds', figures)).toBe('0:14')
    expect(figureText('average_talk_seconds', someFigures())).toBe('—')
  })
  it('are judged where there is a norm', () => {
    expect(figureJudged('offered', figures, 15)).toBe('none')
    expect(figureJudged('answer_rate', figures, 15)).toBe('warn')
    expect(figureJudged('in_15_rate', figures, 15)).toBe('bad')
    expect(figureJudged('average_wait_seconds', figures, 15)).toBe('good')
    expect(figureJudged('average_wait_seconds', someFigures(), 15)).toBe('none')
  })
  it('are explained by the words for queues, where agents have a figure of that name too', () => {
    const entry = (code: string) => ({ code }) as never
    const all = new Map([
      ['answered', entry('answered')],
      ['queue_answered', entry('queue_answered')],
      ['utilisation', entry('utilisation')],
    ])
    expect(definitionOf(all, 'answered')!.code).toBe('queue_answered')
    expect(definitionOf(all, 'utilisation')!.code).toBe('utilisation')
    expect(definitionOf(all, 'nothing')).toBeNull()
  })
})
