/**
 * Content to be uploaded: a file, a Blob or bytes, with the little that is known of it before it is read.
 *
 * @module
 */

import type { PortableSource } from './protocol.js';

/** What can be uploaded. A string is a path (Node only), as is a `file:` URL. */
export type Source = Blob | Uint8Array | ArrayBuffer | string | URL;

/** Says what the source itself does not. */
export interface SourceOptions {
  /** The file's name, for people, and for telling types apart that begin alike. */
  name?: string;
  /** Media type; found out where it is not given. */
  type?: string;
  /** Milliseconds since 1970 UTC. */
  lastModified?: number;
}

/** Content, opened. */
export interface Content {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Media type as the source says it; empty where it says none. */
  readonly type: string;
  /** Milliseconds since 1970 UTC. */
  readonly lastModified: number | undefined;
  /** Where it is, as far as that is known: part of the key by which an upload that was interrupted is found again. */
  readonly place: string;
  /** How a worker reads it. */
  readonly source: PortableSource;
  /** What is kept of it in the queue, so that the upload can go on after a restart; undefined: nothing. */
  readonly persistent: string | Blob | undefined;
  /** `length` bytes from `offset`; fewer at the end. */
  slice(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
}
