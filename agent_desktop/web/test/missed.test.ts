import { beforeEach, describe, expect, it } from 'vitest'

import { likely, missedOf, MISSED_RESULTS, placeAfter, resultOfKey, waited } from '../src/rules/missed'
import { useMissed } from '../src/stores/missed'
import { useSession } from '../src/stores/session'
import type { CallView, MissedRow } from '../src/types'
import { aCall, answer, newBrowser, newPage, offline } from './setting'

const aRow = { id: 4, number: { masked: '138****5678' } } as MissedRow
const back = (change: Partial<CallView> = {}): CallView =>
  ({ ...aCall({ uid: 'pbx1-9.9', state: 'dialing' }), about: 'missed:4', ...change }) as CallView

describe('the rules', () => {
  it('gives each result a key, and other keys none', () => {
    expect(MISSED_RESULTS.map((_, i) => resultOfKey(String(i + 1)))).toEqual([...MISSED_RESULTS])
    for (const key of ['0', '7', 'Enter', 'd', '']) expect(resultOfKey(key)).toBeNull()
  })
  it('finds the row in what a call is about', () => {
    expect(missedOf('missed:12')).toBe(12)
    for (const about of ['ticket:12', 'missed:', 'missed:1x', '', null, undefined])
      expect(missedOf(about)).toBeNull()
  })
  it('says a wait as people do', () => {
    expect(waited(-5)).toEqual({ unit: 'minutes', n: 0 })
    expect(waited(119 * 60 + 59)).toEqual({ unit: 'minutes', n: 119 })
    expect(waited(2 * 3600)).toEqual({ unit: 'hours', n: 2 })
    expect(waited(48 * 3600)).toEqual({ unit: 'days', n: 2 })
  })
  it('keeps the focus in the list', () => {
    expect([placeAfter(3, 3), placeAfter(-1, 3), placeAfter(1, 3), placeAfter(0, 0)]).toEqual([2, 0, 1, -1])
  })
  it('offers what the line has said', () => {
    expect([likely(true), likely(false)]).toEqual(['reached', 'no_answer'])
  })
})

describe('a call back', () => {
  beforeEach(newBrowser)

  it('is asked for its result when it has ended, and not before', () => {
    const missed = useMissed()
    missed.dialling(aRow)
    missed.follow(back())
    expect(missed.asking).toBeNull()
    missed.follow(back({ state: 'talking', answered_at: 5 }))
    missed.follow(null)
    expect(missed.asking).toMatchObject({ id: 4, number: '138****5678', answered: true, fromList: true })
  })
  it('is known too when another page has dialled it', () => {
    const missed = useMissed()
    missed.follow(back())
    missed.follow(null)
    expect(missed.asking).toMatchObject({ id: 4, answered: false, fromList: false })
  })
  it('is not mixed up with other calls', () => {
    const missed = useMissed()
    missed.follow(aCall() as CallView)
    missed.follow(null)
    expect(missed.callBack).toBeNull()
    missed.dialling(aRow)
    missed.follow(aCall() as CallView)
    missed.follow(null)
    expect(missed.asking).toBeNull()
  })
  it('is forgotten when it was not dialled', () => {
    const missed = useMissed()
    missed.dialling(aRow)
    missed.notDialled()
    missed.follow(null)
    expect(missed.callBack).toBeNull()
  })
  it('is still asked for after a reload, of the same agent only', () => {
    useMissed().follow(back())
    newPage()
    const missed = useMissed()
    missed.restore(null)
    expect(missed.asking).toMatchObject({ id: 4 })
    newPage()
    useSession().user!.id = 8
    useMissed().restore(null)
    expect(useMissed().callBack).toBeNull()
  })
  it('is said once, and put away', async () => {
    const missed = useMissed()
    const said = answer('sayMissed').mockResolvedValue({ ...aRow, closed_as: 'reached' })
    missed.follow(back())
    missed.follow(null)
    expect((await missed.say('busy', '下午再打'))?.closed_as).toBe('reached')
    expect(said).toHaveBeenCalledWith(4, 'busy', '下午再打')
    expect(missed.asking).toBeNull()
    expect(await missed.say('busy', '')).toBeNull()
    expect(sessionStorage.getItem('missed-call')).toBeNull()
  })
  it('stays asked for when the server is away', async () => {
    const missed = useMissed()
    answer('sayMissed').mockRejectedValue(offline())
    missed.follow(back())
    missed.follow(null)
    await expect(missed.say('busy', '')).rejects.toThrow()
    expect(missed.asking).not.toBeNull()
  })
  it('counts for those who call back only', async () => {
    const missed = useMissed()
    const asked = answer('missedCount').mockResolvedValue({ open: 3 })
    await missed.count()
    expect(missed.open).toBe(3)
    useSession().user!.role = 'inspector'
    await missed.count()
    expect(asked).toHaveBeenCalledTimes(1)
  })
})
