/** An error as a sentence for the person at the screen. */
import type { ComposerTranslation } from 'vue-i18n'

import { ApiError } from './api'
import words from './i18n/zh-CN'

export function explain(error: unknown, t: ComposerTranslation): string {
  if (!(error instanceof ApiError)) return t('errors.unknown')
  if (error.message) return error.message
  return error.code in words.errors ? t(`errors.${error.code}`) : t('errors.server', { code: error.code })
}
