/**
 * The agent's telephone actions: what is possible now, and sending it. The screen changes when the push comes back;
 * until then the button shows that it is waiting. The softphone will answer, hold and send digits here.
 */
import { ElMessage } from 'element-plus'
import { computed, ref, watch } from 'vue'
import { useI18n } from 'vue-i18n'

import { api } from './api'
import { explain } from './explain'
import { useSeat } from './stores/seat'
import type { ChosenReason, TransferKind } from './types'

export type PhoneAction = 'ready' | 'notReady' | 'finish' | 'hangUp' | 'transfer'

/** A confirmed command whose push does not come in this time: look for ourselves. */
const PUSH_MS = 3_000

const pending = ref<PhoneAction | null>(null)
const transferOpen = ref(false)
const reasonsOpen = ref(false)

export function usePhone() {
  const seat = useSeat()
  const { t } = useI18n()

  const can = computed<Record<PhoneAction, boolean>>(() => {
    const inCall = seat.word === 'talking' || seat.word === 'holding'
    const signedIn = seat.word !== 'signed_out'
    return {
      ready: signedIn && seat.seat?.presence !== 'ready',
      notReady: signedIn && seat.seat?.reason !== 'screen_gone',
      finish: seat.seat?.reason === 'after_call' && !inCall,
      hangUp: inCall,
      transfer: inCall,
    }
  })
  watch([() => seat.n, () => seat.word, () => seat.seat?.reason], () => (pending.value = null))

  async function command(action: PhoneAction, send: () => Promise<unknown>): Promise<boolean> {
    if (pending.value || !can.value[action]) return false
    pending.value = action
    const before = seat.n
    try {
      await send()
      setTimeout(() => {
        if (pending.value !== action || seat.n !== before) return
        pending.value = null
        void seat.refresh()
      }, PUSH_MS)
      return true
    } catch (error) {
      pending.value = null
      ElMessage.error(explain(error, t))
      return false
    }
  }
  return {
    pending,
    can,
    transferOpen,
    reasonsOpen,
    ready: () => command('ready', api.ready),
    notReady: (reason: ChosenReason) => command('notReady', () => api.notReady(reason)),
    finish: () => command('finish', api.finishAfterCall),
    hangUp: () => command('hangUp', api.hangUp),
    transfer: (kind: TransferKind, target: string) => command('transfer', () => api.transfer(kind, target)),
  }
}
