/** How a person likes the map: kept in this browser for the next time. */
import { reactive, watch } from 'vue'

import { DENSITIES, type Density, type Grouping, type Sorting } from './rules'

export interface MapChoices {
  grouping: Grouping
  sorting: Sorting
  density: Density | 'auto'
}
const FIRST: MapChoices = { grouping: 'group', sorting: 'seat', density: 'auto' }
const ALLOWED: { [Name in keyof MapChoices]: readonly string[] } = {
  grouping: ['group', 'room'],
  sorting: ['seat', 'attention'],
  density: ['auto', ...DENSITIES],
}

export function useMapChoices(user: number): MapChoices {
  const name = `floor-map-${user}`
  const choices = reactive({ ...FIRST, ...recalled(name) })
  watch(choices, () => globalThis.localStorage?.setItem(name, JSON.stringify(choices)))
  return choices
}
function recalled(name: string): Partial<MapChoices> {
  try {
    const kept = JSON.parse(globalThis.localStorage?.getItem(name) ?? '{}') as Record<string, string>
    return Object.fromEntries(
      Object.entries(ALLOWED).flatMap(([key, values]) =>
        values.includes(kept[key]) ? [[key, kept[key]]] : [],
      ),
    )
  } catch {
    return {}
  }
}
