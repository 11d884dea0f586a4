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

/** On a map of more tiles than this a time is counted in fives after its first ten seconds: each text that changes is
 *  drawn anew, and all of them each second are a third of what the page costs. */
const MANY = 60
const SINGLY_MS = 10_000
const STEP_MS = 5_000

const running = new Map<HTMLElement, Elapsed>()
let stop: (() => void) | null = null

/** As shown on a map of so many tiles. They began at different seconds, so that they change at different ones too. */
export function counted(ms: number, tiles: number): number {
  return tiles > MANY && ms > SINGLY_MS ? ms - (ms % STEP_MS) : ms
}

function write(root: HTMLElement, { since, limit, stopped, beats }: Elapsed, now: number): void {
  const place = root.querySelector<HTMLElement>('[data-elapsed]')
  const ms = since === null ? null : (stopped ?? now) - since
  const text = ms === null ? '' : length(counted(ms, running.size))
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
