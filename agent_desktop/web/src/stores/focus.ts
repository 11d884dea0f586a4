/**
 * The seat in focus: its call's path, what its agent sees, the ticket being written. A push says that something has
 * changed and nothing more; the facts are fetched, one request at a time, the last change always included.
 */
import { defineStore } from 'pinia'
import { computed, ref, shallowRef, watch } from 'vue'

import { ApiError } from '../api'
import { floorApi } from '../api/floor'
import { tellServer } from '../push'
import { backOff } from '../rules/pushes'
import type { CallFocus, FocusPush, SeatFocus } from '../types/floor'
import { useFloor } from './floor'

/** Fetches on demand; asked again while a request is on its way, it fetches once more after it. */
function fetcher<Answer>(
  get: () => Promise<Answer>,
  take: (answer: Answer) => void,
  fail: (e: unknown) => void,
) {
  let flying = false
  let again = false
  let round = 0
  let attempt = 0
  let retry: ReturnType<typeof setTimeout> | undefined
  async function ask(): Promise<void> {
    if (flying) {
      again = true
      return
    }
    clearTimeout(retry)
    flying = true
    const mine = round
    try {
      const answer = await get()
      if (mine !== round) return
      attempt = 0
      take(answer)
    } catch (error) {
      if (mine !== round) return
      fail(error)
      const hopeless = error instanceof ApiError && [401, 403, 404].includes(error.status)
      if (!hopeless) retry = setTimeout(() => void ask(), backOff(attempt++))
    } finally {
      if (mine === round) {
        flying = false
        if (again) {
          again = false
          void ask()
        }
      }
    }
  }
  function drop(): void {
    clearTimeout(retry)
    round += 1
    flying = again = false
    attempt = 0
  }
  return { ask, drop }
}

export const useFocus = defineStore('focus', () => {
  const seat = ref<string | null>(null)
  /** The call that is shown; it stays after it has ended, until the seat's next one. */
  const uid = ref<string | null>(null)
  const call = shallowRef<CallFocus | null>(null)
  const history = shallowRef<SeatFocus['history'] | null>(null)
  const failure = ref<unknown>(null)

  const tile = computed(() => (seat.value ? (useFloor().tiles.get(seat.value) ?? null) : null))
  /** The call is over; what is shown is how it was. */
  const ended = computed(() => uid.value !== null && tile.value?.call?.uid !== uid.value)

  const calls = fetcher(
    () => floorApi.call(uid.value!),
    (answer) => {
      call.value = answer
      failure.value = null
    },
    (error) => (failure.value = error),
  )
  const seats = fetcher(
    () => floorApi.seat(seat.value!),
    (answer) => (history.value = answer.history),
    () => undefined,
  )

  function show(number: string): void {
    if (seat.value === number) return
    if (seat.value) close()
    seat.value = number
    tellServer('focus_open', { seat: number })
    void seats.ask()
    follow(tile.value?.call?.uid ?? null)
  }
  function follow(next: string | null): void {
    if (!next || next === uid.value) return
    calls.drop()
    uid.value = next
    call.value = null
    failure.value = null
    void calls.ask()
  }
  function close(): void {
    if (!seat.value) return
    tellServer('focus_close')
    calls.drop()
    seats.drop()
    seat.value = uid.value = null
    call.value = null
    history.value = null
    failure.value = null
  }
  function heard(push: FocusPush): void {
    if (push.seat !== seat.value) return
    follow(push.uid)
    if (push.uid === uid.value && uid.value) void calls.ask()
  }
  /** After a lost line or a sleep: say again what is looked at, and look anew. */
  function again(): void {
    if (!seat.value) return
    tellServer('focus_open', { seat: seat.value })
    void seats.ask()
    if (uid.value) void calls.ask()
  }

  watch(
    () => tile.value?.call?.uid ?? null,
    (next) => follow(next),
  )
  // The map tells a change of the call as soon as the focus push does; whichever comes first is enough.
  watch(
    () => [tile.value?.word, tile.value?.call?.state, tile.value?.since],
    () => {
      if (!seat.value) return
      void seats.ask()
      if (uid.value) void calls.ask()
    },
  )
  return { seat, uid, tile, call, history, failure, ended, show, close, heard, again }
})
