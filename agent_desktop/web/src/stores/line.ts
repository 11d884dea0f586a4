/** Is this page still hearing the server? */
import { defineStore } from 'pinia'
import { ref } from 'vue'

export const useLine = defineStore('line', () => {
  const up = ref(true)
  const lostAt = ref<number | null>(null)

  function connected(): void {
    up.value = true
    lostAt.value = null
  }
  function lost(at: number): void {
    if (up.value) lostAt.value = at
    up.value = false
  }
  return { up, lostAt, connected, lost }
})
