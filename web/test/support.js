// What the gallery's tests stand on: a vault served by the `keepsake` command, the gallery's pages as the vault serves them, browsers, and people who
// sign in.
//
// The vault's wasm has the pages in it. KEEPSAKE_WEB_DIST names a folder with a build to be served instead, under the same policy, by a small server that
// hands the vault's interface through: for working on the gallery without building the wasm.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { HttpAgent } from '@icp-sdk/core/agent';
import { chromium } from 'playwright-core';

import { launch, withoutChromium } from '../../sdk/test/chromium.js';
import { connect, fixture, folder, newIdentity, noise, serve, sha256 } from '../../sdk/test/support.js';

export { connect, fixture, folder, newIdentity, noise, serve, sha256, withoutChromium };

const web = fileURLToPath(new URL('..', import.meta.url));
const dist = process.env.KEEPSAKE_WEB_DIST;

/** Where screenshots go; none are taken without it. */
const shots = process.env.KEEPSAKE_WEB_SHOTS;

export const PHONE = { width: 390, height: 844 };
export const DESKTOP = { width: 1280, height: 800 };

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
};

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self' https://icp-api.io https://icp0.io; worker-src 'self'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/** A vault with its pages. `url` is where the gallery is, `host` the vault, as `serve` has it. */
export async function home(options = {}) {
  const host = await serve(options);
  if (!dist) {
    return { host, url: `http://${host.canisterId}.localhost:${host.port}/`, stop: () => host.stop() };
  }
  const pages = await servePages(() => host.url, host.canisterId);
  return {
    host,
    url: pages.url,
    async stop() {
      pages.close();
      await host.stop();
    },
  };
}

/** What the vault answers for a page, in Node: names below .localhost are looked up by browsers themselves, and by hardly anybody else. */
export async function fetchPage(url, path = '/') {
  const { host, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, headers: { host } }, async (answer) => {
      try {
        resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(await answer.toArray()) });
      } catch (error) {
        reject(error);
      }
    });
    asked.on('error', reject);
    asked.end();
  });
}

async function servePages(vaultUrl, canisterId) {
  const agent = HttpAgent.createSync({ host: vaultUrl() });
  const hex = Buffer.from(await agent.fetchRootKey()).toString('hex');
  const cookie = `ic_env=${encodeURIComponent(`ic_root_key=${hex}&PUBLIC_CANISTER_ID:vault=${canisterId}`)}; Path=/; SameSite=Lax`;
  const server = createServer(async (incoming, answer) => {
    const { pathname } = new URL(incoming.url, 'http://localhost');
    if (pathname.startsWith('/api/') || pathname.startsWith('/asset/')) {
      const target = new URL(incoming.url, vaultUrl());
      if (pathname.startsWith('/asset/')) {
        // The vault tells canisters apart by the host's name, which is another one here.
        target.searchParams.set('canisterId', canisterId);
      }
      const passed = request(target, { method: incoming.method, headers: { ...incoming.headers, host: target.host } }, (from) => {
        answer.writeHead(from.statusCode, from.headers);
        from.pipe(answer);
      });
      passed.on('error', () => answer.destroy());
      incoming.pipe(passed);
      return;
    }
    const path = join(dist, pathname === '/' ? 'index.html' : pathname);
    try {
      const body = await readFile(path);
      answer.writeHead(200, {
        'content-type': TYPES[extname(path)] ?? 'application/octet-stream',
        'content-security-policy': POLICY,
        'x-content-type-options': 'nosniff',
        'cross-origin-opener-policy': 'same-origin-allow-popups',
        ...(extname(path) === '.html' ? { 'set-cookie': cookie } : {}),
      });
      answer.end(body);
    } catch {
      answer.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://localhost:${server.address().port}/`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

const executablePath = [process.env.KEEPSAKE_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  (path) => path && existsSync(path),
);

/** A browser; each person has a context of their own in it. */
export async function browse() {
  return chromium.launch({
    executablePath,
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

/**
 * Somebody's browser: nothing of anybody else's is in it. `complaints` collects errors of the page and breaches of its policy.
 */
export async function somebody(browser, { viewport = DESKTOP, ...options } = {}) {
  const context = await browser.newContext({ viewport, reducedMotion: 'reduce', ...options });
  context.setDefaultTimeout(30_000);
  const complaints = [];
  context.on('page', (page) => watch(page, complaints));
  return { context, complaints, newPage: () => context.newPage() };
}

function watch(page, complaints) {
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' && /content security policy|refused to/i.test(message.text())) {
      complaints.push(message.text());
    }
  });
}

/** Opens the gallery and signs in with the browser's own key; makes the capsule where there is none yet. */
export async function enter(page, url) {
  await page.goto(url);
  await page.getByRole('button', { name: /in this browser|with this browser/ }).click();
  const make = page.getByRole('button', { name: 'Make my capsule' });
  const there = page.getByRole('grid', { name: /Memories/ });
  await make.or(there).first().waitFor();
  if (await make.isVisible()) {
    await make.click();
  }
  await there.waitFor({ state: 'attached' });
}

/** The principal of who is signed in, from the account's page. */
export async function principalOf(page) {
  await page.evaluate(() => (location.hash = '#/account'));
  const id = page.locator('#this-key ~ .copy code');
  await id.waitFor();
  return id.textContent();
}

/** A client of the vault that acts as who is signed in: linked with it, by both sides. */
export async function clientOf(page, host) {
  const identity = newIdentity();
  const keepsake = await connect(host, { identity });
  const principal = await principalOf(page);
  await page.getByLabel('Id of the other key').fill(identity.getPrincipal().toText());
  await page.getByRole('button', { name: 'Offer to link' }).click();
  await page.getByText('offered, not accepted yet').waitFor();
  await keepsake.calls.person_link_accept((await import('@icp-sdk/core/principal')).Principal.fromText(principal));
  await page.evaluate(() => (location.hash = '#/'));
  return keepsake;
}

/** A screenshot, where they are asked for. */
export async function shoot(page, name) {
  if (shots) {
    await mkdir(shots, { recursive: true });
    await page.screenshot({ path: join(shots, `${name}.png`) });
  }
}

/** Checks a view with axe: nothing of any weight may be found. */
export async function accessible(page, what) {
  await page.evaluate(await readFile(join(web, 'node_modules/axe-core/axe.min.js'), 'utf8'));
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }),
  );
  const told = violations.map(({ id, impact, nodes }) => `${id} (${impact}): ${nodes.map(({ html, any }) => `${html} ${any[0]?.message ?? ''}`).join('\n  ')}`);
  assert.deepEqual(told, [], what);
}

/** Waits until a condition holds in Node. */
export async function until(condition, what, time = 30_000) {
  const end = Date.now() + time;
  while (!(await condition())) {
    assert.ok(Date.now() < end, `waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export { launch };
