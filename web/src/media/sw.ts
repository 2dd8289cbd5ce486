/**
 * The service worker: answers `/media/…` for the gallery's pages, so that pictures and videos are ordinary addresses, verified, and without a secret in
 * any of them. Everything else goes to the vault as if there were no worker, except that nothing but the start page is shown as a page. See
 * worker/library.ts for what is guaranteed.
 *
 * @module
 */

import { SESSION_CHANNEL } from '../session/store.ts';
import { MEDIA_PATH, parseMediaPath } from './address.ts';
import { isClaimRequest, isForgetRequest, type MediaFailure, type MediaProblem } from './messages.ts';
import { answer } from './worker/answer.ts';
import { boxed, isForeign } from './worker/foreign.ts';
import { Library, problemOf } from './worker/library.ts';
import { scope, type FetchEvent } from './worker/scope.ts';

const library = new Library();

/** What a browser is told where there is no content. Who may not see a thing does not learn that it exists. */
const STATUS: Readonly<Record<MediaProblem, number>> = {
  mismatch: 502,
  forged: 502,
  offline: 503,
  missing: 404,
  denied: 403,
  elsewhere: 404,
  'signed-out': 404,
  other: 500,
};

// A new version works at once: pages do not depend on which version answers.
scope.addEventListener('install', (event) => event.waitUntil(scope.skipWaiting()));
scope.addEventListener('activate', (event) => event.waitUntil(Promise.all([scope.clients.claim(), library.follow()])));

scope.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url);
  if (url.origin !== scope.location.origin) {
    return;
  }
  if (url.pathname.startsWith(MEDIA_PATH)) {
    event.respondWith(respond(event, url));
  } else if (isForeign(event.request)) {
    event.respondWith(boxed(event.request));
  }
});

scope.addEventListener('message', (event) => {
  if (isForgetRequest(event.data)) {
    event.waitUntil(library.forget().finally(() => event.ports[0]?.postMessage('forgotten')));
  } else if (isClaimRequest(event.data)) {
    event.waitUntil(scope.clients.claim());
  }
});

new BroadcastChannel(SESSION_CHANNEL).addEventListener('message', () => void library.follow().catch(() => {}));

async function respond(event: FetchEvent, url: URL): Promise<Response> {
  const { request } = event;
  const address = parseMediaPath(url);
  if (!address) {
    return refusal(404, 'missing');
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return new Response(null, { status: 405, headers: { allow: 'GET, HEAD' } });
  }
  const fail = (error: unknown) => {
    const problem = problemOf(error);
    void tell(event.clientId, { kind: 'media-failure', path: url.pathname, problem });
    return problem;
  };
  try {
    const { content, signal } = await library.open(address, request.signal);
    const attachment = address.download || request.mode === 'navigate';
    const { headers, method } = request;
    const wanted = { method, range: headers.get('range'), ifRange: headers.get('if-range'), attachment, signal };
    return answer(content, wanted, fail);
  } catch (error) {
    if (request.signal.aborted) {
      return Response.error();
    }
    const problem = fail(error);
    return refusal(STATUS[problem], problem);
  }
}

function refusal(status: number, problem: MediaProblem): Response {
  return new Response(null, {
    status,
    headers: { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', 'x-keepsake-problem': problem },
  });
}

async function tell(clientId: string, failure: MediaFailure): Promise<void> {
  (await scope.clients.get(clientId))?.postMessage(failure);
}
