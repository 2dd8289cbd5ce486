/**
 * The browser's worker: reads and hashes content, and makes derivatives of photos, so that pages stay smooth meanwhile.
 *
 * @module
 */

import { ReaderHost, type ReaderReply, type ReaderRequest } from '../content/protocol.js';
import { makeByCanvas } from '../derivatives/canvas.js';
import type { Derivative, DerivativeKind, MadeDerivative } from '../derivatives/rules.js';
import { messageOf } from '../errors.js';
import { browserReader } from './browser-source.js';

/** What the page asks. */
export type WorkerRequest =
  | { reader: ReaderRequest }
  | { derive: { id: number; blob: Blob; kinds: readonly DerivativeKind[] } };

/** What becomes of a photo whose versions were asked for. */
export interface Derived {
  id: number;
  made?: Derivative;
  failed?: { kind: DerivativeKind; message: string };
  /** Nothing more comes. */
  done?: boolean;
}

/** What the worker answers. */
export type WorkerReply = { reader: ReaderReply } | { derived: Derived };

interface WorkerScope {
  onmessage: ((event: MessageEvent<WorkerRequest>) => void) | null;
  postMessage(message: WorkerReply, transfer: Transferable[]): void;
}

const scope = globalThis as unknown as WorkerScope;
const host = new ReaderHost(browserReader);

scope.onmessage = ({ data }) => {
  if ('reader' in data) {
    void host.answer(data.reader).then((reader) => {
      const bytes = 'chunk' in reader ? reader.chunk?.bytes : undefined;
      scope.postMessage({ reader }, bytes ? [bytes.buffer] : []);
    });
    return;
  }
  const { id, blob, kinds } = data.derive;
  const emit = (made: MadeDerivative) => {
    if ('error' in made) {
      scope.postMessage({ derived: { id, failed: { kind: made.kind, message: messageOf(made.error) } } }, []);
    } else {
      scope.postMessage({ derived: { id, made } }, [made.bytes.buffer]);
    }
  };
  void makeByCanvas(blob, kinds, emit).then(() => scope.postMessage({ derived: { id, done: true } }, []));
};
