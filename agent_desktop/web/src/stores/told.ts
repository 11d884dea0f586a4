/** What leaders do at the own seat, as it is told to the agent: forced states, help that comes, who listens. */
import { defineStore } from 'pinia'
import { ref } from 'vue'

export interface Told {
  id: number
  verb: string
  name: string
  reason: string
  at: number
}

const SHOWN_MS = 20_000
const SHOWN_AT_ONCE = 2

export const useTold = defineStore('told', () => {
  const news = ref<Told[]>([])
  /** How leaders are in the call, where the city has its agents told; empty: nobody, or nothing is said. */
  const watched = ref<string[]>([])
  let count = 0

  function take(push: { verb: string; by_name: string; reason: string }): void {
    const id = ++count
    const one = { id, verb: push.verb, name: push.by_name, reason: push.reason, at: Date.now() }
    news.value = [...news.value, one].slice(-SHOWN_AT_ONCE)
    setTimeout(() => drop(id), SHOWN_MS)
  }
  function drop(id: number): void {
    news.value = news.value.filter((one) => one.id !== id)
  }
  function forget(): void {
    news.value = []
    watched.value = []
  }
  return { news, watched, take, drop, forget }
})
