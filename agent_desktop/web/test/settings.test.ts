import { describe, expect, it } from 'vitest'

import { changedAgents, moved, penaltyOf, priorityOf, stateWords } from '../src/settings/rules'
import type { AgentSkills, DeskRow } from '../src/settings/shapes'

const agent = (id: number, penalties: Record<string, number>): AgentSkills => ({
  id,
  login: `agent${id}`,
  name: '甲',
  work_number: '1001',
  penalties,
})
const NOW = Date.UTC(2026, 10, 21, 4)
const desk = (state: DeskRow['state'], changes_at: number | null): DeskRow => ({
  queue: 'heating',
  label: '供热专席',
  main: false,
  state,
  changes_at,
  periods: [],
})

describe('priorities', () => {
  it('begin with 1, and an empty cell is no skill', () => {
    expect([priorityOf(agent(1, { a: 0 }), 'a'), priorityOf(agent(1, {}), 'a')]).toEqual(['1', ''])
    expect(['1', ' 10 ', '', '0', '-'].map(penaltyOf)).toEqual([0, 9, undefined, undefined, undefined])
  })
  it('are refused when they are none', () => {
    expect(['11', 'x', '1.5', '-1', '一'].map(penaltyOf)).toEqual([null, null, null, null, null])
  })
  it('are sent only where they have changed', () => {
    const before = [agent(1, { a: 0, b: 1 }), agent(2, {})]
    const now = [agent(1, { b: 1, a: 0 }), agent(2, { a: 3 })]
    expect(changedAgents(before, now).map((one) => one.id)).toEqual([2])
  })
})

describe('a special desk', () => {
  it('says what it is and until when', () => {
    const at = (days: number, hour: number) => Date.UTC(2026, 10, 21 + days, hour - 8)
    expect(stateWords(desk('always', null), NOW)).toEqual({ key: 'always' })
    expect(stateWords(desk('open', null), NOW).key).toBe('openForGood')
    expect(stateWords(desk('closed', null), NOW).key).toBe('over')
    expect(stateWords(desk('open', at(0, 17)), NOW)).toEqual({ key: 'openToday', days: 0, at: '17:00' })
    expect(stateWords(desk('closed', at(1, 0)), NOW)).toEqual({ key: 'closedTomorrow', days: 1, at: '00:00' })
    expect(stateWords(desk('closed', at(7, 9)), NOW)).toEqual({
      key: 'closedLater',
      days: 7,
      at: '2026-11-28 09:00',
    })
  })
})

describe('rows', () => {
  it('move within their list and nowhere else', () => {
    expect(moved(['a', 'b', 'c'], 0, 2)).toEqual(['b', 'c', 'a'])
    expect(moved(['a', 'b'], 1, 0)).toEqual(['b', 'a'])
    expect(moved(['a', 'b'], 1, 2)).toEqual(['a', 'b'])
  })
})
