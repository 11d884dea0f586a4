/** The agent's own figures of today as people read them. Plain functions. */
import type { Today } from '../types'
import { length } from './time'

/** "3:05", "1:02:03"; a dash where there was nothing to measure. */
export function seconds(value: number | null | undefined): string {
  return value == null ? '—' : length(value * 1000)
}

/** "87%", "100%"; a dash where there is no denominator. */
export function percent(value: number | null | undefined): string {
  return value == null ? '—' : `${Math.round(value * 100)}%`
}

export interface Figure {
  name: string
  value: string
  /** Counted from: shown beneath, as "12/15". */
  of?: string
}

/** In the order of the screen; a figure that the server does not send is left out. */
export function figuresOf(today: Today): Figure[] {
  const rated = today.satisfaction
  const all: (Figure | null)[] = [
    { name: 'answered', value: String(today.answered) },
    today.outbound === undefined ? null : { name: 'outbound', value: String(today.outbound) },
    { name: 'talk', value: seconds(today.talk_seconds) },
    today.average_talk_seconds === undefined
      ? null
      : { name: 'averageTalk', value: seconds(today.average_talk_seconds) },
    today.average_wait_seconds === undefined
      ? null
      : { name: 'averageWait', value: seconds(today.average_wait_seconds) },
    today.average_after_call_seconds === undefined
      ? null
      : { name: 'averageAfterCall', value: seconds(today.average_after_call_seconds) },
    today.signed_in_seconds === undefined
      ? null
      : { name: 'signedIn', value: seconds(today.signed_in_seconds) },
    today.utilisation === undefined ? null : { name: 'utilisation', value: percent(today.utilisation) },
    today.direct_rate === undefined ? null : { name: 'direct', value: percent(today.direct_rate) },
    rated
      ? {
          name: 'satisfaction',
          value: percent(rated.rate),
          of: rated.rated ? `${rated.satisfied}/${rated.rated}` : undefined,
        }
      : null,
  ]
  return all.filter((one) => one !== null)
}
