import { svelte } from '@sveltejs/vite-plugin-svelte'
import tailwindcss from '@tailwindcss/vite'
import { defineConfig } from 'vitest/config'

// The server that `npm run dev` asks: a node of ours, or the reference server's HTTP port.
const server = process.env.TENURE_HTTP ?? 'http://127.0.0.1:8233'
// The server takes requests of pages only from its own host: what is passed on keeps the name that the browser asked for.
const proxy = Object.fromEntries(['/api', '/tenure'].map((path) => [path, { target: server, changeOrigin: false }]))

export default defineConfig({
  plugins: [tailwindcss(), svelte()],
  server: { proxy },
  // The policy that the binary sends.
  preview: {
    proxy,
    headers: {
      'Content-Security-Policy':
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    },
  },
  build: {
    target: 'es2023',
    sourcemap: false,
    // What is small would be inlined as `data:` and lose its name of its own; fonts and icons are files.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  test: { include: ['src/**/*.test.ts'] },
})
