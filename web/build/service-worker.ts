/**
 * Builds the service worker as one classic script at the site's root: a worker's place bounds what it may answer for, workers may not load parts later, and one file
 * is either the old version or the new one. While developing it is built anew whenever it is asked for.
 *
 * @module
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { build, type Plugin, type ResolvedConfig } from 'vite';

/** The plugin: `entry` becomes `/sw.js`. */
export function serviceWorker(entry: string): Plugin {
  let config: ResolvedConfig;
  return {
    name: 'keepsake-service-worker',
    configResolved(resolved) {
      config = resolved;
    },
    configureServer(server) {
      server.middlewares.use('/sw.js', (_request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => {
        bundle(config, entry).then((code) => {
          response.setHeader('content-type', 'text/javascript');
          response.end(code);
        }, next);
      });
    },
    async generateBundle() {
      this.emitFile({ type: 'asset', fileName: 'sw.js', source: await bundle(config, entry) });
    },
  };
}

async function bundle({ root, resolve, build: { target, minify } }: ResolvedConfig, entry: string): Promise<string> {
  const result = await build({
    configFile: false,
    root,
    logLevel: 'warn',
    publicDir: false,
    resolve: { dedupe: resolve.dedupe },
    build: {
      write: false,
      target,
      minify,
      modulePreload: false,
      rollupOptions: {
        input: entry,
        output: { format: 'iife', entryFileNames: 'sw.js' },
      },
    },
  });
  const outputs = (Array.isArray(result) ? result : [result]).flatMap((one) => ('output' in one ? one.output : []));
  const [chunk] = outputs;
  if (outputs.length !== 1 || chunk?.type !== 'chunk') {
    throw new Error(`the service worker became ${outputs.length} files instead of one`);
  }
  return chunk.code;
}
