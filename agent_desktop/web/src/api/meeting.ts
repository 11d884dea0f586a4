/** The sheet of the morning meeting over HTTP. */
import { request, withQuery } from '../api'
import type { RecordingRow } from '../types'

/** The day's value, that of the seven days before, and the difference; null: nothing to divide by. */
export interface Compared {
  value: number | null
  before: number | null
  change: number | null
}

export interface SheetFigures {
  figures: Record<string, Compared>
  signed_in_seconds: number
  rated: number
}

export interface SheetAgent extends SheetFigures {
  id: number
  login: string
  name: string
  work_number: string
}

export interface SheetRecording {
  call_uid: string
  agent_name: string | null
  code: string
  reason: string
  by_hand: boolean
  recording: RecordingRow
}

export interface Sheet {
  day: string
  /** The day has ended. */
  over: boolean
  groups: { id: number; name: string; mine: boolean }[]
  group: { id: number; name: string; mine: boolean } | null
  names: { code: string; name: string; explained: string }[]
  whole: SheetFigures | null
  agents: SheetAgent[]
  recordings: SheetRecording[]
  alternatives: SheetRecording[]
  chosen_by_hand: boolean
  gone: number
  proposed: { code: string; text: string }[]
  points: string
  written_by_hand: boolean
  changed_by_name: string | null
  changed_at: number | null
  version: number
}

export const meetingApi = {
  sheet: (day: string, group: number | null) =>
    request<Sheet>('GET', withQuery('/meeting', { day, group: group ?? '' })),
  /** What is null stays as it is; an empty text or list is as proposed. */
  keep: (sheet: Sheet, points: string | null, recordings: string[] | null) =>
    request<Sheet>('PUT', '/meeting', {
      day: sheet.day,
      group: sheet.group?.id,
      version: sheet.version,
      points,
      recordings,
    }),
  documentAddress: (day: string, group: number) => `/api${withQuery('/meeting.docx', { day, group })}`,
}
