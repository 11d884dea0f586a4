/** Whom a call can go to, as one list that is searched by typing. Plain functions. */
import type { TransferChoices, TransferKind } from '../types'

export interface TransferOption {
  kind: TransferKind
  /** What the server is told. */
  target: string
  label: string
  /** Second line: a colleague's seat, a unit's note, how many a group has. */
  note: string
  /** Heading that it stands under: queues, seats, number, or the group's own name. */
  section: string
  /** State of a colleague's seat. */
  state?: string
  /** Seat state that makes it impossible now. */
  busy?: boolean
  /** A group that is rung as a whole. */
  members?: number
}

const FREE = ['ready', 'not_ready', 'after_call']

/** Digits as somebody may type them: at least three, with the usual signs between. */
const NUMBER = /^\+?[0-9][0-9 ()-]{1,24}[0-9]$/

export function isNumber(typed: string): boolean {
  return NUMBER.test(typed.trim())
}

/** Everybody; not the own seat, and no seat where nobody is signed in. */
export function optionsOf(choices: TransferChoices, mySeat: string | null): TransferOption[] {
  const queues = choices.queues.map(({ name, label }): TransferOption => ({
    kind: 'queue',
    target: name,
    label,
    note: '',
    section: 'queues',
  }))
  const seats = choices.seats
    .filter((seat) => seat.number !== mySeat && seat.state !== 'signed_out')
    .map((seat): TransferOption => ({
      kind: 'seat',
      target: seat.number,
      label: seat.agent_name ?? seat.label,
      note: `${seat.number} ${seat.label}`,
      section: 'seats',
      state: seat.state,
      busy: !FREE.includes(seat.state),
    }))
    .sort((a, b) => Number(a.busy) - Number(b.busy))
  const groups = choices.groups.flatMap(({ group, targets }) => [
    ...(targets.length > 1
      ? [
          {
            kind: 'group',
            target: group,
            label: group,
            note: '',
            section: group,
            members: targets.length,
          } as TransferOption,
        ]
      : []),
    ...targets.map((one): TransferOption => ({
      kind: 'target',
      target: String(one.id),
      label: one.name,
      note: one.note,
      section: group,
    })),
  ])
  return [...queues, ...seats, ...groups]
}

/** The options that fit every typed word, and the typed digits themselves where they are a number. */
export function search(options: TransferOption[], typed: string, section = ''): TransferOption[] {
  const text = typed.trim().toLowerCase()
  const words = text.split(/\s+/).filter(Boolean)
  const found = options.filter((one) => {
    const said = `${one.label} ${one.note} ${one.section} ${one.target}`.toLowerCase()
    return (!section || one.section === section) && words.every((word) => said.includes(word))
  })
  if (!isNumber(text)) return found
  const outside: TransferOption = { kind: 'number', target: text, label: text, note: '', section: 'number' }
  // A colleague's seat number is no outside number to begin with.
  return found.some((one) => one.kind === 'seat' && one.target === text)
    ? [...found, outside]
    : [outside, ...found]
}

/** The headings that there are, in order. */
export function sectionsOf(options: TransferOption[]): string[] {
  return [...new Set(options.map((one) => one.section))]
}
