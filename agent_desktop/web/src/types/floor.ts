/** The shapes of the live floor: seats on the map, the board, the wall, supervision. All times are epoch ms. */
import type { Pop, Presence, Reason, Telephone, TicketForm, TicketRow } from '../types'

/** One word for a seat's state, as the agent's own chip has it. */
export type SeatState =
  | 'signed_out'
  | 'ready'
  | 'not_ready'
  | 'after_call'
  | 'ringing'
  | 'dialing'
  | 'talking'
  | 'holding'
  | 'unreachable'

export type WatchMode = 'listen' | 'whisper' | 'barge' | 'take_over'

export interface TileCall {
  uid: string
  state: string
  kind: string | null
  direction: string | null
  queue: string
  queue_label: string
  path_labels: string[]
  masked: string
  region: string
  asked_at: number | null
  answered_at: number | null
  recording: string | null
  party_label: string | null
}

/** A seat as the map shows it. */
export interface Tile {
  seat: string
  label: string
  pbx: string
  agent: string | null
  agent_name: string | null
  work_number: string | null
  group_id: number | null
  group_name: string | null
  presence: Presence
  reason: Reason | null
  reason_label: string | null
  activity: string
  word: SeatState
  reachable: boolean
  telephone: Telephone | null
  since: number | null
  until: number | null
  /** After so long in this state the tile stands out. */
  limit_ms: number | null
  queues: string[]
  help_since: number | null
  call: TileCall | null
  watched: { by: string; by_name: string; mode: WatchMode }[]
  today: {
    answered: number
    outbound: number
    talk_seconds: number
    average_talk_seconds: number | null
  } | null
  room: string | null
  column: number | null
  row: number | null
}

/** A supervisor at a call, or waiting for a seat's next one. */
export interface Watch {
  id: string
  by: string
  seat: string
  call: string | null
  mode: WatchMode
  /** calling: the supervisor's telephone rings; waiting: armed for the next call. */
  state: 'calling' | 'waiting' | 'on'
  /** "browser", or the number of a desk phone. */
  telephone: string
  follow: boolean
  since: number
  began_at: number | null
}

export interface Figures {
  offered: number
  decided: number
  answered: number
  answered_in_15: number
  abandoned: number
  short_abandons: number
  callbacks: number
  overflowed: number
  answer_rate: number | null
  in_15_rate: number | null
  abandon_rate: number | null
  average_wait_seconds: number | null
  longest_wait_seconds: number | null
  average_talk_seconds: number | null
}

export type Window = 'm5' | 'm15' | 'm60' | 'today' | 'h24'

export interface WaitingCaller {
  uid: string
  masked: string
  region: string
  asked_at: number
  priority: number
  position: number
  path_labels: string[]
  caller_flag: string | null
}

export interface QueueSwitch {
  state: 'open' | 'closed'
  until: number | null
  by_name: string
  reason: string
}

export interface Overflow {
  after_seconds: number
  then: 'offer' | 'duty' | 'queue'
  target: string | null
}

export interface QueueRow {
  queue: string
  label: string
  open: boolean
  switch: QueueSwitch | null
  overflow: Overflow | null
  waiting: WaitingCaller[]
  longest_asked_at: number | null
  seats: {
    ready: number
    ringing: number
    talking: number
    holding: number
    after_call: number
    not_ready: Record<string, number>
    unreachable: number
    signed_in: number
  }
  windows: Record<Window, Figures>
  estimated_wait_seconds: number | null
  callbacks_owed: number
}

/** pbx → since when it cannot be seen; null: it is seen. */
export type Blind = Record<string, number | null>

export interface Board {
  n: number
  at: number
  /** pbx → id of the last journal line counted: equal versions give equal figures. */
  version: Record<string, number>
  blind: Blind
  queues: QueueRow[]
  total: QueueRow
  trunk: { in_use: number; limit: number | null }
  callbacks_owed: number
  wait_norm_seconds: number
  /** The database does not answer since then: what is counted stands still, what is live goes on. */
  figures_since?: number | null
}

export interface WallDay {
  steps: string[]
  offered: (number | null)[]
  answered: (number | null)[]
  abandoned: (number | null)[]
  waiting: (number | null)[]
  seats: (number | null)[]
  forecast: (number | null)[]
}

export interface Wall {
  n?: number
  at: number
  board: Board
  day: WallDay
  city: string
  notice: string | null
}

export interface FloorSettings {
  supervision_notice: boolean
  trunk_channels: number
  long_talk_seconds: number
  long_hold_seconds: number
  long_after_call_seconds: number
  long_ring_seconds: number
  wall_notice: string | null
}

/** GET /api/floor, and the answer to opening the map. */
export interface FloorPicture {
  n: number
  at: number
  seats: Tile[]
  board: Board
  watches: Watch[]
  settings: FloorSettings
  groups: { id: number; name: string }[]
  rooms: string[]
  me: { login: string; group_id: number | null; watch: Watch | null }
}

export interface MapPush {
  n: number
  at: number
  seats: Tile[]
  watches: Watch[]
  blind?: Blind
}

export interface BoardPush {
  n: number
  at: number
  version: Record<string, number>
  queues: QueueRow[]
  total: QueueRow
  trunk: { in_use: number; limit: number | null }
  blind: Blind
  callbacks_owed: number
}

export type WallPush = Partial<Wall> & { n: number; at: number }

export interface FocusPush {
  seat: string
  uid: string | null
  what: 'call' | 'ticket' | 'path'
}

export interface PathStep {
  at: number
  kind: string
  label: string
  detail: string | null
  seat: string | null
  agent_name: string | null
  /** How long it lasted; null while it goes on, or where it has no length. */
  ms: number | null
}

/** GET /api/floor/calls/<uid> */
export interface CallFocus {
  call: Record<string, unknown> | null
  path: PathStep[]
  pop: Pop | null
  ticket: {
    saved: TicketRow[]
    draft: { body: Partial<TicketForm>; saved_at: number; by_name: string } | null
  }
}

export interface SeatHistoryEntry {
  at: number
  state: string
  label: string
  ms: number | null
}

/** GET /api/floor/seats/<number> */
export interface SeatFocus {
  tile: Tile
  history: SeatHistoryEntry[]
}

export interface Place {
  seat: string
  room: string | null
  column: number | null
  row: number | null
}

/** A desk phone at which nobody is signed in. */
export interface FreePhone {
  seat: string
  label: string
}

export type ForceVerb = 'ready' | 'not_ready' | 'sign_out' | 'hang_up'

/** Who and which call the person saw at the seat: where it is another by now, nothing happens to either. */
export interface Expects {
  agent: string | null
  uid?: string | null
}
