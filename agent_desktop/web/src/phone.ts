/**
 * The agent's telephone actions: what is possible now, and sending it. The screen changes when the push comes back;
 * until then the button shows that it is waiting. What only the telephone in this page can do (answer, hold, mute,
 * digits) goes to the softphone; with a desk phone it is done on that phone.
 */
import { ElMessage, ElMessageBox } from 'element-plus'
import { computed, ref, shallowRef, watch } from 'vue'
import { useI18n } from 'vue-i18n'

import { api, type SeatVerb } from './api'
import { explain } from './explain'
import { possible, type PhoneAction, stageOf, telephoneOf } from './rules/actions'
import type { Sent } from './rules/happenings'
import { useClock } from './stores/clock'
import { useDesk } from './stores/desk'
import { useSeat } from './stores/seat'
import { useSoftphone } from './stores/softphone'
import type { DialWhat, TransferKind } from './types'

export type { PhoneAction } from './rules/actions'

/** Whom the dialog offers to call; `number` is what people may see of the number. */
export interface DialOffer {
  what: DialWhat
  number: string
  title: string
}

/** A confirmed command whose push does not come in this time: look for ourselves. */
const PUSH_MS = 3_000

const pending = ref<PhoneAction | null>(null)
const transferOpen = ref(false)
const reasonsOpen = ref(false)
const keypadOpen = ref(false)
/** undefined: the dialog is closed; null: digits are typed. */
const dialOffer = shallowRef<DialOffer | null | undefined>(undefined)
const headsetOpen = ref(false)
const lastSent = shallowRef<Sent | null>(null)

export function usePhone() {
  const seat = useSeat()
  const softphone = useSoftphone()
  const { t } = useI18n()

  const stage = computed(() => stageOf(seat.seat, seat.call, useDesk().uid !== null))
  const telephone = computed(() => telephoneOf(seat.seat))
  const can = computed(() => possible(seat.seat, seat.call, softphone.call))
  watch(
    [() => seat.n, () => seat.word, () => seat.seat?.reason, () => seat.seat?.help_since],
    () => (pending.value = null),
  )

  async function command(
    action: PhoneAction,
    send: () => Promise<unknown>,
    meant: Sent['action'] = action,
  ): Promise<boolean> {
    // The same key twice is one wish; another key is another, and the server decides between them.
    if (pending.value === action || !can.value[action]) return false
    pending.value = action
    const before = seat.n
    lastSent.value = { action: meant, uid: seat.call?.uid ?? null, at: useClock().now }
    try {
      await send()
      setTimeout(() => {
        if (pending.value !== action || seat.n !== before) return
        pending.value = null
        void seat.refresh()
      }, PUSH_MS)
      return true
    } catch (error) {
      if (pending.value === action) pending.value = null
      lastSent.value = null
      ElMessage.error(explain(error, t))
      return false
    }
  }
  const verb = (action: PhoneAction, name: SeatVerb) => () => command(action, () => api.seatVerb(name))

  /** Nobody goes ready whom a citizen would not hear: the headset is tried first. */
  function ready(): Promise<boolean> | void {
    if (telephone.value === 'browser' && softphone.microphoneProblem && can.value.ready) {
      ElMessage.warning(t('seat.headsetFirst'))
      headsetOpen.value = true
      return
    }
    return command('ready', api.ready)
  }
  async function endAll(): Promise<boolean> {
    if (!can.value.endAll) return false
    const sure = await ElMessageBox.confirm(t('party.endAllAsk'), t('party.endAll'), {
      type: 'warning',
      confirmButtonText: t('party.endAll'),
      cancelButtonText: t('app.cancel'),
    }).catch(() => null)
    return sure ? command('endAll', () => api.seatVerb('end-all')) : false
  }
  /** One key for the end, whatever the call is: three are left, two are ended; a consultation is ended first. */
  function hangUp(): Promise<boolean> | void {
    if (can.value.leave) return command('leave', () => api.seatVerb('leave'))
    if (can.value.cancelConsult) return void ElMessage.warning(t('party.notWhileConsulting'))
    return command('hangUp', api.hangUp)
  }
  function hold(): void {
    if (!can.value.hold) return onDeskPhone('hold')
    if (softphone.call?.held) softphone.resume()
    else softphone.hold()
  }
  /** The PBX hands over only whom it is not holding: whoever is held is taken back first. */
  function offHold(): Promise<void> {
    if (!softphone.call?.held) return Promise.resolve()
    softphone.resume()
    return new Promise((resolve) => {
      const stop = watch(
        () => seat.call?.state,
        (state) => state !== 'holding' && done(),
      )
      const late = setTimeout(() => done(), PUSH_MS)
      function done() {
        stop()
        clearTimeout(late)
        resolve()
      }
    })
  }
  function mute(): void {
    if (!can.value.mute) return onDeskPhone('mute')
    if (softphone.call?.muted) softphone.unmute()
    else softphone.mute()
  }
  function answer(): void {
    if (can.value.answer) void softphone.answer()
    else if (stage.value === 'ringing') ElMessage.info(t(`call.${ringingHint()}`))
  }
  function ringingHint(): string {
    if (telephone.value === 'desk') return 'pickUp'
    return softphone.state === 'elsewhere' ? 'ringsElsewhere' : 'ringComing'
  }
  /** A key that does nothing would look broken: with a desk phone it says where this is done. */
  function onDeskPhone(what: 'hold' | 'mute' | 'keypad'): void {
    if (telephone.value === 'desk' && seat.call?.answered_at) ElMessage.info(t(`call.onDesk.${what}`))
  }

  return {
    pending,
    stage,
    telephone,
    can,
    lastSent,
    transferOpen,
    reasonsOpen,
    keypadOpen,
    headsetOpen,
    dialOffer,
    ready,
    notReady: (reason: string) => command('notReady', () => api.notReady(reason)),
    finish: () => command('finish', api.finishAfterCall),
    moreTime: verb('moreTime', 'more-time'),
    answer,
    ringingHint,
    hangUp,
    hold,
    mute,
    keypad: () => (can.value.keypad ? (keypadOpen.value = !keypadOpen.value) : onDeskPhone('keypad')),
    dial: (what: DialWhat) => command('dial', () => api.dial(what)),
    redial: () => command('dial', () => api.dial({ redial: true })),
    /** Open the dialog: for digits, or for somebody whose number the server knows. */
    offerDial(offer: DialOffer | null = null): void {
      if (can.value.dial) dialOffer.value = offer
      else ElMessage.warning(t(seat.call ? 'dial.inCall' : 'dial.notNow'))
    },
    transfer: (kind: TransferKind, target: string) =>
      command('transfer', () => offHold().then(() => api.transfer(kind, target))),
    consult: (kind: TransferKind, target: string) =>
      command('transfer', () => offHold().then(() => api.consult(kind, target)), 'consult'),
    complete: verb('complete', 'complete-transfer'),
    threeWay: verb('threeWay', 'three-way'),
    cancelConsult: verb('cancelConsult', 'cancel-consult'),
    dropParty: verb('dropParty', 'drop-party'),
    leave: verb('leave', 'leave'),
    endAll,
    pauseRecording: verb('pauseRecording', 'pause-recording'),
    resumeRecording: verb('resumeRecording', 'resume-recording'),
    askHelp: verb('askHelp', 'ask-help'),
    cancelHelp: verb('cancelHelp', 'cancel-help'),
  }
}
