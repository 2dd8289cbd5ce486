/**
 * The way to a vault: an agent for one identity that believes one root key, with requests that end in time, and the vault's methods over it. What only reads
 * (a Service Worker, for example) needs nothing more.
 *
 * @module
 */

import { HttpAgent, type Agent, type Identity } from '@icp-sdk/core/agent';
import { Principal } from '@icp-sdk/core/principal';

import { callsOver, connectionError, type VaultCalls } from './calls.js';
import { DEFAULT_RETRY, sleep, withRetry, type OnRetry, type RetryPolicy } from './retry.js';

/** How to reach a vault, and as whom. */
export interface ConnectionOptions {
  /** `http://127.0.0.1:4943`, `https://icp-api.io`, or the page's own origin. Not needed with an agent. */
  host?: string;
  /** The vault's canister id. */
  canisterId: Principal | string;
  /** Who calls; without one the caller is anonymous, who may do next to nothing. */
  identity?: Identity | Promise<Identity>;
  /**
   * Whose certificates are believed: `mainnet`, the Internet Computer's; `fetch`, what the host itself says, for a vault on a machine that is trusted; or a
   * key. By default what loopback addresses say is believed, and everywhere else the Internet Computer's key.
   */
  rootKey?: 'mainnet' | 'fetch' | Uint8Array;
  /** An agent to use instead of host, identity and rootKey. Its requests cannot be cancelled halfway. */
  agent?: Agent;
  /** How long and how often calls are repeated that time can heal. */
  retry?: Partial<RetryPolicy>;
  /** Used instead of the platform's fetch. */
  fetch?: typeof fetch;
}

/** A vault that can be called. */
export interface Connection {
  readonly canisterId: Principal;
  readonly agent: Agent;
  /** Every method of the vault, typed by its interface, with typed errors and retries. */
  readonly calls: VaultCalls;
  /** The same, with requests that end when the signal fires, and with an ear for failed attempts. */
  callsFor(signal: AbortSignal | undefined, onRetry?: OnRetry): VaultCalls;
}

/** Milliseconds that a request may take, and the rate below which a long one is given up (bytes a millisecond). */
const REQUEST_TIME = 30_000;
const SLOWEST = 16;

/** How often the outcome of a call is asked for where the question is lost. */
const QUESTIONS = 5;

/** Milliseconds before a lost question is asked again; each further pause is longer. */
const QUESTION_PAUSE = 100;

/**
 * Opens the way to a vault. Fetches the host's root key where that is to be believed, with the retries of the options; else nothing is sent yet. Errors: connection
 * errors where the root key cannot be fetched; the principal's own error where `canisterId` is none.
 */
export async function openConnection(options: ConnectionOptions): Promise<Connection> {
  const canisterId = Principal.from(options.canisterId);
  const retry = { ...DEFAULT_RETRY, ...options.retry };
  const over = (agent: Agent, agentFor?: (signal: AbortSignal) => Agent): Connection => ({
    canisterId,
    agent,
    calls: callsOver({ agent, canisterId, retry }),
    callsFor: (signal, onRetry) =>
      callsOver({
        agent: signal && agentFor ? agentFor(signal) : agent,
        canisterId,
        retry,
        ...(onRetry ? { onRetry } : {}),
        ...(signal ? { signal } : {}),
      }),
  });
  if (options.agent) {
    return over(options.agent);
  }
  const host = options.host ?? globalThis.location?.origin ?? 'https://icp-api.io';
  const rootKey = options.rootKey ?? (isLoopback(host) ? 'fetch' : 'mainnet');
  const send = options.fetch ?? globalThis.fetch.bind(globalThis);
  const settings = {
    host,
    ...(options.identity ? { identity: options.identity } : {}),
    ...(rootKey instanceof Uint8Array ? { rootKey } : {}),
    verifyQuerySignatures: true,
    // Calls are repeated here, where it is known which errors time can heal.
    retryTimes: 0,
  };
  const agent = HttpAgent.createSync({ ...settings, fetch: timed(send) });
  if (rootKey === 'fetch') {
    const ask = () =>
      agent.fetchRootKey().catch((error: unknown) => {
        throw connectionError('status', error);
      });
    await withRetry(retry, ask);
  }
  return over(agent, (signal) =>
    HttpAgent.createSync({
      ...settings,
      ...(agent.rootKey ? { rootKey: agent.rootKey } : {}),
      fetch: timed(send, signal),
    }),
  );
}

/** A fetch whose requests end in time, and when the signal fires. */
function timed(send: typeof fetch, signal?: AbortSignal): typeof fetch {
  const once = (input: RequestInfo | URL, init: RequestInit = {}) => {
    const body = init.body;
    const length = body instanceof Uint8Array ? body.byteLength : 0;
    const limit = AbortSignal.timeout(REQUEST_TIME + Math.ceil(length / SLOWEST));
    return send(input, { ...init, signal: signal ? AbortSignal.any([signal, limit]) : limit });
  };
  return (input, init) => (String(input).endsWith('/read_state') ? patiently(() => once(input, init), signal) : once(input, init));
}

/**
 * Asks for the outcome of a call that was taken. Where this gave up at the first question that is lost, the call, with a whole chunk in it, would be sent again.
 */
async function patiently(ask: () => Promise<Response>, signal: AbortSignal | undefined): Promise<Response> {
  for (let asked = 1; ; asked += 1) {
    try {
      const answer = await ask();
      if (answer.status === 200) {
        // Read to its end here, because it may break off.
        return new Response(await answer.arrayBuffer(), { status: 200, headers: answer.headers });
      }
      if ((answer.status !== 429 && answer.status < 500) || asked >= QUESTIONS) {
        return answer;
      }
    } catch (error) {
      if (asked >= QUESTIONS || signal?.aborted) {
        throw error;
      }
    }
    await sleep(QUESTION_PAUSE * asked * (1 + Math.random()), signal);
  }
}

function isLoopback(host: string): boolean {
  let hostname;
  try {
    ({ hostname } = new URL(host));
  } catch {
    return false;
  }
  return /^(?:localhost|.+\.localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname);
}
