/** Messages of the floor over HTTP. */
import { request } from '../api'

export interface FloorMessage {
  id: number
  at: number
  /** I have sent it. */
  mine: boolean
  sender_name: string
  sender_login: string
  sender_role_label: string
  to_label: string
  text: string
  urgent: boolean
  read_at: number | null
  /** Of messages that I have sent. */
  receipts: { read: number; total: number } | null
}
export interface MessageReceipt {
  name: string
  work_number: string
  role_label: string
  read_at: number | null
}
export interface MessageTargets {
  groups: { id: number; name: string; people: number }[]
  people: { login: string; name: string; work_number: string; group_id: number | null; seat: string | null }[]
}
export type MessageKind = 'user' | 'group' | 'all'
/** A message has come (`unread` grew), was read by me elsewhere, or one of mine was read. */
export interface MessagePush {
  id: number
  unread: number
  read_by_me?: boolean
  read?: number
  total?: number
}

export const messagesApi = {
  list: () => request<{ rows: FloorMessage[]; unread: number }>('GET', '/messages'),
  send: (kind: MessageKind, target: string, text: string, urgent: boolean) =>
    request<FloorMessage>('POST', '/messages', { kind, target, text, urgent }),
  targets: () => request<MessageTargets>('GET', '/messages/targets'),
  read: (id: number) => request<FloorMessage>('POST', `/messages/${id}/read`, {}),
  receipts: (id: number) => request<{ rows: MessageReceipt[] }>('GET', `/messages/${id}/receipts`),
}
