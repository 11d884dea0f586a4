/**
 * What helps to write the ticket at hand: the script for the type of call, knowledge for the category, tickets of
 * the same matter nearby. Asked for when the form says enough, and never before the pop has been painted.
 */
import { defineStore } from 'pinia'
import { computed, ref, watch } from 'vue'

import { api } from '../api'
import { latest } from '../latest'
import type { KnowledgeEntry, NearbyTicket, Script } from '../types'
import { useForm } from './form'

export const PANES = ['history', 'script', 'knowledge', 'nearby'] as const
export type Pane = (typeof PANES)[number]

const TYPING_MS = 500

interface Place {
  uid: string
  category_id: number
  region_id: number | null
  where: string
}

export const useAids = defineStore('aids', () => {
  const form = useForm()
  /** The pane that is open; a new call begins with what is known about the caller. */
  const pane = ref<Pane>('history')
  const searched = ref('')

  const scripts = latest<{ request_type: string; category_id: number | null }, Script>((query) =>
    api.scripts(query),
  )
  const knowledge = latest<{ category_id: number | null; q: string }, KnowledgeEntry>((query) =>
    api.knowledge(query),
  )
  const nearby = latest<Place, NearbyTicket>(({ uid, ...query }) => api.nearby(uid, query), TYPING_MS)

  const writing = computed(() => form.callUid !== null && form.ticket === null)
  watch(
    () => form.callUid,
    () => {
      pane.value = 'history'
      searched.value = ''
    },
  )
  watch(
    () => writing.value && { request_type: form.form.request_type, category_id: form.form.category_id },
    (now) => scripts.want(now || null),
    { immediate: true },
  )
  watch(
    () => {
      const q = searched.value.trim()
      const asked = writing.value && (q || form.form.category_id !== null)
      return asked ? { category_id: form.form.category_id, q } : null
    },
    (now) => knowledge.want(now),
    { immediate: true },
  )
  watch(
    () => {
      const { category_id, region_id, where } = form.form
      const placed = writing.value && category_id !== null && (region_id !== null || where.trim().length > 2)
      return placed ? { uid: form.callUid!, category_id, region_id, where: where.trim() } : null
    },
    (now) => nearby.want(now),
    { immediate: true },
  )
  return {
    pane,
    searched,
    scripts: scripts.rows,
    scriptsStatus: scripts.status,
    scriptsAgain: scripts.again,
    knowledge: knowledge.rows,
    knowledgeStatus: knowledge.status,
    knowledgeAgain: knowledge.again,
    nearby: nearby.rows,
    nearbyStatus: nearby.status,
    nearbyAgain: nearby.again,
  }
})
