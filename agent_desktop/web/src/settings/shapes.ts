/** The shapes of /api/desk-settings. A priority is shown as 1, 2…; on the wire it is a penalty of 0, 1…. */

export interface QueueState {
  name: string
  label: string
  /** Opens and closes by date. */
  special: boolean
  open: boolean
}

export interface AgentSkills {
  id: number
  login: string
  name: string
  work_number: string
  penalties: Record<string, number>
}

export interface SkillsPage {
  version: string
  queues: QueueState[]
  agents: AgentSkills[]
}

export interface PeriodRow {
  id: number | null
  queue: string
  title: string
  opens_on: string
  closes_on: string
  from_time: string | null
  to_time: string | null
}

export interface DeskRow {
  queue: string
  label: string
  /** Where callers of closed desks go: always open. */
  main: boolean
  state: 'always' | 'open' | 'closed'
  changes_at: number | null
  periods: PeriodRow[]
}

export interface DesksPage {
  version: string
  desks: DeskRow[]
}

export interface ReasonRow {
  code: string | null
  label: string
  limit_minutes: number | null
  active: boolean
}

export interface ReasonsPage {
  version: string
  reasons: ReasonRow[]
}

export interface TargetRow {
  id: number | null
  group: string
  name: string
  number: string
  note: string
  active: boolean
}

export interface TargetsPage {
  version: string
  groups: string[]
  targets: TargetRow[]
}
