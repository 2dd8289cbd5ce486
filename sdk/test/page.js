// What the page of the browser tests runs; bundled as an application would be.

import { Ed25519KeyIdentity } from '@icp-sdk/core/identity';

import { IndexedDbQueue, Keepsake, processImageDerivatives } from '../dist/index.js';

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** Bytes that follow from a number, so that both sides of the test know them. */
function pattern(seed, length) {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let at = 0; at < length; at += 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[at] = state >>> 16;
  }
  return bytes;
}

async function fetched(name, type) {
  const answer = await fetch(`/fixtures/${name}`);
  return new File([await answer.arrayBuffer()], name, { type, lastModified: 1_600_000_000_000 });
}

async function pixelsOf(blob) {
  const image = await createImageBitmap(blob);
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  return { width: image.width, height: image.height, data: [...context.getImageData(0, 0, image.width, image.height).data] };
}

let keepsake;
let upload;

globalThis.page = {
  async connect({ host, canisterId, seed, window }) {
    const identity = Ed25519KeyIdentity.generate(new Uint8Array(32).fill(seed));
    keepsake = await Keepsake.connect({ host, canisterId, identity, window, retry: { firstPause: 20, longestPause: 200 } });
    return keepsake.ownCapsule();
  },

  async keep(name, type) {
    const file = await fetched(name, type);
    const result = await keepsake.uploadWithProcessing(file);
    const versions = {};
    for (const { kind, status } of result.derivatives) {
      if (status === 'added') {
        const asset = await keepsake.asset(result.memoryId, kind);
        const blob = await asset.blob();
        const { width, height } = await pixelsOf(blob);
        versions[kind] = { size: blob.size, type: blob.type, width, height };
      }
    }
    return {
      memoryId: result.memoryId,
      sha256: hex(result.blob.sha256),
      type: result.media.type,
      statuses: result.derivatives.map(({ status }) => status),
      time: result.capture?.time?.source,
      versions,
    };
  },

  async damaged(name, bytes) {
    const result = await keepsake.uploadWithProcessing(new File([bytes ? new Uint8Array(bytes) : []], name, { type: 'image/jpeg' }));
    return result.derivatives.map(({ status, error }) => `${status} ${error?.name}`);
  },

  async upright() {
    const [, , display] = await processImageDerivatives(await fetched('portrait-orientation-6.jpg', 'image/jpeg'));
    const { width, height, data } = await pixelsOf(new Blob([display.bytes], { type: display.type }));
    // Every 64th pixel is enough, and quicker handed over.
    return { width, height, data: data.filter((_, at) => (at >> 2) % 64 === 0) };
  },

  /** Begins an upload whose content outlives a reload. */
  begin(seed, length) {
    const file = new File([pattern(seed, length)], `pattern-${seed}`, { lastModified: 1_600_000_000_000 });
    const progress = [];
    upload = keepsake.upload(file, {
      onProgress(state) {
        progress.push(state.sentBytes);
        globalThis.sentBytes = state.sentBytes;
      },
    });
    return true;
  },

  async resume() {
    const entries = await keepsake.pendingUploads();
    const [blob] = await keepsake.resumeUploads({ onError: (entry, error) => Promise.reject(error) });
    const left = await new IndexedDbQueue().list();
    return { entries: entries.map(({ name }) => name), sha256: hex(blob.sha256), size: blob.size, left: left.length };
  },

  async send(length) {
    const blob = await keepsake.upload(new Blob([pattern(9, length)])).done;
    return hex(blob.sha256);
  },
};
document.title = 'ready';
