/**
 * What kind of file something is: by its first bytes, and by its name or the type its source gives where those say too little.
 * Content decides over the name: a JPEG named `.png` is a JPEG.
 *
 * @module
 */

/** How many bytes from the beginning {@link identify} wants to see (fewer if the file is shorter). */
export const MEDIA_HEAD = 4_096;

/** As the vault sorts memories. */
export type MediaKind = 'Image' | 'Video' | 'Audio' | 'Document' | 'Note';

/** What a file is. */
export interface Media {
  kind: MediaKind;
  /** IANA media type. */
  type: string;
}

/** Types by file name extension, for what its content does not tell. */
const BY_EXTENSION: Readonly<Record<string, string>> = {
  aac: 'audio/aac',
  arw: 'image/x-sony-arw',
  csv: 'text/csv',
  cr2: 'image/x-canon-cr2',
  cr3: 'image/x-canon-cr3',
  dng: 'image/x-adobe-dng',
  doc: 'application/msword',
  docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  epub: 'application/epub+zip',
  html: 'text/html',
  json: 'application/json',
  m4a: 'audio/mp4',
  m4v: 'video/x-m4v',
  md: 'text/markdown',
  mkv: 'video/x-matroska',
  mov: 'video/quicktime',
  mp3: 'audio/mpeg',
  mp4: 'video/mp4',
  nef: 'image/x-nikon-nef',
  odt: 'application/vnd.oasis.opendocument.text',
  ogg: 'audio/ogg',
  ogv: 'video/ogg',
  opus: 'audio/opus',
  orf: 'image/x-olympus-orf',
  pptx: 'application/vnd.openxmlformats-officedocument.presentationml.presentation',
  raf: 'image/x-fuji-raf',
  rtf: 'application/rtf',
  rw2: 'image/x-panasonic-rw2',
  svg: 'image/svg+xml',
  tif: 'image/tiff',
  tiff: 'image/tiff',
  txt: 'text/plain',
  webm: 'video/webm',
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  xml: 'application/xml',
};

/** Formats that share their beginning with others: which named types may have it, and the type where none is named. */
interface Family {
  fallback: string;
  takes: RegExp;
}

const FAMILIES = {
  tiff: { fallback: 'image/tiff', takes: /^image\/(?!jpeg|png|gif|webp|bmp)/ },
  zip: { fallback: 'application/zip', takes: /^application\// },
  iso: { fallback: 'video/mp4', takes: /^(?:video|audio)\/|^image\/x-canon-cr3$/ },
  matroska: { fallback: 'video/x-matroska', takes: /^(?:video|audio)\// },
  ogg: { fallback: 'audio/ogg', takes: /^(?:video|audio)\/|^application\/ogg$/ },
  compound: { fallback: 'application/x-cfb', takes: /^application\// },
} as const satisfies Record<string, Family>;

/** Tells what a file is from its first bytes, its name, and the type that its source gives (empty: none). */
export function identify(head: Uint8Array, name = '', given = ''): Media {
  const extension = /\.([^.]+)$/.exec(name)?.[1]?.toLowerCase() ?? '';
  const named = BY_EXTENSION[extension] ?? (given || undefined);
  const sniffed = sniff(head);
  let type;
  if (typeof sniffed === 'string') {
    type = sniffed;
  } else if (sniffed) {
    type = named && sniffed.takes.test(named) ? named : sniffed.fallback;
  } else {
    type = named ?? (looksLikeText(head) ? 'text/plain' : 'application/octet-stream');
  }
  return { kind: kindOf(type), type };
}

/** As the vault sorts memories of this media type. */
export function kindOf(type: string): MediaKind {
  if (type === 'text/plain' || type === 'text/markdown') {
    return 'Note';
  }
  switch (type.split('/', 1)[0]) {
    case 'image':
      return 'Image';
    case 'video':
      return 'Video';
    case 'audio':
      return 'Audio';
    default:
      return type === 'application/ogg' ? 'Audio' : 'Document';
  }
}

/** Signatures from the formats' specifications; RIFF and ISO base media name their kind at a fixed offset. */
function sniff(head: Uint8Array): string | Family | undefined {
  const at = (offset: number, signature: string) =>
    head.length >= offset + signature.length &&
    Array.prototype.every.call(signature, (char: string, index: number) => head[offset + index] === char.charCodeAt(0));
  if (at(0, '\xff\xd8\xff')) return 'image/jpeg';
  if (at(0, '\x89PNG\r\n\x1a\n')) return 'image/png';
  if (at(0, 'GIF87a') || at(0, 'GIF89a')) return 'image/gif';
  if (at(0, 'RIFF') && at(8, 'WEBP')) return 'image/webp';
  if (at(0, 'RIFF') && at(8, 'WAVE')) return 'audio/wav';
  if (at(0, 'RIFF') && at(8, 'AVI ')) return 'video/x-msvideo';
  if (at(0, 'BM') && at(6, '\0\0\0\0')) return 'image/bmp';
  if (at(0, 'II*\0') || at(0, 'MM\0*')) return FAMILIES.tiff;
  if (at(0, '\xff\x0a') || at(0, '\0\0\0\x0cJXL \r\n\x87\n')) return 'image/jxl';
  if (at(4, 'ftyp')) return isoMedia(String.fromCharCode(...head.subarray(8, 12)));
  if (at(0, '\x1a\x45\xdf\xa3')) return FAMILIES.matroska;
  if (at(0, 'OggS')) return FAMILIES.ogg;
  if (at(0, 'fLaC')) return 'audio/flac';
  if (at(0, 'ID3') || at(0, '\xff\xfb') || at(0, '\xff\xf3')) return 'audio/mpeg';
  if (at(0, '%PDF-')) return 'application/pdf';
  if (at(0, 'PK\x03\x04')) return FAMILIES.zip;
  if (at(0, '\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1')) return FAMILIES.compound;
  return undefined;
}

/** ISO base media files (ISO/IEC 14496-12) by major brand. */
function isoMedia(brand: string): string | Family {
  if (/^(?:heic|heix|hevc|hevx|heim|heis)$/.test(brand)) return 'image/heic';
  if (/^(?:mif1|msf1)$/.test(brand)) return 'image/heif';
  if (/^(?:avif|avis)$/.test(brand)) return 'image/avif';
  if (brand === 'crx ') return 'image/x-canon-cr3';
  if (brand === 'qt  ') return 'video/quicktime';
  if (brand === 'M4A ' || brand === 'M4B ') return 'audio/mp4';
  return FAMILIES.iso;
}

/** UTF-8 without control characters; the last character may be cut. */
function looksLikeText(head: Uint8Array): boolean {
  if (head.length === 0) {
    return false;
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: true });
    // eslint-disable-next-line no-control-regex
    return !/[\x00-\x08\x0e-\x1a\x1c-\x1f]/.test(text);
  } catch {
    return false;
  }
}
