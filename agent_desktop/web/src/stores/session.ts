/** Who is logged in, at which seat, in which city, and how the PBX links are. */
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'

import { api, keepCsrf } from '../api'
import type { LinkPush, LinkState, Session, Telephone, User } from '../types'
import { useClock } from './clock'

export const useSession = defineStore('session', () => {
  const user = ref<User | null>(null)
  const seat = ref<string | null>(null)
  const telephone = ref<'browser' | 'desk' | null>(null)
  const city = ref('')
  const wrapupSeconds = ref(20)
  const links = ref<Record<string, LinkState>>({})
  const loaded = ref(false)
  /** Why a leader has signed this agent out, for the log-in. */
  const farewell = ref('')

  const isAgent = computed(() => user.value?.role === 'agent')
  /** Since when some PBX cannot be seen (ms), or null when all can. */
  const blindSince = computed(() => {
    const blind = Object.values(links.value).filter((link) => !link.connected || link.desktop_blind)
    return blind.length ? Math.min(...blind.map((link) => link.blind_since ?? Date.now())) : null
  })

  function take(session: Session): void {
    keepCsrf(session.csrf)
    user.value = session.user
    seat.value = session.seat
    telephone.value = session.telephone ?? null
    city.value = session.city
    wrapupSeconds.value = session.wrapup_seconds
    links.value = session.links ?? {}
    loaded.value = true
    useClock().setServerTime(session.server_time)
  }
  async function load(): Promise<void> {
    take(await api.session())
  }
  async function logIn(
    login: string,
    password: string,
    atSeat: string | null,
    chosen: Telephone = 'browser',
  ): Promise<void> {
    take(await api.logIn(login, password, atSeat, chosen))
    farewell.value = ''
  }
  async function logOut(): Promise<void> {
    await api.logOut()
    forget()
  }
  function forget(): void {
    user.value = null
    seat.value = null
    telephone.value = null
  }
  function takeLinks(all: Record<string, LinkState>): void {
    links.value = all
  }
  function takeLink({ pbx, ...link }: LinkPush): void {
    links.value = { ...links.value, [pbx]: link }
  }
  return {
    user,
    seat,
    telephone,
    city,
    wrapupSeconds,
    links,
    loaded,
    farewell,
    isAgent,
    blindSince,
    take,
    load,
    logIn,
    logOut,
    forget,
    takeLinks,
    takeLink,
  }
})
