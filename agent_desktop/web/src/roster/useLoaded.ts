/** What a tab shows, fetched again when the server says that it changed; a failure keeps what was shown. */
import { onBeforeUnmount, onMounted, ref, shallowRef } from 'vue'
import { useI18n } from 'vue-i18n'

import { explain } from '../explain'
import { news } from '../live'

export function useLoaded<Shown>(fetchIt: () => Promise<Shown>, events: string[]) {
  const { t } = useI18n()
  const shown = shallowRef<Shown | null>(null)
  const loading = ref(true)
  const failure = ref('')
  let asked = 0

  async function load(quietly = false): Promise<void> {
    const mine = ++asked
    loading.value = !quietly
    try {
      const answer = await fetchIt()
      if (mine !== asked) return
      shown.value = answer
      failure.value = ''
    } catch (error) {
      if (mine === asked) failure.value = explain(error, t)
    } finally {
      if (mine === asked) loading.value = false
    }
  }
  const renew = () => void load(shown.value !== null)
  onMounted(() => {
    for (const event of events) news.addEventListener(event, renew)
    void load()
  })
  onBeforeUnmount(() => {
    for (const event of events) news.removeEventListener(event, renew)
    asked += 1
  })
  return { shown, loading, failure, load, renew }
}
