/** The parts of a call as they are drawn below its recording. */
import type { CallPart } from '../types'

const TALK = ['agent', 'outside']

/** A part with its place: `row` 0 is who talks, 1 what else there was; left and width in percent. */
export interface Placed {
  part: CallPart
  row: 0 | 1
  left: number
  width: number
  /** Not in the recording: a mark at one place. */
  mark: boolean
}

/** The places of all parts in a recording of so many seconds; what lies behind its end is cut off. */
export function placed(parts: CallPart[], seconds: number): Placed[] {
  if (seconds <= 0) return []
  const percent = (at: number) => (100 * Math.min(Math.max(0, at), seconds)) / seconds
  return parts.map((part) => ({
    part,
    row: TALK.includes(part.kind) ? 0 : 1,
    left: percent(part.from_s),
    width: percent(part.to_s) - percent(part.from_s),
    mark: part.to_s <= part.from_s,
  }))
}

/** What is heard at one place, the smallest part first; marks are never heard. */
export function heardAt(parts: CallPart[], second: number): CallPart[] {
  return parts
    .filter((part) => part.from_s <= second && second < part.to_s)
    .sort((a, b) => a.to_s - a.from_s - (b.to_s - b.from_s))
}
