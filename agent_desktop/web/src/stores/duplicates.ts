/**
 * Tickets that may be about the same matter as the one being written: looked for while typing, and once more when
 * it is saved. A save waits for a second key only when there is something new to be seen; it never waits for a
 * server that is slow or away.
 */
import { defineStore } from 'pinia'
import { ref, watch } from 'vue'

import { api } from '../api'
import { isComparable, toTicket } from '../rules/form'
import type { Duplicate } from '../types'
import { useForm } from './form'

const QUIET_MS = 900
/** A save does not wait longer for this check. */
const AT_SAVE_MS = 1_500

export const useDuplicates = defineStore('duplicates', () => {
  const form = useForm()
  const rows = ref<Duplicate[]>([])
  /** The save stands still until it is confirmed. */
  const asking = ref(false)
  let seen = new Set<number>()
  let checked = ''
  let quiet: ReturnType<typeof setTimeout> | undefined

  const body = () => toTicket(form.form, form.callUid)
  function comparable(): string {
    const { category_id, region_id, title, where, what } = form.form
    return form.callUid && !form.ticket && isComparable(form.form)
      ? JSON.stringify([form.key, category_id, region_id, title, where, what])
      : ''
  }
  async function check(text: string): Promise<void> {
    const found = (await api.checkTicket(body())).duplicates
    // Typed on meanwhile: another check is on its way.
    if (comparable() !== text) return
    checked = text
    rows.value = found
  }
  watch(comparable, (text) => {
    clearTimeout(quiet)
    if (!text) rows.value = []
    else if (text !== checked) quiet = setTimeout(() => void check(text).catch(() => undefined), QUIET_MS)
  })
  watch(
    () => form.key,
    () => {
      seen = new Set()
      asking.value = false
      rows.value = []
      checked = ''
    },
  )
  /** May the form be saved now? False: something was found that was not shown at a save before. */
  async function maySave(): Promise<boolean> {
    const text = comparable()
    if (text && text !== checked) {
      clearTimeout(quiet)
      const late = new Promise<void>((resolve) => setTimeout(resolve, AT_SAVE_MS))
      await Promise.race([check(text).catch(() => undefined), late])
    }
    const fresh = rows.value.filter((one) => !seen.has(one.id))
    for (const one of fresh) seen.add(one.id)
    asking.value = fresh.length > 0
    return !asking.value
  }
  return { rows, asking, maySave }
})
