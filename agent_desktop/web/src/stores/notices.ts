/** What has just happened to the call, in words, until it is closed, outdated, or another call comes. */
import { defineStore } from 'pinia'
import { shallowRef } from 'vue'

import { happened, outdated, type Happening, type Sent } from '../rules/happenings'
import type { PushedCall } from '../types'

export const useNotices = defineStore('notices', () => {
  const latest = shallowRef<Happening | null>(null)
  let before: PushedCall | null = null

  /** To be told each change of the call at the seat, with what this agent sent last. */
  function follow(call: PushedCall | null, sent: Sent | null, now: number): void {
    const found = happened(before, call, sent, now)
    if (found) latest.value = found
    else if (latest.value && outdated(latest.value, before, call)) latest.value = null
    before = call
  }
  function close(): void {
    latest.value = null
  }
  function forget(): void {
    before = null
    latest.value = null
  }
  return { latest, follow, close, forget }
})
