/**
 * One numbered view of the server (map, board, wall) kept true: a snapshot, then pushes n+1, n+2…
 *
 *   off ──open──► loading ──snapshot──► live ──gap, sleep, reconnect──► (snapshot again, still shown)
 *                    └─ no answer: asked again, slower and slower ─► retrying
 *
 * A push after a gap is taken (each row in it is whole) and the rest is fetched. Pushes that come while a snapshot is
 * on its way are laid over it when they are newer. So for any order of arrival: snapshot + pushes == a fresh snapshot.
 */
import { ref } from 'vue'

import { ApiError } from '../api'
import { backOff, order } from '../rules/pushes'

export type FeedState = 'off' | 'loading' | 'live' | 'retrying' | 'refused'

export interface Source<Snapshot, Push> {
  /** Over the socket: joins the room too. */
  join(): Promise<Snapshot>
  leave(): void
  /** Over HTTP: after a gap the room is still ours. */
  fetch(): Promise<Snapshot>
  number(snapshot: Snapshot): number
  takeSnapshot(snapshot: Snapshot): void
  takePush(push: Push): void
}

const isRefusal = (error: unknown) => error instanceof ApiError && [401, 403].includes(error.status)

export function makeFeed<Snapshot, Push extends { n: number }>(source: Source<Snapshot, Push>) {
  const state = ref<FeedState>('off')
  const failure = ref<unknown>(null)
  let users = 0
  let n: number | null = null
  let joined = false
  let joining = false
  let meanwhile: Push[] | null = null
  let round = 0
  let attempt = 0
  let retry: ReturnType<typeof setTimeout> | undefined

  function open(): void {
    users += 1
    if (users > 1) return
    state.value = 'loading'
    void ask()
  }
  function close(): void {
    if (users === 0) return
    users -= 1
    if (users > 0) return
    stop()
    source.leave()
  }
  function stop(): void {
    clearTimeout(retry)
    round += 1
    users = 0
    n = null
    joined = false
    meanwhile = null
    attempt = 0
    state.value = 'off'
    failure.value = null
  }
  /** The socket is up (again): the server has forgotten which rooms we were in. */
  function reconnected(): void {
    // What was asked before the first connection is sent by that connection.
    if (joining && !joined) return
    joined = false
    if (users) void ask()
  }
  /** The page may have slept: what it shows is asked for at once, whatever the socket believes. */
  function awake(): void {
    if (users) void ask()
  }

  async function ask(): Promise<void> {
    clearTimeout(retry)
    const mine = ++round
    meanwhile = []
    try {
      const snapshot = await get()
      if (mine !== round || !users) return
      const newer = meanwhile ?? []
      meanwhile = null
      if (joined) attempt = 0
      n = source.number(snapshot)
      source.takeSnapshot(snapshot)
      state.value = 'live'
      failure.value = null
      for (const push of newer) hear(push)
      // It came over HTTP: what changes from now on is heard only in the room.
      if (!joined) retry = setTimeout(() => void ask(), backOff(attempt++))
    } catch (error) {
      if (mine !== round || !users) return
      const refused = isRefusal(error)
      failure.value = error
      state.value = refused ? 'refused' : 'retrying'
      if (!refused) retry = setTimeout(() => void ask(), backOff(attempt++))
    }
  }
  async function get(): Promise<Snapshot> {
    if (joined) return source.fetch()
    joining = true
    try {
      const snapshot = await source.join()
      joined = true
      return snapshot
    } catch (error) {
      if (isRefusal(error)) throw error
      return source.fetch()
    } finally {
      joining = false
    }
  }
  function hear(push: Push): void {
    if (!users) return
    if (meanwhile) {
      meanwhile.push(push)
      // Once something is shown it goes on moving while the snapshot is on its way.
      if (n === null || push.n <= n) return
      source.takePush(push)
      return
    }
    const place = order(n, push.n)
    if (place === 'late') return
    n = push.n
    source.takePush(push)
    if (place === 'gap') void ask()
  }
  return { state, failure, open, close, stop, reconnected, awake, hear, again: ask }
}
