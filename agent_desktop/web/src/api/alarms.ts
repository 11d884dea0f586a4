/** Alarms, their history and their rules. */
import { request, withQuery, type Query } from '../api'
import type { Page } from '../types'

export interface Alarm {
  /** Null: not in the database yet, it cannot be acknowledged. */
  id: number | null
  key: string
  kind: string
  kind_label: string
  queue: string | null
  queue_label: string | null
  subject: string | null
  subject_label: string | null
  detail: string
  value: number
  value_label: string
  worst: number
  worst_label: string
  threshold: number
  threshold_label: string
  raised_at: number
  cleared_at: number | null
  /** In its quiet hours. */
  quiet: boolean
  /** It should be heard now. */
  sounds: boolean
  acknowledged_by: string | null
  acknowledged_at: number | null
  note: string
}

export interface AlarmKind {
  kind: string
  label: string
  unit: 'seconds' | 'percent' | 'seats' | 'count'
  /** Bad from the threshold upwards; else downwards. */
  above: boolean
  by_queue: boolean
  rate: boolean
  most: number
}

export interface AlarmRule {
  id: number | null
  kind: string
  queue: string
  threshold: number
  clear_at: number
  hold_seconds: number
  clear_seconds: number
  window_minutes: number
  least_calls: number
  quiet_from: string | null
  quiet_to: string | null
  sound: boolean
  webhook: boolean
  active: boolean
}

export interface AlarmRulesPage {
  version: string
  rules: AlarmRule[]
  kinds: AlarmKind[]
  queues: { name: string; label: string }[]
  webhook_set: boolean
}

/** What is on, and a page of what is over; without the database there is no past to show. */
export type AlarmsPage = Page<Alarm> & { open: Alarm[]; database: boolean }

export const alarmsApi = {
  list: (query: Query = {}) => request<AlarmsPage>('GET', withQuery('/alarms', query)),
  acknowledge: (id: number, note: string) => request<Alarm>('POST', `/alarms/${id}/acknowledge`, { note }),
  rules: () => request<AlarmRulesPage>('GET', '/alarm-rules'),
  saveRules: (version: string, rules: AlarmRule[]) =>
    request<AlarmRulesPage>('PUT', '/alarm-rules', { version, rules: rules.map((rule) => ({ ...rule })) }),
}
