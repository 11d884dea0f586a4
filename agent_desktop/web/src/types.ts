/** The shapes of the desktop's HTTP API and pushes. All times are epoch milliseconds. */

export type Role = 'agent' | 'shift_leader' | 'supervisor' | 'inspector' | 'dispatcher' | 'administrator'

export interface User {
  id: number
  login: string
  name: string
  work_number: string
  role: Role
  group_id?: number | null
}

export interface LinkState {
  connected: boolean
  blind_since: number | null
  /** The desktop itself has lost the cti. */
  desktop_blind?: boolean
}

/** What a page needs to be a telephone: made for one log-in. */
export interface PhoneAccount {
  uri: string
  user: string
  password: string
  ws: string
  ice: RTCIceServer[]
}

export interface Session {
  csrf: string
  user: User | null
  seat: string | null
  /** Which of the seat's telephones was chosen at log-in. */
  telephone?: 'browser' | 'desk' | null
  city: string
  server_time: number
  wrapup_seconds: number
  links: Record<string, LinkState>
}

export interface SeatChoice {
  number: string
  label: string
  taken: boolean
}

export type Presence = 'signed_out' | 'ready' | 'not_ready'
export type Activity = 'idle' | 'ringing' | 'dialing' | 'talking' | 'holding'
/** Which of a seat's two telephones calls go to: the one in this page, or the one on the desk. */
export type Telephone = 'browser' | 'desk'

/** What an agent may choose is in the catalogue; signed_in, no_answer, after_call, screen_gone are set for him. */
export type Reason = string

export interface Seat {
  seat: string
  agent: string | null
  presence: Presence
  reason: Reason | null
  activity: Activity
  reachable: boolean
  since: number | null
  call: string | null
  queues: string[]
  telephone?: Telephone | null
  /** What comes after after-call work, where that is not "ready". */
  next?: Reason | null
  /** When after-call work ends by itself. */
  until?: number | null
  /** Since when the agent asks the shift leader to come. */
  help_since?: number | null
}

export type CallState =
  'queue' | 'ringing' | 'dialing' | 'talking' | 'holding' | 'consulting' | 'three_way' | 'returning'

/** Somebody who is being brought into the call. The number never comes to the page. */
export interface Party {
  kind: 'seat' | 'number' | 'target' | 'group'
  label: string
  seat: string | null
  state: 'ringing' | 'talking' | 'joined'
  since: number | null
}

/** A call as the push carries it: no personal data. */
export interface PushedCall {
  uid: string
  state: CallState
  queue: string
  queue_label: string
  arrived_at: number | null
  queued_at: number | null
  ringing_at: number | null
  answered_at: number | null
  event_at: number | null
  direction?: 'inbound' | 'outbound' | null
  kind?: 'inbound' | 'dial_out' | 'callback' | null
  recording?: 'on' | 'paused' | 'off' | null
  paused_since?: number | null
  party?: Party | null
  /** Outbound: what for, "ticket:261121000013". */
  about?: string | null
  callback_of?: string | null
  /** Of the agent whose call it is: for a seat that was asked for help, who asks. */
  seat?: string | null
  /** party: this seat was asked for help, the call is another's. */
  role?: 'agent' | 'party'
}

/** A call as GET /api/seat gives it. */
export interface CallView extends PushedCall {
  number?: MaskedNumber
  path_labels?: string[]
  priority?: number
}

export interface MaskedNumber {
  masked: string
  region?: string
  /** Of a citizen's number, for splitting records. */
  id?: number
}

/** The agent's own day; what each figure means is in reports/definitions.py. null: nothing to divide by. */
export interface Today {
  answered: number
  talk_seconds: number
  outbound?: number
  average_talk_seconds?: number | null
  average_wait_seconds?: number | null
  after_call_seconds?: number
  average_after_call_seconds?: number | null
  signed_in_seconds?: number
  utilisation?: number | null
  direct_rate?: number | null
  satisfaction?: { rated: number; satisfied: number; rate: number | null }
}

export interface SeatPicture {
  seat: Seat | null
  call: CallView | null
  /** null while the database is away */
  today: Today | null
}

export interface SeatPush {
  n: number
  seat: Seat
  call: PushedCall | null
  sent_at?: number
}

export interface SnapshotPush {
  n: number
  seat: Seat | null
  call: PushedCall | null
  links: Record<string, LinkState>
}

export interface LinkPush extends LinkState {
  pbx: string
}

export interface Citizen {
  id: number
  name: string
  gender: string | null
  address: string | null
  note: string | null
  language: string | null
  numbers: MaskedNumber[]
  open_tickets: number
  ticket_count: number
}

/** The citizen's keypress after a call: 1 satisfied, 2 fairly, 3 not. */
export interface Rating {
  score: number
  label: string
  reason_label: string | null
}

/** A stretch of a call, in seconds of its recording; what is not recorded begins and ends at one place. */
export interface CallPart {
  kind: string
  label: string
  agent_name: string | null
  from_s: number
  to_s: number
  seconds: number
}

export interface RecentCall {
  uid: string
  direction?: 'inbound' | 'outbound'
  arrived_at: number
  outcome: string | null
  outcome_label?: string
  agent_name: string | null
  queue_label: string | null
  ticket_numbers: string[]
}

export type NoteKind = 'blocked' | 'sensitive' | 'care' | 'language'

/** What an agent should know of a number before speaking. */
export interface CallerNote {
  id?: number
  kind: NoteKind
  note: string
  until: number | null
}

export interface Pop {
  uid: string
  /** false: the database is away, only the live facts are here. */
  database?: boolean
  number: MaskedNumber
  withheld: boolean
  caller_name: string
  queue_label: string
  path_labels: string[]
  waited_ms: number | null
  arrived_at: number | null
  candidates: Citizen[]
  recent_calls: RecentCall[]
  tickets: TicketRow[]
  repeat: { calls_24h: number; calls_7d: number; flag: boolean }
  draft: Draft | null
  previous_agent?: { name: string; at: number } | null
  caller_notes?: CallerNote[]
  language?: string | null
  callback?: { asked_at: number; queue_label: string } | null
  missed?: { id: number; times: number; last_at: number } | null
}

export interface Draft {
  call_uid?: string
  body: DraftBody
  saved_at: number
}

export type Disposition = 'direct' | 'dispatch' | null

/**
 * A draft carries the form's Idempotency-Key, so that a save repeated after a reload is still one ticket, and
 * what was attached under that key.
 */
export type DraftBody = Partial<TicketForm> & { key?: string; attachments?: Attachment[] }

/** A file on the server, given with a ticket or with a form not saved yet. */
export interface Attachment {
  id: number
  name: string
  bytes: number
  media_type: string
}

/** What the agent types; the server keeps it as it is while it is a draft. */
export interface TicketForm {
  request_type: string
  category_id: number | null
  region_id: number | null
  title: string
  who: string
  when: string
  where: string
  what: string
  asked_for: string
  urgency: string
  confidential: boolean
  disposition: Disposition
  answer: string
  unit_id: number | null
  citizen_id: number | null
  citizen_name: string
  citizen_gender: string
}

export interface TicketRow {
  id: number
  number: string
  state: string
  state_label: string
  request_type: string
  title: string
  category: string | null
  unit: string | null
  urgency: string
  confidential: boolean
  created_at: number
  created_by_name: string
  call_uid: string | null
  open: boolean
}

/** A ticket that may be about the same matter; `why` says so in words. */
export interface Duplicate extends TicketRow {
  why?: string
  score?: number
}

/** A ticket of the last weeks with the same category, near the place; `distance` says how near. */
export interface NearbyTicket extends TicketRow {
  distance?: string
  distance_label?: string
}

export interface KnowledgeEntry {
  id: number
  title: string
  body: string
  source: string
  updated_at: number
}

/** One step of a script: what to say, and the field of the form that the citizen's answer belongs to. */
export interface ScriptStep {
  say: string
  field: keyof TicketForm | null
  ask: string | null
}

export interface Script {
  id: number
  code: string
  title: string
  steps: ScriptStep[]
}

/** An entry of a citizen's record: merged, split, corrected. */
export interface CitizenEvent {
  id?: number
  at: number
  actor_name: string | null
  action: string
  action_label?: string
  reason: string
  /** What was done, in words. */
  summary?: string
  other_id?: number | null
  other_name?: string | null
}

export interface TimelineEntry {
  at: number
  actor_name: string | null
  action: string
  action_label: string
  from_state: string | null
  /** Empty for what happened in a call (`action` begins with call_). */
  to_state: string | null
  to_state_label?: string | null
  note: string
}

export interface TicketDetail extends TicketRow {
  version: number
  region?: string | null
  who: string
  when: string
  where: string
  what: string
  asked_for: string
  disposition: Disposition
  answer: string | null
  unit_id: number | null
  citizen?: { id: number; name: string; gender: string | null } | null
  contact?: MaskedNumber | null
  closed_at: number | null
  timeline: TimelineEntry[]
  actions: string[]
  action_labels?: Record<string, string>
  recordings: RecordingRow[]
  attachments?: Attachment[]
}

export type RecordingState = 'kept' | 'suspect' | 'gap' | 'explained'

export interface RecordingRow {
  id: number
  call_uid: string
  kind: 'call' | 'message'
  state: RecordingState
  state_label: string
  problem: string | null
  seconds: number | null
  number: MaskedNumber
  agent_name: string | null
  queue_label: string | null
  arrived_at: number | null
  listenable: boolean
}

export interface CallRow {
  uid: string
  direction: 'inbound' | 'outbound'
  number: MaskedNumber
  arrived_at: number
  outcome: string | null
  outcome_label: string | null
  queue_label: string | null
  agent_name: string | null
  seat: string | null
  wait_ms: number | null
  talk_ms: number | null
  hold_ms: number
  ended_by: string | null
  rating: Rating | null
  ticket_numbers: string[]
  recording: { id: number; state: RecordingState; seconds: number | null } | null
}

/** A citizen whom nobody has spoken with yet, or whom somebody has by now. */
export interface MissedRow {
  id: number
  number: MaskedNumber
  kind: string
  kind_label: string
  times: number
  first_at: number
  last_at: number
  waiting_seconds: number
  queue_label: string
  attempts: number
  last_attempt: {
    at: number
    result: string
    result_label: string
    note: string
    user_name: string | null
  } | null
  taken_by_name: string | null
  mine: boolean
  version: number
  last_call_uid: string
  has_message: number | null
  message: { id: number; state: RecordingState; seconds: number | null } | null
  closed_at: number | null
  closed_as: string | null
  closed_as_label: string | null
  closed_by_name: string | null
}

export interface Peaks {
  peaks: number[][]
  seconds: number
  parts: CallPart[]
}

export interface Page<Row> {
  rows: Row[]
  total: number
  page: number
  page_size: number
}

export interface TreeNode {
  id: number
  name: string
  code?: string
  initials?: string
  unit_id?: number | null
  level?: number
  children?: TreeNode[]
}

export interface Labelled {
  code: string
  label: string
}

export interface Catalogue {
  categories: TreeNode[]
  regions: TreeNode[]
  units: TreeNode[]
  queues: { name: string; label: string }[]
  request_types: Labelled[]
  urgencies: Labelled[]
  reasons: (Labelled & { limit_minutes?: number | null })[]
  transfer?: TransferChoices
  seats: { number: string; label: string }[]
  outcomes?: Labelled[]
  ticket_states?: Labelled[]
}

export type TransferKind = 'queue' | 'seat' | 'number' | 'target' | 'group'

/** Whom a call can go to; `state` of a seat is one word as on the chip. */
export interface TransferChoices {
  seats: { number: string; label: string; agent_name: string | null; state: string }[]
  queues: { name: string; label: string }[]
  groups: { group: string; targets: { id: number; name: string; note: string }[] }[]
}

/** Whom to call: the server finds the number, except where digits were typed. */
export type DialWhat =
  { ticket: string } | { call: string } | { missed: number } | { number: string } | { redial: true }

export const OUTCOMES = [
  'answered',
  'self_served',
  'abandoned_in_menu',
  'short_abandon',
  'abandoned_in_queue',
  'callback_requested',
  'voicemail_left',
  'refused',
  'closed',
  'overflowed',
  'failed',
  'no_answer',
  'busy',
  'unreachable',
  'cancelled',
] as const

/** One line of the screen-pop stop-watch, read by `hotline bench pop`. */
export interface PopTiming {
  uid: string
  event_at: number | null
  received_at: number
  painted_at: number
}

declare global {
  interface Window {
    __pops: PopTiming[]
  }
}

export const TICKET_STATES = [
  'pre_review',
  'to_dispatch',
  'direct_answered',
  'not_accepted',
  'to_sign',
  'in_progress',
  'to_review',
  'to_follow_up',
  'closed',
] as const

/** What an action on a ticket needs to be told; `*` must be filled in. Same table as tickets/life.py. */
export const ACTION_INPUTS: Record<string, readonly string[]> = {
  direct_answer: ['answer*', 'note'],
  dispatch: ['unit_id*', 'note'],
  reply: ['answer*', 'note'],
  not_accept: ['note*'],
  reject_reply: ['note*'],
  remark: ['note*'],
}
