/** The missed-call worklist: how a row looks, which key means what. Plain functions. */

/** What an agent says of a call back, in the order of the keys 1 to 6. Same list as ivr/missed_rules.py. */
export const MISSED_RESULTS = [
  'reached',
  'no_answer',
  'busy',
  'switched_off',
  'wrong_number',
  'refused',
] as const
export type MissedResult = (typeof MISSED_RESULTS)[number]

/** How much each reason weighs on the screen: colour and icon follow it, the word says it. */
export const KIND_TONES: Record<string, string> = {
  callback_requested: 'bad',
  voicemail_left: 'call',
  failed: 'bad',
  overflowed: 'warn',
  abandoned_in_queue: 'warn',
  short_abandon: '',
}

/** The result for a digit key, or null. */
export function resultOfKey(key: string): MissedResult | null {
  return /^[1-6]$/.test(key) ? MISSED_RESULTS[Number(key) - 1] : null
}

/** What the line seems to have said, offered first: somebody answered, or nobody did. */
export function likely(answered: boolean): MissedResult {
  return answered ? 'reached' : 'no_answer'
}

/** Id of the row that a call was dialled for, or null. */
export function missedOf(about: string | null | undefined): number | null {
  const found = /^missed:(\d+)$/.exec(about ?? '')
  return found ? Number(found[1]) : null
}

/** A wait as people say it: minutes below two hours, hours below two days, then days. */
export function waited(seconds: number): { unit: 'minutes' | 'hours' | 'days'; n: number } {
  const minutes = Math.max(0, Math.floor(seconds / 60))
  if (minutes < 120) return { unit: 'minutes', n: minutes }
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? { unit: 'hours', n: hours } : { unit: 'days', n: Math.floor(hours / 24) }
}

/** Which row has the focus after the list has changed: the same place, as far as there are rows. */
export function placeAfter(place: number, rows: number): number {
  return Math.min(Math.max(place, 0), rows - 1)
}
