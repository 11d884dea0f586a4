/**
 * The alarms that are on, and their sound: at once for a new one, again every 15 s until each is acknowledged.
 *
 *   push alarms ─┐
 *   GET  alarms ─┴► open ─► strip, page      heard while a strip is on the page, unless this browser is muted
 */
import { defineStore } from 'pinia'
import { computed, ref, watch } from 'vue'

import { playAlarm } from '../alarms/tone'
import { ApiError } from '../api'
import { alarmsApi, type Alarm } from '../api/alarms'
import { hasNew, sounding } from '../rules/alarms'
import { onNextGesture } from '../softphone/audio'
import { useSession } from './session'

const REPEAT_MS = 15_000
const AGAIN_MS = 5_000
const MUTED = 'alarms-muted'
const VOLUME = 'alarms-volume'
const LEADERS = ['shift_leader', 'supervisor', 'administrator']

export const useAlarms = defineStore('alarms', () => {
  const open = ref<Alarm[]>([])
  const muted = ref(globalThis.localStorage?.getItem(MUTED) === '1')
  const kept = Number(globalThis.localStorage?.getItem(VOLUME) ?? 70)
  /** 0 to 100. */
  const volume = ref(kept >= 0 && kept <= 100 ? kept : 70)
  /** The browser lets nothing sound before somebody has clicked. */
  const blocked = ref(false)
  const waiting = computed(() => open.value.filter((alarm) => !alarm.acknowledged_at))
  const heard = computed(() => sounding(open.value))
  let strips = 0
  let repeat: ReturnType<typeof setInterval> | undefined
  let again: ReturnType<typeof setTimeout> | undefined
  let asked = 0

  function take(alarms: Alarm[]): void {
    asked += 1
    open.value = alarms
  }
  /** After log-in and after each reconnect: pushes may have been missed. */
  async function load(): Promise<void> {
    clearTimeout(again)
    if (!LEADERS.includes(useSession().user?.role ?? '')) return
    const mine = ++asked
    try {
      const answer = await alarmsApi.list()
      if (mine === asked) open.value = answer.open
    } catch (error) {
      // A push that comes first makes this needless; until then it is asked again.
      if (mine === asked && error instanceof ApiError && error.passing)
        again = setTimeout(() => void load(), AGAIN_MS)
    }
  }
  async function acknowledge(id: number, note: string): Promise<void> {
    const done = await alarmsApi.acknowledge(id, note)
    asked += 1
    open.value = open.value.map((alarm) =>
      alarm.id === id ? { ...alarm, ...done, value: alarm.value } : alarm,
    )
  }

  async function sound(): Promise<void> {
    if (!strips || !heard.value.size || muted.value || !volume.value) return
    const done = await playAlarm(volume.value / 100).catch(() => false)
    if (!done && !blocked.value) onNextGesture(() => void sound())
    blocked.value = !done
  }
  function restart(): void {
    clearInterval(repeat)
    blocked.value = false
    if (!strips || !heard.value.size || muted.value) return
    void sound()
    repeat = setInterval(() => void sound(), REPEAT_MS)
  }
  watch(heard, (now, before) => {
    if (hasNew(before, now) || !now.size) restart()
  })
  /** A strip is on the page: alarms are heard. Gives what to call when it has gone. */
  function listen(): () => void {
    strips += 1
    if (strips === 1) restart()
    return () => {
      strips -= 1
      if (!strips) restart()
    }
  }
  function mute(now: boolean): void {
    muted.value = now
    globalThis.localStorage?.setItem(MUTED, now ? '1' : '0')
    restart()
  }
  function setVolume(to: number): void {
    volume.value = to
    globalThis.localStorage?.setItem(VOLUME, String(to))
  }
  /** So that somebody hears how loud it is. */
  async function tryOut(): Promise<void> {
    blocked.value = !(await playAlarm(volume.value / 100).catch(() => false))
  }
  function forget(): void {
    clearTimeout(again)
    take([])
  }
  return {
    open,
    waiting,
    heard,
    muted,
    volume,
    blocked,
    take,
    load,
    acknowledge,
    listen,
    mute,
    setVolume,
    tryOut,
    forget,
  }
})
