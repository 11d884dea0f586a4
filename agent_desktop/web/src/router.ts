import { createRouter, createWebHistory, type RouteRecordRaw } from 'vue-router'

import CallsPage from './pages/CallsPage.vue'
import DeskPage from './pages/DeskPage.vue'
import DeskSettingsPage from './pages/DeskSettingsPage.vue'
import LoginPage from './pages/LoginPage.vue'
import MissedPage from './pages/MissedPage.vue'
import NotFoundPage from './pages/NotFoundPage.vue'
import RecordingsPage from './pages/RecordingsPage.vue'
import TicketPage from './pages/TicketPage.vue'
import TicketsPage from './pages/TicketsPage.vue'
import { backOff } from './rules/pushes'
import { useSession } from './stores/session'
import type { Role } from './types'

declare module 'vue-router' {
  interface RouteMeta {
    roles?: Role[]
    open?: boolean
  }
}

// Pages come with the first load: a page must open even while the server is being started again.
const routes: RouteRecordRaw[] = [
  { path: '/login', name: 'login', component: LoginPage, meta: { open: true } },
  { path: '/desk', name: 'desk', component: DeskPage, meta: { roles: ['agent'] } },
  { path: '/calls', name: 'calls', component: CallsPage },
  { path: '/tickets', name: 'tickets', component: TicketsPage },
  { path: '/tickets/:number', name: 'ticket', component: TicketPage, props: true },
  { path: '/recordings', name: 'recordings', component: RecordingsPage },
  {
    path: '/missed',
    name: 'missed',
    component: MissedPage,
    meta: { roles: ['agent', 'shift_leader', 'supervisor', 'administrator'] },
  },
  {
    path: '/desk-settings',
    name: 'desk-settings',
    component: DeskSettingsPage,
    meta: { roles: ['shift_leader', 'supervisor', 'administrator'] },
  },
  { path: '/:rest(.*)*', name: 'nowhere', component: NotFoundPage },
]

/** Where a person starts. */
export function home(role: Role | undefined): string {
  if (role === 'agent') return '/desk'
  return role === 'dispatcher' ? '/tickets' : '/calls'
}

/** The session must be known before the first page; a server that is away is asked again until it answers. */
async function knowSession(): Promise<void> {
  const session = useSession()
  for (let attempt = 0; !session.loaded; attempt++) {
    await session.load().catch(() => new Promise((wait) => setTimeout(wait, backOff(attempt))))
  }
}

export function makeRouter() {
  const router = createRouter({ history: createWebHistory(), routes })
  router.beforeEach(async (to) => {
    await knowSession()
    const { user } = useSession()
    if (to.meta.open) return user ? home(user.role) : true
    if (!user) return { name: 'login', query: to.path === '/' ? {} : { to: to.fullPath } }
    if (to.path === '/' || (to.meta.roles && !to.meta.roles.includes(user.role))) return home(user.role)
    return true
  })
  return router
}
