/** The notes on a caller, the gravest first. */
import type { CallerNote, NoteKind } from '../types'

const ORDER: NoteKind[] = ['blocked', 'sensitive', 'care', 'language']

/** Kinds that this page does not know are shown as sensitive: rather a note too much than one overlooked. */
export function inOrder(notes: CallerNote[]): CallerNote[] {
  return notes
    .map((one) => (ORDER.includes(one.kind) ? one : { ...one, kind: 'sensitive' as const }))
    .sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind))
}
