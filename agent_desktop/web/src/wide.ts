/** Is there room for two columns beside the form? Same limit as the style sheets. */
import { onBeforeUnmount, onMounted, ref } from 'vue'

export function useWide() {
  const query = window.matchMedia('(min-width: 1700px)')
  const wide = ref(query.matches)
  const look = () => (wide.value = query.matches)
  onMounted(() => query.addEventListener('change', look))
  onBeforeUnmount(() => query.removeEventListener('change', look))
  return wide
}
