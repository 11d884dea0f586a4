/** 紧急公告 over HTTP. */
import { request, sendForm } from '../api'

export type AnnouncementState = 'rendering' | 'ready' | 'failed' | 'on_air' | 'ended'

export interface Announcement {
  id: number
  text: string
  /** The text as it is read aloud; empty for a recording. */
  spoken: string
  source: 'voice' | 'upload'
  state: AnnouncementState
  state_label: string
  problem: string
  /** Percent of the sound that is made. */
  progress: number
  scope: string
  scope_label: string
  seconds: number | null
  made_at: number
  made_by_name: string
  heard_at: number | null
  heard_by_name: string | null
  on_air_at: number | null
  on_air_by_name: string | null
  until: number | null
  ended_at: number | null
  ended_by_name: string | null
}
export interface AnnouncementsPage {
  rows: Announcement[]
  scopes: { scope: string; label: string }[]
  /** The synthesiser is installed. */
  voice: boolean
  may_change: boolean
  longest_text: number
  longest_days: number
}
export interface OnAir {
  id: number
  text: string
  scope_label: string
  until: number
}
/** `confirmed`: the telephones have it; else they follow when they can be reached. */
export interface Changed {
  row: Announcement
  confirmed: boolean
}

const at = (id: number) => `/announcements/${id}`

export const announcementsApi = {
  page: () => request<AnnouncementsPage>('GET', '/announcements'),
  onAir: () => request<{ rows: OnAir[] }>('GET', '/announcements/on-air'),
  make: (text: string, scope: string) => request<Announcement>('POST', '/announcements', { text, scope }),
  upload(file: Blob, name: string, text: string, scope: string) {
    const form = new FormData()
    form.append('scope', scope)
    form.append('text', text)
    form.append('file', file, name)
    return sendForm<Announcement>('/announcements/upload', form)
  },
  heard: (id: number) => request<Announcement>('POST', `${at(id)}/heard`, {}),
  publish: (id: number, until: number, replace: boolean) =>
    request<Changed>('POST', `${at(id)}/publish`, { until, replace }),
  end: (id: number) => request<Changed>('POST', `${at(id)}/end`, {}),
  audioAddress: (id: number) => `/api${at(id)}/audio`,
}
