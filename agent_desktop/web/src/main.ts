import 'element-plus/dist/index.css'
import './styles/theme.css'

import { createPinia } from 'pinia'
import { createApp } from 'vue'

import App from './App.vue'
import { onUnauthorized } from './api'
import { i18n } from './i18n'
import { endLive, news } from './live'
import { makeRouter } from './router'
import { useClock } from './stores/clock'
import { useSession } from './stores/session'

window.__pops = []

const app = createApp(App).use(createPinia()).use(i18n)
const router = makeRouter()
onUnauthorized(() => {
  if (!useSession().user) return
  useSession().forget()
  endLive()
  // A screen on the wall has no menu to choose its page from: it comes back to where it was.
  const { fullPath, meta } = router.currentRoute.value
  void router.push({ name: 'login', query: { again: '1', ...(meta.bare ? { to: fullPath } : {}) } })
})
/** A leader has signed this agent out: the log-in says who and why, and is the way back. */
news.addEventListener('signed-out', (event) => {
  const { by_name, reason } = (event as CustomEvent<{ by_name: string; reason: string }>).detail
  const session = useSession()
  session.farewell = i18n.global.t('login.signedOut', { name: by_name, reason })
  session.forget()
  endLive()
  // The desk first, so that nothing on it asks a server that has logged it out.
  void router
    .push({ name: 'login' })
    .then(() => session.logOut())
    .then(() => session.load())
    .catch(() => undefined)
})
useClock().start()
app.use(router).mount('#app')
