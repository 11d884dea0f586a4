/** Rows of the board for tests. */
import type { Figures, QueueRow } from '../src/types/floor'

export function someFigures(change: Partial<Figures> = {}): Figures {
  return {
    offered: 0,
    decided: 0,
    answered: 0,
    answered_in_15: 0,
    abandoned: 0,
    short_abandons: 0,
    callbacks: 0,
    overflowed: 0,
    answer_rate: null,
    in_15_rate: null,
    abandon_rate: null,
    average_wait_seconds: null,
    longest_wait_seconds: null,
    average_talk_seconds: null,
    ...change,
  }
}
export function someSeats(change: Partial<QueueRow['seats']> = {}): QueueRow['seats'] {
  return {
    ready: 0,
    ringing: 0,
    talking: 0,
    holding: 0,
    after_call: 0,
    not_ready: {},
    unreachable: 0,
    signed_in: 0,
    ...change,
  }
}
