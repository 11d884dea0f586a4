/** What the settings pages work out: priorities, states of special desks, what has changed. Plain functions. */
import { clock, day, dayStart } from '../rules/time'
import type { AgentSkills, DeskRow } from './shapes'

const DAY_MS = 24 * 3_600_000
export const LOWEST_PRIORITY = 10

/** "1" for penalty 0; "" where the queue is not served. */
export function priorityOf(agent: AgentSkills, queue: string): string {
  const penalty = agent.penalties[queue]
  return penalty === undefined ? '' : String(penalty + 1)
}

/** What was typed, as a penalty: undefined for "not served", null when it is no priority. */
export function penaltyOf(typed: string): number | undefined | null {
  const text = typed.trim()
  if (!text || text === '0' || text === '-') return undefined
  if (!/^\d{1,2}$/.test(text)) return null
  const priority = Number(text)
  return priority <= LOWEST_PRIORITY ? priority - 1 : null
}

/** Words of a desk's state: a key below `settings.desks` and what goes into it. */
export function stateWords(desk: DeskRow, now: number): { key: string; days?: number; at?: string } {
  if (desk.state === 'always') return { key: 'always' }
  if (desk.changes_at === null) return { key: desk.state === 'open' ? 'openForGood' : 'over' }
  const days = Math.round((dayStart(desk.changes_at) - dayStart(now)) / DAY_MS)
  const time = clock(desk.changes_at).slice(0, 5)
  const at = days > 1 ? `${day(desk.changes_at)} ${time}` : time
  const when = days <= 0 ? 'Today' : days === 1 ? 'Tomorrow' : 'Later'
  return { key: `${desk.state}${when}`, days, at }
}

/** The rows of `now` that are not as in `before`, by id. */
export function changedAgents(before: AgentSkills[], now: AgentSkills[]): AgentSkills[] {
  const known = new Map(before.map((agent) => [agent.id, JSON.stringify(sorted(agent.penalties))]))
  return now.filter((agent) => known.get(agent.id) !== JSON.stringify(sorted(agent.penalties)))
}

function sorted(penalties: Record<string, number>): [string, number][] {
  return Object.entries(penalties).sort(([one], [other]) => one.localeCompare(other))
}

/** A copy with the row at `from` put at `to`; as it was when there is no such place. */
export function moved<Row>(rows: Row[], from: number, to: number): Row[] {
  if (from < 0 || to < 0 || from >= rows.length || to >= rows.length) return rows
  const copy = [...rows]
  copy.splice(to, 0, ...copy.splice(from, 1))
  return copy
}
