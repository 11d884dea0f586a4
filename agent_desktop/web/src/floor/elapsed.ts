/**
 * `v-elapsed="{ since, limit }"` on an element: the element inside it with `data-elapsed` tells how long ago `since` is, and
 * the element itself has `data-late` once that is over `limit`. One tick of the clock writes all of them as plain
 * text, without a component being rendered: 300 tiles cost no more than one.
 */
import { type Directive, watch } from 'vue'

import { length } from '../rules/time'
import { useClock } from '../stores/clock'

export interface Elapsed {
  since: number | null
  limit?: number | null
  /** Shown as it was at this moment: the PBX cannot be seen since then. */
  stopped?: number | null
  /** `data-beat` on the element comes and goes with each second. */
  beats?: boolean
}

const running = new Map<HTMLElement, Elapsed>()
let stop: (() => void) | null = null

function write(root: HTMLElement, { since, limit, stopped, beats }: Elapsed, now: number): void {
  const place = root.querySelector<HTMLElement>('[data-elapsed]')
  const ms = since === null ? null : (stopped ?? now) - since
  const text = ms === null ? '' : length(ms)
  if (place && place.textContent !== text) place.textContent = text
  const late = ms !== null && limit != null && !stopped && ms > limit
  if (late !== root.hasAttribute('data-late')) root.toggleAttribute('data-late', late)
  const beat = !!beats && Math.floor(now / 1000) % 2 === 1
  if (beat !== root.hasAttribute('data-beat')) root.toggleAttribute('data-beat', beat)
}
function tick(now: number): void {
  for (const [root, elapsed] of running) write(root, elapsed, now)
}

export const vElapsed: Directive<HTMLElement, Elapsed> = {
  mounted(root, { value }) {
    const clock = useClock()
    running.set(root, value)
    write(root, value, clock.now)
    stop ??= watch(() => clock.now, tick)
  },
  updated(root, { value }) {
    running.set(root, value)
    write(root, value, useClock().now)
  },
  unmounted(root) {
    running.delete(root)
    if (running.size) return
    stop?.()
    stop = null
  },
}
