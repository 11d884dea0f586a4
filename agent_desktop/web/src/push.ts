/** The one place that knows Socket.IO: it turns pushes into calls on a listener and keeps trying to connect. */
import { io, type Socket } from 'socket.io-client'

import { ApiError } from './api'
import { PAGE } from './page'
import type { Alarm } from './api/alarms'
import type { MessagePush } from './api/messages'
import type { LinkPush, SeatPush, SnapshotPush } from './types'
import type { BoardPush, FocusPush, MapPush, WallPush } from './types/floor'

export interface PushListener {
  connected(): void
  lost(): void
  /** The server refused us: the session may be over. */
  refused(): void
  snapshot(push: SnapshotPush): void
  seat(push: SeatPush): void
  link(push: LinkPush): void
  ticketSaved(number: string): void
  recordingKept(callUid: string, recordingId: number): void
  /** So many citizens wait to be called back. */
  missed(open: number): void
  /** The roster was changed, or who is there against it. */
  roster(what: 'entries' | 'now'): void
  /** That page has the agent's telephone now. */
  phoneTaken(page: string): void
  floorMap(push: MapPush): void
  floorBoard(push: BoardPush): void
  wall(push: WallPush): void
  floorFocus(push: FocusPush): void
  /** Announcements were made, published or ended. */
  announcements(): void
  message(push: MessagePush): void
  /** A leader has done something to the own seat, or comes to help. */
  forced(push: { verb: string; by_name: string; reason: string }): void
  /** How leaders are in my call, where agents are to be told. */
  watched(modes: string[]): void
  /** Every alarm that is on. */
  alarms(open: Alarm[]): void
}

const PRESENCE_MS = 10_000
const ANSWER_MS = 1_500
const RETRY_MS = 1_500
/** A line on which nothing has come so long, where a beat should, is dead. */
const SILENT_MS = 7_000
const LISTEN_MS = 1_000

let socket: Socket | null = null
let presence: ReturnType<typeof setInterval> | undefined
let listening: ReturnType<typeof setInterval> | undefined
let retry: ReturnType<typeof setTimeout> | undefined

export function openPushes(listener: PushListener): void {
  closePushes()
  const line = io({
    auth: { page: PAGE },
    transports: ['websocket', 'polling'],
    reconnectionDelayMax: 3_000,
    timeout: 5_000,
  })
  socket = line

  const again = () => {
    clearTimeout(retry)
    // Socket.IO does not try again by itself after the server closed or refused the connection.
    if (!line.active) retry = setTimeout(() => line.connect(), RETRY_MS)
  }
  line.on('connect', () => listener.connected())
  line.on('disconnect', () => {
    listener.lost()
    again()
  })
  line.on('connect_error', () => {
    if (!line.active) listener.refused()
    again()
  })
  // Leaders' pages are sent a beat every two seconds: a line that has gone dead shows nothing for long.
  let heardAt: number | null = null
  line.onAny(() => heardAt !== null && (heardAt = Date.now()))
  line.on('beat', () => (heardAt = Date.now()))
  line.on('disconnect', () => (heardAt = null))
  listening = setInterval(() => {
    if (heardAt === null || !line.connected || Date.now() - heardAt < SILENT_MS) return
    heardAt = null
    listener.lost()
    line.disconnect().connect()
  }, LISTEN_MS)
  line.on('snapshot', (push: SnapshotPush) => listener.snapshot(push))
  line.on('seat', (push: SeatPush) => listener.seat(push))
  line.on('link', (push: LinkPush) => listener.link(push))
  line.on('ticket_saved', (push: { number: string }) => listener.ticketSaved(push.number))
  line.on('recording_kept', (push: { call_uid: string; recording_id: number }) =>
    listener.recordingKept(push.call_uid, push.recording_id),
  )
  line.on('announcements', () => listener.announcements())
  line.on('message', (push: MessagePush) => listener.message(push))
  line.on('forced', (push: { verb: string; by_name: string; reason: string }) => listener.forced(push))
  line.on('watched', (push: { modes: string[] }) => listener.watched(push.modes))
  line.on('missed', (push: { open: number }) => listener.missed(push.open))
  line.on('roster', (push: { what: 'entries' | 'now' }) => listener.roster(push.what))
  line.on('phone_taken', (push: { page: string }) => listener.phoneTaken(push.page))
  line.on('floor_map', (push: MapPush) => listener.floorMap(push))
  line.on('floor_board', (push: BoardPush) => listener.floorBoard(push))
  line.on('wall', (push: WallPush) => listener.wall(push))
  line.on('alarms', (push: { open: Alarm[] }) => listener.alarms(push.open))
  line.on('floor_focus', (push: FocusPush) => listener.floorFocus(push))
  presence = setInterval(() => line.connected && line.emit('ping_screen', {}, () => undefined), PRESENCE_MS)
}

export function closePushes(): void {
  clearInterval(presence)
  clearInterval(listening)
  clearTimeout(retry)
  socket?.removeAllListeners()
  socket?.disconnect()
  socket = null
}

/** Ask the server over the socket. Raises ApiError: `offline` when no answer comes, else its refusal. */
export async function askServer<Answer>(event: string, body: Record<string, unknown>): Promise<Answer> {
  if (!socket) throw new ApiError(0, 'offline', '')
  const answer = await socket
    .timeout(ANSWER_MS)
    .emitWithAck(event, body)
    .catch(() => null)
  if (!answer) throw new ApiError(0, 'offline', '')
  if (answer.error) throw new ApiError(answer.status ?? 403, answer.error, answer.message ?? '')
  return answer as Answer
}
/** Tell the server something that needs no answer; lost when the line is down. */
export function tellServer(event: string, body: Record<string, unknown> = {}): void {
  if (socket?.connected) socket.emit(event, body)
}
/** The machine may have slept: a socket that does not answer at once is opened anew. */
export async function probeSocket(): Promise<void> {
  const line = socket
  if (!line?.connected) return void line?.connect()
  const alive = await line
    .timeout(ANSWER_MS)
    .emitWithAck('ping_screen', {})
    .then(() => true)
    .catch(() => false)
  if (!alive && socket === line) line.disconnect().connect()
}
