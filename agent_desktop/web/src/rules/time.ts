/** Times and lengths as people read them. Screens show Asia/Shanghai, whatever the computer's own zone is. */

const ZONE = 'Asia/Shanghai'
const AHEAD_MS = 8 * 3_600_000
const DAY_MS = 24 * 3_600_000

const clockFormat = new Intl.DateTimeFormat('zh-CN', {
  timeZone: ZONE,
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
})
const dayFormat = new Intl.DateTimeFormat('en-CA', {
  timeZone: ZONE,
  year: 'numeric',
  month: '2-digit',
  day: '2-digit',
})

const two = (n: number) => String(n).padStart(2, '0')

/** "14:03:09" */
export function clock(ms: number | null | undefined): string {
  return ms == null ? '' : clockFormat.format(ms)
}

/** "2026-11-21" in Shanghai. */
export function day(ms: number): string {
  return dayFormat.format(ms)
}

/** Midnight in Shanghai of the day of `ms`. The zone has had no summer time since 1991. */
export function dayStart(ms: number): number {
  return Math.floor((ms + AHEAD_MS) / DAY_MS) * DAY_MS - AHEAD_MS
}

/** "11-21 14:03:09", or the clock alone when it is the same day as `now`. */
export function moment(ms: number | null | undefined, now: number): string {
  if (ms == null) return ''
  return day(ms) === day(now)
    ? clock(ms)
    : `${day(ms).slice(day(ms).slice(0, 4) === day(now).slice(0, 4) ? 5 : 0)} ${clock(ms).slice(0, 5)}`
}

/** A running length: "0:07", "12:40", "1:02:03". Never negative. */
export function length(ms: number | null | undefined): string {
  if (ms == null) return ''
  const seconds = Math.max(0, Math.floor(ms / 1000))
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`
}

/** Milliseconds left of the after-call time, never negative. */
export function wrapupLeft(since: number, seconds: number, now: number): number {
  return Math.max(0, since + seconds * 1000 - now)
}
