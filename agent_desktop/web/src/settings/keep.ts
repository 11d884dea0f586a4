/** One list of settings: what the server has, what is being changed, and saving it over nothing newer. */
import {
  computed,
  onBeforeUnmount,
  onMounted,
  reactive,
  ref,
  shallowRef,
  type Ref,
  type ShallowRef,
} from 'vue'
import { useI18n } from 'vue-i18n'

import { ApiError } from '../api'
import { explain } from '../explain'

export interface Kept<Shown, Draft> {
  shown: Ref<Shown | null>
  draft: { value: Draft }
  dirty: Readonly<Ref<boolean>>
  loading: Ref<boolean>
  failure: Ref<string>
  saving: Ref<boolean>
  wrong: Ref<string>
  stale: Ref<boolean>
  faults: Ref<Record<string, string>>
  load: () => Promise<void>
  save: () => Promise<boolean>
  undo: () => void
}

const copy = <T>(value: T): T => JSON.parse(JSON.stringify(value))

export function useKept<Shown extends { version: string }, Draft>(parts: {
  load: () => Promise<Shown>
  /** What of `shown` is changed on the page. */
  draft: (shown: Shown) => Draft
  save: (version: string, draft: Draft, before: Draft) => Promise<Shown>
  empty: Draft
}): Kept<Shown, Draft> {
  const { t } = useI18n()
  const shown = shallowRef(null) as ShallowRef<Shown | null>
  const draft = reactive({ value: copy(parts.empty) }) as { value: Draft }
  const before = shallowRef(parts.empty) as ShallowRef<Draft>
  const loading = ref(true)
  const saving = ref(false)
  const failure = ref('')
  const wrong = ref('')
  const stale = ref(false)
  const faults = ref<Record<string, string>>({})
  const dirty = computed(() => JSON.stringify(draft.value) !== JSON.stringify(before.value))

  function take(answer: Shown): void {
    shown.value = answer
    before.value = copy(parts.draft(answer))
    undo()
  }
  function undo(): void {
    draft.value = copy(before.value)
    wrong.value = ''
    stale.value = false
    faults.value = {}
  }
  async function load(): Promise<void> {
    loading.value = true
    try {
      take(await parts.load())
      failure.value = ''
    } catch (error) {
      failure.value = explain(error, t)
    } finally {
      loading.value = false
    }
  }
  async function save(): Promise<boolean> {
    if (!shown.value || saving.value) return false
    saving.value = true
    wrong.value = ''
    faults.value = {}
    try {
      take(await parts.save(shown.value.version, draft.value, before.value))
      return true
    } catch (error) {
      stale.value = error instanceof ApiError && error.code === 'stale'
      faults.value = error instanceof ApiError ? error.fields : {}
      wrong.value = explain(error, t)
      return false
    } finally {
      saving.value = false
    }
  }
  function warn(event: BeforeUnloadEvent): void {
    if (dirty.value) event.preventDefault()
  }
  onMounted(() => {
    addEventListener('beforeunload', warn)
    void load()
  })
  onBeforeUnmount(() => removeEventListener('beforeunload', warn))
  return { shown, draft, dirty, loading, failure, saving, wrong, stale, faults, load, save, undo }
}
