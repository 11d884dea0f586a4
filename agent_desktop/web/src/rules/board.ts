/** The figures of board and wall: how they are written, what they are measured against. Plain functions. */
import type { Blind, Figures, Overflow, QueueRow, Tile } from '../types/floor'
import { dayStart, length } from './time'

/** How a value stands to its norm; `none`: there is nothing to judge. */
export type Judged = 'good' | 'warn' | 'bad' | 'none'

/** 接通率 over any rolling 24 h: 95 % (GB/T 33358-2016). Below 90 % it can no longer be caught up in a shift. */
export const ANSWER_NORM = { good: 0.95, warn: 0.9 }
/** 15 秒接通率: seats are planned for 95 % within 15 s; below 80 % people feel it. */
export const IN_15_NORM = { good: 0.95, warn: 0.8 }
/** 放弃率 is what 接通率 leaves: 5 %. */
export const ABANDON_NORM = { good: 0.05, warn: 0.1 }
/** A wait beyond the norm (15 s) is amber, beyond four times the norm red. */
export const LONG_WAITS = 4

export function judgeRate(value: number | null | undefined, norm: { good: number; warn: number }): Judged {
  if (value == null) return 'none'
  return value >= norm.good ? 'good' : value >= norm.warn ? 'warn' : 'bad'
}

/** For what must be small. */
export function judgeShare(value: number | null | undefined, norm: { good: number; warn: number }): Judged {
  if (value == null) return 'none'
  return value <= norm.good ? 'good' : value <= norm.warn ? 'warn' : 'bad'
}

/** A wait of so many milliseconds against the norm in seconds. */
export function judgeWait(ms: number | null | undefined, normSeconds: number): Judged {
  if (ms == null) return 'none'
  const seconds = ms / 1000
  return seconds <= normSeconds ? 'good' : seconds <= normSeconds * LONG_WAITS ? 'warn' : 'bad'
}

/** Nobody is ready: a warning once people wait, and while people could come. */
export function judgeReady(ready: number, waiting: number, signedIn: number): Judged {
  if (ready > 0) return 'good'
  if (waiting > 0) return 'bad'
  return signedIn > 0 ? 'warn' : 'none'
}

/** Of all channels to the carrier: from nine tenths on callers are about to hear "busy". */
export function judgeTrunk(inUse: number, limit: number | null): Judged {
  if (!limit) return 'none'
  return inUse >= limit * 0.9 ? 'bad' : inUse >= limit * 0.75 ? 'warn' : 'good'
}

/** Beside each colour: nobody has to tell red from green. */
export const SIGNS: Record<Judged, string> = { good: '✓', warn: '!', bad: '✗', none: '' }

/**
 * "96.4%", "100%"; a dash without a denominator. Cut, not rounded: what is below the norm must not read as the norm,
 * and 100% means all.
 */
export function rate(value: number | null | undefined): string {
  if (value == null) return '—'
  // The tiny addition undoes what binary fractions take away: 0.964 * 1000 is 963.9999…
  const tenths = Math.floor(value * 1000 + 1e-6)
  return tenths >= 1000 ? '100%' : `${Math.floor(tenths / 10)}.${tenths % 10}%`
}

/** "0:07", "12:40"; a dash where nobody waited. */
export function wait(seconds: number | null | undefined): string {
  return seconds == null ? '—' : length(seconds * 1000)
}

/** How long the first one in the queue waits now (ms), or null when nobody does. */
export function longestWait(row: Pick<QueueRow, 'longest_asked_at'>, now: number): number | null {
  return row.longest_asked_at === null ? null : Math.max(0, now - row.longest_asked_at)
}

/** An estimate is not told to the second: whole minutes, "under a minute", or nothing. */
export function estimate(seconds: number | null | undefined): {
  unit: 'none' | 'soon' | 'minutes'
  n: number
} {
  if (seconds == null) return { unit: 'none', n: 0 }
  return seconds < 60 ? { unit: 'soon', n: 0 } : { unit: 'minutes', n: Math.ceil(seconds / 60) }
}

export const notReadyCount = (row: Pick<QueueRow, 'seats'>): number =>
  Object.values(row.seats.not_ready).reduce((sum, n) => sum + n, 0)

/** In a call, whatever the telephone calls it. */
export const inCallCount = (row: Pick<QueueRow, 'seats'>): number =>
  row.seats.ringing + row.seats.talking + row.seats.holding

/** How many seats are in each state, in the order of the screen. */
export function seatStates(row: Pick<QueueRow, 'seats'>): { state: string; n: number }[] {
  const { ready, ringing, talking, holding, after_call, unreachable } = row.seats
  return [
    { state: 'ready', n: ready },
    { state: 'ringing', n: ringing },
    { state: 'talking', n: talking },
    { state: 'holding', n: holding },
    { state: 'after_call', n: after_call },
    { state: 'not_ready', n: notReadyCount(row) },
    { state: 'unreachable', n: unreachable },
  ]
}

/**
 * Which part of the floor cannot be seen: `all` where no PBX is left, `some` where others are; `since` is the first
 * moment from which the figures no longer hold.
 */
export interface Sight {
  blind: 'none' | 'some' | 'all'
  since: number | null
  names: string[]
}

export function sight(blind: Blind | undefined): Sight {
  const all = Object.entries(blind ?? {})
  const gone = all.filter((one): one is [string, number] => one[1] !== null)
  return {
    blind: !gone.length ? 'none' : gone.length === all.length ? 'all' : 'some',
    since: gone.length ? Math.min(...gone.map(([, since]) => since)) : null,
    names: gone.map(([pbx]) => pbx).sort(),
  }
}

/** The body of PUT …/overflow. */
export function overflowBody(rule: Overflow | null): Record<string, unknown> {
  if (!rule) return { then: null }
  return {
    after_seconds: rule.after_seconds,
    then: rule.then,
    target: rule.then === 'queue' ? rule.target : '',
  }
}

/** Letters that say why. */
export const LEAST_REASON = 2
/** How long a caller may be made to wait before the queue gives him on. */
export const OVERFLOW_SECONDS = { least: 5, most: 3600 }

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

/** The moments offered as the end of a switch, within the day; the last one is "until it is undone". */
export function untilChoices(now: number): { key: string; at: number | null }[] {
  const dayEnd = dayStart(now) + DAY
  const within = [
    { key: 'm30', at: now + 30 * MINUTE },
    { key: 'h1', at: now + 60 * MINUTE },
    { key: 'h2', at: now + 120 * MINUTE },
  ].filter((one) => one.at < dayEnd)
  return [...within, { key: 'day', at: dayEnd }, { key: 'open', at: null }]
}

/** "18:30" as the moment of today; of a time that is over already, that of tomorrow. null: not a time. */
export function momentOfDay(text: string, now: number): number | null {
  const parts = /^(\d{1,2}):(\d{2})/.exec(text)
  if (!parts) return null
  const at = dayStart(now) + (Number(parts[1]) * 60 + Number(parts[2])) * MINUTE
  return at > now ? at : at + DAY
}

/** The seats that a caller can be given to, those of his queue first. */
export function seatChoices(tiles: readonly Tile[], queue: string): Tile[] {
  const serves = (tile: Tile) => (tile.queues.includes(queue) ? 0 : 1)
  return tiles
    .filter((tile) => tile.word === 'ready' && tile.agent)
    .sort((a, b) => serves(a) - serves(b) || a.seat.localeCompare(b.seat))
}

/** Which figures stand in the table of windows, in its order. */
export const WINDOWS = ['m5', 'm15', 'm60', 'today', 'h24'] as const
export const FIGURES = [
  'offered',
  'answered',
  'answer_rate',
  'in_15_rate',
  'abandoned',
  'abandon_rate',
  'short_abandons',
  'callbacks',
  'overflowed',
  'average_wait_seconds',
  'longest_wait_seconds',
  'average_talk_seconds',
] as const
export type FigureName = (typeof FIGURES)[number]
/** Those that stand against a norm. */
export const HAS_NORM: readonly FigureName[] = [
  'answer_rate',
  'in_15_rate',
  'abandon_rate',
  'average_wait_seconds',
]

export function figureText(name: FigureName, figures: Figures): string {
  const value = figures[name]
  if (name.endsWith('_rate')) return rate(value)
  if (name.endsWith('_seconds')) return wait(value)
  return String(value ?? 0)
}

export function figureJudged(name: FigureName, figures: Figures, normSeconds: number): Judged {
  switch (name) {
    case 'answer_rate':
      return judgeRate(figures.answer_rate, ANSWER_NORM)
    case 'in_15_rate':
      return judgeRate(figures.in_15_rate, IN_15_NORM)
    case 'abandon_rate':
      return judgeShare(figures.abandon_rate, ABANDON_NORM)
    case 'average_wait_seconds':
      return judgeWait(
        figures.average_wait_seconds == null ? null : figures.average_wait_seconds * 1000,
        normSeconds,
      )
    default:
      return 'none'
  }
}
