/**
 * An icon for each kind of memory.
 *
 * @module
 */

import type { MediaKind } from '@keepsake/sdk';

import type { IconName } from '../ui/icons.ts';

export const KIND_ICONS: Readonly<Record<MediaKind, IconName>> = {
  Image: 'image',
  Video: 'video',
  Audio: 'music',
  Document: 'file',
  Note: 'note',
};
