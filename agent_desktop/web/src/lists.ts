/** A paged list whose filters live in the address, so that "back" and reload show the same rows. */
import { onBeforeUnmount, onMounted, reactive, ref, shallowRef, watch } from 'vue'
import { useI18n } from 'vue-i18n'
import { useRoute, useRouter } from 'vue-router'

import { explain } from './explain'
import type { Page } from './types'

/** What others do, and what the worker finds, comes to an open list in this time. */
const RENEW_MS = 5_000

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
  let query: Record<string, string | number> = {}
  function load() {
    query = { ...filters, page: page.value }
    loading.value = true
    return fetchRows()
  }
  /** The same rows again, while what is shown stays: words typed but not yet searched for do not count. */
  async function renew() {
    if (!document.hidden && !loading.value) await fetchRows(true)
  }
  async function fetchRows(quietly = false) {
    const mine = ++asked
    try {
      const answer = await fetchPage(query)
      if (mine !== asked) return
      rows.value = answer.rows
      total.value = answer.total
      pageSize.value = answer.page_size
      failure.value = ''
    } catch (error) {
      if (mine === asked && !quietly) failure.value = explain(error, t)
    } finally {
      if (mine === asked) loading.value = false
    }
  }
  function show(next: number) {
    const said = Object.entries(filters).filter(([name, value]) => value !== empty[name])
    const wanted = Object.fromEntries(next > 1 ? [...said, ['page', String(next)]] : said)
    const same = JSON.stringify(wanted) === JSON.stringify(route.query)
    return same ? load() : router.replace({ query: wanted })
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
  const renewal = setInterval(() => void renew(), RENEW_MS)
  onMounted(() => {
    read()
    void load()
  })
  onBeforeUnmount(() => {
    clearInterval(renewal)
    asked += 1
  })
  return { filters, page, rows, total, pageSize, loading, failure, load, show, search, reset }
}
