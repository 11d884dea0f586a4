/** The server's time, ticking once a second: durations on screen are never a matter of this computer's clock. */
import { defineStore } from 'pinia'
import { ref } from 'vue'

export const useClock = defineStore('clock', () => {
  const offset = ref(0)
  const now = ref(Date.now())
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
  return { now, offset, setServerTime, start, tick }
})
