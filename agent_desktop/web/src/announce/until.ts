/** Ends of an announcement that people mean, and the one that they type. */
import { dayStart, moment } from '../rules/time'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const MINUTE = 60_000

export type EndCode = 'h1' | 'h2' | 'h4' | 'day' | 'morning'

/** Full minutes from `now`; the day ends at 24:00 and the morning is 8:00 of the next day, in Shanghai. */
export function endChoices(now: number): { code: EndCode; at: number }[] {
  const minute = Math.ceil(now / MINUTE) * MINUTE
  const found: { code: EndCode; at: number }[] = [
    { code: 'h1', at: minute + HOUR },
    { code: 'h2', at: minute + 2 * HOUR },
    { code: 'h4', at: minute + 4 * HOUR },
    { code: 'day', at: dayStart(now) + DAY },
    { code: 'morning', at: dayStart(now) + DAY + 8 * HOUR },
  ]
  return found.filter((one) => one.at - now > MINUTE)
}

/** "2026-11-22T18:30", typed as a time of Shanghai, in epoch ms; null where it is none. */
export function typedMoment(text: string): number | null {
  const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d$/.test(text) ? Date.parse(`${text}:00+08:00`) : NaN
  return Number.isNaN(at) ? null : at
}

/** The other way round, for the field. */
export function asTyped(at: number): string {
  return new Date(at + 8 * HOUR).toISOString().slice(0, 16)
}

/** What is left in whole hours and minutes; at least a minute until it is over. */
export function left(until: number, now: number): { hours: number; minutes: number } {
  const minutes = until > now ? Math.max(1, Math.floor((until - now) / MINUTE)) : 0
  return { hours: Math.floor(minutes / 60), minutes: minutes % 60 }
}

/** "18:30", "11-23 08:00": nobody ends an announcement to the second. */
export function briefly(at: number, today: number): string {
  return moment(at, today).replace(/(\d\d:\d\d):\d\d$/, '$1')
}
