/** States and rules of a queue as sentences. */
import type { ComposerTranslation } from 'vue-i18n'

import { moment } from '../rules/time'
import type { QueueRow } from '../types/floor'

export function openWord(open: boolean, t: ComposerTranslation): string {
  return t(open ? 'board.open' : 'board.closed')
}

/** "开放", or "值班主管 已关闭，至 18:00。原因：…" */
export function switchWords(row: Pick<QueueRow, 'open' | 'switch'>, now: number, t: ComposerTranslation) {
  if (!row.switch) return openWord(row.open, t)
  const { state, until, by_name, reason } = row.switch
  return t('board.byHandHint', {
    name: by_name,
    state: openWord(state === 'open', t),
    until: until
      ? t('board.untilTime', { time: moment(until, now).replace(/:\d\d$/, '') })
      : t('board.untilUndone'),
    reason,
  })
}

/** "等待满 120 秒：预约回拨或留言" */
export function overflowWords(
  rule: NonNullable<QueueRow['overflow']>,
  queues: readonly QueueRow[],
  t: ComposerTranslation,
): string {
  const target = queues.find((row) => row.queue === rule.target)?.label ?? rule.target ?? ''
  return t('board.overflowSet', {
    n: rule.after_seconds,
    then: t(`board.overflow.short.${rule.then}`, { target }),
  })
}
