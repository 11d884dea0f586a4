/** The figures of the morning sheet as people read them. Plain functions. */
import type { Compared } from '../api/meeting'
import { length } from './time'

const RATES = ['utilisation', 'direct_rate', 'satisfaction', 'adherence']
const COUNTS = ['answered', 'outbound']
/** Where less is better; of the others in RATES more is. Counts are neither. */
const LESS = ['average_after_call_seconds', 'average_wait_seconds']

export function valueOf(code: string, one: Compared): string {
  if (one.value === null) return '—'
  if (RATES.includes(code)) return `${Math.round(one.value * 100)}%`
  return COUNTS.includes(code) ? String(Math.round(one.value)) : length(one.value * 1000)
}

/** "+3", "−0:12"; '' where there is nothing to compare with, or no difference to be seen. */
export function changeOf(code: string, one: Compared): string {
  if (one.change === null) return ''
  const size = Math.abs(one.change)
  const sign = one.change < 0 ? '−' : '+'
  if (RATES.includes(code)) return Math.round(size * 100) ? `${sign}${Math.round(size * 100)}` : ''
  if (COUNTS.includes(code)) return size >= 0.05 ? `${sign}${size.toFixed(1).replace(/\.0$/, '')}` : ''
  return size >= 0.5 ? `${sign}${length(Math.round(size) * 1000)}` : ''
}

/** better | worse | '' (neither, or too little). */
export function trendOf(code: string, one: Compared): 'better' | 'worse' | '' {
  if (!one.change || !changeOf(code, one)) return ''
  if (RATES.includes(code)) return one.change > 0 ? 'better' : 'worse'
  return LESS.includes(code) ? (one.change < 0 ? 'better' : 'worse') : ''
}
