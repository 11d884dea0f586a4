import { describe, expect, it } from 'vitest'

import type { Agent, Entry, Kind, NowRow } from '../src/api/roster'
import { changeOf, trendOf, valueOf } from '../src/rules/meeting'
import {
  byCell,
  counted,
  coverage,
  daysBetween,
  detailOf,
  mondayOf,
  plusDays,
  sought,
  sumOf,
  toneOf,
  weekday,
} from '../src/rules/roster'

const entry = (user_id: number, day: string, kind = 'early', absence: string | null = null): Entry => ({
  id: 1,
  user_id,
  day,
  kind,
  from_at: 0,
  to_at: 1,
  absence,
  note: '',
  version: 1,
})
const agent = (id: number, name: string, group_id: number | null): Agent => ({
  id,
  login: `agent0${id}`,
  name,
  work_number: `100${id}`,
  group_id,
  mine: true,
})
const row = (facts: Partial<NowRow>): NowRow => ({
  ...agent(1, 'a', 1),
  seat: null,
  standing: 'on_time',
  label: '',
  since: null,
  first_in_at: null,
  late_seconds: 0,
  kind_label: '',
  from_at: null,
  to_at: null,
  absence_label: '',
  ...facts,
})

describe('days', () => {
  it('are counted over months and years', () => {
    expect(plusDays('2026-12-31', 1)).toBe('2027-01-01')
    expect(plusDays('2026-03-01', -1)).toBe('2026-02-28')
    expect(daysBetween('2026-11-29', '2026-12-01')).toEqual(['2026-11-29', '2026-11-30', '2026-12-01'])
  })
  it('begin with Monday', () => {
    expect(weekday('2026-11-23')).toBe(0)
    expect(weekday('2026-11-22')).toBe(6)
    expect(mondayOf('2026-11-22')).toBe('2026-11-16')
    expect(mondayOf('2026-11-23')).toBe('2026-11-23')
  })
})

describe('the grid', () => {
  const entries = [
    entry(1, '2026-11-23'),
    entry(1, '2026-11-23', 'late'),
    entry(2, '2026-11-23', 'late', 'sick'),
  ]
  it('has several shifts in a cell', () => {
    expect(
      byCell(entries)
        .get('1/2026-11-23')
        ?.map((one) => one.kind),
    ).toEqual(['early', 'late'])
  })
  it('counts who works, planned absences apart, of the people shown only', () => {
    expect(coverage(entries, new Set([1, 2]))['2026-11-23']).toEqual({
      total: 2,
      absent: 1,
      kinds: { early: 1, late: 1 },
    })
    expect(coverage(entries, new Set([3]))).toEqual({})
  })
  it('finds agents by group and words', () => {
    const all = [agent(1, '王小雨', 1), agent(2, '李晓晨', 2), agent(3, '张明月', null)]
    expect(sought(all, '2', '').map((one) => one.id)).toEqual([2])
    expect(sought(all, 'none', '').map((one) => one.id)).toEqual([3])
    expect(sought(all, '', '1001').map((one) => one.id)).toEqual([1])
    expect(sought(all, '1', '李')).toEqual([])
  })
  it('gives each kind its tone by its place', () => {
    const kinds = ['early', 'late'].map((code) => ({ code }) as Kind)
    expect([toneOf(kinds, 'early'), toneOf(kinds, 'late'), toneOf(kinds, 'gone')]).toEqual([1, 2, 0])
  })
})

describe('who is there', () => {
  it('is summed by standing', () => {
    const counts = counted([row({}), row({ standing: 'late' }), row({ standing: 'late' })])
    expect(counts).toEqual({ on_time: 1, late: 2 })
    expect(sumOf(counts, ['late', 'absent'])).toBe(2)
  })
  it('says how late, since when, how long over', () => {
    const now = 100 * 60_000
    expect(detailOf(row({ standing: 'late', from_at: now - 7 * 60_000 }), now)).toEqual({
      key: 'missing',
      n: 7,
    })
    expect(detailOf(row({ standing: 'came_late', late_seconds: 720, first_in_at: 5 }), now)).toEqual({
      key: 'cameLate',
      n: 12,
      at: 5,
    })
    expect(detailOf(row({ standing: 'overtime', to_at: now - 60_000 }), now)).toEqual({ key: 'over', n: 1 })
    expect(detailOf(row({ standing: 'coming', from_at: now + 30 * 60_000 }), now)).toEqual({
      key: 'coming',
      n: 30,
    })
    expect(detailOf(row({ standing: 'done' }), now)).toBeNull()
  })
})

describe('the morning sheet', () => {
  const one = (value: number | null, before: number | null) => ({
    value,
    before,
    change: value === null || before === null ? null : value - before,
  })
  it('shows counts, lengths and rates as people read them', () => {
    expect(valueOf('answered', one(36, 30))).toBe('36')
    expect(valueOf('average_talk_seconds', one(213, 200))).toBe('3:33')
    expect(valueOf('utilisation', one(0.295, 0.3))).toBe('30%')
    expect(valueOf('satisfaction', one(null, 0.3))).toBe('—')
  })
  it('shows a change only where there is one to be seen', () => {
    expect(changeOf('answered', one(36, 33.5))).toBe('+2.5')
    expect(changeOf('answered', one(30, 33))).toBe('−3')
    expect(changeOf('average_talk_seconds', one(200, 212))).toBe('−0:12')
    expect(changeOf('average_talk_seconds', one(200, 200.2))).toBe('')
    expect(changeOf('adherence', one(0.95, 0.98))).toBe('−3')
    expect(changeOf('adherence', one(0.95, null))).toBe('')
  })
  it('says better or worse only where that is known', () => {
    expect(trendOf('adherence', one(0.9, 0.8))).toBe('better')
    expect(trendOf('average_after_call_seconds', one(40, 30))).toBe('worse')
    expect(trendOf('average_talk_seconds', one(40, 30))).toBe('')
    expect(trendOf('answered', one(40, 30))).toBe('')
  })
})
