/** What a push changes in what is shown: only the rows it names, each of them whole. */
import type { QueueRow, Tile } from '../types/floor'

/** The map with these tiles in place of their forerunners; all others stay the same objects. */
export function laidOver(tiles: ReadonlyMap<string, Tile>, changed: Tile[]): Map<string, Tile> {
  const next = new Map(tiles)
  for (const tile of changed) next.set(tile.seat, tile)
  return next
}

/** The queues in their order, with the changed rows; a queue not known yet comes at the end. */
export function queuesAfter(rows: QueueRow[], changed: QueueRow[]): QueueRow[] {
  const byName = new Map(changed.map((row) => [row.queue, row]))
  const next = rows.map((row) => byName.get(row.queue) ?? row)
  const known = new Set(rows.map((row) => row.queue))
  return [...next, ...changed.filter((row) => !known.has(row.queue))]
}
