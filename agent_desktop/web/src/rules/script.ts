/** How the answer to a step of a script is given. */
import type { TicketForm } from '../types'

export type StepKind = 'line' | 'long' | 'tree' | 'choice'

const LONG = ['what', 'asked_for', 'answer']
const TREE = ['category_id', 'region_id', 'unit_id']
const LINE = ['title', 'who', 'when', 'where', 'citizen_name']

/** Short text, long text, a tree to choose from; anything else is chosen in the form itself. */
export function stepKind(field: keyof TicketForm | string): StepKind {
  if (LONG.includes(field)) return 'long'
  if (TREE.includes(field)) return 'tree'
  return LINE.includes(field) ? 'line' : 'choice'
}
