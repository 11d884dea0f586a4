/**
 * What the desk does when the call at the seat changes: show who is calling, open the form, keep both for after-call work.
 *
 *   ring      → pop; once it is painted the form opens too, unless another ticket is half written (then it waits
 *               for the answer)
 *   answered  → the form of this call, the half-written one becomes a draft
 *   gone      → unanswered: pop and empty form go away; answered: both stay until the agent is ready again
 */
import { defineStore } from 'pinia'
import { ref } from 'vue'

import { api } from '../api'
import { ringsAtHelper } from '../rules/actions'
import { painted } from '../stopwatch'
import type { CallView, Draft } from '../types'
import { useForm } from './form'
import { usePop } from './pop'
import { useSeat } from './seat'
import { useSession } from './session'

const WORKED_ON = 'desk-call'
/** The form does not wait longer for a pop that does not come. */
const POP_MS = 400

export const useDesk = defineStore('desk', () => {
  /** The call that pop and form belong to; still set in after-call work. */
  const uid = ref<string | null>(null)
  const answeredAt = ref<number | null>(null)
  const endedAt = ref<number | null>(null)
  let opening: string | null = null

  function remember(callUid: string | null): void {
    uid.value = callUid
    if (callUid)
      globalThis.sessionStorage?.setItem(WORKED_ON, JSON.stringify([useSession().user?.id, callUid]))
    else globalThis.sessionStorage?.removeItem(WORKED_ON)
  }
  function follow(call: CallView | null, now: number): void {
    if (call) arrive(call)
    else if (uid.value && endedAt.value === null) leave(now)
  }
  function arrive(call: CallView): void {
    if (uid.value !== call.uid) {
      remember(call.uid)
      answeredAt.value = null
      usePop().show(call.uid)
    }
    endedAt.value = null
    const rings = call.state === 'ringing' || ringsAtHelper(useSeat().seat, call)
    // A call that is given back has been answered before.
    if (!rings) answeredAt.value = call.answered_at ?? answeredAt.value
    if (rings) void openAfterPop(call.uid)
    else void useForm().open(call.uid, draftWithPop)
  }
  function writingAnother(callUid: string): boolean {
    const form = useForm()
    return form.callUid !== null && form.callUid !== callUid && (form.touched || form.unsaved)
  }
  /** To lay out the form takes longer than the pop: while the telephone rings, who is calling goes first. */
  async function openAfterPop(callUid: string): Promise<void> {
    if (opening === callUid || useForm().callUid === callUid) return
    opening = callUid
    await Promise.race([usePop().whenThere(callUid), new Promise((late) => setTimeout(late, POP_MS))])
    await painted()
    if (opening === callUid) opening = null
    if (uid.value === callUid && !writingAnother(callUid)) void useForm().open(callUid, draftWithPop)
  }
  /** The pop brings the draft along: a request less at the moment when the pop should appear. */
  async function draftWithPop(callUid: string): Promise<Draft | null> {
    const pop = await usePop().whenThere(callUid)
    return pop ? pop.draft : api.draft(callUid)
  }
  function leave(now: number): void {
    endedAt.value = now
    if (answeredAt.value === null) dismiss()
  }
  /** The agent is ready again: nothing half written → a clean desk. */
  function tidy(): void {
    const form = useForm()
    if (useSeat().call || !uid.value) return
    if (form.ticket || (!form.touched && !form.unsaved)) dismiss()
  }
  function dismiss(): void {
    const form = useForm()
    if (form.callUid === uid.value && !form.touched) form.close()
    if (form.ticket) form.close()
    usePop().clear()
    remember(null)
    answeredAt.value = null
    endedAt.value = null
  }
  /** Work on an earlier call: its draft, or a ticket written afterwards. */
  function workOn(callUid: string): void {
    if (!useSeat().call) {
      remember(callUid)
      usePop().show(callUid)
      endedAt.value = 0
    }
    void useForm().open(callUid, draftWithPop)
  }
  /** After a reload in after-call work the same call is on the desk again. */
  function restore(): void {
    const [who, last] = JSON.parse(globalThis.sessionStorage?.getItem(WORKED_ON) ?? '[]')
    if (last && who === useSession().user?.id && !uid.value && !useSeat().call) workOn(last)
  }
  /** At log-out. What was worked on is still remembered, for the same agent to come back to. */
  function forget(): void {
    uid.value = answeredAt.value = endedAt.value = null
  }
  return { uid, answeredAt, endedAt, follow, tidy, dismiss, workOn, restore, forget }
})
