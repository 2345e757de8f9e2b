/**
 * Which form a payload has, by its Content-Format (RFC 7252 §12.3).
 *
 * @module
 */

import { contentFormatMediaType, contentFormatName } from 'coapsule/message';

/** Forms of content that are shown in a way of their own. */
export type PayloadKind = 'links' | 'senml-json' | 'senml-cbor' | 'json' | 'cbor' | 'bytes' | 'text';

/** Which form a Content-Format has; text where none says otherwise. */
export function payloadKind(contentFormat: number | undefined): PayloadKind {
  if (contentFormat === undefined) return 'text';
  const name = contentFormatMediaType(contentFormat) ?? contentFormatName(contentFormat) ?? '';
  const base = name.split(';', 1)[0]!;
  if (base === 'application/link-format') return 'links';
  if (/^application\/sens?ml\+json$/.test(base)) return 'senml-json';
  if (/^application\/sens?ml\+cbor$/.test(base)) return 'senml-cbor';
  if (base === 'application/octet-stream') return 'bytes';
  if (base.endsWith('json')) return 'json';
  return base.endsWith('cbor') ? 'cbor' : 'text';
}
