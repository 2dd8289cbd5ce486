/**
 * Addresses of share links: this page's own, with the secret in the fragment, which no browser sends to any server.
 *
 * @module
 */

import { shareLinkFragment } from '@keepsake/sdk';

/** The address to hand on. */
export function linkAddress(secret: Uint8Array): string {
  return `${location.origin}/${shareLinkFragment(secret)}`;
}
