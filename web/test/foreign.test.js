// A page that somebody else puts at an address of the vault, on the gallery's own origin, runs nothing and has no session, once the gallery was there.

import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
import { after, before, test } from 'node:test';

import { browse, serve, somebody, withoutChromium } from './support.js';

const skip = withoutChromium;

const EVIL = '<!doctype html><title>still</title><script>document.title = "ran"; localStorage.setItem("ran", "1")</script><p>A page</p>';

let host;
let lying;
let browser;

/** The vault's pages, and a page of its own below /asset/evil: what a replica could answer that nobody checks. */
async function liar() {
  const server = createServer((incoming, answer) => {
    if (incoming.url.startsWith('/asset/evil')) {
      answer.writeHead(200, { 'content-type': 'text/html' }).end(EVIL);
      return;
    }
    const headers = { ...incoming.headers, host: `${host.canisterId}.localhost` };
    const passed = request(new URL(incoming.url, host.url), { method: incoming.method, headers }, (from) => {
      answer.writeHead(from.statusCode, from.headers);
      from.pipe(answer);
    });
    passed.on('error', () => answer.destroy());
    incoming.pipe(passed);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

before(async () => {
  if (!skip) {
    host = await serve();
    [lying, browser] = await Promise.all([liar(), browse()]);
  }
});

after(async () => {
  await browser?.close();
  lying?.close();
  lying?.closeAllConnections();
  await host?.stop();
});

test('a page below /asset/ runs nothing where the gallery was used', { skip }, async () => {
  const { newPage } = await somebody(browser);
  const page = await newPage();
  const url = `http://localhost:${lying.address().port}`;
  await page.goto(`${url}/`);
  await page.evaluate(async () => {
    await navigator.serviceWorker.register('/sw.js', { scope: '/', updateViaCache: 'none' });
    await navigator.serviceWorker.ready;
  });
  for (const path of ['/asset/evil', '/asset/evil?token=x#/memory']) {
    const shown = await page.goto(url + path);
    assert.equal(shown.headers()['content-security-policy'], 'sandbox', path);
    assert.equal(await page.title(), 'still', path);
    assert.equal(await page.getByText('A page').count(), 1, path);
  }
  const refused = await page.goto(`${url}/asset/x/display`);
  assert.equal(refused.status(), 401);
  // The gallery itself is as it was.
  const start = await page.goto(`${url}/`);
  assert.match(start.headers()['content-security-policy'], /^default-src 'none'/);
  assert.equal(await page.evaluate(() => localStorage.getItem('ran')), null);
});
