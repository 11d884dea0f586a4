/** What the stores need around them in a test: a session, a storage in memory, an API that is told what to answer. */
import { createPinia, setActivePinia } from 'pinia'
import { vi } from 'vitest'

import { ApiError, api } from '../src/api'
import { useSession } from '../src/stores/session'
import type { PushedCall, Seat, SeatPush } from '../src/types'

export class MemoryStorage implements Storage {
  private kept = new Map<string, string>()
  get length() {
    return this.kept.size
  }
  key = (i: number) => [...this.kept.keys()][i] ?? null
  getItem = (name: string) => this.kept.get(name) ?? null
  setItem = (name: string, value: string) => void this.kept.set(name, value)
  removeItem = (name: string) => void this.kept.delete(name)
  clear = () => this.kept.clear()
}

export function newPage(): void {
  setActivePinia(createPinia())
  useSession().user = { id: 7, login: 'agent01', name: '欧阳建国', work_number: '1001', role: 'agent' }
}

export function newBrowser(): void {
  vi.stubGlobal('localStorage', new MemoryStorage())
  vi.stubGlobal('sessionStorage', new MemoryStorage())
  newPage()
}

export function aSeat(change: Partial<Seat> = {}): Seat {
  return {
    seat: '8001',
    agent: 'agent01',
    presence: 'ready',
    reason: null,
    activity: 'idle',
    reachable: true,
    since: 1_000,
    call: null,
    queues: ['general'],
    ...change,
  }
}

export function aCall(change: Partial<PushedCall> = {}): PushedCall {
  return {
    uid: 'pbx1-1.1',
    state: 'ringing',
    queue: 'general',
    queue_label: '综合诉求',
    arrived_at: 1_000,
    queued_at: 2_000,
    ringing_at: 3_000,
    answered_at: null,
    event_at: 3_000,
    ...change,
  }
}

export function aPush(n: number, call: PushedCall | null = null, seat: Partial<Seat> = {}): SeatPush {
  return { n, call, seat: aSeat({ call: call?.uid ?? null, activity: call ? 'ringing' : 'idle', ...seat }) }
}

export const offline = () => new ApiError(0, 'offline', '')
export const answer = <Name extends keyof typeof api>(name: Name) =>
  vi.spyOn(api, name) as ReturnType<typeof vi.fn>
