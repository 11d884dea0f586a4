import { createRouter, createWebHistory, type RouteRecordRaw } from 'vue-router'

import AlarmsPage from './pages/AlarmsPage.vue'
import AnnouncementsPage from './pages/AnnouncementsPage.vue'
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
    /** Without the shell: a screen on the wall. */
    bare?: boolean
  }
}

/**
 * A page with parts of its own (charts) that the others must not carry. While the server is being started again it is
 * asked for once more, a few times; the page that is open stays.
 */
export function fetchedLater<Page>(load: () => Promise<Page>) {
  return async (): Promise<Page> => {
    for (let attempt = 0; ; attempt++) {
      try {
        return await load()
      } catch (error) {
        if (attempt === 5) throw error
        await new Promise((wait) => setTimeout(wait, backOff(attempt)))
      }
    }
  }
}

// Pages come with the first load: a page must open even while the server is being started again.
const routes: RouteRecordRaw[] = [
  { path: '/login', name: 'login', component: LoginPage, meta: { open: true } },
  { path: '/desk', name: 'desk', component: DeskPage, meta: { roles: ['agent'] } },
  {
    path: '/floor',
    name: 'floor',
    component: fetchedLater(() => import('./pages/FloorPage.vue')),
    meta: { roles: ['shift_leader', 'supervisor', 'administrator'] },
  },
  {
    path: '/alarms',
    name: 'alarms',
    component: AlarmsPage,
    meta: { roles: ['shift_leader', 'supervisor', 'administrator'] },
  },
  { path: '/calls', name: 'calls', component: CallsPage },
  { path: '/tickets', name: 'tickets', component: TicketsPage },
  { path: '/tickets/:number', name: 'ticket', component: TicketPage, props: true },
  { path: '/recordings', name: 'recordings', component: RecordingsPage },
  {
    path: '/announcements',
    name: 'announcements',
    component: AnnouncementsPage,
    meta: { roles: ['shift_leader', 'supervisor', 'administrator'] },
  },
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
  {
    path: '/roster',
    name: 'roster',
    component: fetchedLater(() => import('./pages/RosterPage.vue')),
    meta: { roles: ['shift_leader', 'supervisor', 'administrator'] },
  },
  {
    path: '/meeting',
    name: 'meeting',
    component: fetchedLater(() => import('./pages/MeetingPage.vue')),
    meta: { roles: ['shift_leader', 'supervisor', 'administrator'] },
  },
  {
    path: '/board',
    name: 'board',
    component: fetchedLater(() => import('./pages/BoardPage.vue')),
    meta: { roles: ['shift_leader', 'supervisor', 'administrator'] },
  },
  {
    path: '/wall',
    name: 'wall',
    component: fetchedLater(() => import('./pages/WallPage.vue')),
    meta: { roles: ['shift_leader', 'supervisor', 'administrator'], bare: true },
  },
  { path: '/:rest(.*)*', name: 'nowhere', component: NotFoundPage },
]

/** Where a person starts. */
export function home(role: Role | undefined): string {
  if (role === 'agent') return '/desk'
  if (role === 'shift_leader' || role === 'supervisor') return '/floor'
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
