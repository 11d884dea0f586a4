/** A paged list whose filters live in the address, so that "back" and reload show the same rows. */
import { onBeforeUnmount, onMounted, reactive, ref, shallowRef, watch } from 'vue'
import { useI18n } from 'vue-i18n'
import { useRoute, useRouter } from 'vue-router'

import { explain } from './explain'
import type { Page } from './types'

type Filters = Record<string, string>

export function useList<Row>(
  empty: Filters,
  fetchPage: (query: Record<string, string | number>) => Promise<Page<Row>>,
) {
  const route = useRoute()
  const router = useRouter()
  const { t } = useI18n()
  const path = route.path
  const filters = reactive<Filters>({ ...empty })
  const page = ref(1)
  const rows = shallowRef<Row[]>([])
  const total = ref(0)
  const pageSize = ref(20)
  const loading = ref(true)
  const failure = ref('')
  let asked = 0

  function read() {
    for (const name of Object.keys(empty)) filters[name] = String(route.query[name] ?? empty[name])
    page.value = Number(route.query.page) || 1
  }
  async function load() {
    const mine = ++asked
    loading.value = true
    try {
      const answer = await fetchPage({ ...filters, page: page.value })
      if (mine !== asked) return
      rows.value = answer.rows
      total.value = answer.total
      pageSize.value = answer.page_size
      failure.value = ''
    } catch (error) {
      if (mine === asked) failure.value = explain(error, t)
    } finally {
      if (mine === asked) loading.value = false
    }
  }
  function show(next: number) {
    const said = Object.entries(filters).filter(([name, value]) => value !== empty[name])
    const query = Object.fromEntries(next > 1 ? [...said, ['page', String(next)]] : said)
    const same = JSON.stringify(query) === JSON.stringify(route.query)
    return same ? load() : router.replace({ query })
  }
  const search = () => show(1)
  function reset() {
    Object.assign(filters, empty)
    return search()
  }
  watch(
    () => route.query,
    () => {
      if (route.path !== path) return
      read()
      void load()
    },
  )
  onMounted(() => {
    read()
    void load()
  })
  onBeforeUnmount(() => (asked += 1))
  return { filters, page, rows, total, pageSize, loading, failure, load, show, search, reset }
}
