/**
 * A question that is asked again whenever something is typed: only the answer to the last one counts, and the
 * server is asked once things are quiet. What was shown stays until the new answer is there.
 */
import { ref, shallowRef } from 'vue'

export type Asking = 'none' | 'loading' | 'there' | 'failed'

export function latest<Question, Row>(ask: (question: Question) => Promise<{ rows: Row[] }>, quietMs = 300) {
  const status = ref<Asking>('none')
  const rows = shallowRef<Row[]>([])
  let wanted = ''
  let question: Question | null = null
  let quiet: ReturnType<typeof setTimeout> | undefined

  /** Ask when it is quiet; the same question is not asked twice. `null`: there is nothing to ask. */
  function want(next: Question | null): void {
    const spelled = JSON.stringify(next)
    if (spelled === wanted && status.value !== 'failed') return
    clearTimeout(quiet)
    wanted = spelled
    question = next
    if (next === null) {
      rows.value = []
      status.value = 'none'
      return
    }
    status.value = 'loading'
    quiet = setTimeout(() => void fetchRows(next, spelled), quietMs)
  }
  async function fetchRows(asked: Question, spelled: string): Promise<void> {
    try {
      const answer = await ask(asked)
      if (wanted !== spelled) return
      rows.value = answer.rows
      status.value = 'there'
    } catch {
      if (wanted === spelled) status.value = 'failed'
    }
  }
  /** Ask the same once more, after a failure. */
  function again(): void {
    if (question === null) return
    status.value = 'loading'
    void fetchRows(question, wanted)
  }
  return { status, rows, want, again }
}
