// The upload engine: what arrives is what was sent, once, whatever happens on the way; against a real vault.

import assert from 'node:assert/strict';
import { appendFile, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import {
  CancelledError,
  FileChangedError,
  FileQueue,
  Pause,
  SourceError,
  VaultError,
} from '../dist/index.js';
import { AdaptiveWindow } from '../dist/upload/window.js';
import { ChunkSet } from '../dist/upload/ranges.js';
import { ProgressMeter } from '../dist/upload/progress.js';
import { connect, folder, newIdentity, noise, serve, sha256 } from './support.js';

const CHUNK = 1_800_000;

let host;
let scratch;
before(async () => {
  [host, scratch] = await Promise.all([serve(), folder()]);
});
after(async () => {
  await scratch?.remove();
  assert.equal(await host?.stop(), 0);
});

/** A file of random bytes. */
async function file(name, length) {
  const bytes = noise(length);
  const path = join(scratch.path, name);
  await writeFile(path, bytes);
  return { path, bytes };
}

/** A fetch that counts the chunks it sends, and on which `tamper` may act. */
function counting(tamper = async (send) => send()) {
  const sent = [];
  const fetcher = async (input, init) => {
    const body = init?.body instanceof Uint8Array ? Buffer.from(init.body) : Buffer.alloc(0);
    const isChunk = body.includes('uploads_put_chunk');
    if (isChunk || body.includes('uploads_put_blob')) {
      sent.push(body.length);
    }
    return isChunk ? tamper(() => fetch(input, init), sent.length) : fetch(input, init);
  };
  return { fetch: fetcher, sent };
}

async function stored(keepsake, blob) {
  const parts = [];
  const { chunk_count: count } = await keepsake.calls.blob_get_meta(blob.id);
  for (let index = 0; index < count; index += 1) {
    parts.push(Buffer.from(await keepsake.calls.blob_read_chunk(blob.id, index)));
  }
  return Buffer.concat(parts);
}

test('content of every length and kind arrives byte for byte', async () => {
  const keepsake = await connect(host);
  for (const length of [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 77]) {
    const { path, bytes } = await file(`length-${length}`, length);
    const sources = [bytes, new Blob([bytes]), new File([bytes], 'name'), path, new URL(`file://${path}`), bytes.buffer];
    for (const source of length === CHUNK + 1 ? sources : [path]) {
      const blob = await keepsake.upload(source, { skipHeld: 'never' }).done;
      assert.equal(blob.size, length);
      assert.deepEqual(blob.sha256, sha256(bytes));
      assert.ok((await stored(keepsake, blob)).equals(bytes), `${length}`);
    }
  }
});

test('what the capsule holds does not travel', async () => {
  const { fetch, sent } = counting();
  const keepsake = await connect(host, { fetch });
  const small = noise(5_000);
  const first = await keepsake.upload(small).done;
  assert.equal(first.held, false);
  const again = await keepsake.upload(small).done;
  assert.deepEqual([again.held, again.size], [true, 5_000]);
  assert.equal(sent.length, 1);

  const large = noise(2 * CHUNK);
  await keepsake.upload(large).done;
  assert.equal(sent.length, 3);
  assert.equal((await keepsake.upload(large, { skipHeld: 'always' }).done).held, true);
  assert.equal(sent.length, 3);
  assert.equal((await keepsake.upload(noise(2 * CHUNK), { skipHeld: 'always' }).done).held, false);
  assert.equal(sent.length, 5);
  // Another person's capsule says nothing of it.
  const stranger = await connect(host);
  assert.equal((await stranger.upload(small).done).held, false);
});

test('an upload that was interrupted sends only what is missing', async () => {
  const { path, bytes } = await file('interrupted', 9 * CHUNK + 5);
  const queue = new FileQueue(join(scratch.path, 'queue', 'uploads.json'));
  const identity = newIdentity();
  // After four chunks the network is gone.
  let acknowledged = 0;
  const broken = counting(async (send) => {
    if (acknowledged >= 4) {
      throw new TypeError('fetch failed');
    }
    const answer = await send();
    acknowledged += 1;
    return answer;
  });
  const first = await connect(host, { identity, queue, window: 1, fetch: broken.fetch, retry: { giveUpAfter: 0 } });
  await assert.rejects(first.upload(path).done);
  const [entry] = await first.pendingUploads();
  assert.equal(entry.name, 'interrupted');
  assert.equal(entry.source, path);

  // Another process, with the same queue's file.
  const rest = counting();
  const second = await connect(host, {
    identity,
    queue: new FileQueue(join(scratch.path, 'queue', 'uploads.json')),
    fetch: rest.fetch,
  });
  const progress = [];
  const [blob] = await second.resumeUploads({ onProgress: (state) => progress.push(state) });
  assert.ok((await stored(second, blob)).equals(bytes));
  assert.equal(rest.sent.length, 10 - 4);
  assert.ok(progress.every(({ sentBytes }, at) => at === 0 || sentBytes >= progress[at - 1].sentBytes));
  assert.equal(progress.at(-1).sentBytes, bytes.length);
  assert.deepEqual(await second.pendingUploads(), []);
});

test('without a queue the session is found by its key', async () => {
  const { path, bytes } = await file('without-queue', 4 * CHUNK);
  const identity = newIdentity();
  let chunks = 0;
  const broken = counting(async (send) => {
    chunks += 1;
    if (chunks > 2) {
      throw new TypeError('fetch failed');
    }
    return send();
  });
  const first = await connect(host, { identity, window: 1, fetch: broken.fetch, retry: { giveUpAfter: 0 } });
  await assert.rejects(first.upload(path).done);
  const rest = counting();
  const second = await connect(host, { identity, fetch: rest.fetch });
  const blob = await second.upload(path).done;
  assert.equal(rest.sent.length, 2);
  assert.ok((await stored(second, blob)).equals(bytes));
});

test('a file that became another one since is sent as a whole', async () => {
  const { path, bytes } = await file('replaced', 3 * CHUNK);
  const identity = newIdentity();
  let chunks = 0;
  const broken = counting(async (send) => {
    chunks += 1;
    if (chunks > 1) {
      throw new TypeError('fetch failed');
    }
    return send();
  });
  const times = { lastModified: 1_600_000_000_000 };
  const first = await connect(host, { identity, window: 1, fetch: broken.fetch, retry: { giveUpAfter: 0 } });
  await assert.rejects(first.upload(path, times).done);
  // Its beginning, length and time are as before.
  bytes.fill(7, CHUNK / 2);
  await writeFile(path, bytes);
  const second = await connect(host, { identity });
  const blob = await second.upload(path, times).done;
  assert.ok((await stored(second, blob)).equals(bytes));
});

test('a chunk that fails is sent again, alone', async () => {
  const { bytes } = await file('flaky', 6 * CHUNK);
  let failures = 0;
  const flaky = counting(async (send, number) => {
    if (number === 3) {
      failures += 1;
      throw new TypeError('fetch failed');
    }
    if (number === 5) {
      failures += 1;
      return new Response('slow down', { status: 429 });
    }
    if (number === 6) {
      // It arrives, and the answer is lost.
      await send();
      failures += 1;
      throw new TypeError('terminated');
    }
    return send();
  });
  const keepsake = await connect(host, { fetch: flaky.fetch });
  const blob = await keepsake.upload(bytes).done;
  assert.equal(flaky.sent.length, 6 + failures);
  assert.equal(failures, 3);
  assert.ok((await stored(keepsake, blob)).equals(bytes));
});

test('paused uploads send nothing, cancelled ones leave nothing', async () => {
  const { bytes } = await file('paused', 12 * CHUNK);
  const slow = counting(async (send) => {
    await sleep(30);
    return send();
  });
  const keepsake = await connect(host, { fetch: slow.fetch, window: 2 });
  const phases = new Set();
  let upload;
  let sentAtPause;
  const paused = new Promise((resolve) => {
    upload = keepsake.upload(bytes, {
      onProgress({ phase, sentBytes }) {
        phases.add(phase);
        if (sentBytes >= 2 * CHUNK && !upload.paused && sentAtPause === undefined) {
          upload.pause();
        }
        if (phase === 'paused' && sentAtPause === undefined) {
          // What was on its way may still arrive.
          sentAtPause = slow.sent.length;
          resolve();
        }
      },
    });
  });
  await paused;
  await sleep(300);
  assert.ok(slow.sent.length <= sentAtPause + 1, `${slow.sent.length} after ${sentAtPause}`);
  upload.resume();
  const blob = await upload.done;
  assert.ok((await stored(keepsake, blob)).equals(bytes));
  assert.deepEqual([...phases].sort(), ['done', 'finishing', 'paused', 'uploading']);

  const together = new Pause();
  together.pause();
  const both = [1, 2].map(() => keepsake.upload(noise(10), { pause: together }));
  await sleep(100);
  assert.ok(both.every(({ paused: waits }) => waits));
  together.resume();
  assert.equal((await Promise.all(both.map(({ done }) => done))).length, 2);

  const controller = new AbortController();
  const cancelled = keepsake.upload(noise(12 * CHUNK), {
    signal: controller.signal,
    onProgress: ({ sentBytes }) => sentBytes > CHUNK && controller.abort(),
  });
  await assert.rejects(cancelled.done, (error) => error instanceof CancelledError && error.name === 'AbortError');
  const open = await keepsake.calls.uploads_list();
  assert.ok(open.every(({ state }) => !('Open' in state)));
  assert.deepEqual(await keepsake.pendingUploads(), []);
  await assert.rejects(keepsake.upload(noise(10), { signal: AbortSignal.abort() }).done, CancelledError);
});

test('files that are not there, or change while they are read, are told', async () => {
  const keepsake = await connect(host, { window: 1 });
  await assert.rejects(keepsake.upload(join(scratch.path, 'nothing')).done, SourceError);
  await assert.rejects(keepsake.upload(scratch.path).done, SourceError);
  const { path } = await file('growing', 5 * CHUNK);
  let grown = false;
  const upload = keepsake.upload(path, {
    onProgress({ sentBytes }) {
      if (sentBytes > 0 && !grown) {
        grown = true;
        void appendFile(path, 'more');
      }
    },
  });
  await assert.rejects(upload.done, FileChangedError);
  const shrunk = await file('shrinking', 5 * CHUNK);
  let cut = false;
  const cutting = keepsake.upload(shrunk.path, {
    onProgress({ sentBytes }) {
      if (sentBytes > 0 && !cut) {
        cut = true;
        void open(shrunk.path, 'r+').then((opened) => opened.truncate(CHUNK).then(() => opened.close()));
      }
    },
  });
  await assert.rejects(cutting.done, FileChangedError);
});

test('many uploads share one window', async () => {
  let inFlight = 0;
  let most = 0;
  const watched = counting(async (send) => {
    inFlight += 1;
    most = Math.max(most, inFlight);
    try {
      return await send();
    } finally {
      inFlight -= 1;
    }
  });
  const keepsake = await connect(host, { fetch: watched.fetch, window: 3 });
  const contents = Array.from({ length: 4 }, () => noise(3 * CHUNK));
  const blobs = await Promise.all(contents.map((bytes) => keepsake.upload(bytes).done));
  assert.ok(most <= 3, `${most}`);
  for (const [index, blob] of blobs.entries()) {
    assert.ok((await stored(keepsake, blob)).equals(contents[index]));
  }
  // The same content twice at once is one upload's session, and both hear of its end.
  const bytes = noise(4 * CHUNK);
  const same = await Promise.all([keepsake.upload(bytes, { name: 'a' }).done, keepsake.upload(bytes, { name: 'a' }).done]);
  assert.deepEqual(same.map(({ size }) => size), [bytes.length, bytes.length]);
});

test('the host killed in the middle: the upload goes on, and no chunk that was acknowledged is sent again', async () => {
  let own = await serve();
  try {
    const acknowledged = new Set();
    const resent = [];
    const watching = async (input, init) => {
      const body = init?.body instanceof Uint8Array ? Buffer.from(init.body) : Buffer.alloc(0);
      if (!body.includes('uploads_put_chunk')) {
        return fetch(input, init);
      }
      // Content is random, so that a sample of it names the chunk.
      const sample = body.subarray(body.length >> 1, (body.length >> 1) + 32).toString('hex');
      if (acknowledged.has(sample)) {
        resent.push(sample);
      }
      const answer = await fetch(input, init);
      if (answer.status === 200) {
        acknowledged.add(sample);
      }
      return answer;
    };
    const bytes = noise(20 * CHUNK);
    const keepsake = await connect(own, { fetch: watching });
    let killed;
    const upload = keepsake.upload(bytes, {
      onProgress({ sentBytes }) {
        if (sentBytes > 6 * CHUNK && !killed) {
          killed = own.kill().then(async () => {
            own = await serve({ home: own.home, port: own.port });
          });
        }
      },
    });
    const blob = await upload.done;
    await killed;
    assert.ok(killed);
    assert.ok((await stored(keepsake, blob)).equals(bytes));
    assert.deepEqual(resent, []);
  } finally {
    await own.stop();
  }
});

test('the window widens while that pays, halves under load, and stays within its bound', async () => {
  const window = new AdaptiveWindow(6);
  for (let n = 0; n < 40; n += 1) {
    while (window.inFlight < window.width) {
      await window.acquire();
    }
    await sleep(1);
    while (window.inFlight > 0) {
      window.release(CHUNK);
    }
    assert.ok(window.width >= 1 && window.width <= 6);
  }
  const widest = window.width;
  assert.ok(widest > 1);
  await window.acquire();
  window.congested();
  assert.equal(window.width, Math.max(1, Math.floor(widest / 2)));
  window.release(0);
  const single = new AdaptiveWindow(1);
  await single.acquire();
  const controller = new AbortController();
  const waiting = single.acquire(controller.signal);
  controller.abort();
  await assert.rejects(waiting, CancelledError);
  const next = single.acquire();
  single.release(1);
  await next;
});

test('lists of missing chunks', () => {
  const sizes = (detail) => ChunkSet.parse(detail, 10)?.size;
  assert.equal(sizes('3,7-9'), 4);
  assert.equal(sizes('0'), 1);
  assert.equal(sizes('2, and more'), 1);
  assert.equal(sizes('7-30'), 3);
  assert.equal(sizes('nonsense'), undefined);
  assert.equal(sizes(''), undefined);
  assert.ok(ChunkSet.parse('3,7-9', 10).has(8));
  assert.ok(!ChunkSet.parse('3,7-9', 10).has(4));
});

test('progress has a rate and the time that remains', async () => {
  const states = [];
  const meter = new ProgressMeter(1000, (state) => states.push(state));
  assert.equal(meter.state.remainingSeconds, undefined);
  await sleep(20);
  meter.add(250, true);
  const { bytesPerSecond, remainingSeconds } = meter.state;
  assert.ok(bytesPerSecond > 0 && bytesPerSecond < 20_000);
  assert.ok(Math.abs(remainingSeconds * bytesPerSecond - 750) < 10);
  meter.add(250, false);
  assert.equal(meter.state.sentBytes, 500);
  meter.finish();
  assert.deepEqual([states.at(-1).phase, states.at(-1).remainingSeconds], ['done', 0]);
});

test('a damaged queue is an empty one', async () => {
  const path = join(scratch.path, 'damaged.json');
  await writeFile(path, '{"version":1,"uploads":[{');
  const queue = new FileQueue(path);
  assert.deepEqual(await queue.list(), []);
  await queue.put({ key: 'a', capsuleId: 'c', name: 'n', size: 1, type: '', queuedAt: 2 });
  await queue.put({ key: 'b', capsuleId: 'c', name: 'n', size: 1, type: '', queuedAt: 1 });
  await queue.remove('nothing');
  const keys = async (from) => (await from.list()).map(({ key }) => key);
  assert.deepEqual(await keys(new FileQueue(path)), ['b', 'a']);
  await queue.remove('a');
  assert.deepEqual(await keys(new FileQueue(path)), ['b']);
});

test('a vault that refuses is not asked again and again', async () => {
  const keepsake = await connect(host);
  const { sent, fetch } = counting();
  const stranger = await connect(host, { fetch });
  await assert.rejects(stranger.upload(noise(3 * CHUNK), { capsuleId: await keepsake.ownCapsule() }).done, VaultError);
  await assert.rejects(stranger.upload(noise(3), { capsuleId: await keepsake.ownCapsule() }).done, VaultError);
  assert.equal(sent.length, 0);
});
