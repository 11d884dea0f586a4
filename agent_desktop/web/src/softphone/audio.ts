/**
 * The page's one AudioContext, for ring, tones, meters and silence. It runs only while somebody uses it: an idle page
 * costs nothing. Browsers let it sound after the first click or key; until then it waits for that.
 */
const CLOSE_MS = 5_000
const GESTURES = ['pointerdown', 'keydown'] as const

let context: AudioContext | null = null
let users = 0
let closing: ReturnType<typeof setTimeout> | undefined

export function borrowAudio(): AudioContext {
  clearTimeout(closing)
  context ??= new AudioContext({ latencyHint: 'interactive' })
  users += 1
  void wake()
  return context
}
export function returnAudio(): void {
  users = Math.max(0, users - 1)
  if (users > 0) return
  void context?.suspend()
  clearTimeout(closing)
  closing = setTimeout(() => {
    // Nodes that are done with are only freed while the context runs, or with it: a shift has hundreds of calls.
    void context?.close()
    context = null
  }, CLOSE_MS)
}
/** Whether the browser lets the context sound by now. */
export async function wake(): Promise<boolean> {
  if (!context || users === 0) return false
  if (context.state === 'running') return true
  onNextGesture(wake)
  await Promise.race([context.resume(), new Promise((go) => setTimeout(go, 300))])
  return (context.state as AudioContextState) === 'running'
}

const waiting = new Set<() => unknown>()
function gesture(): void {
  for (const name of GESTURES) removeEventListener(name, gesture, true)
  const due = [...waiting]
  waiting.clear()
  for (const run of due) run()
}
/** Run it at the next click or key: browsers start sound only then. */
export function onNextGesture(run: () => unknown): void {
  if (!waiting.size) for (const name of GESTURES) addEventListener(name, gesture, true)
  waiting.add(run)
}
