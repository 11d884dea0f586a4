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
  moreTime: 'Shift+F9',
  endAll: 'Shift+F7',
  threeWay: 'Shift+F8',
  back: 'Alt+X',
  hold: 'Alt+H',
  mute: 'Alt+M',
  keypad: 'Alt+K',
  pauseRecording: 'Alt+P',
  dial: 'Alt+C',
  needHelp: 'Alt+Q',
  redial: 'Alt+R',
  reveal: 'F10',
  save: 'Ctrl+Enter',
  saveToo: 'Ctrl+S',
  saveNext: 'Alt+Enter',
  history: 'Ctrl+H',
  script: 'Ctrl+J',
  knowledge: 'Ctrl+K',
  nearby: 'Ctrl+L',
  first: 'Alt+1',
  second: 'Alt+2',
  third: 'Alt+3',
  fourth: 'Alt+4',
  fifth: 'Alt+5',
  sixth: 'Alt+6',
  seventh: 'Alt+7',
  eighth: 'Alt+8',
  ninth: 'Alt+9',
  tenth: 'Alt+0',
  messages: 'Alt+N',
  missedResult: 'Alt+B',
  play: 'Ctrl+Space',
  // On the live floor: leaders have no seat of their own, so the agents' keys are free there.
  watchListen: 'F2',
  watchWhisper: 'F3',
  watchBarge: 'F4',
  findSeat: 'F6',
  watchLeave: 'F7',
  watchTakeOver: 'F8',
  watchNext: 'F9',
} as const

export type Shortcut = keyof typeof KEYS

/**
 * "Ctrl+Enter", "Shift+F7" for the event of that key press. With Alt the key is told by its place: some keyboards
 * write another sign then. Shift counts with the F keys only; with letters it is a way to write them.
 */
export function spelled(
  event: Pick<KeyboardEvent, 'key' | 'code' | 'ctrlKey' | 'metaKey' | 'altKey'> & { shiftKey?: boolean },
): string {
  const place = /^(?:Digit(\d)|Key([A-Z]))$/.exec(event.code)
  const letter = event.altKey ? place?.[2] : undefined
  const plain =
    event.code === 'Space' ? 'Space' : event.key.length === 1 ? event.key.toUpperCase() : event.key
  const name = place?.[1] ?? letter ?? plain
  const shift = event.shiftKey && /^F\d+$/.test(name)
  return [event.ctrlKey || event.metaKey ? 'Ctrl' : '', event.altKey ? 'Alt' : '', shift ? 'Shift' : '', name]
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
