/**
 * Reads private keys as the `keepsake` command and other tools write them: PKCS#8 ("PRIVATE KEY") and SEC1 ("EC PRIVATE KEY"), for Ed25519,
 * secp256k1 and P-256.
 *
 * @module
 */

import type { SignIdentity } from '@icp-sdk/core/agent';

/** The text holds no key that can be used; the message says why, for people. */
export class KeyFileError extends Error {
  override name = 'KeyFileError';
}

/** Characters of a key file that are looked at. */
const LONGEST = 64 * 1024;

// Object identifiers, as they are encoded: RFC 8410, RFC 5480, SEC 2.
const ED25519 = '2b6570';
const EC_PUBLIC_KEY = '2a8648ce3d0201';
const P256 = '2a8648ce3d030107';
const SECP256K1 = '2b8104000a';

/** The identity of a key in PEM. Throws KeyFileError. */
export async function identityFromPem(text: string): Promise<SignIdentity> {
  const { label, der } = section(text);
  const { curve, secret } = label === 'PRIVATE KEY' ? pkcs8(der) : sec1(der, secp256k1IfUnsaid(text));
  if (secret.length !== 32) {
    throw new KeyFileError('The key has another length than keys of its kind.');
  }
  switch (curve) {
    case ED25519: {
      const { Ed25519KeyIdentity } = await import('@icp-sdk/core/identity');
      return Ed25519KeyIdentity.fromSecretKey(secret);
    }
    case SECP256K1: {
      const { Secp256k1KeyIdentity } = await import('@icp-sdk/core/identity/secp256k1');
      return Secp256k1KeyIdentity.fromSecretKey(secret);
    }
    case P256: {
      const { ECDSAKeyIdentity } = await import('@icp-sdk/core/identity');
      return ECDSAKeyIdentity.fromKeyPair(await p256KeyPair(secret));
    }
    default:
      throw new KeyFileError('It is neither an Ed25519, a secp256k1 nor a P-256 key.');
  }
}

/** Keys of the command that do not name their curve are secp256k1, as its own reader takes them. */
function secp256k1IfUnsaid(text: string): string {
  const parameters = /-----BEGIN EC PARAMETERS-----([^-]+)-----END EC PARAMETERS-----/.exec(text)?.[1];
  return parameters && hex(base64(parameters)).includes(P256) ? P256 : SECP256K1;
}

function section(text: string): { label: string; der: Uint8Array<ArrayBuffer> } {
  if (text.length > LONGEST) {
    throw new KeyFileError('The file is too long for a key.');
  }
  if (text.includes('-----BEGIN ENCRYPTED PRIVATE KEY-----')) {
    throw new KeyFileError('The key is encrypted. Decrypt it first.');
  }
  const match = /-----BEGIN (PRIVATE KEY|EC PRIVATE KEY)-----([^-]+)-----END \1-----/.exec(text);
  const [, label, body] = match ?? [];
  if (label === undefined || body === undefined) {
    throw new KeyFileError('There is no private key in it. It begins with “-----BEGIN PRIVATE KEY-----”.');
  }
  return { label, der: base64(body) };
}

function base64(text: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(atob(text.replace(/\s/g, '')), (char) => char.charCodeAt(0));
  } catch {
    throw new KeyFileError('The key is cut off or was changed: it does not decode.');
  }
}

interface Element {
  tag: number;
  content: Uint8Array<ArrayBuffer>;
}

const SEQUENCE = 0x30;
const INTEGER = 0x02;
const OCTETS = 0x04;
const OBJECT_ID = 0x06;
const CONTEXT_0 = 0xa0;

/** The DER elements in some bytes (X.690, definite lengths). */
function elements(bytes: Uint8Array<ArrayBuffer>): Element[] {
  const found: Element[] = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes[at] as number;
    let length = bytes[at + 1] ?? -1;
    at += 2;
    if (length > 0x82) {
      length = -1;
    } else if (length > 0x80) {
      const octets = length - 0x80;
      length = bytes.subarray(at, at + octets).reduce((sum, byte) => sum * 256 + byte, 0);
      at += octets;
    }
    if (length < 0 || length === 0x80 || at + length > bytes.length) {
      throw new KeyFileError('The key is cut off or was changed: it does not decode.');
    }
    found.push({ tag, content: bytes.slice(at, at + length) });
    at += length;
  }
  return found;
}

function parts(bytes: Uint8Array<ArrayBuffer>): Element[] {
  const [sequence] = elements(bytes);
  if (sequence?.tag !== SEQUENCE) {
    throw new KeyFileError('The key is cut off or was changed: it does not decode.');
  }
  return elements(sequence.content);
}

/** RFC 5958: version, algorithm, key. */
function pkcs8(der: Uint8Array<ArrayBuffer>): { curve: string; secret: Uint8Array<ArrayBuffer> } {
  const [version, algorithm, key] = parts(der);
  if (version?.tag !== INTEGER || algorithm?.tag !== SEQUENCE || key?.tag !== OCTETS) {
    throw new KeyFileError('It is not a private key in PKCS#8.');
  }
  const [id, parameters] = elements(algorithm.content);
  const kind = id?.tag === OBJECT_ID ? hex(id.content) : '';
  if (kind === ED25519) {
    const [secret] = elements(key.content);
    return { curve: ED25519, secret: secret?.tag === OCTETS ? secret.content : new Uint8Array() };
  }
  if (kind === EC_PUBLIC_KEY && parameters?.tag === OBJECT_ID) {
    return sec1(key.content, hex(parameters.content));
  }
  throw new KeyFileError('It is neither an Ed25519, a secp256k1 nor a P-256 key.');
}

/** RFC 5915: version, key, and maybe the curve; `curve` where it does not say. */
function sec1(der: Uint8Array<ArrayBuffer>, curve: string): { curve: string; secret: Uint8Array<ArrayBuffer> } {
  const [version, key, ...rest] = parts(der);
  if (version?.tag !== INTEGER || key?.tag !== OCTETS) {
    throw new KeyFileError('It is not a private key in SEC1.');
  }
  const named = rest.find(({ tag }) => tag === CONTEXT_0);
  const [id] = named ? elements(named.content) : [];
  return { curve: id?.tag === OBJECT_ID ? hex(id.content) : curve, secret: key.content };
}

/** The pair of a P-256 key. The browser computes the public half: it exports it, from a copy that goes at once. */
async function p256KeyPair(secret: Uint8Array<ArrayBuffer>): Promise<CryptoKeyPair> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
  const inner = sequence(bytes(INTEGER, [1]), bytes(OCTETS, secret));
  const oids = sequence(bytes(OBJECT_ID, unhex(EC_PUBLIC_KEY)), bytes(OBJECT_ID, unhex(P256)));
  const der = new Uint8Array(sequence(bytes(INTEGER, [0]), oids, bytes(OCTETS, inner)));
  try {
    const copy = await crypto.subtle.importKey('pkcs8', der, algorithm, true, ['sign']);
    const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', copy);
    const whole = { kty, crv, x, y } as JsonWebKey;
    const publicKey = await crypto.subtle.importKey('jwk', whole, algorithm, true, ['verify']);
    const privateKey = await crypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign']);
    return { publicKey, privateKey };
  } catch {
    throw new KeyFileError('This browser does not take the key.');
  }
}

/** A DER element of at most 127 bytes. */
function bytes(tag: number, content: Iterable<number>): number[] {
  const inside = [...content];
  return [tag, inside.length, ...inside];
}

function sequence(...of: number[][]): number[] {
  return bytes(SEQUENCE, of.flat());
}

function hex(of: Uint8Array): string {
  return Array.from(of, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function unhex(text: string): number[] {
  return Array.from(text.matchAll(/../g), ([pair]) => Number.parseInt(pair, 16));
}
