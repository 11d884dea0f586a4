/**
 * What an agent can do with the telephone at this moment, and what the call at hand is. Plain functions of what the
 * server has pushed and of what the telephone in this page is doing.
 */
import type { PushedCall, Seat, Telephone } from '../types'

/** Where the strip of the call stands. consulted: a colleague has asked us; returning: the citizen is brought back. */
export type Stage =
  | 'idle'
  | 'ringing'
  | 'dialing'
  | 'talking'
  | 'holding'
  | 'consulting'
  | 'three_way'
  | 'consulted'
  | 'returning'
  | 'ended'

export const ACTIONS = [
  'ready',
  'notReady',
  'finish',
  'moreTime',
  'answer',
  'hangUp',
  'hold',
  'mute',
  'keypad',
  'dial',
  'transfer',
  'complete',
  'threeWay',
  'cancelConsult',
  'dropParty',
  'leave',
  'endAll',
  'pauseRecording',
  'resumeRecording',
  'askHelp',
  'cancelHelp',
] as const
export type PhoneAction = (typeof ACTIONS)[number]

/** The telephone in this page: none where the agent works with a desk phone. */
export interface PageCall {
  state: 'ringing' | 'answering' | 'talking' | 'ended' | string
  held: boolean
  muted: boolean
}

const TOGETHER: readonly Stage[] = ['talking', 'holding', 'consulting', 'three_way', 'consulted']

/** `worked`: a call that has ended is still on the desk. */
export function stageOf(seat: Seat | null, call: PushedCall | null, worked = false): Stage {
  if (!call || !seat) return worked ? 'ended' : 'idle'
  if (call.role === 'party') {
    if (ringsAtHelper(seat, call)) return 'ringing'
    return call.state === 'three_way' ? 'three_way' : 'consulted'
  }
  if (call.state === 'consulting' || call.state === 'three_way' || call.state === 'returning')
    return call.state
  if (call.state === 'dialing') return 'dialing'
  if (call.state === 'holding' || seat.activity === 'holding') return 'holding'
  return call.answered_at ? 'talking' : seat.activity === 'dialing' ? 'dialing' : 'ringing'
}

/** Asked for help, we have not answered yet: the call itself has long been answered by another. */
export function ringsAtHelper(seat: Seat | null, call: PushedCall): boolean {
  return call.role === 'party' && (seat?.activity === 'ringing' || call.party?.state === 'ringing')
}

/** Which telephone the seat is called at; an older server knows desk phones only. */
export function telephoneOf(seat: Seat | null): Telephone {
  return seat?.telephone === 'browser' ? 'browser' : 'desk'
}

export function possible(
  seat: Seat | null,
  call: PushedCall | null,
  page: PageCall | null,
): Record<PhoneAction, boolean> {
  const stage = stageOf(seat, call)
  const signedIn = !!seat && seat.presence !== 'signed_out'
  const mine = call?.role !== 'party'
  const inPage = telephoneOf(seat) === 'browser' && !!page
  const speaking = inPage && page.state === 'talking'
  const alone = stage === 'talking' || stage === 'holding'
  const reached = call?.party?.state === 'talking' || call?.party?.state === 'joined'
  const together = stage === 'three_way'
  return {
    ready: signedIn && seat.presence !== 'ready' && seat.reachable,
    notReady: signedIn && seat.reason !== 'screen_gone',
    finish: signedIn && seat.activity === 'idle' && seat.reason === 'after_call',
    moreTime: signedIn && seat.activity === 'idle' && seat.reason === 'after_call',
    answer: inPage && page.state === 'ringing',
    hangUp: alone || stage === 'dialing' || stage === 'consulted' || (together && !mine),
    hold: speaking && alone,
    mute: speaking,
    keypad: speaking && TOGETHER.includes(stage),
    dial: signedIn && seat.activity === 'idle' && !call && seat.reachable,
    transfer: alone,
    complete: stage === 'consulting' && reached,
    threeWay: stage === 'consulting' && reached,
    cancelConsult: stage === 'consulting',
    dropParty: together && mine,
    leave: together && mine,
    endAll: together && mine,
    pauseRecording: mine && TOGETHER.includes(stage) && call?.recording === 'on',
    resumeRecording: mine && call?.recording === 'paused',
    askHelp: signedIn && !seat.help_since,
    cancelHelp: signedIn && !!seat.help_since,
  }
}

/** What the seat becomes after this call and its after-call work: a reason, or null where that is "ready". */
export function afterwards(seat: Seat | null): string | null {
  if (!seat || seat.presence !== 'not_ready') return null
  if (seat.reason === 'after_call') return seat.next ?? null
  return seat.activity === 'idle' ? null : (seat.next ?? seat.reason)
}

/** Whole seconds of after-call work left; null where nobody has said when it ends. */
export function afterCallLeft(seat: Seat | null, wrapupSeconds: number, now: number): number | null {
  if (seat?.reason !== 'after_call') return null
  const until = seat.until ?? (seat.since === null ? null : seat.since + wrapupSeconds * 1000)
  return until === null ? null : Math.max(0, Math.round((until - now) / 1000))
}

/** Milliseconds over the limit of the reason, 0 within it; null where it has none. */
export function overLimit(
  seat: Seat | null,
  reasons: readonly { code: string; limit_minutes?: number | null }[],
  now: number,
): number | null {
  if (!seat || seat.presence !== 'not_ready' || seat.activity !== 'idle' || seat.since === null) return null
  const limit = reasons.find((one) => one.code === seat.reason)?.limit_minutes
  return limit == null ? null : Math.max(0, now - seat.since - limit * 60_000)
}

/** How long a recording stays paused before it goes on by itself. */
export const PAUSE_MS = 120_000

/** Whole seconds until a paused recording goes on by itself. */
export function pauseLeft(call: PushedCall | null, now: number): number {
  if (call?.recording !== 'paused') return 0
  return Math.max(0, Math.round(((call.paused_since ?? now) + PAUSE_MS - now) / 1000))
}
