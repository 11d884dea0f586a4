/**
 * The ticket being written for one call, and its draft.
 *
 *   typed ─► localStorage at once ─► PUT draft 0.6 s after the last key ─► "saved", localStorage cleared
 *                                        └─ failed: "unsaved", tried again with back-off and on reconnect
 */
import { defineStore } from 'pinia'
import { computed, ref, watch } from 'vue'

import { ApiError, api } from '../api'
import { emptyForm, fromDraft, isTouched, missing, newKey, toTicket } from '../rules/form'
import { backOff } from '../rules/pushes'
import { shelf } from '../shelf'
import type { Attachment, Citizen, Draft, DraftBody, TicketDetail, TicketForm } from '../types'
import { useClock } from './clock'
import { useSession } from './session'

export type DraftState = 'none' | 'waiting' | 'saving' | 'saved' | 'unsaved'

const QUIET_MS = 600

export interface OpenDraft {
  call_uid: string
  body: DraftBody
  at: number
}

export const useForm = defineStore('form', () => {
  const callUid = ref<string | null>(null)
  const form = ref<TicketForm>(emptyForm())
  const key = ref('')
  /** Files that the server keeps under `key`, for the draft to remember. */
  const attached = ref<Attachment[]>([])
  const draftState = ref<DraftState>('none')
  const savedAt = ref<number | null>(null)
  const submitting = ref(false)
  const ticket = ref<TicketDetail | null>(null)
  /** field → sentence, from our own check or the server's 422 */
  const faults = ref<Record<string, string>>({})
  const others = ref<OpenDraft[]>([])

  let kept = ''
  let filling = false
  let quiet: ReturnType<typeof setTimeout> | undefined
  let flying: Promise<void> | null = null
  let attempt = 0

  const touched = computed(() => isTouched(form.value) || attached.value.length > 0)
  const unsaved = computed(() => ['waiting', 'saving', 'unsaved'].includes(draftState.value))
  const userId = () => useSession().user?.id ?? 0
  const body = (text = form.value): DraftBody => ({
    ...text,
    key: key.value,
    ...(attached.value.length ? { attachments: attached.value } : {}),
  })
  const mark = (text: TicketForm) => JSON.stringify(body(text))
  const written = () => mark(form.value)

  function fill(from: DraftBody | null): void {
    const next = fromDraft(from ?? {})
    faults.value = {}
    ticket.value = null
    filling = true
    key.value = from?.key ?? newKey()
    attached.value = from?.attachments ?? []
    kept = mark(next)
    form.value = next
    filling = false
  }

  /** Begin, or go on with, the ticket of `uid`; `draftOf` asks for its draft. The text in hand is kept first. */
  async function open(
    uid: string,
    draftOf: (uid: string) => Promise<Draft | null> = api.draft,
  ): Promise<void> {
    if (callUid.value === uid) return
    void flush()
    clearTimeout(quiet)
    const mine = shelf.get(userId(), uid)
    callUid.value = uid
    attempt = 0
    fill(mine?.body ?? null)
    savedAt.value = null
    draftState.value = mine ? 'waiting' : 'none'
    if (mine) {
      kept = ''
      await flush()
      return
    }
    const draft = await draftOf(uid).catch(() => null)
    if (callUid.value === uid && draft && savedAt.value === null && written() === kept) {
      fill(draft.body)
      savedAt.value = draft.saved_at
      draftState.value = 'saved'
    }
  }
  function close(): void {
    void flush()
    clearTimeout(quiet)
    callUid.value = null
    draftState.value = 'none'
    fill(null)
  }

  watch([form, attached], () => changed(), { deep: true, flush: 'sync' })

  function changed(): void {
    if (filling || !callUid.value || ticket.value || written() === kept) return
    shelf.put(userId(), { call_uid: callUid.value, body: body(), changed_at: useClock().now })
    if (draftState.value !== 'saving') draftState.value = 'waiting'
    clearTimeout(quiet)
    quiet = setTimeout(() => void flush(), QUIET_MS)
  }
  /** Bring the text to the server now. Never throws. */
  function flush(): Promise<void> {
    clearTimeout(quiet)
    if (!callUid.value || ticket.value || submitting.value || written() === kept) return Promise.resolve()
    flying ??= put(callUid.value, body(), written()).finally(() => {
      flying = null
      // Typed while the last one was on its way, or another call's form opened meanwhile.
      if (draftState.value === 'waiting') quiet = setTimeout(() => void flush(), QUIET_MS)
    })
    return flying
  }
  async function put(uid: string, text: DraftBody, sent: string): Promise<void> {
    const user = userId()
    const here = () => callUid.value === uid
    draftState.value = 'saving'
    try {
      const { saved_at } = await api.saveDraft(uid, text)
      attempt = 0
      // Only what the server now has leaves the shelf: more may have been typed meanwhile.
      if (JSON.stringify(shelf.get(user, uid)?.body) === sent) shelf.drop(user, uid)
      if (!here()) return
      kept = sent
      savedAt.value = saved_at
      draftState.value = written() === sent ? 'saved' : 'waiting'
    } catch {
      if (!here()) return
      draftState.value = 'unsaved'
      quiet = setTimeout(() => void flush(), backOff(attempt++))
    }
  }

  /** Fill in who is calling. Does not by itself make a draft. */
  function chooseCitizen(citizen: Citizen | null): void {
    const before = form.value
    const next = {
      ...before,
      citizen_id: citizen?.id ?? null,
      citizen_name: citizen?.name ?? '',
      citizen_gender: citizen?.gender ?? '',
      who: !before.who || before.who === before.citizen_name ? (citizen?.name ?? '') : before.who,
    }
    if (written() === kept) kept = mark(next)
    form.value = next
  }

  /** Is there everything without which no ticket can be saved? The sentences for the rest are left in `faults`. */
  function complete(sentenceFor: (field: string) => string): boolean {
    faults.value = Object.fromEntries(missing(form.value).map((name) => [name, sentenceFor(name)]))
    return !Object.keys(faults.value).length
  }
  /** Save the ticket. Throws ApiError; sentences for single fields are left in `faults`. */
  async function submit(sentenceFor: (field: string) => string): Promise<TicketDetail | null> {
    if (submitting.value || ticket.value || !callUid.value) return null
    const uid = callUid.value
    if (!complete(sentenceFor)) return null
    clearTimeout(quiet)
    submitting.value = true
    try {
      // A draft still on its way would come back to life after the ticket took its place.
      await flying
      const saved = await api.saveTicket(toTicket(form.value, uid), key.value)
      shelf.drop(userId(), uid)
      if (callUid.value === uid) {
        ticket.value = saved
        draftState.value = 'none'
      }
      return saved
    } catch (error) {
      if (error instanceof ApiError) faults.value = { ...error.fields }
      throw error
    } finally {
      submitting.value = false
      if (!ticket.value) changed()
    }
  }
  /** One more ticket for the same call: the same caller, everything else empty. */
  function another(): void {
    const { citizen_id, citizen_name, citizen_gender, who } = form.value
    fill({ citizen_id, citizen_name, citizen_gender, who })
    draftState.value = 'none'
    savedAt.value = null
  }

  async function loadOthers(): Promise<void> {
    const fromServer = await api.drafts().catch(() => [])
    const list = new Map(
      fromServer.map((d) => [d.call_uid, { call_uid: d.call_uid, body: d.body, at: d.saved_at }]),
    )
    for (const d of shelf.all(userId()))
      list.set(d.call_uid, { call_uid: d.call_uid, body: d.body, at: d.changed_at })
    others.value = [...list.values()].sort((a, b) => b.at - a.at)
  }
  async function discard(uid: string): Promise<void> {
    await api.dropDraft(uid)
    shelf.drop(userId(), uid)
    others.value = others.value.filter((draft) => draft.call_uid !== uid)
    if (callUid.value === uid) {
      clearTimeout(quiet)
      fill(null)
      draftState.value = 'none'
    }
  }

  return {
    callUid,
    form,
    key,
    attached,
    draftState,
    savedAt,
    submitting,
    ticket,
    faults,
    others,
    touched,
    unsaved,
    open,
    close,
    flush,
    chooseCitizen,
    complete,
    submit,
    another,
    loadOthers,
    discard,
  }
})
