/** Notices that the page has slept: the lid was closed, or the browser had put the tab to rest. */

const LOOK_MS = 1_000
/** A timer that is so late was not merely slow. Hidden tabs may be held to one tick a minute. */
const SLEPT_MS = 5_000
/** Coming back, browsers tell it by several events. */
const ONCE_MS = 300

/** Calls `woke` when the page comes to life after a sleep, or is looked at again; until the returned function is called. */
export function watchSleep(woke: () => void): () => void {
  let last = Date.now()
  let told = 0
  const tell = () => {
    const now = Date.now()
    if (now - told < ONCE_MS) return
    told = now
    woke()
  }
  const timer = setInterval(() => {
    const now = Date.now()
    const slept = now - last > SLEPT_MS
    last = now
    if (slept && document.visibilityState === 'visible') tell()
  }, LOOK_MS)
  const seen = () => document.visibilityState === 'visible' && tell()
  const back = (event: PageTransitionEvent) => event.persisted && tell()
  document.addEventListener('visibilitychange', seen)
  document.addEventListener('resume', tell)
  addEventListener('pageshow', back)
  return () => {
    clearInterval(timer)
    document.removeEventListener('visibilitychange', seen)
    document.removeEventListener('resume', tell)
    removeEventListener('pageshow', back)
  }
}
