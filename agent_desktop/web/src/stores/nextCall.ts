/** "Save and take the next call": after-call work ends by itself once the ticket is saved and the call is over. */
import { ElMessage } from 'element-plus'
import { defineStore } from 'pinia'
import { ref, watch } from 'vue'
import type { ComposerTranslation } from 'vue-i18n'

import { api } from '../api'
import { explain } from '../explain'
import { i18n } from '../i18n'
import { useSeat } from './seat'

export const useNextCall = defineStore('nextCall', () => {
  const seat = useSeat()
  const { t } = i18n.global
  /** The call in which the next one was asked for: its after-call work is ended when it begins. */
  const after = ref<string | null>(null)

  const send = (command: () => Promise<unknown>) =>
    void command().catch((error) => ElMessage.error(explain(error, t as unknown as ComposerTranslation)))
  function goOn(): void {
    if (seat.call) {
      after.value = seat.call.uid
      ElMessage.success(t('form.nextAfterCall'))
    } else if (seat.word === 'after_call') send(api.finishAfterCall)
    else if (seat.word === 'not_ready') send(api.ready)
  }
  watch(
    () => seat.word,
    (word) => {
      if (word !== 'after_call' || after.value === null) return
      after.value = null
      send(api.finishAfterCall)
    },
  )
  // Another call came before that: the wish belonged to the last one.
  watch(
    () => seat.call?.uid,
    (uid) => {
      if (uid && uid !== after.value) after.value = null
    },
  )
  return { after, goOn }
})
