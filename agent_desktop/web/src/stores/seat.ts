/**
 * The agent's seat as the server tells it: presence, activity, the call at hand.
 * Nothing here is guessed: a click only sends a command, and these facts change when the push comes back.
 */
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'

import { ApiError, api } from '../api'
import { backOff, order } from '../rules/pushes'
import type { CallView, PushedCall, Seat, SeatPicture, SeatPush, SnapshotPush, Today } from '../types'

/** One word for the chip: what matters most of presence, activity and reachability. */
export type SeatWord =
  | 'signed_out'
  | 'ready'
  | 'not_ready'
  | 'after_call'
  | 'ringing'
  | 'dialing'
  | 'talking'
  | 'holding'
  | 'unreachable'

export function seatWord(seat: Seat | null): SeatWord {
  if (!seat) return 'signed_out'
  if (seat.activity !== 'idle') return seat.activity
  if (seat.presence === 'signed_out') return 'signed_out'
  if (!seat.reachable) return 'unreachable'
  if (seat.presence === 'ready') return 'ready'
  return seat.reason === 'after_call' ? 'after_call' : 'not_ready'
}

export const useSeat = defineStore('seat', () => {
  const seat = ref<Seat | null>(null)
  const call = ref<CallView | null>(null)
  const today = ref<Today | null>(null)
  /** Number of the last push taken; null before the first snapshot. */
  const n = ref<number | null>(null)
  const loaded = ref(false)
  let taken = 0
  let refreshing: Promise<void> | null = null
  let retry: ReturnType<typeof setTimeout> | undefined
  let attempt = 0

  const word = computed(() => seatWord(seat.value))

  function mergeCall(pushed: PushedCall | null): void {
    const known = pushed && call.value?.uid === pushed.uid ? call.value : null
    call.value = pushed ? { ...known, ...pushed } : null
  }
  function takeFacts(push: { n: number; seat: Seat | null; call: PushedCall | null }): void {
    taken += 1
    n.value = push.n
    seat.value = push.seat
    mergeCall(push.call)
    loaded.value = true
  }
  /** Each push tells the whole seat, so one after a gap is still true; what it lacks is fetched. */
  function takePush(push: SeatPush): void {
    const place = order(n.value, push.n)
    if (place === 'late') return
    takeFacts(push)
    if (place === 'gap') void refresh()
  }
  function takeSnapshot(push: SnapshotPush): void {
    takeFacts(push)
    void refresh()
  }
  function takePicture(picture: SeatPicture): void {
    seat.value = picture.seat
    call.value = picture.call
    if (picture.today) today.value = picture.today
    loaded.value = true
  }
  /** GET /api/seat, tried again with back-off until it answers. One at a time. */
  function refresh(): Promise<void> {
    clearTimeout(retry)
    refreshing ??= fetchPicture().finally(() => (refreshing = null))
    return refreshing
  }
  async function fetchPicture(): Promise<void> {
    const before = taken
    try {
      const picture = await api.seat()
      attempt = 0
      // A push that came meanwhile is newer than this answer: ask again rather than go back in time.
      if (taken !== before) retry = setTimeout(() => void refresh(), 50)
      else takePicture(picture)
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return
      retry = setTimeout(() => void refresh(), backOff(attempt++))
    }
  }
  function forget(): void {
    clearTimeout(retry)
    seat.value = null
    call.value = null
    n.value = null
    loaded.value = false
  }
  return { seat, call, today, n, loaded, word, takePush, takeSnapshot, refresh, forget }
})
