/**
 * Calling back those whom nobody has spoken with: how many wait, and the call whose result is still to be said.
 *
 *   dialled for a row → the call is at the seat → it ends → the result is asked for, until it is said or put off
 */
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'

import { api } from '../api'
import { missedOf, type MissedResult } from '../rules/missed'
import type { CallView, MissedRow } from '../types'
import { useSession } from './session'

/** A call back: under way, or over and waiting for its result. */
export interface CallBack {
  id: number
  /** Masked. */
  number: string
  answered: boolean
  ended: boolean
  /** Dialled out of the list: that is where the agent wants to go on. */
  fromList: boolean
}

const KEPT = 'missed-call'

export const useMissed = defineStore('missed', () => {
  /** Rows open, or null before the server has said it. */
  const open = ref<number | null>(null)
  const callBack = ref<CallBack | null>(null)
  const asking = computed(() => (callBack.value?.ended ? callBack.value : null))
  let uid: string | null = null

  const mayCallBack = () =>
    ['agent', 'shift_leader', 'supervisor', 'administrator'].includes(useSession().user?.role ?? '')

  function keep(next: CallBack | null): void {
    callBack.value = next
    const mine = JSON.stringify([useSession().user?.id, uid, next])
    if (next) globalThis.sessionStorage?.setItem(KEPT, mine)
    else globalThis.sessionStorage?.removeItem(KEPT)
  }
  async function count(): Promise<void> {
    if (mayCallBack()) open.value = (await api.missedCount()).open
  }
  /** A row is being dialled out of the list; the call itself comes with the seat's push. */
  function dialling(row: MissedRow): void {
    uid = null
    keep({ id: row.id, number: row.number.masked, answered: false, ended: false, fromList: true })
  }
  function notDialled(): void {
    if (!callBack.value?.ended) keep(null)
  }
  /** Follows the call at the seat, whichever page dialled it. */
  function follow(call: CallView | null): void {
    const id = missedOf(call?.about)
    const known = callBack.value
    if (call && id !== null) {
      const same = known?.id === id ? known : null
      uid = call.uid
      const number = call.number?.masked || same?.number || ''
      keep({ id, number, answered: !!call.answered_at, ended: false, fromList: !!same?.fromList })
    } else if (known && uid && !known.ended && call?.uid !== uid) keep({ ...known, ended: true })
  }
  /** After a reload: the call may have ended meanwhile. */
  function restore(call: CallView | null): void {
    const [who, callUid, kept] = JSON.parse(globalThis.sessionStorage?.getItem(KEPT) ?? '[]')
    if (!kept || who !== useSession().user?.id || callBack.value) return
    uid = callUid
    callBack.value = kept
    follow(call)
  }
  async function say(result: MissedResult, note: string): Promise<MissedRow | null> {
    if (!asking.value) return null
    const row = await api.sayMissed(asking.value.id, result, note)
    putOff()
    return row
  }
  /** What the line has said stands; the row may be worked on later. */
  function putOff(): void {
    uid = null
    keep(null)
  }
  function forget(): void {
    open.value = callBack.value = uid = null
  }
  return {
    open,
    callBack,
    asking,
    mayCallBack,
    count,
    dialling,
    notDialled,
    follow,
    restore,
    say,
    putOff,
    forget,
  }
})
