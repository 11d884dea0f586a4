/** The live floor over HTTP: snapshots, the seat in focus, supervising it, forcing its state. */
import { request, uidPath } from '../api'
import type { PhoneAccount } from '../types'
import type {
  Board,
  CallFocus,
  Expects,
  FloorPicture,
  ForceVerb,
  FreePhone,
  Place,
  SeatFocus,
  Wall,
  WatchMode,
} from '../types/floor'

const seatPath = (seat: string) => `/floor/seats/${encodeURIComponent(seat)}`

export const floorApi = {
  floor: () => request<FloorPicture>('GET', '/floor'),
  board: () => request<Board>('GET', '/board'),
  wall: () => request<Wall>('GET', '/wall'),
  call: (uid: string) => request<CallFocus>('GET', `/floor/calls/${uidPath(uid)}`),
  seat: (seat: string) => request<SeatFocus>('GET', seatPath(seat)),
  saveLayout: (places: Place[]) => request<{ places: Place[] }>('PUT', '/floor/layout', { places }),

  watch: (seat: string, mode: WatchMode, telephone: string, follow: boolean, expects: Expects) =>
    request('POST', '/supervision/watch', { seat, mode, telephone, follow, expects }),
  mode: (mode: WatchMode) => request('POST', '/supervision/mode', { mode }),
  leave: () => request('POST', '/supervision/leave', {}),
  takeOver: (reason: string) => request('POST', '/supervision/take-over', { reason }),
  freePhones: () => request<{ phones: FreePhone[] }>('GET', '/supervision/phones'),
  phone: (page: string, takeOver: boolean) =>
    request<PhoneAccount>('POST', '/supervision/phone', { page, take_over: takeOver }),
  phoneGone: () => request<void>('DELETE', '/supervision/phone'),

  force: (seat: string, verb: ForceVerb, reason: string, reason_code: string, expects: Expects) =>
    request('POST', `${seatPath(seat)}/force`, { verb, reason, reason_code, expects }),
  takeHelp: (seat: string) => request('POST', `${seatPath(seat)}/take-help`, {}),
  changeQueue: (
    seat: string,
    change: { queue: string; add: boolean; until: number | null; reason: string },
    expects: Expects,
  ) =>
    request<{ pending: boolean; message: string | null }>('POST', `${seatPath(seat)}/queues`, {
      ...change,
      expects,
    }),
}
