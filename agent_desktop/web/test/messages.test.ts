import { beforeEach, describe, expect, it, vi } from 'vitest'

import { messagesApi, type FloorMessage } from '../src/api/messages'
import { SHOWN_MS, useMessages } from '../src/stores/messages'
import { useTold } from '../src/stores/told'
import { newBrowser } from './setting'

const aMessage = (id: number, change: Partial<FloorMessage> = {}): FloorMessage => ({
  id,
  at: 1000 + id,
  mine: false,
  sender_name: '王班长',
  sender_login: 'leader01',
  sender_role_label: '班长',
  to_label: '全体人员',
  text: '请注意礼貌用语',
  urgent: false,
  read_at: null,
  receipts: null,
  ...change,
})
let server: FloorMessage[] = []
const unread = () => server.filter((one) => !one.mine && one.read_at === null).length

beforeEach(() => {
  vi.restoreAllMocks()
  newBrowser()
  vi.useFakeTimers()
  server = []
  vi.spyOn(messagesApi, 'list').mockImplementation(async () => ({
    rows: server.map((one) => ({ ...one })),
    unread: unread(),
  }))
  vi.spyOn(messagesApi, 'read').mockImplementation(async (id) => {
    const one = server.find((row) => row.id === id)!
    one.read_at = 5000
    return { ...one }
  })
})

describe('a message', () => {
  it('is shown at once, goes by itself and stays unread; an urgent one stays until it is read', async () => {
    const messages = useMessages()
    server = [aMessage(2, { urgent: true }), aMessage(1)]
    await messages.take({ id: 1, unread: 1 })
    await messages.take({ id: 2, unread: 2 })
    expect(messages.notices.map((one) => one.id)).toEqual([1, 2])
    vi.advanceTimersByTime(SHOWN_MS)
    expect(messages.notices.map((one) => one.id)).toEqual([2])
    expect(messages.unread).toBe(2)
    await messages.read(2)
    expect([messages.notices.length, messages.unread]).toEqual([0, 1])
  })

  it('that came before the page was opened is not shown again unless it is urgent', async () => {
    const messages = useMessages()
    server = [aMessage(2, { urgent: true }), aMessage(1)]
    await messages.load()
    expect(messages.notices.map((one) => one.id)).toEqual([2])
  })

  it('of mine has its read marks counted without asking for the list again', async () => {
    const messages = useMessages()
    server = [aMessage(3, { mine: true, receipts: { read: 0, total: 12 } })]
    await messages.load()
    await messages.take({ id: 3, unread: 0, read: 5, total: 12 })
    expect(messages.rows[0].receipts).toEqual({ read: 5, total: 12 })
    expect(messagesApi.list).toHaveBeenCalledTimes(1)
  })

  it('read on another page of mine is read here', async () => {
    const messages = useMessages()
    server = [aMessage(1, { urgent: true })]
    await messages.load()
    server[0].read_at = 9
    await messages.take({ id: 1, unread: 0, read_by_me: true })
    expect([messages.notices.length, messages.unread]).toEqual([0, 0])
  })

  it('what leaders do at the seat is told for a while', () => {
    const told = useTold()
    for (const verb of ['ready', 'not_ready', 'take_help']) told.take({ verb, by_name: '王班长', reason: '' })
    expect(told.news.map((one) => one.verb)).toEqual(['not_ready', 'take_help'])
    vi.advanceTimersByTime(20_000)
    expect(told.news).toEqual([])
  })
})
