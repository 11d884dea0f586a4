/** The roster over HTTP: the plan, its import, who is there now, how it was kept. Days are "2026-11-23". */
import { request, withQuery } from '../api'
import type { LinkState } from '../types'

export interface Group {
  id: number
  name: string
  /** Whoever looks may change it. */
  mine: boolean
}

export interface Kind {
  code: string | null
  label: string
  from_time: string
  to_time: string
  active: boolean
}

export interface Minutes {
  roster_grace_minutes: number
  roster_absent_minutes: number
  roster_rest_minutes: number
}

export interface Agent {
  id: number
  login: string
  name: string
  work_number: string
  group_id: number | null
  mine: boolean
}

export interface Entry {
  id: number
  user_id: number
  day: string
  kind: string
  from_at: number
  to_at: number
  absence: string | null
  note: string
  version: number
}

export interface Plan {
  from: string
  to: string
  today: string
  groups: Group[]
  kinds: Kind[]
  kinds_version: string
  settings: Minutes
  absences: Record<string, string>
  /** Whoever looks may change everybody's, the kinds and the limits. */
  whole: boolean
  agents: Agent[]
  entries: Entry[]
}

export interface Fault {
  line: number
  column: string
  found: string
  problem: string
  mend: string
}

export interface ImportAnswer {
  ok: boolean
  done: boolean
  layout: string
  version: string
  lines: number
  people: number
  days: string[]
  added: number
  changed: number
  removed: number
  same: number
  faults: Fault[]
}

export interface NowRow extends Agent {
  seat: string | null
  standing: string
  label: string
  since: number | null
  first_in_at: number | null
  late_seconds: number
  kind_label: string
  from_at: number | null
  to_at: number | null
  absence_label: string
}

export interface NowPicture {
  at: number
  settings: Minutes
  groups: Group[]
  labels: Record<string, string>
  rows: NowRow[]
  links: Record<string, LinkState>
}

export interface Kept {
  shifts: number
  rostered_seconds: number
  present_seconds: number
  signed_in_seconds: number
  adherence: number | null
  conformance: number | null
  late: number
  late_minutes: number
  left_early: number
  early_minutes: number
  absent: number
  planned_absences: number
}

export interface AdherencePage {
  from: string
  to: string
  at: number
  settings: Minutes
  definitions: {
    code: string
    name: string
    numerator: string
    denominator: string
    exclusions: string
  }[]
  total: Kept
  groups: { id: number | null; name: string; figures: Kept }[]
  days: { day: string; figures: Kept }[]
  agents: (Agent & { figures: Kept })[]
}

export interface RosterEvent {
  id: number
  at: number
  by_name: string | null
  action: string
  action_label: string
  name: string
  day: string | null
  before: string
  after: string
  with_name: string | null
}

export interface EntryForm {
  kind: string
  absence: string | null
  note: string
}

interface Picked {
  id: number
  version: number
}

function table(file: File, month: string, version: string): FormData {
  const form = new FormData()
  form.append('file', file)
  form.append('month', month)
  form.append('version', version)
  return form
}

export const rosterApi = {
  plan: (from: string, to: string) => request<Plan>('GET', withQuery('/roster', { from, to })),
  add: (user_id: number, day: string, form: EntryForm) =>
    request<Entry>('POST', '/roster/entries', { user_id, day, ...form }),
  change: (id: number, version: number, form: EntryForm) =>
    request<Entry>('PUT', `/roster/entries/${id}`, { version, ...form }),
  remove: (id: number, version: number) =>
    request<void>('DELETE', withQuery(`/roster/entries/${id}`, { version })),
  swap: (one: Picked, other: Picked) => request('POST', '/roster/swap', { one, other }),
  events: (from: string, to: string) =>
    request<{ rows: RosterEvent[] }>('GET', withQuery('/roster/events', { from, to })),
  check: (file: File, month: string) =>
    request<ImportAnswer>('POST', '/roster/import?check=1', table(file, month, '')),
  /** `version` from the check: refused where the roster was changed since. */
  take: (file: File, month: string, version: string) =>
    request<ImportAnswer>('POST', '/roster/import', table(file, month, version)),
  templateAddress: (query: { from: string; to: string; layout: string; kind: string; group: string }) =>
    `/api${withQuery('/roster/template', query)}`,
  now: () => request<NowPicture>('GET', '/roster/now'),
  adherence: (from: string, to: string) =>
    request<AdherencePage>('GET', withQuery('/roster/adherence', { from, to })),
  saveKinds: (version: string, kinds: Kind[]) =>
    request<{ version: string; kinds: Kind[] }>('PUT', '/roster/kinds', { version, kinds }),
  saveMinutes: (minutes: Minutes) => request<Minutes>('PUT', '/roster/settings', { ...minutes }),
}
