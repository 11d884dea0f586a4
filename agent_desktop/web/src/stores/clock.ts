/** The server's time, ticking once a second: durations on screen are never a matter of this computer's clock. */
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'

import { dayStart } from '../rules/time'

export const useClock = defineStore('clock', () => {
  const offset = ref(0)
  const now = ref(Date.now())
  /** Midnight of the day: for what is written anew once a day and not once a second. */
  const today = computed(() => dayStart(now.value))
  let timer: ReturnType<typeof setInterval> | undefined

  function tick(): void {
    now.value = Date.now() + offset.value
  }
  function setServerTime(ms: number): void {
    offset.value = ms - Date.now()
    tick()
  }
  function start(): void {
    clearInterval(timer)
    timer = setInterval(tick, 1000)
  }
  return { now, today, offset, setServerTime, start, tick }
})
