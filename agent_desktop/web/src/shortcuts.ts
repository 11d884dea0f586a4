/** One key for each action. Components say which action they run; this file owns which key it is. */
import { onBeforeUnmount, onMounted } from 'vue'

export const KEYS = {
  help: 'F1',
  ready: 'F2',
  candidates: 'F3',
  notReady: 'F4',
  form: 'F6',
  hangUp: 'F7',
  transfer: 'F8',
  finish: 'F9',
  reveal: 'F10',
  save: 'Ctrl+Enter',
  saveToo: 'Ctrl+S',
  first: 'Alt+1',
  second: 'Alt+2',
  third: 'Alt+3',
  fourth: 'Alt+4',
  play: 'Ctrl+Space',
} as const

export type Shortcut = keyof typeof KEYS

/** "Ctrl+Enter" for the event of that key press. */
export function spelled(
  event: Pick<KeyboardEvent, 'key' | 'code' | 'ctrlKey' | 'metaKey' | 'altKey'>,
): string {
  const digit = /^Digit(\d)$/.exec(event.code)?.[1]
  const plain =
    event.code === 'Space' ? 'Space' : event.key.length === 1 ? event.key.toUpperCase() : event.key
  const name = digit ?? plain
  return [event.ctrlKey || event.metaKey ? 'Ctrl' : '', event.altKey ? 'Alt' : '', name]
    .filter(Boolean)
    .join('+')
}

export function useShortcuts(actions: Partial<Record<Shortcut, () => unknown>>): void {
  const byKey = new Map(Object.entries(actions).map(([name, run]) => [KEYS[name as Shortcut] as string, run]))
  function pressed(event: KeyboardEvent): void {
    const run = byKey.get(spelled(event))
    if (!run || event.repeat || event.isComposing) return
    event.preventDefault()
    run()
  }
  onMounted(() => window.addEventListener('keydown', pressed))
  onBeforeUnmount(() => window.removeEventListener('keydown', pressed))
}
