/**
 * The softphone as the screen sees it: whether it is registered, the call that it carries, how that sounds.
 *
 *   off ─start─► connecting ──► registered            the server gives an account for this log-in, SIP registers
 *                  ▲   └─ refused / no server: asked again, for ever, slower and slower
 *                  └─ takeOver ─ elsewhere             another page of the same agent has the telephone
 *
 * What the seat's state is, is not known here: that comes from the server (stores/seat).
 */
import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'

import { ApiError, api } from '../api'
import {
  chosen,
  choose,
  listDevices,
  recall,
  remember,
  watchDevices,
  type Devices,
} from '../softphone/devices'
import { meter } from '../softphone/levels'
import { Microphone, tryMicrophone, type MicrophoneProblem } from '../softphone/microphone'
import { judge, look, type Look, type Quality } from '../softphone/quality'
import { PAGE_GONE, SipPhone, type Account, type EndedBy, type Purpose, type SipCall } from '../softphone/sip'
import { Speaker } from '../softphone/speaker'
import type { PhoneAccount } from '../types'
import { useSession } from './session'

export type SoftphoneState = 'off' | 'connecting' | 'registered' | 'failed' | 'elsewhere'
export type SoftphoneProblem =
  MicrophoneProblem | 'no_server' | 'refused' | 'elsewhere' | 'sound_away' | 'sound_blocked'
export type AutoAnswer = 'off' | 'immediately' | 'after_3s'
export const AUTO_ANSWERS: AutoAnswer[] = ['off', 'immediately', 'after_3s']

export interface SoftphoneCall {
  purpose: Purpose
  state: 'ringing' | 'answering' | 'talking' | 'ending'
  held: boolean
  muted: boolean
  /** Epoch ms of the answer, before it of the ring. */
  since: number
}

/** Where the telephone's account comes from: an agent's seat, or a leader's own telephone. */
export type AccountSource = (page: string, takeOver: boolean) => Promise<PhoneAccount>
/** These calls were asked for on this page a moment ago, or continue one: nobody has to answer them. */
const ANSWERED_BY_ITSELF: readonly Purpose[] = ['dial', 'back', 'watch']

const STATS_MS = 2_000
/** Waits between questions for an account: the PBX is back within these after a restart. */
const WAITS_MS = [300, 700, 1_500, 2_500, 4_000]
/** Just after a reload the server may still take the page before for alive. */
const PATIENT_TIMES = 3
/** A permission that is being asked for must not keep the telephone from being registered. */
const PROBE_MS = 1_500

export const useSoftphone = defineStore('softphone', () => {
  const state = ref<SoftphoneState>('off')
  const lineProblem = ref<'no_server' | 'refused' | 'elsewhere' | null>(null)
  const microphoneProblem = ref<MicrophoneProblem | null>(null)
  const soundBlocked = ref(false)
  const soundAway = ref(false)
  const call = ref<SoftphoneCall | null>(null)
  const endedBy = ref<EndedBy | null>(null)
  const quality = shallowRef<Quality | null>(null)
  const microphoneLevel = ref(0)
  const speakerLevel = ref(0)
  const devices = shallowRef<Devices>({ microphones: [], speakers: [] })
  const microphoneId = ref('')
  const speakerId = ref('')
  const autoAnswer = ref<AutoAnswer>('off')
  /** What the server said of the other page, for the notice. */
  const elsewhereNote = ref('')

  /** What matters most; words stand in i18n. */
  const problem = computed<SoftphoneProblem | null>(
    () =>
      (soundAway.value ? 'sound_away' : null) ??
      lineProblem.value ??
      microphoneProblem.value ??
      (soundBlocked.value ? 'sound_blocked' : null),
  )
  /** Registered and with a microphone: a citizen would be heard. */
  const fit = computed(() => state.value === 'registered' && !microphoneProblem.value)

  let page = ''
  let source: AccountSource = api.phone
  let user = 0
  let phone: SipPhone | null = null
  let sip: SipCall | null = null
  let microphone: Microphone | null = null
  let speaker: Speaker | null = null
  /** The agent has been told of a missing microphone by now, if one is missing. */
  let warned: Promise<unknown> = Promise.resolve()
  let asking: ReturnType<typeof setTimeout> | undefined
  let attempt = 0
  let round = 0
  /** To be undone when the call ends, and when the softphone stops. */
  let callEnds: (() => void)[] = []
  let stops: (() => void)[] = []

  // --- account and registration ------------------------------------------------------------------

  function start(myPage: string, from: AccountSource = api.phone): void {
    if (state.value !== 'off') return
    page = myPage
    source = from
    user = useSession().user?.id ?? 0
    state.value = 'connecting'
    microphoneId.value = chosen(user, 'microphone')
    speakerId.value = chosen(user, 'speaker')
    const auto = recall(user, 'auto-answer') as AutoAnswer
    autoAnswer.value = AUTO_ANSWERS.includes(auto) ? auto : 'off'
    speaker = new Speaker((blocked) => (soundBlocked.value = blocked))
    const gone = () => leave(PAGE_GONE)
    const back = (event: PageTransitionEvent) => event.persisted && takeUp()
    const awake = () => document.visibilityState === 'visible' && phone?.nudge()
    addEventListener('pagehide', gone)
    addEventListener('pageshow', back)
    addEventListener('online', awake)
    document.addEventListener('visibilitychange', awake)
    document.addEventListener('resume', awake)
    stops = [
      watchDevices(() => void devicesChanged()),
      () => removeEventListener('pagehide', gone),
      () => removeEventListener('pageshow', back),
      () => removeEventListener('online', awake),
      () => document.removeEventListener('visibilitychange', awake),
      () => document.removeEventListener('resume', awake),
    ]
    const mine = ++round
    const probe = tryMicrophone(microphoneId.value).then(async (found) => {
      if (mine !== round) return
      microphoneProblem.value = found
      await devicesChanged()
    })
    warned = Promise.race([probe, new Promise((go) => setTimeout(go, PROBE_MS))])
    void ask(false)
  }
  /** After a page was put away by the browser and brought back. */
  function takeUp(): void {
    if (state.value === 'off' || phone) return
    state.value = 'connecting'
    attempt = 0
    void ask(false)
  }
  async function ask(takeOver: boolean): Promise<void> {
    clearTimeout(asking)
    const mine = round
    try {
      const [account] = await Promise.all([source(page, takeOver), warned])
      if (mine === round && state.value !== 'off') register(account)
    } catch (error) {
      if (mine === round && state.value !== 'off') askedInVain(error)
    }
  }
  function askAgain(takeOver = false): void {
    clearTimeout(asking)
    const wait = WAITS_MS[Math.min(attempt++, WAITS_MS.length - 1)]
    asking = setTimeout(() => void ask(takeOver), wait)
  }
  function askedInVain(error: unknown): void {
    const refusal = error instanceof ApiError ? error : null
    if (refusal?.status === 401) return
    if (refusal?.code === 'phone_elsewhere') {
      if (!phone && attempt < PATIENT_TIMES) return askAgain()
      return yieldTo(refusal.message)
    }
    const passing = !refusal || refusal.passing
    lineProblem.value = passing ? 'no_server' : 'refused'
    if (!passing) state.value = 'failed'
    askAgain()
  }
  function register(account: Account): void {
    if (phone?.isFor(account)) return phone.renew(account.password)
    phone?.stop()
    const made = new SipPhone(account, {
      registered() {
        if (phone !== made) return
        attempt = 0
        state.value = 'registered'
        lineProblem.value = null
      },
      lost() {
        if (phone !== made || state.value !== 'registered') return
        state.value = 'connecting'
        lineProblem.value = 'no_server'
      },
      refused() {
        if (phone !== made) return
        // The PBX has been started anew, or another page has the telephone now: the server knows.
        state.value = attempt < WAITS_MS.length ? 'connecting' : 'failed'
        if (attempt > 1) lineProblem.value = 'refused'
        askAgain()
      },
      rings: (incoming) => phone === made && ring(incoming),
    })
    phone = made
    made.start()
  }
  /** Another page of this agent has the telephone. */
  function yieldTo(note = ''): void {
    leave(PAGE_GONE)
    state.value = 'elsewhere'
    lineProblem.value = 'elsewhere'
    elsewhereNote.value = note
  }
  function phoneTaken(by: string): void {
    if (state.value !== 'off' && by !== page) yieldTo()
  }
  function takeOver(): void {
    if (state.value !== 'elsewhere') return
    state.value = 'connecting'
    lineProblem.value = null
    elsewhereNote.value = ''
    attempt = 0
    void ask(true)
  }
  /** Let go of the registration and of the call. */
  function leave(reason?: string): void {
    round += 1
    clearTimeout(asking)
    const left = phone
    phone = null
    left?.stop(reason)
    endCall('us')
  }
  function stop(): void {
    if (state.value === 'off') return
    leave()
    for (const undo of stops) undo()
    stops = []
    speaker?.close()
    speaker = null
    state.value = 'off'
    lineProblem.value = microphoneProblem.value = null
    elsewhereNote.value = ''
    endedBy.value = null
    attempt = 0
  }

  // --- the call ------------------------------------------------------------------------------------

  function ring(incoming: SipCall): void {
    sip = incoming
    endedBy.value = null
    const { purpose } = incoming
    call.value = { purpose, state: 'ringing', held: false, muted: false, since: Date.now() }
    incoming.listener = {
      stage: (stage) => {
        if (sip !== incoming || stage === 'ringing' || stage === 'ended') return
        change({ state: stage, ...(stage === 'talking' ? { since: Date.now() } : {}) })
        if (stage === 'talking') void measure(incoming)
      },
      held: (held) => sip === incoming && change({ held }),
      sound(stream) {
        if (sip !== incoming) return
        speaker?.play(stream)
        callEnds.push(meter(stream, (level) => (speakerLevel.value = level)))
      },
      away: (away) => sip === incoming && (soundAway.value = away),
      ended: (by) => sip === incoming && endCall(by),
    }
    openMicrophone(incoming)
    const wait = ANSWERED_BY_ITSELF.includes(purpose) ? 0 : purpose === 'ring' ? autoDelay() : null
    if (wait !== 0) speaker?.ring()
    if (wait === null) return
    const timer = setTimeout(() => {
      if (sip !== incoming || call.value?.state !== 'ringing') return
      // Who listens in is to hear the call and nothing of ours.
      void answer().then(() => (purpose === 'watch' ? undefined : speaker?.beep()))
    }, wait)
    callEnds.push(() => clearTimeout(timer))
  }
  function autoDelay(): number | null {
    return { off: null, immediately: 0, after_3s: 3_000 }[autoAnswer.value]
  }
  /** While it rings the microphone is made ready, so that the answer is not kept waiting by it. */
  function openMicrophone(mine: SipCall): void {
    let endMeter: () => void = () => undefined
    const measure = (stream: MediaStream) => {
      endMeter()
      endMeter = meter(stream, (level) => (microphoneLevel.value = level))
    }
    const made = new Microphone(microphoneId.value, {
      problem: (found) => (microphoneProblem.value = found),
      changed(stream) {
        const [track] = stream.getAudioTracks()
        if (sip !== mine || !track) return
        void mine.replaceMicrophone(track)
        measure(stream)
      },
    })
    microphone = made
    void made.open().then((stream) => microphone === made && measure(stream))
    callEnds.push(
      () => endMeter(),
      () => made.close(),
    )
  }
  async function answer(): Promise<void> {
    const mine = sip
    if (!mine || call.value?.state !== 'ringing') return
    change({ state: 'answering' })
    speaker?.stopRing()
    const stream = await microphone!.open()
    if (sip === mine) mine.answer(stream)
  }
  function reject(): void {
    if (call.value?.state === 'ringing') hangUp()
  }
  function hangUp(): void {
    if (!sip) return
    change({ state: 'ending' })
    sip.hangUp()
  }
  const hold = () => (sip && !sip.held ? sip.hold() : false)
  const resume = () => (sip?.held ? sip.resume() : false)
  function setMuted(muted: boolean): void {
    if (!sip || call.value?.state !== 'talking') return
    sip.mute(muted)
    change({ muted })
  }
  const sendDigit = (digit: string) => (/^[0-9*#]$/.test(digit) && sip?.sendDigit(digit)) || false

  function change(some: Partial<SoftphoneCall>): void {
    if (call.value) call.value = { ...call.value, ...some }
  }
  function measure(mine: SipCall): void {
    let before: Look | null = null
    const timer = setInterval(async () => {
      const report = await mine.stats()?.catch(() => null)
      const now = report && look(report.values())
      if (!now || sip !== mine) return
      if (before) quality.value = judge(before, now, mine.held)
      before = now
    }, STATS_MS)
    callEnds.push(() => clearInterval(timer))
  }
  function endCall(by: EndedBy): void {
    if (!sip) return
    sip.listener = null
    sip = null
    speaker?.stopRing()
    speaker?.quiet()
    for (const end of callEnds) end()
    callEnds = []
    microphone = null
    call.value = null
    quality.value = null
    soundAway.value = false
    endedBy.value = by
    if (microphoneProblem.value === 'microphone_gone') void devicesChanged()
  }

  // --- devices -------------------------------------------------------------------------------------

  async function devicesChanged(): Promise<void> {
    const mine = round
    const found = await listDevices()
    if (state.value === 'off') return
    devices.value = found
    await speaker?.choose(speakerId.value)
    if (sip) microphone?.retry()
    else if (mine === round && state.value !== 'elsewhere') {
      const there = found.microphones.length > 0
      if (!there) microphoneProblem.value ??= 'no_microphone'
      else if (microphoneProblem.value) microphoneProblem.value = await tryMicrophone(microphoneId.value)
    }
  }
  function chooseMicrophone(id: string): void {
    microphoneId.value = id
    choose(user, 'microphone', id)
    if (sip) void microphone?.choose(id)
    else void tryMicrophone(id).then((found) => sip || (microphoneProblem.value = found))
  }
  function chooseSpeaker(id: string): void {
    speakerId.value = id
    choose(user, 'speaker', id)
    void speaker?.choose(id)
  }
  function chooseAutoAnswer(when: AutoAnswer): void {
    autoAnswer.value = when
    remember(user, 'auto-answer', when)
  }
  /** The page's speaker, for the headset test; null while the softphone is off. */
  const ears = () => speaker

  return {
    state,
    problem,
    microphoneProblem,
    elsewhereNote,
    fit,
    call,
    endedBy,
    quality,
    microphoneLevel,
    speakerLevel,
    devices,
    microphoneId,
    speakerId,
    autoAnswer,
    start,
    stop,
    takeOver,
    phoneTaken,
    answer,
    reject,
    hangUp,
    hold,
    resume,
    mute: () => setMuted(true),
    unmute: () => setMuted(false),
    sendDigit,
    refreshDevices: devicesChanged,
    chooseMicrophone,
    chooseSpeaker,
    chooseAutoAnswer,
    ears,
  }
})
