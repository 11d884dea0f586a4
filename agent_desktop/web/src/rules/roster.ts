/** What the roster's pages work out: days of a week, who is where in the grid, counts. Plain functions. */
import type { Agent, Entry, Kind, NowRow } from '../api/roster'

const DAY_MS = 24 * 3_600_000

/** "2026-11-24" for "2026-11-23" and 1. */
export function plusDays(day: string, n: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + n * DAY_MS).toISOString().slice(0, 10)
}
/** 0 for Monday … 6 for Sunday. */
export function weekday(day: string): number {
  return (new Date(`${day}T00:00:00Z`).getUTCDay() + 6) % 7
}
export function mondayOf(day: string): string {
  return plusDays(day, -weekday(day))
}
export function daysBetween(from: string, to: string): string[] {
  const many = Math.round((Date.parse(`${to}T00:00:00Z`) - Date.parse(`${from}T00:00:00Z`)) / DAY_MS) + 1
  return Array.from({ length: Math.max(0, many) }, (_, n) => plusDays(from, n))
}

/** Entries by "<user>/<day>". */
export function byCell(entries: Entry[]): Map<string, Entry[]> {
  const found = new Map<string, Entry[]>()
  for (const entry of entries) {
    const key = `${entry.user_id}/${entry.day}`
    found.set(key, [...(found.get(key) ?? []), entry])
  }
  return found
}

/** Agents of a group ('' all, 'none' without) whose name or number has the words. */
export function sought<Row extends Agent>(agents: Row[], group: string, words: string): Row[] {
  const wanted = words.trim().toLowerCase()
  return agents.filter(
    (agent) =>
      (!group || String(agent.group_id ?? 'none') === group) &&
      (!wanted || `${agent.name} ${agent.work_number} ${agent.login}`.toLowerCase().includes(wanted)),
  )
}

/** How many of these people work each kind on each day, planned absences apart. */
export function coverage(
  entries: Entry[],
  people: Set<number>,
): Record<string, { total: number; absent: number; kinds: Record<string, number> }> {
  const found: Record<string, { total: number; absent: number; kinds: Record<string, number> }> = {}
  for (const entry of entries) {
    if (!people.has(entry.user_id)) continue
    const day = (found[entry.day] ??= { total: 0, absent: 0, kinds: {} })
    if (entry.absence) day.absent += 1
    else {
      day.total += 1
      day.kinds[entry.kind] = (day.kinds[entry.kind] ?? 0) + 1
    }
  }
  return found
}

/** A tone for each kind by its place: colours help, the word beside them tells. */
export function toneOf(kinds: Kind[], code: string): number {
  const at = kinds.findIndex((kind) => kind.code === code)
  return at < 0 ? 0 : (at % 6) + 1
}

/** What somebody should look at comes first; the tab shows these until asked for more. */
export const ATTENTION = ['absent', 'late', 'left_early', 'came_late', 'out', 'due', 'unplanned'] as const
export const PRESENT = ['on_time', 'came_late', 'early', 'overtime', 'unplanned'] as const
export const TONES: Record<string, string> = {
  on_time: 'good',
  came_late: 'warn',
  due: 'call',
  late: 'bad',
  absent: 'bad',
  out: 'call',
  left_early: 'warn',
  unplanned: 'brand',
  early: 'good',
  overtime: 'warn',
}

export function counted(rows: NowRow[]): Record<string, number> {
  const found: Record<string, number> = {}
  for (const row of rows) found[row.standing] = (found[row.standing] ?? 0) + 1
  return found
}
export function sumOf(counts: Record<string, number>, standings: readonly string[]): number {
  return standings.reduce((sum, one) => sum + (counts[one] ?? 0), 0)
}

/** What to say of a row besides its state: a key below `roster.now.detail`, and its minutes or moment. */
export function detailOf(row: NowRow, now: number): { key: string; n?: number; at?: number } | null {
  const minutes = (ms: number) => Math.max(0, Math.floor(ms / 60_000))
  switch (row.standing) {
    case 'due':
    case 'late':
    case 'absent':
      return row.from_at === null ? null : { key: 'missing', n: minutes(now - row.from_at) }
    case 'came_late':
      return { key: 'cameLate', n: Math.round(row.late_seconds / 60), at: row.first_in_at ?? undefined }
    case 'out':
    case 'left_early':
      return row.since === null ? null : { key: 'gone', at: row.since }
    case 'unplanned':
    case 'early':
    case 'on_time':
      return row.since === null ? null : { key: 'since', at: row.since }
    case 'overtime':
      return row.to_at === null ? null : { key: 'over', n: minutes(now - row.to_at) }
    case 'coming':
      return row.from_at === null ? null : { key: 'coming', n: minutes(row.from_at - now) }
    default:
      return null
  }
}
