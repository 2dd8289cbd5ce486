// A connection that drops, delays, duplicates and cuts short, and a gateway that answers 429, 503 and 202: every upload is complete in the
// end, contents are equal, and no more is sent again than was lost. KEEPSAKE_FAULT_UPLOADS says how many uploads (100; 1,000 before a release),
// KEEPSAKE_FAULT_SEED repeats a run.

import assert from 'node:assert/strict';
import { createServer, request as httpRequest } from 'node:http';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { connect, newIdentity, noise, serve, sha256 } from './support.js';

const UPLOADS = Number(process.env.KEEPSAKE_FAULT_UPLOADS ?? 100);
const SEED = Number(process.env.KEEPSAKE_FAULT_SEED ?? Date.now() % 1_000_000);
const CHUNK = 32_768;

let host;
before(async () => {
  host = await serve();
});
after(async () => {
  assert.equal(await host?.stop(), 0);
});

/** Numbers from 0 to 1 that follow from the seed. */
function randomness(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

// Those after which the client cannot know that its message arrived.
const DISCONNECTS = ['lost', 'answer lost', 'cut short', '429', '503'];
const FAULTS = [...DISCONNECTS, 'delayed', 'twice', '202'];

/** Between client and host. Counts the chunks that come, and the disconnects that it causes for chunks and for questions after their outcome. */
async function faultyProxy(random, share) {
  const seen = { chunks: new Map(), disconnects: 0, faults: new Map() };
  const server = createServer(async (incoming, outgoing) => {
    const parts = [];
    for await (const part of incoming) {
      parts.push(part);
    }
    const body = Buffer.concat(parts);
    const content = body.includes('uploads_put_chunk') || body.includes('uploads_put_blob');
    const isCall = incoming.url.endsWith('/call');
    let fault = random() < share ? FAULTS[Math.floor(random() * FAULTS.length)] : undefined;
    if (fault === '202' && !isCall) {
      fault = undefined;
    }
    if (fault) {
      seen.faults.set(fault, (seen.faults.get(fault) ?? 0) + 1);
      if ((content || incoming.url.endsWith('/read_state')) && DISCONNECTS.includes(fault)) {
        seen.disconnects += 1;
      }
    }
    if (content) {
      // Content is random, so that a sample of it names the chunk.
      const sample = body.subarray(body.length >> 1, (body.length >> 1) + 32).toString('hex');
      seen.chunks.set(sample, (seen.chunks.get(sample) ?? 0) + 1);
    }
    if (fault === 'lost') {
      incoming.socket.destroy();
      return;
    }
    if (fault === '429' || fault === '503') {
      outgoing.writeHead(Number(fault)).end('not now');
      return;
    }
    if (fault === 'delayed') {
      await sleep(100 + 400 * random());
    }
    const forward = () =>
      new Promise((resolve, reject) => {
        const options = { method: incoming.method, headers: { ...incoming.headers, connection: 'close' } };
        const sent = httpRequest(host.url + incoming.url, options, async (answer) => {
          const received = [];
          for await (const part of answer) {
            received.push(part);
          }
          resolve({ status: answer.statusCode, type: answer.headers['content-type'], body: Buffer.concat(received) });
        });
        sent.on('error', reject).end(body);
      });
    try {
      const answers = await Promise.all(fault === 'twice' ? [forward(), forward()] : [forward()]);
      const { status, type, body: reply } = answers.at(-1);
      const headers = type ? { 'content-type': type } : {};
      if (fault === 'answer lost') {
        incoming.socket.destroy();
      } else if (fault === 'cut short') {
        outgoing.writeHead(status, { ...headers, 'content-length': reply.length });
        outgoing.write(reply.subarray(0, reply.length >> 1), () => incoming.socket.destroy());
      } else if (fault === '202') {
        outgoing.writeHead(202).end();
      } else {
        outgoing.writeHead(status, headers).end(reply);
      }
    } catch {
      incoming.socket.destroy();
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    seen,
    url: `http://127.0.0.1:${server.address().port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

test(`${UPLOADS} uploads through a connection that fails in every way (seed ${SEED})`, async (context) => {
  const random = randomness(SEED);
  const proxy = await faultyProxy(random, 0.15);
  try {
    const identity = newIdentity();
    const direct = await connect(host, { identity });
    const capsuleId = await direct.ownCapsule();
    const contents = Array.from({ length: UPLOADS }, (_, n) => {
      // One message for most, up to eight chunks for the others.
      const length = n % 3 === 0 ? CHUNK + Math.floor(random() * 7 * CHUNK) : 64 + Math.floor(random() * (CHUNK - 64));
      return noise(length);
    });
    const retry = { firstPause: 10, longestPause: 200, giveUpAfter: 60_000 };
    const keepsake = await connectThrough(proxy, { identity, chunkSize: CHUNK, retry });

    const waiting = contents.map((bytes, index) => ({ bytes, index }));
    const blobs = [];
    const worker = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        blobs[next.index] = await keepsake.upload(next.bytes, { capsuleId, name: `upload ${next.index}` }).done;
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));

    for (const [index, { id, sha256: digest }] of blobs.entries()) {
      assert.deepEqual(digest, sha256(contents[index]));
      const { chunk_count: count } = await direct.calls.blob_get_meta(id);
      const parts = [];
      for (let n = 0; n < count; n += 1) {
        parts.push(Buffer.from(await direct.calls.blob_read_chunk(id, n)));
      }
      assert.ok(Buffer.concat(parts).equals(contents[index]), `upload ${index}`);
    }
    const chunks = contents.reduce((sum, { length }) => sum + Math.ceil(length / CHUNK), 0);
    const sent = [...proxy.seen.chunks.values()].reduce((sum, count) => sum + count, 0);
    context.diagnostic(`${chunks} chunks, ${sent - chunks} sent again after ${proxy.seen.disconnects} disconnects`);
    context.diagnostic(JSON.stringify(Object.fromEntries(proxy.seen.faults)));
    assert.equal(proxy.seen.chunks.size, chunks);
    assert.ok(sent - chunks <= proxy.seen.disconnects, `${sent - chunks} sent again, ${proxy.seen.disconnects} disconnects`);
    assert.ok(UPLOADS < 50 || proxy.seen.faults.size === FAULTS.length, 'every fault came');
  } finally {
    proxy.close();
  }
});

/** Connecting asks for the root key, which a lost answer refuses: a program tries that again. */
async function connectThrough(proxy, options) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await connect({ ...host, url: proxy.url }, options);
    } catch (error) {
      if (attempt > 20) {
        throw error;
      }
    }
  }
}
