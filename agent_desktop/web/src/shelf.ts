/** Drafts that the server does not have yet, kept in this browser. Cleared as soon as the server has them. */
import type { DraftBody } from './types'

export interface Shelved {
  call_uid: string
  body: DraftBody
  changed_at: number
}

const name = (userId: number, callUid: string) => `draft:${userId}:${callUid}`

function store(): Storage | null {
  try {
    return globalThis.localStorage ?? null
  } catch {
    return null
  }
}

export const shelf = {
  put(userId: number, draft: Shelved): void {
    try {
      store()?.setItem(name(userId, draft.call_uid), JSON.stringify(draft))
    } catch {
      // Full or forbidden: the server stays the first place.
    }
  },
  get(userId: number, callUid: string): Shelved | null {
    try {
      return JSON.parse(store()?.getItem(name(userId, callUid)) ?? 'null')
    } catch {
      return null
    }
  },
  drop(userId: number, callUid: string): void {
    store()?.removeItem(name(userId, callUid))
  },
  all(userId: number): Shelved[] {
    const from = store()
    if (!from) return []
    const names = Array.from({ length: from.length }, (_, i) => from.key(i) ?? '')
    const start = name(userId, '')
    return names.flatMap((key) =>
      key.startsWith(start) ? (this.get(userId, key.slice(start.length)) ?? []) : [],
    )
  },
}
