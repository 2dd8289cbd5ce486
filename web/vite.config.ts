// How the gallery is built: index.html with its hashed files under assets/, and the service worker as /sw.js, because a worker's place
// bounds what it may answer for. What is built stands on its own: nothing is inlined, so that a strict content security policy holds, and nothing comes from elsewhere.
//
// While developing, pages come from here and calls go to a vault: `KEEPSAKE_URL=http://127.0.0.1:4943 npm run dev`.

import { svelte } from '@sveltejs/vite-plugin-svelte';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { defineConfig, type Plugin } from 'vite';

import { serviceWorker } from './build/service-worker.ts';

const vault = process.env['KEEPSAKE_URL'] ?? 'http://127.0.0.1:4943';

export default defineConfig({
  plugins: [svelte(), serviceWorker('src/media/sw.ts'), vaultEnvironment()],
  resolve: {
    // The SDK is linked and has copies of its own.
    dedupe: ['@icp-sdk/core', '@noble/hashes', '@noble/curves'],
  },
  optimizeDeps: { exclude: ['@keepsake/sdk'] },
  build: {
    target: 'es2022',
    manifest: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      input: { index: 'index.html' },
    },
  },
  worker: { format: 'es' },
  server: { proxy: { '/api': vault }, fs: { allow: ['..'] } },
  preview: { proxy: { '/api': vault } },
});

/** Sets the cookie that the vault sets with its own pages: which canister this is, and whose signatures to believe. */
function vaultEnvironment(): Plugin {
  const setCookie = async (request: IncomingMessage, response: ServerResponse, next: () => void) => {
    if (request.headers.accept?.includes('text/html')) {
      const cookie = await environmentCookie().catch(() => undefined);
      if (cookie) {
        response.setHeader('set-cookie', cookie);
      }
    }
    next();
  };
  return {
    name: 'keepsake-environment',
    configureServer: (server) => void server.middlewares.use(setCookie),
    configurePreviewServer: (server) => void server.middlewares.use(setCookie),
  };
}

async function environmentCookie(): Promise<string> {
  const { HttpAgent } = await import('@icp-sdk/core/agent');
  const agent = HttpAgent.createSync({ host: vault });
  const key = await agent.fetchRootKey();
  const canister = process.env['KEEPSAKE_CANISTER_ID'] ?? 'uxrrr-q7777-77774-qaaaq-cai';
  const hex = [...key].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return `ic_env=${encodeURIComponent(`ic_root_key=${hex}&PUBLIC_CANISTER_ID:vault=${canister}`)}; Path=/; SameSite=Lax`;
}
