/** What can be done on the queue board, and how its figures are explained. */
import { request, uidPath } from '../api'
import type { Overflow } from '../types/floor'
import { overflowBody } from '../rules/board'

/** One figure of the dictionary: what is divided by what. */
export interface Definition {
  code: string
  name: string
  numerator: string
  /** Empty: a count or a sum. */
  denominator: string
  exclusions: string
  source: string
}

export type MoveTo = 'front' | 'queue' | 'seat'

const queuePath = (queue: string) => `/floor/queues/${encodeURIComponent(queue)}`

export const boardApi = {
  definitions: () => request<Definition[]>('GET', '/definitions'),
  /** `agent`: who was seen at the seat that gets the caller; refused where somebody else sits there by now. */
  moveCaller: (uid: string, to: MoveTo, target: string, reason: string, agent: string | null = null) =>
    request('POST', `/floor/callers/${uidPath(uid)}/move`, {
      to,
      target,
      reason,
      ...(agent ? { expects: { agent } } : {}),
    }),
  /** `null`: as its periods say. `until` null: until it is undone. */
  switchQueue: (queue: string, state: 'open' | 'closed' | null, until: number | null, reason: string) =>
    request('PUT', `${queuePath(queue)}/switch`, { state, until, reason }),
  overflow: (queue: string, rule: Overflow | null, reason: string) =>
    request('PUT', `${queuePath(queue)}/overflow`, { ...overflowBody(rule), reason }),
}
