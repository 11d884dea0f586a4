/** Categories, regions, units and labels: fetched once after log-in. */
import { defineStore } from 'pinia'
import { ref } from 'vue'

import { api } from '../api'
import words from '../i18n/zh-CN'
import { backOff } from '../rules/pushes'
import type { Catalogue, TreeNode } from '../types'

/** What an agent can choose until the server has told its table. */
const FIRST_REASONS = ['break', 'meal', 'meeting', 'training', 'follow_up', 'other'] as const

const EMPTY: Catalogue = {
  categories: [],
  regions: [],
  units: [],
  queues: [],
  request_types: [],
  urgencies: [],
  reasons: FIRST_REASONS.map((code) => ({ code, label: words.seat.reasons[code] })),
  seats: [],
}

/** A leaf with an empty list of children would be shown as a branch. */
function trim(nodes: TreeNode[]): TreeNode[] {
  return nodes.map(({ children, ...node }) =>
    children?.length ? { ...node, children: trim(children) } : node,
  )
}

export const useCatalogue = defineStore('catalogue', () => {
  const all = ref<Catalogue>(EMPTY)
  const loaded = ref(false)

  async function load(attempt = 0): Promise<void> {
    if (loaded.value) return
    try {
      const answer = { ...EMPTY, ...(await api.catalogue()) }
      for (const tree of ['categories', 'regions', 'units'] as const) answer[tree] = trim(answer[tree])
      all.value = answer
      loaded.value = true
    } catch {
      setTimeout(() => void load(attempt + 1), backOff(attempt))
    }
  }
  function requestType(code: string): string {
    return all.value.request_types.find((type) => type.code === code)?.label ?? code
  }
  function urgency(code: string): string {
    return all.value.urgencies.find((one) => one.code === code)?.label ?? code
  }
  /** The word for why a seat is not ready: those that agents choose are a table, the others stand here. */
  function reason(code: string | null | undefined): string {
    const chosen = all.value.reasons.find((one) => one.code === code)?.label
    return chosen ?? (words.seat.reasons as Record<string, string>)[code ?? ''] ?? code ?? ''
  }
  return { all, loaded, load, requestType, urgency, reason }
})
