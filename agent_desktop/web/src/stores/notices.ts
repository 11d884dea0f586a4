/** What has just happened to the call, in words, until it is closed, outdated, or another call comes. */
import { defineStore } from 'pinia'
import { shallowRef } from 'vue'

import { happened, outdated, type Happening, type Sent } from '../rules/happenings'
import type { PushedCall } from '../types'

export const useNotices = defineStore('notices', () => {
  const latest = shallowRef<Happening | null>(null)
  let before: PushedCall | null = null
  /** The last call went away, and it looked as if somebody had hung up. */
  let unexplained = false

  /** To be told each change of the call at the seat, with what this agent sent last. */
  function follow(call: PushedCall | null, sent: Sent | null, now: number, isCut: boolean): void {
    const found = happened(before, call, sent, now, isCut)
    if (before || call) unexplained = !call && !found && sent?.uid !== before?.uid
    if (found) latest.value = found
    else if (latest.value && outdated(latest.value, before, call)) latest.value = null
    before = call
  }
  /** The telephone in this page has lost the call. What the server says of it may have come before, or comes yet. */
  function cut(): void {
    if (before?.answered_at) latest.value = { code: 'soundLost', label: '', bad: true }
    else if (unexplained) latest.value = { code: 'notReturned', label: '', bad: true }
  }
  function close(): void {
    latest.value = null
  }
  function forget(): void {
    before = null
    latest.value = null
  }
  return { latest, follow, cut, close, forget }
})
