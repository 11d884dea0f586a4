import { describe, expect, it } from 'vitest'

import { withQuery } from '../src/api'
import { backOff } from '../src/rules/pushes'
import { clock, day, dayStart, length, moment, wrapupLeft } from '../src/rules/time'
import { fits, pathName } from '../src/rules/tree'
import { spelled } from '../src/shortcuts'

const NOON = Date.UTC(2026, 10, 21, 4, 0, 5)

describe('times', () => {
  it('are those of Shanghai on any computer', () => {
    expect([clock(NOON), day(NOON)]).toEqual(['12:00:05', '2026-11-21'])
    expect(day(Date.UTC(2026, 10, 21, 17))).toBe('2026-11-22')
  })
  it('show the day only when it is another one', () => {
    expect(moment(NOON, NOON + 1)).toBe('12:00:05')
    expect(moment(NOON, NOON + 86_400_000)).toBe('11-21 12:00')
    expect([clock(dayStart(NOON)), day(dayStart(NOON))]).toEqual(['00:00:00', '2026-11-21'])
    expect(dayStart(dayStart(NOON) - 1)).toBe(dayStart(NOON) - 86_400_000)
    expect(moment(NOON, NOON + 100 * 86_400_000)).toBe('2026-11-21 12:00')
  })
  it('run as lengths and never below zero', () => {
    expect([length(7_900), length(760_000), length(3_723_000), length(-5), length(null)]).toEqual([
      '0:07',
      '12:40',
      '1:02:03',
      '0:00',
      '',
    ])
  })
  it('count the after-call time down', () => {
    expect(wrapupLeft(1_000, 20, 6_000)).toBe(15_000)
    expect(wrapupLeft(1_000, 20, 60_000)).toBe(0)
  })
  it('between tries grow to eight seconds', () => {
    expect([0, 1, 4, 9].map(backOff)).toEqual([500, 1_000, 8_000, 8_000])
  })
})

describe('searching a tree', () => {
  it('goes by words of the path or by pinyin initials', () => {
    const path = ['城市管理', '环境卫生', '油烟污染']
    expect(fits('油烟', path, 'csglhjwsyywr')).toBe(true)
    expect(fits('YYWR', path, 'csglhjwsyywr')).toBe(true)
    expect(fits('环境 yywr', path, 'csglhjwsyywr')).toBe(true)
    expect(fits('路灯', path, 'csglhjwsyywr')).toBe(false)
  })
  it('names a node with its path', () => {
    const tree = [{ id: 1, name: '东湖区', children: [{ id: 2, name: '朝阳街道' }] }]
    expect(pathName(tree, 2)).toBe('东湖区 / 朝阳街道')
    expect(pathName(tree, 9)).toBe('')
  })
})

it('a query leaves out what was not asked', () => {
  expect(withQuery('/calls', { q: '', outcome: 'answered', mine: null, page: 1 })).toBe(
    '/calls?outcome=answered&page=1',
  )
})

it('a key press is spelled as in the list of shortcuts', () => {
  const press = (key: string, code: string, with_ = {}) =>
    spelled({ key, code, ctrlKey: false, metaKey: false, altKey: false, ...with_ })
  expect(press('F7', 'F7')).toBe('F7')
  expect(press('s', 'KeyS', { ctrlKey: true })).toBe('Ctrl+S')
  expect(press('¡', 'Digit1', { altKey: true })).toBe('Alt+1')
  expect(press(' ', 'Space', { ctrlKey: true })).toBe('Ctrl+Space')
})
