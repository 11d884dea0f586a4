/** What the charts show, as a sentence for those who cannot see them; the wall's date. */
import type { ComposerTranslation } from 'vue-i18n'

import type { WallDay } from '../types/floor'

const sum = (values: readonly (number | null)[]) =>
  values.reduce<number>((all, value) => all + (value ?? 0), 0)
const most = (values: readonly (number | null)[]) => Math.max(0, ...values.map((value) => value ?? 0))

export function callsSaid(day: WallDay, t: ComposerTranslation): string {
  return t('wall.charts.callsSaid', {
    offered: sum(day.offered),
    answered: sum(day.answered),
    abandoned: sum(day.abandoned),
  })
}
export function loadSaid(day: WallDay, t: ComposerTranslation): string {
  return t('wall.charts.loadSaid', { waiting: most(day.waiting), seats: Math.round(most(day.seats)) })
}

const dateFormat = new Intl.DateTimeFormat('zh-CN', {
  timeZone: 'Asia/Shanghai',
  month: 'long',
  day: 'numeric',
  weekday: 'long',
})
export const dateWords = (ms: number) => dateFormat.format(ms)
