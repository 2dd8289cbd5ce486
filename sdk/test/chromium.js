// Headless Chromium, from the system's packages.

import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

import { folder } from './support.js';

const executablePath = [
  process.env.KEEPSAKE_CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => path && existsSync(path));

/** Why there is no browser, or false where there is one: what a test's `skip` takes. */
export const withoutChromium = executablePath
  ? false
  : 'Chromium is not installed: apt-get install chromium, or name it in KEEPSAKE_CHROMIUM';

/** A browser with a profile of its own, which goes when it closes. */
export async function launch() {
  const profile = await folder();
  const browser = await chromium.launchPersistentContext(join(profile.path, 'profile'), {
    executablePath,
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  return {
    newPage: () => browser.newPage(),
    async close() {
      await browser.close();
      await profile.remove();
    },
  };
}
