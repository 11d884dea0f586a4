import 'element-plus/dist/index.css'
import './styles/theme.css'

import { createPinia } from 'pinia'
import { createApp } from 'vue'

import App from './App.vue'
import { onUnauthorized } from './api'
import { i18n } from './i18n'
import { endLive } from './live'
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
useClock().start()
app.use(router).mount('#app')
