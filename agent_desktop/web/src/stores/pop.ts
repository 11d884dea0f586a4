/** What is known about the caller: fetched the moment the call is pushed, tried again until it comes. */
import { defineStore } from 'pinia'
import { ref } from 'vue'

import { ApiError, api } from '../api'
import { backOff } from '../rules/pushes'
import type { Pop } from '../types'

export type PopStatus = 'none' | 'loading' | 'there' | 'partial' | 'retrying' | 'unknown'

export const usePop = defineStore('pop', () => {
  const uid = ref<string | null>(null)
  const pop = ref<Pop | null>(null)
  const status = ref<PopStatus>('none')
  let retry: ReturnType<typeof setTimeout> | undefined
  let waiting: ((pop: Pop | null) => void)[] = []

  function show(callUid: string): void {
    if (uid.value === callUid && status.value !== 'unknown') return
    clear()
    uid.value = callUid
    status.value = 'loading'
    void fetchPop(callUid, 0)
  }
  async function fetchPop(callUid: string, attempt: number): Promise<void> {
    try {
      const answer = await api.pop(callUid)
      if (uid.value !== callUid) return
      pop.value = answer
      if (answer.database !== false) settle(answer)
      status.value = answer.database === false ? 'partial' : 'there'
      if (status.value === 'partial')
        retry = setTimeout(() => void fetchPop(callUid, attempt + 1), backOff(attempt))
    } catch (error) {
      if (uid.value !== callUid) return
      const hopeless = error instanceof ApiError && [401, 403, 404].includes(error.status) && attempt >= 2
      if (hopeless) settle(null)
      status.value = hopeless ? 'unknown' : pop.value ? 'partial' : 'retrying'
      if (!hopeless) retry = setTimeout(() => void fetchPop(callUid, attempt + 1), backOff(attempt))
    }
  }
  /** The pop of `callUid` once the database has answered; null when it will not come. */
  function whenThere(callUid: string): Promise<Pop | null> {
    if (uid.value !== callUid || status.value === 'unknown') return Promise.resolve(null)
    if (status.value === 'there') return Promise.resolve(pop.value)
    return new Promise((resolve) => waiting.push(resolve))
  }
  function settle(answer: Pop | null): void {
    for (const resolve of waiting) resolve(answer)
    waiting = []
  }
  /** Fetch again what is shown, for instance after a ticket was saved. */
  function renew(): void {
    clearTimeout(retry)
    if (uid.value) void fetchPop(uid.value, 0)
  }
  function clear(): void {
    clearTimeout(retry)
    settle(null)
    uid.value = null
    pop.value = null
    status.value = 'none'
  }
  return { uid, pop, status, show, whenThere, renew, clear }
})
