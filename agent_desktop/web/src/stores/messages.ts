/** Messages to me and from me: the list, how many are unread, and those that are to be seen at once. */
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'

import { messagesApi, type FloorMessage, type MessageKind, type MessagePush } from '../api/messages'

/** A message that is not urgent is shown at once for so long; it stays unread in the list. */
export const SHOWN_MS = 15_000
const SHOWN_AT_ONCE = 3

export const useMessages = defineStore('messages', () => {
  const rows = ref<FloorMessage[]>([])
  const unread = ref(0)
  const loaded = ref(false)
  const failure = ref<unknown>(null)
  const open = ref(false)
  /** Ids of those that came while the page was open, and until when they are shown. */
  const fresh = ref(new Map<number, number>())
  let loading: Promise<void> | null = null
  let again = false

  /** Urgent ones until they are read, others for a while; the newest last. */
  const notices = computed(() =>
    rows.value
      .filter((one) => !one.mine && one.read_at === null && (one.urgent || fresh.value.has(one.id)))
      .slice(0, SHOWN_AT_ONCE)
      .reverse(),
  )

  /** One at a time; what is asked meanwhile is asked once more afterwards. */
  function load(): Promise<void> {
    again = loading !== null
    loading ??= fetchAll().finally(() => {
      loading = null
      if (again) void load()
    })
    return loading
  }
  async function fetchAll(): Promise<void> {
    try {
      const found = await messagesApi.list()
      rows.value = found.rows
      unread.value = found.unread
      loaded.value = true
      failure.value = null
    } catch (error) {
      failure.value = error
    }
  }
  async function take(push: MessagePush): Promise<void> {
    unread.value = push.unread
    const known = rows.value.find((one) => one.id === push.id)
    if (known && push.total !== undefined) {
      known.receipts = { read: push.read ?? 0, total: push.total }
      return
    }
    if (!known && !push.read_by_me) show(push.id)
    await load()
  }
  function show(id: number): void {
    fresh.value.set(id, Date.now() + SHOWN_MS)
    setTimeout(() => hide(id), SHOWN_MS)
  }
  /** Out of sight for now; still unread. */
  function hide(id: number): void {
    fresh.value.delete(id)
  }
  async function read(id: number): Promise<void> {
    const row = await messagesApi.read(id)
    const known = rows.value.find((one) => one.id === id)
    if (known && known.read_at === null) {
      known.read_at = row.read_at
      unread.value = Math.max(0, unread.value - 1)
    }
    hide(id)
  }
  async function readAll(): Promise<void> {
    for (const one of rows.value.filter((row) => !row.mine && row.read_at === null)) await read(one.id)
  }
  /** Gives to whom it went, in words. */
  async function send(kind: MessageKind, target: string, text: string, urgent: boolean): Promise<string> {
    const row = await messagesApi.send(kind, target, text, urgent)
    if (!rows.value.some((one) => one.id === row.id)) rows.value.unshift(row)
    return row.to_label
  }
  function forget(): void {
    rows.value = []
    unread.value = 0
    loaded.value = open.value = false
    fresh.value.clear()
  }
  return { rows, unread, loaded, failure, open, notices, load, take, hide, read, readAll, send, forget }
})
