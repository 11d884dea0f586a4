/** How long from Asterisk's event to the painted pop; `hotline bench pop` reads `window.__pops`. */
import type { PopTiming } from './types'

const running = new Map<string, Omit<PopTiming, 'painted_at'>>()

/** Begin for a ring. Later pushes of the same call do not begin again. */
export function ringReceived(uid: string, event_at: number | null): void {
  if (!running.has(uid)) running.set(uid, { uid, event_at, received_at: Date.now() })
}

/** The pop is in the document: two frames later it has been painted. */
export function popShown(uid: string): void {
  const started = running.get(uid)
  if (!started) return
  running.delete(uid)
  requestAnimationFrame(() =>
    requestAnimationFrame(() => window.__pops.push({ ...started, painted_at: Date.now() })),
  )
}

/** A window that nobody sees draws no frames. */
const UNSEEN_MS = 250

/** Resolves when what is in the document now has been painted, for work that must not delay it. */
export function painted(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, UNSEEN_MS)
    globalThis.requestAnimationFrame?.(() => requestAnimationFrame(() => setTimeout(resolve)))
  })
}
