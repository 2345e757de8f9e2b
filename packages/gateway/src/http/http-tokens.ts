/**
 * Who may use the HTTP endpoint beyond what is open to everyone: bearer tokens (RFC 6750), each with a name and rules.
 *
 * A browser's EventSource can send no header; for it a token is exchanged for one that counts once, within a minute, in the
 * URI. Tokens are kept as hashes, and compared in constant time.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { PeerInfo } from 'coapsule';
import { localPeer } from '../access/local-asker.ts';
import type { Rule } from '../access/rule.ts';

/** One token of the operator's. */
export interface HttpToken {
  readonly name: string;
  readonly token: string;
  readonly rules: readonly Rule[];
}

const onceMs = 60_000;
const mostOnce = 1000;

/** See the module comment. */
export class HttpTokens {
  readonly #tokens: readonly { readonly digest: Uint8Array; readonly peer: PeerInfo }[];
  readonly #once = new Map<
    string,
    { readonly peer: PeerInfo; readonly untilMs: number; readonly path: string | undefined }
  >();

  constructor(tokens: readonly HttpToken[]) {
    this.#tokens = tokens.map(({ name, token, rules }) => ({
      digest: digestOf(token),
      peer: localPeer({ identity: `(http ${name})`, rules }),
    }));
  }

  /** As whom the sender of a header asks; undefined for a token that is none of ours, or another scheme. */
  peerOf(authorization: string): PeerInfo | undefined {
    const [, token] = /^Bearer +([\w\-.~+/]+=*)$/i.exec(authorization) ?? [];
    if (token === undefined) return undefined;
    const digest = digestOf(token);
    let found: PeerInfo | undefined;
    for (const known of this.#tokens) if (timingSafeEqual(known.digest, digest)) found = known.peer;
    return found;
  }

  /** A token that counts once. @param path The one that it is good for, as URIs have it; undefined: any. */
  issueOnce(peer: PeerInfo, nowMs: number, path?: string): string {
    for (const [token, { untilMs }] of this.#once) {
      if (untilMs > nowMs && this.#once.size < mostOnce) break;
      this.#once.delete(token);
    }
    const token = randomBytes(24).toString('base64url');
    this.#once.set(token, { peer, untilMs: nowMs + onceMs, path });
    return token;
  }

  /** Uses one up. */
  takeOnce(token: string, nowMs: number, path: string): PeerInfo | undefined {
    const found = this.#once.get(token);
    this.#once.delete(token);
    if (found === undefined || found.untilMs <= nowMs) return undefined;
    return found.path === undefined || isSamePath(found.path, path) ? found.peer : undefined;
  }
}

/** A character means the same whether it is percent-encoded or not, but for one that would end a segment (RFC 3986 §6.2.2.2). */
function isSamePath(one: string, other: string): boolean {
  const [segments, others] = [one, other].map(decodedSegments);
  return segments !== undefined && isDeepStrictEqual(segments, others);
}

function decodedSegments(path: string): readonly string[] | undefined {
  try {
    return path.split('/').map(decodeURIComponent);
  } catch {
    return undefined;
  }
}

function digestOf(token: string): Uint8Array {
  return createHash('sha256').update(token).digest();
}
