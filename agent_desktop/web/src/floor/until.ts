/** Ends that people mean: in half an hour, in an hour or two, at the end of the day. */
import { dayStart } from '../rules/time'

const HOUR = 3_600_000

/** [{code, at: epoch ms}]: full minutes; the day ends at 24:00 in Shanghai. */
export function untilChoices(now: number): { code: '30m' | '1h' | '2h' | 'day'; at: number }[] {
  const minute = Math.ceil(now / 60_000) * 60_000
  return [
    { code: '30m', at: minute + HOUR / 2 },
    { code: '1h', at: minute + HOUR },
    { code: '2h', at: minute + 2 * HOUR },
    { code: 'day', at: dayStart(now) + 24 * HOUR },
  ]
}
