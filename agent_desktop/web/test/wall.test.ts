import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { dayStart } from '../src/rules/time'
import {
  axisTop,
  clampEvery,
  dayShown,
  EMPTY_DAY,
  EVERY,
  peakOf,
  queryOf,
  rotationOf,
  shotsOf,
  soFar,
  stepAt,
  STEPS_A_DAY,
  turned,
  unitOf,
  WALL_PAGES,
  wallKey,
} from '../src/rules/wall'
import { dayOption } from '../src/wall/charts'

const MIDNIGHT = dayStart(Date.UTC(2026, 10, 22, 2))
const MINUTE = 60_000
const at = (hours: number, minutes = 0) => MIDNIGHT + (hours * 60 + minutes) * MINUTE
const full = (value: number) => Array.from({ length: STEPS_A_DAY }, () => value)
const aDay = {
  ...EMPTY_DAY,
  offered: full(9),
  answered: full(8),
  abandoned: full(1),
  waiting: full(3),
  seats: full(12),
}

describe('the rotation', () => {
  it('is read from the address, and nonsense in it is left out', () => {
    expect(rotationOf({})).toEqual({ pages: [...WALL_PAGES], every: 20, still: false, page: 'overview' })
    expect(rotationOf({ pages: 'charts,queues,charts,x', every: '45' })).toEqual({
      pages: ['charts', 'queues'],
      every: 45,
      still: false,
      page: 'charts',
    })
    expect(rotationOf({ pages: 'seats' }).still).toBe(true)
    expect(rotationOf({ still: '1', page: 'charts' })).toMatchObject({ still: true, page: 'charts' })
    expect([rotationOf({ every: 'x' }).every, rotationOf({ every: '1' }).every]).toEqual([
      EVERY.usual,
      EVERY.least,
    ])
    expect(clampEvery(10_000)).toBe(EVERY.most)
  })
  it('goes back into the address, what is usual left out', () => {
    for (const query of [
      {},
      { pages: 'queues,seats' },
      { every: '60' },
      { still: '1', page: 'charts' },
      { pages: 'queues,overview', every: '30', still: '1' },
    ] as Record<string, string>[])
      expect(queryOf(rotationOf(query))).toEqual(query)
  })
  it('turns round and round, queue pages as often as there are rows', () => {
    const shots = shotsOf(WALL_PAGES, 15)
    expect(shots.map(({ page, part }) => `${page}${part}`)).toEqual([
      'overview0',
      'queues0',
      'queues1',
      'queues2',
      'charts0',
      'seats0',
    ])
    let shown = shots[0]
    const seen = shots.map(() => (shown = turned(shown, shots, 1)).page)
    expect(seen).toEqual(['queues', 'queues', 'queues', 'charts', 'seats', 'overview'])
    expect(turned({ page: 'overview', part: 0 }, shots, -1).page).toBe('seats')
  })
  it('finds its way when queues went away, or a page is outside of it', () => {
    const shots = shotsOf(['queues', 'charts'], 0)
    expect(shots).toHaveLength(2)
    expect(turned({ page: 'queues', part: 4 }, shots, 1)).toMatchObject({ page: 'queues', part: 0 })
    expect(turned({ page: 'seats', part: 0 }, shots, 1).page).toBe('queues')
  })
  it('listens to keys', () => {
    expect(wallKey('3')).toEqual({ does: 'choose', page: 'charts' })
    expect([wallKey('0'), wallKey('9'), wallKey('x')]).toEqual([null, null, null])
    expect(wallKey('ArrowLeft')).toEqual({ does: 'turn', steps: -1 })
    expect(wallKey(' ')).toEqual({ does: 'hold' })
    expect(wallKey('F')).toEqual({ does: 'full' })
  })
})

describe('the day on the charts', () => {
  it('ends now: a quarter of an hour that has not begun is not zero', () => {
    expect(stepAt(at(9, 22) + 30_000)).toBe(37.5)
    const values = soFar(full(4), at(9, 22))
    expect(values.filter((value) => value !== null)).toHaveLength(38)
    expect([values[37], values[38]]).toEqual([4, null])
    expect(soFar([], at(1))).toHaveLength(STEPS_A_DAY)
  })
  it('keeps the forecast to its end', () => {
    const shown = dayShown({ ...aDay, forecast: full(7) }, at(9), at(9, 1))
    expect(shown.forecast).toEqual(full(7))
    expect(shown.offered[95]).toBeNull()
  })
  it('is empty after midnight until the server has told the new one', () => {
    const evening = at(23, 59)
    expect(dayShown(aDay, evening, evening).offered[95]).toBe(9)
    const after = MIDNIGHT + 24 * 60 * MINUTE
    expect(dayShown(aDay, evening, after)).toBe(EMPTY_DAY)
    const fresh = dayShown({ ...aDay, offered: [2] }, after + 5_000, after + 6_000)
    expect([fresh.offered[0], fresh.offered[1]]).toEqual([2, null])
    expect(dayShown(null, null, after)).toBe(EMPTY_DAY)
  })
  it('has axes with calm tops', () => {
    expect(peakOf([[1, null, 17], []], 8)).toBe(17)
    expect(peakOf([], 8)).toBe(8)
    expect([8, 9, 37, 41, 150, 2718].map((peak) => axisTop(peak, 4))).toEqual([8, 20, 40, 80, 200, 4000])
    for (const peak of [1, 3, 7, 99, 12345]) {
      const top = axisTop(peak, 4)
      expect(top).toBeGreaterThanOrEqual(peak)
      expect(Number.isInteger(top / 4)).toBe(true)
    }
  })
  it('is drawn without motion, each series once, with the line where it is now', () => {
    const look = {
      day: aDay,
      now: at(9, 22),
      unit: 1,
      text: 28,
      nowWord: 'now',
      everyHours: 2,
      font: 'x',
      aligned: true,
    }
    for (const kind of ['calls', 'load'] as const) {
      const option = dayOption({ ...look, kind }) as {
        animation: boolean
        series: { data: unknown[]; markLine?: { data: { xAxis: number }[] } }[]
      }
      expect(option.animation).toBe(false)
      expect(option.series.map((one) => one.data.length)).toEqual(
        kind === 'calls' ? [96, 96, 37, 0] : [96, 96],
      )
      expect(option.series.flatMap((one) => one.markLine?.data ?? [])).toEqual([{ xAxis: 37 }])
    }
  })
})

describe('the screen', () => {
  it('has one picture for 1080p and 4K', () => {
    expect([unitOf(1920, 1080), unitOf(3840, 2160), unitOf(1280, 1080)]).toEqual([1, 2, 1280 / 1920])
  })
  it('is readable at eight metres: no text below 28 but the help at the mouse', () => {
    const folder = join(import.meta.dirname, '../src/wall')
    const sizes = readdirSync(folder).flatMap((file) =>
      [...readFileSync(join(folder, file), 'utf8').matchAll(/font-size: ([^;]+);/g)].map((hit) => ({
        file,
        size: hit[1],
      })),
    )
    expect(sizes.length).toBeGreaterThan(20)
    for (const { file, size } of sizes) {
      // Signs stand beside a large number, in a share of its size.
      if (size.endsWith('em')) continue
      const units = /^calc\((\d+) \* var\(--u\)\)$/.exec(size)
      expect(units, `${file}: ${size}`).not.toBeNull()
      expect(Number(units![1]), `${file}: ${size}`).toBeGreaterThanOrEqual(28)
    }
  })
  it('brings its charts only where they are shown', () => {
    const src = join(import.meta.dirname, '../src')
    const users = readdirSync(src, { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.(?:vue|ts)$/.test(file))
      .filter((file) => /from 'echarts/.test(readFileSync(join(src, file), 'utf8')))
    expect(users.map((file) => file.replaceAll('\\', '/'))).toEqual(['wall/charts.ts'])
  })
})
