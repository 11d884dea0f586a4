/** Where tiles stand in their rooms while the plan is being changed. Plain data: nothing here is saved. */
import type { Place, Tile } from '../types/floor'

/** A placed seat; columns and rows count from 1. */
export interface Standing {
  seat: string
  room: string
  column: number
  row: number
}
export interface Cell {
  room: string
  column: number
  row: number
}

export function standing(tiles: Iterable<Tile>): Standing[] {
  const found: Standing[] = []
  for (const { seat, room, column, row } of tiles)
    if (room !== null && column !== null && row !== null) found.push({ seat, room, column, row })
  return found
}
const at = (one: Standing, cell: Cell) =>
  one.room === cell.room && one.column === cell.column && one.row === cell.row

/** `seat` put on `cell`. Who stood there changes places with it, or is without a place if it had none. */
export function moved(plan: readonly Standing[], seat: string, cell: Cell): Standing[] {
  if (cell.column < 1 || cell.row < 1) return [...plan]
  const before = plan.find((one) => one.seat === seat)
  const there = plan.find((one) => at(one, cell))
  if (there?.seat === seat) return [...plan]
  const rest = plan.filter((one) => one.seat !== seat && one !== there)
  const swapped = there && before ? [{ ...before, seat: there.seat }] : []
  return [...rest, ...swapped, { seat, ...cell }]
}
export const taken = (plan: readonly Standing[], seat: string) => plan.filter((one) => one.seat !== seat)

/** The first empty cell of a room, row by row. */
export function freeCell(plan: readonly Standing[], room: string, columns: number): Cell {
  for (let i = 0; ; i += 1) {
    const cell = { room, column: (i % columns) + 1, row: Math.floor(i / columns) + 1 }
    if (!plan.some((one) => at(one, cell))) return cell
  }
}
/** All that have no place yet, put into a room in the order given. */
export function filled(
  plan: readonly Standing[],
  seats: readonly string[],
  room: string,
  columns: number,
): Standing[] {
  const placed = new Set(plan.map((one) => one.seat))
  let next = [...plan]
  for (const seat of seats)
    if (!placed.has(seat)) next = [...next, { seat, ...freeCell(next, room, columns) }]
  return next
}
export const renamed = (plan: readonly Standing[], from: string, to: string) =>
  plan.map((one) => (one.room === from ? { ...one, room: to } : one))
export const without = (plan: readonly Standing[], room: string) => plan.filter((one) => one.room !== room)

/** How wide and high a room is drawn while it is changed: one free column and row to drag to. */
export function extent(plan: readonly Standing[], room: string): { columns: number; rows: number } {
  const mine = plan.filter((one) => one.room === room)
  return {
    columns: Math.max(6, ...mine.map((one) => one.column + 1)),
    rows: Math.max(2, ...mine.map((one) => one.row + 1)),
  }
}
/** As the server keeps it; seats that stand nowhere are not in it. */
export const asPlaces = (plan: readonly Standing[]): Place[] =>
  [...plan].sort((a, b) => a.seat.localeCompare(b.seat, 'en', { numeric: true }))
