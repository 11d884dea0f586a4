/** What citizens hear now before the menu or before waiting: everybody at a desk is asked about it. */
import { defineStore } from 'pinia'
import { ref } from 'vue'

import { announcementsApi, type OnAir } from '../api/announcements'

export const useOnAir = defineStore('onAir', () => {
  const rows = ref<OnAir[]>([])

  async function load(): Promise<void> {
    rows.value = (await announcementsApi.onAir().catch(() => ({ rows: rows.value }))).rows
  }
  function forget(): void {
    rows.value = []
  }
  return { rows, load, forget }
})
