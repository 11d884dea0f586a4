/** The seat map's rules: which tiles are shown, in which order and sections, how large, and which stand out. */
import type { SeatState, Tile } from '../types/floor'

/** In the order of the chips: at work first, away last. */
export const SEAT_STATES: readonly SeatState[] = [
  'ready',
  'ringing',
  'dialing',
  'talking',
  'holding',
  'after_call',
  'not_ready',
  'unreachable',
  'signed_out',
]
/** What needs a leader's eye, whatever the state. */
export const FLAGS = ['help', 'late', 'watched', 'blind'] as const
export type Flag = (typeof FLAGS)[number]
export type Shown = SeatState | Flag

export interface MapFilter {
  group: number | null
  queue: string
  /** Empty: all states. */
  states: ReadonlySet<Shown>
  text: string
}
export const NO_FILTER: MapFilter = { group: null, queue: '', states: new Set(), text: '' }

/** Since when each PBX cannot be seen: what its seats were in then says nothing of now. */
export type BlindSince = Readonly<Record<string, number>>
export const NOT_BLIND: BlindSince = {}

/** In its state for longer than the limit. */
export const isLate = (tile: Tile, now: number) =>
  tile.limit_ms !== null && tile.since !== null && now - tile.since > tile.limit_ms

export function hasFlag(tile: Tile, flag: Flag, now: number, blind = NOT_BLIND): boolean {
  if (tile.pbx in blind || flag === 'blind') return flag === 'blind' && tile.pbx in blind
  if (flag === 'help') return tile.help_since !== null
  return flag === 'late' ? isLate(tile, now) : tile.watched.length > 0
}
const isFlag = (one: Shown): one is Flag => (FLAGS as readonly string[]).includes(one)

/** Everything but the state: what the counts on the chips are counted over. */
export function inReach(tile: Tile, filter: MapFilter): boolean {
  if (filter.group !== null && tile.group_id !== filter.group) return false
  // A seat whose call is of the queue counts too: the agent may have been taken out of it meanwhile.
  if (filter.queue && !tile.queues.includes(filter.queue) && tile.call?.queue !== filter.queue) return false
  const sought = filter.text.trim().toLowerCase()
  if (!sought) return true
  const said = [tile.seat, tile.label, tile.agent_name, tile.work_number, tile.agent, tile.call?.queue_label]
  return said.some((one) => one?.toLowerCase().includes(sought))
}
export function isShown(tile: Tile, filter: MapFilter, now: number, blind = NOT_BLIND): boolean {
  if (!inReach(tile, filter)) return false
  if (!filter.states.size) return true
  return [...filter.states].some((one) =>
    isFlag(one) ? hasFlag(tile, one, now, blind) : tile.word === one && !(tile.pbx in blind),
  )
}

/** Seats that cannot be seen are counted as such and as nothing else. */
export function countShown(tiles: Iterable<Tile>, now: number, blind = NOT_BLIND): Record<Shown, number> {
  const counts = Object.fromEntries([...SEAT_STATES, ...FLAGS].map((one) => [one, 0])) as Record<
    Shown,
    number
  >
  for (const tile of tiles) {
    if (!(tile.pbx in blind)) counts[tile.word] += 1
    for (const flag of FLAGS) if (hasFlag(tile, flag, now, blind)) counts[flag] += 1
  }
  return counts
}

export type Grouping = 'group' | 'room'
export type Sorting = 'seat' | 'attention'

export interface Section {
  /** Of the group or room; empty: those that have none. */
  name: string
  tiles: Tile[]
  /** Rooms only: how wide and high the drawn plan is. */
  columns: number
  rows: number
}

/** Small first: who asked for help, who is over the limit, who cannot be reached, who talks the longest. */
function urgency(tile: Tile, now: number): number {
  if (tile.help_since !== null) return 0
  if (isLate(tile, now)) return 1
  if (tile.word === 'unreachable') return 2
  return tile.word === 'signed_out' ? 4 : 3
}
export const bySeat = (a: Tile, b: Tile) => a.seat.localeCompare(b.seat, 'en', { numeric: true })
const byAttention = (now: number) => (a: Tile, b: Tile) =>
  urgency(a, now) - urgency(b, now) ||
  (urgency(a, now) < 3 ? (a.help_since ?? a.since ?? 0) - (b.help_since ?? b.since ?? 0) : 0) ||
  bySeat(a, b)

const isPlaced = (tile: Tile) => tile.room !== null && tile.column !== null && tile.row !== null

/** The shown tiles in their sections; `names`: the sections' order. Empty sections are left out. */
export function sections(
  tiles: Tile[],
  grouping: Grouping,
  names: readonly string[],
  sorting: Sorting,
  now: number,
): Section[] {
  const found = new Map<string, Tile[]>(names.map((name) => [name, []]))
  for (const tile of tiles) {
    const name = (grouping === 'group' ? tile.group_name : isPlaced(tile) ? tile.room : '') ?? ''
    const members = found.get(name)
    if (members) members.push(tile)
    else found.set(name, [tile])
  }
  const order = sorting === 'seat' ? bySeat : byAttention(now)
  const plan = (members: Tile[], side: 'column' | 'row') => Math.max(0, ...members.map((t) => t[side] ?? 0))
  return [...found]
    .filter(([, members]) => members.length)
    .sort(([a], [b]) => Number(a === '') - Number(b === ''))
    .map(([name, members]) => {
      const placed = grouping === 'room' && name !== ''
      return {
        name,
        tiles: members.sort(order),
        columns: placed ? plan(members, 'column') : 0,
        rows: placed ? plan(members, 'row') : 0,
      }
    })
}

/** How much a tile tells: everything, the call in one line, name and state, or no more than fits 300 on a screen. */
export const DENSITIES = ['roomy', 'medium', 'compact', 'tiny'] as const
export type Density = (typeof DENSITIES)[number]
/** Least width and height of a tile in CSS pixels; floor.css has the same heights. */
export const TILE_SIZE: Record<Density, { width: number; height: number }> = {
  roomy: { width: 196, height: 134 },
  medium: { width: 178, height: 92 },
  compact: { width: 140, height: 66 },
  tiny: { width: 112, height: 42 },
}
export const TILE_GAP = 6
export const HEADING = 34

/** Few seats on a large screen are drawn larger. */
const SCALES = [1.6, 1.45, 1.3, 1.15, 1]

function fits(parts: readonly Section[], width: number, height: number, tile: Density, scale = 1): boolean {
  const size = TILE_SIZE[tile]
  const across = Math.max(1, Math.floor((width + TILE_GAP * scale) / ((size.width + TILE_GAP) * scale)))
  const needed = parts.reduce((sum, part) => {
    const rows = part.rows || Math.ceil(part.tiles.length / across)
    return sum + HEADING + rows * (size.height + TILE_GAP) * scale
  }, 0)
  return needed <= height && parts.every((part) => part.columns <= across)
}
/** The most generous density at which all sections fit the room; the densest where none does. */
export const fitting = (parts: readonly Section[], width: number, height: number): Density =>
  DENSITIES.find((one) => fits(parts, width, height, one)) ?? 'tiny'
export const scaleFor = (parts: readonly Section[], width: number, height: number, tile: Density): number =>
  tile === 'roomy' ? (SCALES.find((scale) => fits(parts, width, height, tile, scale)) ?? 1) : 1

export interface Box {
  seat: string
  left: number
  top: number
  width: number
  height: number
}
export type Direction = 'left' | 'right' | 'up' | 'down'

/** The tile that an arrow leads to: the nearest one that way, across rows and sections. null: there is none. */
export function neighbour(boxes: readonly Box[], from: string, way: Direction): string | null {
  const here = boxes.findIndex((box) => box.seat === from)
  if (here < 0) return boxes[0]?.seat ?? null
  if (way === 'left') return boxes[here - 1]?.seat ?? null
  if (way === 'right') return boxes[here + 1]?.seat ?? null
  const middle = (box: Box) => box.left + box.width / 2
  const me = boxes[here]
  const beyond = boxes.filter((box) =>
    way === 'down' ? box.top >= me.top + me.height / 2 : box.top + box.height / 2 <= me.top,
  )
  if (!beyond.length) return null
  const edge = way === 'down' ? Math.min(...beyond.map((b) => b.top)) : Math.max(...beyond.map((b) => b.top))
  const line = beyond.filter((box) => Math.abs(box.top - edge) < box.height / 2)
  return line.reduce((best, box) =>
    Math.abs(middle(box) - middle(me)) < Math.abs(middle(best) - middle(me)) ? box : best,
  ).seat
}
