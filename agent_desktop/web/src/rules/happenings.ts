/**
 * What a change of the call means to the agent, where the picture alone would not say it: the one who was asked has
 * gone, the citizen has hung up meanwhile, the recording goes on by itself. Plain functions.
 */
import type { PushedCall } from '../types'
import type { PhoneAction } from './actions'

export type HappeningCode =
  | 'partyUnanswered'
  | 'partyGone'
  | 'partyJoined'
  | 'citizenGoneInConsult'
  | 'citizenGoneInThreeWay'
  | 'transferred'
  | 'left'
  | 'dialFailed'
  | 'returning'
  | 'returned'
  | 'soundLost'
  | 'notReturned'
  | 'recordingResumed'

export interface Happening {
  code: HappeningCode
  /** Name of the one who was brought in. */
  label: string
  /** Something went otherwise than the agent wanted: it is said at once. */
  bad: boolean
}

/** The last action that this agent sent for the call: what he did himself needs no notice. */
export interface Sent {
  action: PhoneAction | 'consult'
  uid: string | null
  at: number
}

/** A command is carried out within this time, or not at all. */
const SENT_MS = 10_000

/** `cut`: the telephone in this page lost the call; nobody hung it up. */
export function happened(
  before: PushedCall | null,
  after: PushedCall | null,
  sent: Sent | null,
  now: number,
  cut = false,
): Happening | null {
  if (!before || (after && after.uid !== before.uid)) return null
  const own = sent && sent.uid === before.uid && now - sent.at < SENT_MS ? sent.action : null
  const label = before.party?.label ?? after?.party?.label ?? ''
  const tell = (code: HappeningCode, bad = false): Happening => ({ code, label, bad })
  if (!after) return gone(before, own, tell, cut)
  if (after.state === 'returning' && before.state !== 'returning') return tell('returning', true)
  if (before.state === 'returning' && after.state !== 'returning') return tell('returned')
  if (before.party && !after.party) {
    if (own === 'cancelConsult' || own === 'dropParty') return null
    return tell(before.party.state === 'ringing' ? 'partyUnanswered' : 'partyGone', true)
  }
  if (before.state === 'consulting' && after.state === 'three_way') return tell('partyJoined')
  if (before.recording === 'paused' && after.recording === 'on' && own !== 'resumeRecording')
    return tell('recordingResumed')
  return null
}

/** Does the next picture of the call make this notice untrue, or of no use? */
export function outdated(notice: Happening, before: PushedCall | null, after: PushedCall | null): boolean {
  if (after && after.uid !== before?.uid) return true
  const ofTheCall = [
    'partyUnanswered',
    'partyGone',
    'partyJoined',
    'returning',
    'returned',
    'soundLost',
    'recordingResumed',
  ]
  if (!ofTheCall.includes(notice.code)) return false
  if (notice.code === 'partyJoined') return after?.state !== 'three_way'
  return !after || !!after.party
}

function gone(
  before: PushedCall,
  own: Sent['action'] | null,
  tell: (code: HappeningCode, bad?: boolean) => Happening,
  cut: boolean,
): Happening | null {
  if (own === 'complete' || own === 'transfer') return tell('transferred')
  if (own === 'leave') return tell('left')
  if (own === 'hangUp' || own === 'endAll' || before.role === 'party') return null
  if (cut || before.state === 'returning') return tell('notReturned', true)
  if (before.state === 'consulting') return tell('citizenGoneInConsult', true)
  if (before.state === 'three_way') return tell('citizenGoneInThreeWay')
  if (before.direction === 'outbound' && !before.answered_at) return tell('dialFailed', true)
  return null
}
