import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

const desktop = process.env.HOTLINE_DESKTOP ?? 'http://127.0.0.1:8012'

export default defineConfig({
  plugins: [vue()],
  define: {
    __VUE_I18N_LEGACY_API__: false,
    __VUE_I18N_FULL_INSTALL__: false,
    __INTLIFY_PROD_DEVTOOLS__: false,
  },
  build: {
    // Nothing as data: addresses, so that the page can be served under a strict Content-Security-Policy.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1200,
    // The desk, and the citizen page for demonstrations.
    rollupOptions: { input: { main: 'index.html', citizen: 'citizen.html' } },
  },
  server: {
    host: '127.0.0.1',
    proxy: { '/api': desktop, '/socket.io': { target: desktop, ws: true } },
  },
  test: { include: ['test/**/*.test.ts'], environment: 'node' },
})
