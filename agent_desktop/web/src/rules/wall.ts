/** The wallboard: which page when, and which part of the day its charts show. Plain functions. */
import type { WallDay } from '../types/floor'
import { dayStart } from './time'

export const WALL_PAGES = ['overview', 'queues', 'charts', 'seats'] as const
export type WallPage = (typeof WALL_PAGES)[number]

export const EVERY = { least: 5, most: 600, usual: 20 }
/** Rows of the queue page that can be read at eight metres. */
export const QUEUES_A_PAGE = 7
export const STEP_MINUTES = 15
export const STEPS_A_DAY = 96

/** What the address says: `?pages=overview,charts&every=30&still=1&page=charts`. */
export interface Rotation {
  pages: WallPage[]
  /** Seconds for each page. */
  every: number
  /** Does not turn by itself. */
  still: boolean
  /** Where it begins. */
  page: WallPage
}

type Query = Record<string, unknown>
const isPage = (name: string): name is WallPage => (WALL_PAGES as readonly string[]).includes(name)
const one = (value: unknown) => String(Array.isArray(value) ? value[0] : (value ?? ''))

export function rotationOf(query: Query): Rotation {
  const named = [...new Set(one(query.pages).split(','))].filter(isPage)
  const pages = named.length ? named : [...WALL_PAGES]
  const seconds = Number(one(query.every))
  const every = Number.isFinite(seconds) && seconds > 0 ? clampEvery(seconds) : EVERY.usual
  const page = one(query.page)
  return {
    pages,
    every,
    still: one(query.still) === '1' || pages.length === 1,
    page: isPage(page) ? page : pages[0],
  }
}

export const clampEvery = (seconds: number) =>
  Math.round(Math.min(EVERY.most, Math.max(EVERY.least, seconds)))

/** The address of a rotation: what is as usual is left out. */
export function queryOf({ pages, every, still, page }: Rotation): Record<string, string> {
  const chosen = WALL_PAGES.filter((name) => pages.includes(name))
  return {
    ...(chosen.length === WALL_PAGES.length ? {} : { pages: pages.join(',') }),
    ...(every === EVERY.usual ? {} : { every: String(every) }),
    ...(still && pages.length > 1 ? { still: '1' } : {}),
    ...(still && page !== pages[0] ? { page } : {}),
  }
}

/** One picture of the rotation: a page, or the part of one that has more rows than a screen. */
export interface Shot {
  page: WallPage
  part: number
  parts: number
}

export function shotsOf(pages: readonly WallPage[], queues: number): Shot[] {
  return pages.flatMap((page) => {
    const parts = page === 'queues' ? Math.max(1, Math.ceil(queues / QUEUES_A_PAGE)) : 1
    return Array.from({ length: parts }, (_, part) => ({ page, part, parts }))
  })
}

/** The picture `steps` further, round and round; a page outside of the rotation leads back to its first. */
export function turned(shown: { page: WallPage; part: number }, shots: readonly Shot[], steps: number): Shot {
  const at = shots.findIndex((shot) => shot.page === shown.page && shot.part === shown.part)
  if (at < 0) return shots.find((shot) => shot.page === shown.page) ?? shots[0]
  return shots[(((at + steps) % shots.length) + shots.length) % shots.length]
}

/** What a key does; the same keys stand in the help line. */
export type WallKey =
  | { does: 'turn'; steps: number }
  | { does: 'choose'; page: WallPage }
  | { does: 'hold' | 'full' }
  | { does: 'pace'; seconds: number }

export function wallKey(key: string): WallKey | null {
  const page = WALL_PAGES[Number(key) - 1]
  if (page) return { does: 'choose', page }
  switch (key) {
    case 'ArrowRight':
    case 'PageDown':
      return { does: 'turn', steps: 1 }
    case 'ArrowLeft':
    case 'PageUp':
      return { does: 'turn', steps: -1 }
    case ' ':
      return { does: 'hold' }
    case '+':
    case '=':
      return { does: 'pace', seconds: 5 }
    case '-':
      return { does: 'pace', seconds: -5 }
    case 'f':
    case 'F':
      return { does: 'full' }
    default:
      return null
  }
}

/** Where in the day `now` is, in steps of a quarter of an hour: 37.5 is 09:22:30. */
export function stepAt(now: number): number {
  return (now - dayStart(now)) / (STEP_MINUTES * 60_000)
}

/** A figure of a step that has not begun is not zero: it is not there. */
export function soFar(values: readonly (number | null)[], now: number): (number | null)[] {
  const last = Math.floor(stepAt(now))
  return Array.from({ length: STEPS_A_DAY }, (_, i) => (i <= last ? (values[i] ?? null) : null))
}

export const EMPTY_DAY: WallDay = {
  steps: Array.from({ length: STEPS_A_DAY }, (_, i) => {
    const minutes = i * STEP_MINUTES
    return `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`
  }),
  offered: [],
  answered: [],
  abandoned: [],
  waiting: [],
  seats: [],
  forecast: [],
}

/**
 * The day that the charts show at `now`, of what the server said at `at`: after midnight yesterday's figures are gone
 * at once, also when the server has not spoken since.
 */
export function dayShown(day: WallDay | null, at: number | null, now: number): WallDay {
  if (!day || at === null || dayStart(at) !== dayStart(now)) return EMPTY_DAY
  return {
    steps: EMPTY_DAY.steps,
    offered: soFar(day.offered, now),
    answered: soFar(day.answered, now),
    abandoned: soFar(day.abandoned, now),
    waiting: soFar(day.waiting, now),
    seats: soFar(day.seats, now),
    forecast: Array.from({ length: STEPS_A_DAY }, (_, i) => day.forecast[i] ?? null),
  }
}

/** The largest value of some rows, and at least `least`: axes of an empty night do not tremble around 1. */
export function peakOf(rows: readonly (readonly (number | null)[])[], least: number): number {
  let peak = least
  for (const row of rows) for (const value of row) if (value !== null && value > peak) peak = value
  return peak
}

/** A quiet top for an axis with `parts` equal parts: 1, 2, 5 × 10ⁿ a part. */
export function axisTop(peak: number, parts: number): number {
  const part = peak / parts
  const power = 10 ** Math.floor(Math.log10(Math.max(part, 1)))
  const nice = [1, 2, 2.5, 5, 10].find((n) => n * power >= part && (n !== 2.5 || power >= 10)) ?? 10
  return nice * power * parts
}

/** Sizes are given for 1920×1080; on another screen a "pixel" is this long. */
export const unitOf = (width: number, height: number) => Math.min(width / 1920, height / 1080)
