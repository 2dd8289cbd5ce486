/**
 * HTTP as browsers expect it from a server of files: whole contents and ranges (RFC 9110, sections 13.1.5 and 14), HEAD, and headers that let nothing of what people
 * keep run as a page. Knows nothing of vaults.
 *
 * @module
 */

/** Content that can be answered with. */
export interface Servable {
  /** Bytes. */
  size: number;
  /** Media type as the vault has it; what is done with it is decided here. */
  type: string;
  /** A file's name, for people. */
  name: string;
  /** In hexadecimal. */
  sha256: string | undefined;
  /** Bytes from `start` (included) to `end` (not included), 0 ≤ start ≤ end ≤ size. */
  slices(start: number, end: number, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** What a browser asks. */
export interface MediaRequest {
  method: string;
  range: string | null;
  ifRange: string | null;
  /** As a file, not to be shown: it was asked so, or it would become a page. */
  attachment: boolean;
  /** Ends the answer. */
  signal: AbortSignal;
}

/** A range of bytes, `end` not included. */
export interface ByteRange {
  start: number;
  end: number;
}

/** Answers a request for content. `onFailure` is told of what ends the answer halfway; a cancelled one is no failure. */
export function answer(content: Servable, request: MediaRequest, onFailure: (error: unknown) => void): Response {
  const { type, attachment } = presentable(content.type, request.attachment);
  const headers = new Headers({
    'accept-ranges': 'bytes',
    'cache-control': 'no-store',
    'content-disposition': disposition(attachment, content.name),
    'content-security-policy': "default-src 'none'; sandbox",
    'content-type': type,
    'cross-origin-resource-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
  });
  const tag = content.sha256 === undefined ? undefined : `"${content.sha256}"`;
  if (tag !== undefined) {
    headers.set('etag', tag);
  }
  const asked = request.ifRange === null || request.ifRange === tag ? parseRange(request.range, content.size) : undefined;
  if (asked === 'unsatisfiable') {
    headers.set('content-range', `bytes */${content.size}`);
    headers.set('content-length', '0');
    return new Response(null, { status: 416, headers });
  }
  const { start, end } = asked ?? { start: 0, end: content.size };
  headers.set('content-length', String(end - start));
  if (asked) {
    headers.set('content-range', `bytes ${start}-${end - 1}/${content.size}`);
  }
  const status = asked ? 206 : 200;
  if (request.method === 'HEAD') {
    return new Response(null, { status, headers });
  }
  return new Response(streamed(content, start, end, request.signal, onFailure), { status, headers });
}

/**
 * The range that a header asks for: `undefined` for the whole content, which is also what several ranges and nonsense mean (RFC 9110, section 14.2, lets a
 * server ignore them).
 */
export function parseRange(header: string | null, size: number): ByteRange | 'unsatisfiable' | undefined {
  const [, first, last] = /^\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*$/i.exec(header ?? '') ?? [];
  if (first === undefined || last === undefined || (first === '' && last === '')) {
    return undefined;
  }
  if (first === '') {
    // The last so many bytes.
    const length = Math.min(Number(last), size);
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size };
  }
  const start = Number(first);
  if (last !== '' && Number(last) < start) {
    return undefined;
  }
  return start >= size ? 'unsatisfiable' : { start, end: last === '' ? size : Math.min(Number(last) + 1, size) };
}

/** Pictures, videos and sound are what they are. All else is bytes to be kept: a page, a script or a drawing with scripts in it never opens here. */
export function presentable(type: string, wanted: boolean): { type: string; attachment: boolean } {
  const essence = type.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (essence === 'image/svg+xml') {
    // Drawn by an image element, where its scripts do not run.
    return { type: essence, attachment: true };
  }
  return /^(?:image|audio|video)\/[a-z0-9][a-z0-9.+-]*$/.test(essence) && !essence.endsWith('xml')
    ? { type: essence, attachment: wanted }
    : { type: 'application/octet-stream', attachment: true };
}

/** RFC 6266; names of any script travel in the extended form. */
function disposition(attachment: boolean, name: string): string {
  const encoded = encodeURIComponent(name.replace(/\p{Surrogate}/gu, '\ufffd')).replace(/['()*]/g, (char) => `%${char.charCodeAt(0).toString(16)}`);
  return `${attachment ? 'attachment' : 'inline'}${name === '' ? '' : `; filename*=UTF-8''${encoded}`}`;
}

/** Reads only as fast as the browser takes it. */
function streamed(
  content: Servable,
  start: number,
  end: number,
  signal: AbortSignal,
  onFailure: (error: unknown) => void,
): ReadableStream<Uint8Array> {
  const ended = new AbortController();
  const parts = content.slices(start, end, AbortSignal.any([signal, ended.signal]))[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { value, done } = await parts.next();
          if (done) {
            controller.close();
          } else {
            controller.enqueue(value);
          }
        } catch (error) {
          if (!signal.aborted && !ended.signal.aborted) {
            onFailure(error);
          }
          controller.error(error);
        }
      },
      cancel() {
        ended.abort();
      },
    },
    { highWaterMark: 0 },
  );
}
