/**
 * What is at other addresses of the vault is never a page. The vault certifies its pages, but not the content it hands out by tokens (`/asset/…`), of
 * which ranges of any kind are asked for: a replica that lies could answer there with a page of its own, on the gallery's origin. Where the gallery
 * was used before, and there is a session to lose, this worker stands in between.
 *
 * @module
 */

/** The only page: the gallery's places are behind `#`. */
const START = '/';

/** Whether the browser is about to show what is at an address that is no page. */
export function isForeign(request: Pick<Request, 'mode' | 'url'>): boolean {
  return request.mode === 'navigate' && new URL(request.url).pathname !== START;
}

/** The vault's answer, in which nothing runs and which belongs to no origin. */
export async function boxed(request: Request, ask: (request: Request) => Promise<Response> = fetch): Promise<Response> {
  const answer = await ask(request);
  // The browser follows it, and asks here again if it leads here.
  if (answer.type === 'opaqueredirect' || answer.type === 'error') {
    return answer;
  }
  const headers = new Headers(answer.headers);
  headers.set('content-security-policy', 'sandbox');
  headers.set('x-content-type-options', 'nosniff');
  const bare = answer.status === 204 || answer.status === 205 || answer.status === 304;
  return new Response(bare ? null : answer.body, { status: answer.status, statusText: answer.statusText, headers });
}
