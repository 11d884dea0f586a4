/** The one place that speaks HTTP: JSON in and out, the CSRF header, and errors as one class. */
import type { MissedResult } from './rules/missed'
import type {
  Attachment,
  CallRow,
  Catalogue,
  CitizenEvent,
  DialWhat,
  Draft,
  Duplicate,
  KnowledgeEntry,
  NearbyTicket,
  MissedRow,
  Page,
  Peaks,
  PhoneAccount,
  Pop,
  RecordingRow,
  Script,
  SeatChoice,
  SeatPicture,
  Session,
  Telephone,
  TicketDetail,
  TicketRow,
  TransferChoices,
  TransferKind,
} from './types'

export type SeatVerb =
  | 'more-time'
  | 'cancel-consult'
  | 'complete-transfer'
  | 'three-way'
  | 'drop-party'
  | 'leave'
  | 'end-all'
  | 'pause-recording'
  | 'resume-recording'
  | 'ask-help'
  | 'cancel-help'
import type {
  AgentSkills,
  DesksPage,
  PeriodRow,
  ReasonRow,
  ReasonsPage,
  SkillsPage,
  TargetRow,
  TargetsPage,
} from './settings/shapes'

/** `code` is the server's word, or `offline` / `timeout` when no answer came. `message` is for the person. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly fields: Record<string, string> = {},
  ) {
    super(message)
  }
  /** Worth trying again later: nothing reached the server, or it is not able to work at the moment. */
  get passing(): boolean {
    return this.status === 0 || this.status >= 502 || this.status === 429
  }
}

let csrf = ''
let unauthorized: () => void = () => undefined

export function keepCsrf(token: string): void {
  csrf = token
}

/** What to do when the server no longer knows us (401 outside of log-in). */
export function onUnauthorized(then: () => void): void {
  unauthorized = then
}

export type Body = Record<string, unknown>
export type Query = Record<string, string | number | boolean | null | undefined>

export function withQuery(path: string, query: Query): string {
  const pairs = Object.entries(query).filter(
    ([, value]) => value !== '' && value !== null && value !== undefined,
  )
  return pairs.length ? `${path}?${new URLSearchParams(pairs.map(([k, v]) => [k, String(v)]))}` : path
}

async function send(
  method: string,
  path: string,
  body?: Body | FormData,
  headers: Record<string, string> = {},
) {
  const init: RequestInit = { method, credentials: 'same-origin', signal: AbortSignal.timeout(15_000) }
  init.headers = { Accept: 'application/json', ...headers }
  if (method !== 'GET') Object.assign(init.headers, { 'X-CSRF-Token': csrf })
  if (body instanceof FormData) init.body = body
  else if (body !== undefined) {
    Object.assign(init.headers, { 'Content-Type': 'application/json' })
    init.body = JSON.stringify(body)
  }
  try {
    return await fetch(`/api${path}`, init)
  } catch (cause) {
    const late = cause instanceof DOMException && cause.name === 'TimeoutError'
    throw new ApiError(0, late ? 'timeout' : 'offline', '')
  }
}

async function toError(response: Response): Promise<ApiError> {
  const said = await response.json().catch(() => ({}))
  return new ApiError(
    response.status,
    said.error ?? `http_${response.status}`,
    said.message ?? '',
    said.fields,
  )
}

export async function request<T>(
  method: string,
  path: string,
  body?: Body | FormData,
  headers?: Record<string, string>,
): Promise<T> {
  let response = await send(method, path, body, headers)
  if (!response.ok) {
    let error = await toError(response)
    if (error.code.startsWith('csrf')) {
      keepCsrf((await request<Session>('GET', '/session')).csrf)
      response = await send(method, path, body, headers)
      if (!response.ok) error = await toError(response)
    }
    if (!response.ok) {
      if (error.status === 401 && error.code !== 'bad_credentials') unauthorized()
      throw error
    }
  }
  return response.status === 204 ? (undefined as T) : ((await response.json()) as T)
}

/** A form with a file. Rejects with ApiError as `request` does. */
export async function sendForm<T>(path: string, form: FormData): Promise<T> {
  const post = () =>
    fetch(`/api${path}`, {
      method: 'POST',
      credentials: 'same-origin',
      headers: { Accept: 'application/json', 'X-CSRF-Token': csrf },
      body: form,
      signal: AbortSignal.timeout(120_000),
    }).catch(() => {
      throw new ApiError(0, 'offline', '')
    })
  let response = await post()
  if (response.status === 403 && (await toError(response.clone())).code.startsWith('csrf')) {
    keepCsrf((await request<Session>('GET', '/session')).csrf)
    response = await post()
  }
  if (response.ok) return (await response.json()) as T
  if (response.status === 401) unauthorized()
  throw await toError(response)
}

/**
 * A file on its way, with the share that has left (0 to 1): `fetch` cannot tell that. Rejects with ApiError,
 * `aborted` when `stop` was called.
 */
export interface Upload {
  done: Promise<Attachment>
  stop(): void
}

function uploadOnce(form: FormData, progress: (share: number) => void): Upload {
  const sending = new XMLHttpRequest()
  const done = new Promise<Attachment>((resolve, reject) => {
    sending.open('POST', '/api/attachments')
    sending.responseType = 'json'
    sending.setRequestHeader('Accept', 'application/json')
    sending.setRequestHeader('X-CSRF-Token', csrf)
    sending.upload.onprogress = ({ loaded, total }) => total && progress(loaded / total)
    sending.onerror = () => reject(new ApiError(0, 'offline', ''))
    sending.onabort = () => reject(new ApiError(0, 'aborted', ''))
    sending.onload = () => {
      const said = sending.response ?? {}
      if (sending.status < 300) return resolve(said)
      if (sending.status === 401) unauthorized()
      reject(
        new ApiError(sending.status, said.error ?? `http_${sending.status}`, said.message ?? '', said.fields),
      )
    }
    sending.send(form)
  })
  return { done, stop: () => sending.abort() }
}

function upload(file: File, formKey: string, progress: (share: number) => void): Upload {
  const form = new FormData()
  form.append('form_key', formKey)
  form.append('file', file)
  let current = uploadOnce(form, progress)
  const done = current.done.catch(async (error: ApiError) => {
    if (!error.code.startsWith('csrf')) throw error
    keepCsrf((await request<Session>('GET', '/session')).csrf)
    current = uploadOnce(form, progress)
    return current.done
  })
  return { done, stop: () => current.stop() }
}

type Rows<Row> = { rows: Row[] }

export const uidPath = (uid: string) => encodeURIComponent(uid)

export const api = {
  session: () => request<Session>('GET', '/session'),
  logIn: (login: string, password: string, seat: string | null, telephone: Telephone) =>
    request<Session>('POST', '/session', { login, password, ...(seat ? { seat, telephone } : {}) }),
  logOut: () => request<void>('DELETE', '/session'),
  seatChoices: () => request<SeatChoice[]>('GET', '/seats'),
  catalogue: () => request<Catalogue>('GET', '/catalogue'),

  seat: () => request<SeatPicture>('GET', '/seat'),
  ready: () => request('POST', '/seat/ready', {}),
  notReady: (reason: string) => request('POST', '/seat/not-ready', { reason }),
  finishAfterCall: () => request('POST', '/seat/finish-after-call', {}),
  hangUp: () => request('POST', '/seat/hang-up', {}),
  phone: (page: string, takeOver: boolean) =>
    request<PhoneAccount>('POST', '/seat/phone', { page, take_over: takeOver }),
  /** more-time, three-way, pause-recording…: a verb of the seat that needs nothing said. */
  seatVerb: (verb: SeatVerb) => request('POST', `/seat/${verb}`, {}),
  dial: (what: DialWhat) => request('POST', '/seat/dial', { ...what }),
  transfer: (kind: TransferKind, target: string) => request('POST', '/seat/transfer', { kind, target }),
  consult: (kind: TransferKind, target: string) => request('POST', '/seat/consult', { kind, target }),
  transferChoices: () => request<TransferChoices>('GET', '/catalogue/transfer'),

  pop: (uid: string) => request<Pop>('GET', `/calls/${uidPath(uid)}/pop`),
  revealCall: (uid: string, reason: string) =>
    request<{ number: string }>('POST', `/calls/${uidPath(uid)}/reveal-number`, { reason }),
  draft: (uid: string) => request<Draft | null>('GET', `/calls/${uidPath(uid)}/draft`),
  saveDraft: (uid: string, body: Body) =>
    request<{ saved_at: number }>('PUT', `/calls/${uidPath(uid)}/draft`, { body }),
  dropDraft: (uid: string) => request<void>('DELETE', `/calls/${uidPath(uid)}/draft`),
  drafts: () => request<(Draft & { call_uid: string })[]>('GET', '/drafts'),

  calls: (query: Query) => request<Page<CallRow>>('GET', withQuery('/calls', query)),
  tickets: (query: Query) => request<Page<TicketRow>>('GET', withQuery('/tickets', query)),
  ticket: (number: string) => request<TicketDetail>('GET', `/tickets/${encodeURIComponent(number)}`),
  saveTicket: (body: Body, key: string) =>
    request<TicketDetail>('POST', '/tickets', body, { 'Idempotency-Key': key }),
  actOnTicket: (number: string, action: string, body: Body) =>
    request<TicketDetail>('POST', `/tickets/${encodeURIComponent(number)}/${action}`, body),
  revealTicket: (number: string, reason: string) =>
    request<{ number: string }>('POST', `/tickets/${encodeURIComponent(number)}/reveal-number`, { reason }),

  checkTicket: (body: Body) => request<{ duplicates: Duplicate[] }>('POST', '/tickets/check', body),
  nearby: (uid: string, query: Query) =>
    request<Rows<NearbyTicket>>('GET', withQuery(`/calls/${uidPath(uid)}/nearby`, query)),
  knowledge: (query: Query) => request<Rows<KnowledgeEntry>>('GET', withQuery('/knowledge', query)),
  scripts: (query: Query) => request<Rows<Script>>('GET', withQuery('/scripts', query)),
  upload,
  dropAttachment: (id: number) => request<void>('DELETE', `/attachments/${id}`),
  attachmentAddress: (id: number) => `/api/attachments/${id}`,
  mergeCitizens: (id: number, other_id: number, reason: string) =>
    request('POST', `/citizens/${id}/merge`, { other_id, reason }),
  splitCitizen: (id: number, phones: number[], name: string, reason: string) =>
    request('POST', `/citizens/${id}/split`, { phones, name, reason }),
  undoMerge: (id: number, undo_merge: number, reason: string) =>
    request('POST', `/citizens/${id}/split`, { undo_merge, reason }),
  /** With the records that were merged into it and can be taken out again. */
  citizen: (id: number) => request<{ merged: { id: number; name: string }[] }>('GET', `/citizens/${id}`),
  citizenHistory: (id: number) => request<Rows<CitizenEvent>>('GET', `/citizens/${id}/history`),

  missed: (query: Query) => request<Page<MissedRow> & { open: number }>('GET', withQuery('/missed', query)),
  missedCount: () => request<{ open: number }>('GET', '/missed/count'),
  releaseMissed: (id: number) => request<MissedRow>('POST', `/missed/${id}/release`, {}),
  sayMissed: (id: number, result: MissedResult, note: string) =>
    request<MissedRow>('POST', `/missed/${id}/attempt`, { result, note }),
  giveUpMissed: (id: number, note: string, version: number) =>
    request<MissedRow>('POST', `/missed/${id}/give-up`, { note, version }),

  skills: () => request<SkillsPage>('GET', '/desk-settings/skills'),
  saveSkills: (version: string, agents: AgentSkills[]) =>
    request<SkillsPage>('PUT', '/desk-settings/skills', {
      version,
      agents: agents.map(({ id, penalties }) => ({ id, penalties })),
    }),
  specialDesks: () => request<DesksPage>('GET', '/desk-settings/special-desks'),
  saveSpecialDesks: (version: string, periods: PeriodRow[]) =>
    request<DesksPage>('PUT', '/desk-settings/special-desks', { version, periods }),
  reasons: () => request<ReasonsPage>('GET', '/desk-settings/reasons'),
  saveReasons: (version: string, reasons: ReasonRow[]) =>
    request<ReasonsPage>('PUT', '/desk-settings/reasons', { version, reasons }),
  transferTargets: () => request<TargetsPage>('GET', '/desk-settings/transfer-targets'),
  saveTransferTargets: (version: string, targets: TargetRow[]) =>
    request<TargetsPage>('PUT', '/desk-settings/transfer-targets', { version, targets }),

  recordings: (query: Query) => request<Page<RecordingRow>>('GET', withQuery('/recordings', query)),
  peaks: (id: number) => request<Peaks>('GET', `/recordings/${id}/peaks`),
  audioAddress: (id: number) => `/api/recordings/${id}/audio`,
}
