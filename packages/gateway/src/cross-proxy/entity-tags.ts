/**
 * Entity tags between HTTP, where they are text of any length, and CoAP, where they are 1 to 8 bytes (RFC 7252 §5.10.6).
 *
 * Short ones cross as they are. A longer one is 8 bytes of its SHA-256 here, and is remembered, so that a client that shows them
 * again means the one of the server. Weak ones do not cross: those of CoAP are always strong (§10.1.1).
 */
import { createHash } from 'node:crypto';
import { BoundedMap } from '../memory/bounded-map.ts';

/** Remembered at a time; the oldest goes first. */
const mostRemembered = 10_000;

/** Longest that crosses, in bytes: those that are remembered are 10 MB together at most. */
const longest = 1024;

/** See the file comment. */
export class EntityTags {
  /** Tags of HTTP by the hexadecimal digits of their 8 bytes. */
  readonly #long = new BoundedMap<string, string>(mostRemembered);

  /** @param tag As the ETag header has it; undefined for one that is weak, or none. */
  ofCoap(tag: string | undefined): Uint8Array | undefined {
    const [, opaque] = /^"([\x21\x23-\x7e\x80-\xff]*)"$/.exec(tag?.trim() ?? '') ?? [];
    if (opaque === undefined || opaque.length > longest) return undefined;
    const bytes = new Uint8Array(Buffer.from(opaque, 'latin1'));
    // 8 bytes are always a digest: what a client shows again has one meaning.
    if (bytes.length > 0 && bytes.length < 8) return bytes;
    const digest = new Uint8Array(createHash('sha256').update(bytes).digest().subarray(0, 8));
    const name = Buffer.from(digest).toString('hex');
    this.#long.set(name, `"${opaque}"`);
    return digest;
  }

  /** Undefined for one that did not come from here, or so long ago that it is forgotten. */
  ofHttp(etag: Uint8Array): string | undefined {
    if (etag.length === 8) return this.#long.get(Buffer.from(etag).toString('hex'));
    const opaque = Buffer.from(etag).toString('latin1');
    return /^[\x21\x23-\x7e\x80-\xff]+$/.test(opaque) ? `"${opaque}"` : undefined;
  }
}
