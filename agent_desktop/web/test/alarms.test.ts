import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import * as tone from '../src/alarms/tone'
import { alarmsApi, type Alarm, type AlarmKind } from '../src/api/alarms'
import words from '../src/i18n/zh-CN'
import { hasNew, newRule, sounding, typed, whereOf } from '../src/rules/alarms'
import { useAlarms } from '../src/stores/alarms'
import { useSession } from '../src/stores/session'
import { newBrowser, offline } from './setting'

const alarm = (change: Partial<Alarm> = {}): Alarm => ({
  id: 1,
  key: '3:',
  kind: 'longest_wait',
  kind_label: '最长等待',
  queue: 'general',
  queue_label: '综合咨询',
  subject: null,
  subject_label: null,
  detail: '',
  value: 70,
  value_label: '1 分 10 秒',
  worst: 70,
  worst_label: '1 分 10 秒',
  threshold: 60,
  threshold_label: '≥ 1 分 00 秒',
  raised_at: 1_000,
  cleared_at: null,
  quiet: false,
  sounds: true,
  acknowledged_by: null,
  acknowledged_at: null,
  note: '',
  ...change,
})

describe('an alarm in words', () => {
  it('says what it is of', () => {
    expect(whereOf(alarm())).toBe('综合咨询')
    expect(whereOf(alarm({ queue_label: null, subject_label: '一号席' }))).toBe('一号席')
    expect(whereOf(alarm({ queue_label: null }))).toBe('')
  })
  it('has a name and an explanation for each kind', () => {
    expect(Object.keys(words.alarms.rule.about)).toEqual(Object.keys(words.alarms.kinds))
  })
  it('is heard unless it is quiet or acknowledged, and anew when it comes again', () => {
    const before = sounding([alarm(), alarm({ key: '4:', sounds: false })])
    expect([...before]).toEqual(['3: 1000'])
    expect(hasNew(before, sounding([alarm({ value: 99 })]))).toBe(false)
    expect(hasNew(before, sounding([alarm({ raised_at: 9_000 })]))).toBe(true)
  })
})

describe('a rule', () => {
  const kind = (change: Partial<AlarmKind>): AlarmKind => ({
    kind: 'disk',
    label: '磁盘使用率',
    unit: 'percent',
    above: true,
    by_queue: false,
    rate: false,
    most: 100,
    ...change,
  })
  it('takes numbers, and gives the server what is none', () => {
    expect(['60', ' 7.5 ', '-1', '', '1e3', '六十'].map(typed)).toEqual([60, 7.5, -1, null, null, null])
  })
  it('begins with a threshold on the right side of its end', () => {
    for (const one of [kind({}), kind({ unit: 'seconds' })])
      expect(newRule(one).threshold).toBeGreaterThan(newRule(one).clear_at)
    for (const one of [kind({ above: false }), kind({ above: false, unit: 'seats' })])
      expect(newRule(one).threshold).toBeLessThan(newRule(one).clear_at)
  })
})

describe('the sound', () => {
  const play = vi.spyOn(tone, 'playAlarm')
  const settle = () => vi.advanceTimersByTimeAsync(1)
  beforeEach(() => {
    vi.useFakeTimers()
    newBrowser()
    play.mockReset().mockResolvedValue(true)
  })
  afterEach(() => vi.useRealTimers())

  it('comes at once, again every 15 s, and ends with the acknowledgement', async () => {
    const alarms = useAlarms()
    alarms.listen()
    alarms.take([alarm()])
    await settle()
    expect(play).toHaveBeenCalledTimes(1)
    alarms.take([alarm({ value: 80 })])
    await vi.advanceTimersByTimeAsync(30_000)
    expect(play).toHaveBeenCalledTimes(3)
    alarms.take([alarm({ sounds: false, acknowledged_at: 2_000 })])
    await vi.advanceTimersByTimeAsync(60_000)
    expect(play).toHaveBeenCalledTimes(3)
  })
  it('is not heard in a muted browser, nor without a strip', async () => {
    const alarms = useAlarms()
    alarms.take([alarm()])
    await settle()
    expect(play).not.toHaveBeenCalled()
    const stop = alarms.listen()
    await settle()
    expect(play).toHaveBeenCalledTimes(1)
    alarms.mute(true)
    alarms.take([alarm(), alarm({ key: '5:' })])
    await vi.advanceTimersByTimeAsync(60_000)
    expect(play).toHaveBeenCalledTimes(1)
    expect(localStorage.getItem('alarms-muted')).toBe('1')
    alarms.mute(false)
    await settle()
    expect(play).toHaveBeenCalledTimes(2)
    stop()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(play).toHaveBeenCalledTimes(2)
  })
  it('says that the browser keeps it silent', async () => {
    vi.stubGlobal('addEventListener', vi.fn())
    play.mockResolvedValue(false)
    const alarms = useAlarms()
    alarms.listen()
    alarms.take([alarm()])
    await settle()
    expect(alarms.blocked).toBe(true)
    vi.unstubAllGlobals()
  })
})

describe('after a reconnect', () => {
  beforeEach(newBrowser)
  it('a leader asks anew, and a push that came meanwhile wins', async () => {
    useSession().user!.role = 'shift_leader'
    const alarms = useAlarms()
    let answer: (page: never) => void = () => undefined
    const list = vi.spyOn(alarmsApi, 'list').mockReturnValue(new Promise((done) => (answer = done)))
    const loading = alarms.load()
    alarms.take([])
    answer({ open: [alarm()] } as never)
    await loading
    expect(alarms.open).toEqual([])
    list.mockResolvedValue({ open: [alarm()] } as never)
    await alarms.load()
    expect(alarms.open).toHaveLength(1)
    list.mockRejectedValue(offline())
    await alarms.load()
    expect(alarms.open).toHaveLength(1)
  })
  it('an agent does not ask', async () => {
    const list = vi.spyOn(alarmsApi, 'list').mockClear()
    await useAlarms().load()
    expect(list).not.toHaveBeenCalled()
  })
})
