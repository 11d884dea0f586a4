/** Microphones and speakers of this computer, and which one its user has chosen. */
export interface Device {
  id: string
  label: string
}
export interface Devices {
  microphones: Device[]
  speakers: Device[]
}
type Kind = 'microphone' | 'speaker'

const KINDS = { microphones: 'audioinput', speakers: 'audiooutput' } as const

/** Devices without a name (no permission yet) are numbered. The browser's own "default" entry stays first. */
export async function listDevices(): Promise<Devices> {
  const all = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? []
  const of = (kind: MediaDeviceKind) =>
    all
      .filter((one) => one.kind === kind && one.deviceId)
      .map((one, i) => ({ id: one.deviceId, label: one.label || String(i + 1) }))
  return { microphones: of(KINDS.microphones), speakers: of(KINDS.speakers) }
}

/** Runs `then` when something is plugged in or out; gives the function that stops it. */
export function watchDevices(then: () => void): () => void {
  const devices = navigator.mediaDevices
  devices?.addEventListener('devicechange', then)
  return () => devices?.removeEventListener('devicechange', then)
}

/** '' is the system's default. A device that is not there at the moment stays remembered. */
export const chosen = (user: number, kind: Kind): string => recall(user, kind) ?? ''
export const choose = (user: number, kind: Kind, id: string): void => remember(user, kind, id)

export function recall(user: number, name: string): string | null {
  try {
    return localStorage.getItem(`softphone:${user}:${name}`)
  } catch {
    return null
  }
}
export function remember(user: number, name: string, value: string): void {
  try {
    localStorage.setItem(`softphone:${user}:${name}`, value)
  } catch {
    // A full or forbidden storage: the choice lasts as long as the page.
  }
}
