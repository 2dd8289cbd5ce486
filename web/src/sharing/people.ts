/**
 * Addresses of people, as they are typed and pasted.
 *
 * @module
 */

import { Principal } from '@icp-sdk/core/principal';

/** What a typed address is. */
export type Address = { principal: string } | { problem: string };

/** Reads an address: a principal in its textual form, around which anything blank is ignored. */
export function address(text: string): Address {
  const typed = text.trim().toLowerCase();
  if (typed === '') {
    return { problem: 'Paste the address of the person you want to share with.' };
  }
  let principal: Principal;
  try {
    principal = Principal.fromText(typed);
  } catch {
    return { problem: 'This is no address: something is missing or mistyped. Copy it again as a whole.' };
  }
  if (principal.isAnonymous()) {
    return { problem: 'This is the address of nobody in particular. Choose “Everyone” instead.' };
  }
  return { principal: principal.toText() };
}
