// A way to a vault that counts what passes, and that can be told to change or to hold back answers.

import { createServer, request } from 'node:http';

/** The method that an envelope calls; undefined for other requests. A text in CBOR has its length before it (RFC 8949, section 3.1). */
function methodOf(sent) {
  const key = sent.indexOf('method_name');
  const head = key < 0 ? 0 : key + 'method_name'.length;
  if (key < 0) {
    return undefined;
  }
  const short = sent[head] < 0x78;
  const length = short ? sent[head] - 0x60 : sent[head + 1];
  const start = head + (short ? 1 : 2);
  return sent.subarray(start, start + length).toString();
}

/** Stands before the gallery at `url`. `rules.answer(body, { url, sent })` may return other bytes for an answer of the vault's interface. */
export async function through(url, rules = {}) {
  const target = new URL(url);
  const seen = { calls: [], chunks: new Map() };
  const server = createServer(async (incoming, outgoing) => {
    const parts = [];
    for await (const part of incoming) {
      parts.push(part);
    }
    const sent = Buffer.concat(parts);
    const chunk = sent.includes('uploads_put_chunk') || sent.includes('uploads_put_blob');
    // Content of the tests is random, so that a sample of it names the chunk.
    const sample = chunk ? sent.subarray(sent.length >> 1, (sent.length >> 1) + 32).toString('hex') : undefined;
    const method = methodOf(sent);
    if (incoming.url.startsWith('/api/')) {
      seen.calls.push(method ?? incoming.url.split('/').at(-1));
    }
    await rules.before?.({ url: incoming.url, sent, method });
    if (incoming.socket.destroyed) {
      // Whoever asked is gone.
      return;
    }
    const options = {
      hostname: '127.0.0.1',
      port: target.port,
      path: incoming.url,
      method: incoming.method,
      headers: { ...incoming.headers, host: target.host, connection: 'close', 'accept-encoding': 'identity' },
    };
    const passed = request(options, async (answer) => {
      const received = [];
      try {
        for await (const part of answer) {
          received.push(part);
        }
      } catch {
        incoming.socket.destroy();
        return;
      }
      let body = Buffer.concat(received);
      if (incoming.url.startsWith('/api/')) {
        body = rules.answer?.(body, { url: incoming.url, sent, method }) ?? body;
      }
      const { 'content-length': _, 'transfer-encoding': __, ...headers } = answer.headers;
      outgoing.on('finish', () => {
        if (sample && answer.statusCode === 200) {
          seen.chunks.set(sample, (seen.chunks.get(sample) ?? 0) + 1);
        }
      });
      outgoing.writeHead(answer.statusCode, { ...headers, 'content-length': body.length });
      outgoing.end(incoming.method === 'HEAD' ? undefined : body);
    });
    passed.on('error', () => incoming.socket.destroy());
    passed.end(sent);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://localhost:${server.address().port}/`,
    rules,
    seen,
    /** Chunks that were acknowledged more than once. */
    resent: () => [...seen.chunks.values()].filter((count) => count > 1).length,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
