/**
 * My own supervision: listening to a seat, whispering, barging in, taking the call over.
 *
 *   (none) ──watch──► calling (my telephone rings) ──► on ──mode──► on ──take over──► on, the citizen is mine
 *                └─ follow: waiting for the seat's next call ──► calling …          └─ leave, or a phone that drops
 *
 * What is, the server says (`floor.myWatch`); this store sends wishes and keeps the leader's telephone right.
 */
import { defineStore } from 'pinia'
import { computed, ref, watch } from 'vue'

import { ApiError } from '../api'
import { floorApi } from '../api/floor'
import { PAGE } from '../page'
import type { Expects, Watch, WatchMode } from '../types/floor'
import { useFloor } from './floor'
import { useSession } from './session'
import { useSoftphone } from './softphone'

export const BROWSER = 'browser'
/** Registering takes a second; a permission that is asked for may take its time. */
const REGISTER_MS = 12_000
/** What is wished is on the screen by then, or something is wrong. */
const PUSH_MS = 6_000
/** After a reload the sound may still be on its way to this page. */
const SOUND_MS = 4_000

const LAST = 'floor-watch'
interface Last {
  user: number
  seat: string
  mode: WatchMode
  telephone: string
}

/** Resolves true once `is` holds, false after `limit` ms. */
function until(is: () => boolean, limit: number): Promise<boolean> {
  if (is()) return Promise.resolve(true)
  return new Promise((resolve) => {
    const stop = watch(is, (now) => now && done(true), { flush: 'sync' })
    const late = setTimeout(() => done(false), limit)
    function done(found: boolean) {
      stop()
      clearTimeout(late)
      resolve(found)
    }
  })
}

export const useWatching = defineStore('watching', () => {
  const floor = useFloor()
  const softphone = useSoftphone()
  const telephone = ref(BROWSER)
  /** The wish on its way; the buttons wait for it. */
  const pending = ref<WatchMode | 'leave' | null>(null)
  const mine = computed<Watch | null>(() => floor.myWatch)
  /** What this page was at before it was loaded anew, and is no more. */
  const broken = ref<Last | null>(null)
  const voiceless = ref(false)
  const mutedByMe = ref(false)
  let holdsMap = false
  let silence: ReturnType<typeof setTimeout> | undefined
  let stops: (() => void)[] = []

  const usesBrowser = computed(() => mine.value?.telephone === BROWSER)
  /** The citizen, or both, would hear this microphone. */
  const speaks = computed(() => mine.value?.state === 'on' && mine.value.mode !== 'listen')

  // --- the page's life -----------------------------------------------------------------------------

  function start(): void {
    if (stops.length) return
    broken.value = recalled()
    if (broken.value) holdMap(true)
    stops = [
      watch(mine, (now, before) => changed(now, before), { immediate: true }),
      watch([mine, () => softphone.call?.state], () => hear(), { immediate: true }),
    ]
  }
  function stop(): void {
    for (const undo of stops) undo()
    stops = []
    clearTimeout(silence)
    holdMap(false)
    pending.value = null
    broken.value = null
    voiceless.value = false
  }
  /** The map is kept open while I am at a call, on whichever page: it tells when it is over. */
  function holdMap(hold: boolean): void {
    if (hold === holdsMap) return
    holdsMap = hold
    if (hold) floor.open('map')
    else floor.close('map')
  }
  function changed(now: Watch | null, before: Watch | null | undefined): void {
    if (now) {
      holdMap(true)
      // A desk phone does not mind that the page was loaded anew.
      if (now.telephone !== BROWSER) broken.value = null
      remember({ user: userId(), seat: now.seat, mode: now.mode, telephone: now.telephone })
      if (now.mode !== before?.mode) mutedByMe.value = false
      return
    }
    if (before) {
      // The page before had the sound; its going has ended the rest. Otherwise: ended as wished, or with its call.
      if (broken.value) return
      remember(null)
      holdMap(false)
    } else if (floor.mapState === 'live' && !broken.value) holdMap(false)
  }
  const userId = () => useSession().user?.id ?? 0
  function recalled(): Last | null {
    const kept = JSON.parse(globalThis.sessionStorage?.getItem(LAST) ?? 'null') as Last | null
    return kept?.user === userId() ? kept : null
  }
  function remember(last: Last | null): void {
    if (last) globalThis.sessionStorage?.setItem(LAST, JSON.stringify(last))
    else globalThis.sessionStorage?.removeItem(LAST)
  }

  // --- the telephone -------------------------------------------------------------------------------

  /** Listening, nothing leaves this microphone, whatever the PBX does; and it is open when it should be heard. */
  function hear(): void {
    clearTimeout(silence)
    voiceless.value = false
    const at = mine.value
    if (at?.state === 'on' && usesBrowser.value && !softphone.call)
      silence = setTimeout(() => (voiceless.value = true), SOUND_MS)
    if (softphone.call?.state !== 'talking') return
    const muted = !speaks.value || mutedByMe.value
    if (softphone.call.muted !== muted) (muted ? softphone.mute : softphone.unmute)()
  }
  function mute(): void {
    if (!softphone.call || !speaks.value) return
    mutedByMe.value = !mutedByMe.value
    hear()
  }
  /** The page's own telephone, registered when it is first needed. Raises ApiError no_telephone. */
  async function ready(): Promise<void> {
    if (telephone.value !== BROWSER) return
    if (softphone.state === 'elsewhere') softphone.takeOver()
    else softphone.start(PAGE, floorApi.phone)
    const there = await until(() => softphone.state === 'registered', REGISTER_MS)
    if (!there) throw new ApiError(0, 'no_telephone', '')
  }

  // --- wishes --------------------------------------------------------------------------------------

  async function wish(name: WatchMode | 'leave', send: () => Promise<unknown>, came: () => boolean) {
    if (pending.value) return
    pending.value = name
    try {
      await send()
      await until(came, PUSH_MS)
    } finally {
      pending.value = null
    }
  }
  const isAt = (seat: string) => mine.value?.seat === seat
  /** What the leader saw when the key was pressed; the next call, whichever it is, is meant by "follow". */
  function seen(seat: string, follow: boolean): Expects {
    const tile = floor.tiles.get(seat)
    return { agent: tile?.agent ?? null, ...(follow ? {} : { uid: tile?.call?.uid ?? null }) }
  }
  /** Join the call of a seat, or wait for its next one; another seat is left first. */
  async function begin(seat: string, mode: WatchMode, follow = false): Promise<void> {
    if (isAt(seat) && !follow) return change(mode)
    await wish(
      mode,
      async () => {
        await ready()
        await floorApi.watch(seat, mode, telephone.value, follow, seen(seat, follow))
        broken.value = null
      },
      () => isAt(seat),
    )
  }
  async function change(mode: WatchMode): Promise<void> {
    if (mine.value?.mode === mode) return
    await wish(
      mode,
      () => floorApi.mode(mode),
      () => mine.value?.mode === mode,
    )
  }
  async function takeOver(seat: string, reason: string): Promise<void> {
    await wish(
      'take_over',
      async () => {
        if (!isAt(seat)) {
          await ready()
          await floorApi.watch(seat, 'listen', telephone.value, false, seen(seat, false))
        }
        if (!(await until(() => isAt(seat) && mine.value?.state === 'on', PUSH_MS)))
          throw new ApiError(0, 'no_voice', '')
        await floorApi.takeOver(reason)
      },
      () => mine.value?.mode === 'take_over',
    )
  }
  /** Out of the call, without a trace for the citizen; after a take-over: the end of the call. */
  const leave = () => wish('leave', floorApi.leave, () => !mine.value)
  /** Come back with sound to what the server says I am at, or to what this page was at before it was loaded. */
  async function rejoin(): Promise<void> {
    const last = mine.value ?? broken.value
    if (!last) return
    const { seat, mode } = last
    if (last.telephone) telephone.value = last.telephone
    if (mine.value) await leave()
    await begin(seat, mode === 'take_over' ? 'listen' : mode)
  }
  function dismiss(): void {
    broken.value = null
    remember(null)
    if (!mine.value) holdMap(false)
  }
  function choose(which: string): void {
    telephone.value = which
  }

  return {
    telephone,
    pending,
    mine,
    broken,
    voiceless,
    speaks,
    usesBrowser,
    mutedByMe,
    start,
    stop,
    begin,
    change,
    takeOver,
    leave,
    rejoin,
    dismiss,
    mute,
    choose,
  }
})
