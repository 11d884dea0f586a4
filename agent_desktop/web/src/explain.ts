/** An error as a sentence for the person at the screen. */
import type { ComposerTranslation } from 'vue-i18n'

import { ApiError } from './api'
import words from './i18n/zh-CN'

export function explain(error: unknown, t: ComposerTranslation): string {
  if (!(error instanceof ApiError)) return t('errors.unknown')
  if (error.message) return error.message
  return error.code in words.errors ? t(`errors.${error.code}`) : t('errors.server', { code: error.code })
}

/** The same, with what the server says about single fields: for forms that have no place beside each of them. */
export function explainFields(error: unknown, t: ComposerTranslation): string {
  const told = error instanceof ApiError ? Object.values(error.fields).filter(Boolean) : []
  return told.length ? told.join(' ') : explain(error, t)
}
