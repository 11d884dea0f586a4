import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { ApiError } from '../src/api'
import { useDesk } from '../src/stores/desk'
import { useForm } from '../src/stores/form'
import { usePop } from '../src/stores/pop'
import { useSeat } from '../src/stores/seat'
import { useSession } from '../src/stores/session'
import { aCall, answer, newBrowser, newPage, offline } from './setting'

beforeEach(() => {
  vi.useFakeTimers()
  newBrowser()
  answer('draft').mockResolvedValue(null)
  answer('saveDraft').mockResolvedValue({ saved_at: 1 })
  answer('pop').mockImplementation(async (uid: string) => ({ uid, draft: null }))
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

const ringing = (uid = 'pbx1-1.1') => aCall({ uid })
const talking = (uid = 'pbx1-1.1') => aCall({ uid, state: 'talking', answered_at: 4_000 })

describe('the desk', () => {
  it('shows pop and form of a ringing call', async () => {
    useDesk().follow(ringing(), 0)
    await vi.runAllTimersAsync()
    expect(usePop().pop?.uid).toBe('pbx1-1.1')
    expect(useForm().callUid).toBe('pbx1-1.1')
  })

  it('is clean again when the ring was not answered', async () => {
    useDesk().follow(ringing(), 0)
    useDesk().follow(null, 1)
    await vi.runAllTimersAsync()
    expect([usePop().uid, useForm().callUid, useDesk().uid]).toEqual([null, null, null])
  })

  it('opens the form behind the pop, and without it when it does not come soon or the call is answered', async () => {
    answer('pop').mockReturnValue(new Promise(() => undefined))
    useDesk().follow(ringing(), 0)
    expect([usePop().uid, useForm().callUid]).toEqual(['pbx1-1.1', null])
    await vi.advanceTimersByTimeAsync(1_000)
    expect(useForm().callUid).toBe('pbx1-1.1')
    useDesk().follow(ringing('pbx1-2.2'), 1_000)
    useDesk().follow(talking('pbx1-2.2'), 1_001)
    expect(useForm().callUid).toBe('pbx1-2.2')
  })

  it('keeps what is typed into the old form before the new one opens', async () => {
    const desk = useDesk()
    desk.follow(talking(), 0)
    desk.follow(null, 9)
    desk.follow(ringing('pbx1-2.2'), 10)
    useForm().form.what = '油烟直排'
    await vi.advanceTimersByTimeAsync(1_000)
    expect([useForm().callUid, useForm().form.what]).toEqual(['pbx1-1.1', '油烟直排'])
  })

  it('keeps pop and form after the call until the agent is ready', () => {
    const desk = useDesk()
    desk.follow(talking(), 0)
    desk.follow(null, 9)
    expect(desk.uid).toBe('pbx1-1.1')
    expect(usePop().uid).toBe('pbx1-1.1')
    desk.tidy()
    expect(desk.uid).toBeNull()
  })

  it('keeps them when the call was to be given back and was not', () => {
    const desk = useDesk()
    const returning = aCall({ state: 'returning', answered_at: null })
    for (const call of [ringing(), talking(), returning, ringing(), null]) desk.follow(call, 9)
    expect([desk.uid, desk.endedAt]).toEqual(['pbx1-1.1', 9])
  })

  it('does not take a half-written ticket away for a ring, only for an answered call', async () => {
    const desk = useDesk()
    desk.follow(talking(), 0)
    useForm().form.what = '油烟直排'
    desk.follow(null, 9)
    desk.tidy()
    desk.follow(ringing('pbx1-2.2'), 10)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(useForm().callUid).toBe('pbx1-1.1')
    expect(usePop().uid).toBe('pbx1-2.2')
    desk.follow(talking('pbx1-2.2'), 11)
    expect(useForm().callUid).toBe('pbx1-2.2')
  })

  it('after a reload in after-call work shows the same call', () => {
    useDesk().follow(talking(), 0)
    newPage()
    useSeat().call = null
    useDesk().restore()
    expect(useForm().callUid).toBe('pbx1-1.1')
  })
})

it('the pop is asked for until the server answers', async () => {
  const get = answer('pop').mockRejectedValue(offline())
  usePop().show('pbx1-1.1')
  await vi.advanceTimersByTimeAsync(3_000)
  expect(usePop().status).toBe('retrying')
  get.mockResolvedValue({ uid: 'pbx1-1.1' })
  await vi.advanceTimersByTimeAsync(8_000)
  expect(usePop().status).toBe('there')
})

it('a pop without the database shows the live facts and is asked for again', async () => {
  const get = answer('pop').mockResolvedValueOnce({ uid: 'pbx1-1.1', database: false })
  get.mockResolvedValue({ uid: 'pbx1-1.1', database: true })
  usePop().show('pbx1-1.1')
  await vi.advanceTimersByTimeAsync(100)
  expect([usePop().status, usePop().pop?.uid]).toEqual(['partial', 'pbx1-1.1'])
  await vi.advanceTimersByTimeAsync(2_000)
  expect(usePop().status).toBe('there')
})

it('an agent does not come back to the call of another at the same computer', () => {
  useDesk().follow(talking(), 0)
  newPage()
  useSession().user!.id = 8
  useDesk().restore()
  expect(useForm().callUid).toBeNull()
})

it('the draft comes with the pop, without a request of its own', async () => {
  const asked = answer('draft')
  answer('pop').mockResolvedValue({ uid: 'pbx1-1.1', draft: { body: { title: '路灯不亮' }, saved_at: 3 } })
  useDesk().follow(ringing(), 0)
  await vi.runAllTimersAsync()
  expect(useForm().form.title).toBe('路灯不亮')
  expect(asked).not.toHaveBeenCalled()
})

it('the draft is asked for by itself when there is no pop any more', async () => {
  answer('draft').mockResolvedValue({ body: { title: '路灯不亮' }, saved_at: 3 })
  answer('pop').mockRejectedValue(new ApiError(404, 'not_found', ''))
  useDesk().follow(talking(), 0)
  await vi.advanceTimersByTimeAsync(10_000)
  expect(usePop().status).toBe('unknown')
  expect(useForm().form.title).toBe('路灯不亮')
})
