/**
 * Handing content to the person as a file.
 *
 * @module
 */

/** A type by which content is never run: pictures, sound and film as they are, but for SVG, which may hold scripts; everything else as bytes. */
export function safeType(type: string): string {
  return /^(image\/(?!svg)|video\/|audio\/)[\w.+-]+$/i.test(type) ? type : 'application/octet-stream';
}

/** Milliseconds for which the browser may take its time to begin. */
const PATIENCE = 60_000;

/** Saves content under a name. */
export function saveBlob(content: Blob, name: string): void {
  const url = URL.createObjectURL(content.slice(0, content.size, 'application/octet-stream'));
  const anchor = document.createElement('a');
  anchor.href = url;
  anchor.download = name;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(url), PATIENCE);
}
