/** The dictionary of figures, fetched once; and the one figure whose explanation is open. */
import { ref, shallowRef } from 'vue'

import { boardApi, type Definition } from '../api/board'

/** Where to look for a figure: a queue's has its own words where an agent's has the same name. */
const PREFIXES = ['queue_', 'day_', '']

const known = shallowRef<ReadonlyMap<string, Definition> | null>(null)
let asking: Promise<void> | null = null

export interface Explained {
  /** The figure's code in the dictionary. */
  code: string
  name: string
  /** What it was counted from just now, as a sentence. */
  example?: string
}
const open = ref<Explained | null>(null)

async function fetchAll(): Promise<void> {
  const all = await boardApi.definitions()
  known.value = new Map(all.map((one) => [one.code, one]))
}

export function definitionOf(all: ReadonlyMap<string, Definition>, code: string): Definition | null {
  for (const prefix of PREFIXES) {
    const found = all.get(prefix + code)
    if (found) return found
  }
  return null
}

export function useDefinitions() {
  function explain(figure: Explained): void {
    open.value = figure
    if (known.value) return
    asking ??= fetchAll()
      .catch(() => undefined)
      .finally(() => (asking = null))
  }
  const close = () => (open.value = null)
  return { known, open, explain, close }
}
