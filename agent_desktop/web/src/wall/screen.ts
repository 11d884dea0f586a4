/** The screen on the wall: full screen, kept awake, and controls that hide when nobody is at the mouse. */
import { onBeforeUnmount, onMounted, ref } from 'vue'

const HIDE_MS = 3_000

export function useWallScreen() {
  const full = ref(false)
  /** Somebody is at the mouse or keyboard. */
  const touched = ref(true)
  let hiding: ReturnType<typeof setTimeout> | undefined
  let awake: { release(): Promise<void> } | null = null

  const look = () => (full.value = document.fullscreenElement !== null)
  function touch(): void {
    touched.value = true
    clearTimeout(hiding)
    hiding = setTimeout(() => (touched.value = false), HIDE_MS)
  }
  async function toggle(): Promise<void> {
    if (document.fullscreenElement) await document.exitFullscreen()
    else await document.documentElement.requestFullscreen().catch(() => undefined)
  }
  /** A screen that goes dark by itself is of no use; browsers let go of this whenever the page is hidden. */
  async function keepAwake(): Promise<void> {
    if (document.visibilityState !== 'visible') return
    awake = (await navigator.wakeLock?.request('screen').catch(() => null)) ?? null
  }
  onMounted(() => {
    document.addEventListener('fullscreenchange', look)
    document.addEventListener('mousemove', touch)
    document.addEventListener('visibilitychange', keepAwake)
    touch()
    look()
    void keepAwake()
  })
  onBeforeUnmount(() => {
    clearTimeout(hiding)
    document.removeEventListener('fullscreenchange', look)
    document.removeEventListener('mousemove', touch)
    document.removeEventListener('visibilitychange', keepAwake)
    void awake?.release().catch(() => undefined)
  })
  return { full, touched, toggle }
}
