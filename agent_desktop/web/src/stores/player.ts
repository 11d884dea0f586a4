/** The recording in the player at the foot of the page; it plays on while the person looks at other pages. */
import { defineStore } from 'pinia'
import { shallowRef } from 'vue'

export interface Playable {
  id: number
  title: string
  seconds: number | null
}

export const usePlayer = defineStore('player', () => {
  const recording = shallowRef<Playable | null>(null)
  function open(next: Playable): void {
    recording.value = next
  }
  function close(): void {
    recording.value = null
  }
  return { recording, open, close }
})
