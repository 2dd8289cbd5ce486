/**
 * The thread that reads and hashes, in Node.
 *
 * @module
 */

import { parentPort } from 'node:worker_threads';

import { ReaderHost, type ReaderRequest } from '../content/protocol.js';
import { nodeReader } from './node-source.js';

const port = parentPort;
if (port) {
  const host = new ReaderHost(nodeReader);
  port.on('message', (request: ReaderRequest) => {
    void host.answer(request).then((reply) => {
      const bytes = 'chunk' in reply ? reply.chunk?.bytes : undefined;
      port.postMessage(reply, bytes ? [bytes.buffer] : []);
    });
  });
}
