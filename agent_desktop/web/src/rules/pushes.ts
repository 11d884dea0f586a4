/** What the number on a push means, compared with the last one taken. */
export type PushOrder = 'next' | 'late' | 'gap'

export function order(last: number | null, n: number): PushOrder {
  if (last === null) return 'gap'
  if (n === last + 1) return 'next'
  return n <= last ? 'late' : 'gap'
}

/** Milliseconds before try number `attempt` (0, 1, 2…): 0.5 s doubling up to 8 s. */
export function backOff(attempt: number): number {
  return Math.min(8_000, 500 * 2 ** attempt)
}
