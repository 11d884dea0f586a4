/**
 * Files given with the ticket at hand. They go to the server at once, under the form's key; the draft remembers
 * which ones are there, and saving the ticket makes them part of it.
 */
import { defineStore } from 'pinia'
import { computed, ref, watch } from 'vue'

import { ApiError, api, type Upload } from '../api'
import { fileFault, type FileFault } from '../rules/files'
import type { Attachment } from '../types'
import { useForm } from './form'

export interface AttachedFile {
  /** Of the row, not of the file. */
  key: number
  name: string
  bytes: number
  state: 'sending' | 'there' | 'failed' | 'removing'
  /** 0 to 1 while sending */
  share: number
  /** What is on the server. */
  kept: Attachment | null
  fault: FileFault | ApiError | null
}

let lastKey = 0

export const useAttachments = defineStore('attachments', () => {
  const form = useForm()
  const rows = ref<AttachedFile[]>([])
  const files = new Map<number, File>()
  const uploads = new Map<number, Upload>()

  const sending = computed(() => rows.value.some((row) => row.state === 'sending'))
  const find = (key: number) => rows.value.find((row) => row.key === key)

  function row(from: Pick<AttachedFile, 'name' | 'bytes' | 'state'>, kept: Attachment | null): AttachedFile {
    return { key: ++lastKey, share: kept ? 1 : 0, fault: null, ...from, kept }
  }
  const ids = (list: { id: number }[]) => list.map((one) => one.id).join()
  const kept = () => rows.value.flatMap((one) => (one.kept && one.state !== 'removing' ? one.kept : []))
  /** Another form is open: its files instead of the last one's. What is on its way still gets there, under its key. */
  function restore(): void {
    uploads.clear()
    files.clear()
    rows.value = form.attached.map((one) => row({ ...one, state: 'there' }, one))
  }
  watch([() => form.key, () => form.callUid], restore, { immediate: true, flush: 'sync' })
  // A draft that comes from the server may bring files along with the key of the form.
  watch(
    () => form.attached,
    (now) => {
      if (ids(now) !== ids(kept())) restore()
    },
    { flush: 'sync' },
  )
  function remember(): void {
    form.attached = kept()
  }

  function add(chosen: File[]): void {
    for (const file of chosen) {
      const fault = fileFault(file, rows.value.length)
      const added = row({ name: file.name, bytes: file.size, state: fault ? 'failed' : 'sending' }, null)
      rows.value.push({ ...added, fault })
      files.set(added.key, file)
      if (!fault) void send(added.key)
    }
  }
  async function send(key: number): Promise<void> {
    const file = files.get(key)
    const one = find(key)
    if (!file || !one) return
    Object.assign(one, { state: 'sending', share: 0, fault: null })
    const upload = api.upload(file, form.key, (share) => (one.share = share))
    uploads.set(key, upload)
    try {
      const stored = await upload.done
      const still = find(key)
      if (!still) return
      Object.assign(still, { state: 'there', share: 1, kept: stored, name: stored.name ?? file.name })
      remember()
    } catch (error) {
      const fault = error instanceof ApiError ? error : new ApiError(0, 'unknown', '')
      const still = find(key)
      if (still) Object.assign(still, { state: 'failed', fault })
    } finally {
      uploads.delete(key)
    }
  }
  /** Worth another try: it was not the file's fault. */
  const canRetry = (one: AttachedFile) =>
    one.fault instanceof ApiError && one.fault.status !== 422 && files.has(one.key)

  async function remove(key: number): Promise<void> {
    const one = find(key)
    if (!one) return
    uploads.get(key)?.stop()
    if (one.kept) {
      one.state = 'removing'
      try {
        await api.dropAttachment(one.kept.id)
      } catch (error) {
        const gone = error instanceof ApiError && error.status === 404
        if (!gone) {
          Object.assign(one, { state: 'there' })
          throw error
        }
      }
    }
    rows.value = rows.value.filter((each) => each.key !== key)
    files.delete(key)
    remember()
  }
  return { rows, sending, add, send, remove, canRetry }
})
