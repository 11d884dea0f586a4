/** Going to a field of the ticket form by its name, from wherever one is on the page. */
import { nextTick } from 'vue'

const IDS: Record<string, string> = { asked_for: 'f-asked' }

/** The element that takes the focus; of a group of choices the chosen one. */
export function fieldElement(name: string): HTMLElement | null {
  const field = document.getElementById(IDS[name] ?? `f-${name}`)
  if (!field || field.matches('input, textarea, button')) return field
  return field.querySelector<HTMLElement>('input:checked') ?? field.querySelector('input')
}
/** Focus a field of the form, at the end of what is written there. */
export async function focusField(name: string): Promise<void> {
  await nextTick()
  const field = fieldElement(name)
  field?.focus()
  // With what is said beneath it.
  field?.closest('.row')?.scrollIntoView({ block: 'nearest' })
  if (field instanceof HTMLTextAreaElement) field.setSelectionRange(field.value.length, field.value.length)
}
