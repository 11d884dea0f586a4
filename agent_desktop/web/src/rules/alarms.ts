/** What an alarm is called, and what a rule says; pure. */
import type { Alarm, AlarmKind, AlarmRule } from '../api/alarms'

/** "综合咨询", "一号席", "数据库": what it is of; empty for the whole floor. */
export function whereOf(alarm: Alarm): string {
  return [alarm.queue_label, alarm.subject_label].filter(Boolean).join(' ')
}

/** Keys of the alarms that should be heard. */
export function sounding(open: readonly Alarm[]): Set<string> {
  return new Set(open.filter((alarm) => alarm.sounds).map((alarm) => `${alarm.key} ${alarm.raised_at}`))
}

/** Whether one of `now` is not among `before`. */
export function hasNew(before: ReadonlySet<string>, now: ReadonlySet<string>): boolean {
  return [...now].some((key) => !before.has(key))
}

/** Numbers as typed: what is no number is sent as null, and the server says so beside the field. */
export function typed(text: string): number {
  const trimmed = text.trim()
  return /^-?\d+(\.\d+)?$/.test(trimmed) ? Number(trimmed) : (null as unknown as number)
}

/** A new rule of that kind, with values that make sense for most. */
export function newRule(kind: AlarmKind): AlarmRule {
  const percent = kind.unit === 'percent'
  const [threshold, clear_at] = percent ? (kind.above ? [90, 80] : [80, 85]) : kind.above ? [60, 15] : [0, 1]
  return {
    id: null,
    kind: kind.kind,
    queue: '',
    threshold,
    clear_at,
    hold_seconds: 0,
    clear_seconds: 30,
    window_minutes: 15,
    least_calls: 20,
    quiet_from: null,
    quiet_to: null,
    sound: true,
    webhook: false,
    active: true,
  }
}
