/**
 * Which of the keys that an identity may have a TLS handshake is held against: Node's TLS takes one each time.
 *
 * After a handshake that failed, the next one of the same host under the same identity is held against the next key, so that
 * a client that tries again gets in, whichever it has. What others do from elsewhere does not change its turn.
 *
 * @module
 */

import { maxOtherKeys } from '../core/dtls/handshake/handshake-context.ts';
import { toHex } from '../core/foundation/bytes.ts';
import { RecencyMap } from '../core/foundation/recency-map.ts';
import type { PskMatch } from './listen-options.ts';

/** Identities at hosts that are remembered; the oldest are forgotten, and begin with the first key again. */
const maxRemembered = 1000;

/** See the module comment. */
export class KeyTurns {
  readonly #failures = new RecencyMap<number>();

  /** The key for the present handshake. */
  pick(match: PskMatch, identity: Uint8Array, host: string): Omit<PskMatch, 'others'> {
    // As many as over DTLS.
    const others = (match.others ?? []).slice(0, maxOtherKeys);
    if (others.length === 0) return match;
    const name = nameOf(identity, host);
    const failures = this.#failures.get(name) ?? 0;
    // The latest is the last to be forgotten.
    this.#failures.set(name, failures);
    this.#failures.keepLatest(maxRemembered);
    return [match, ...others][failures % (1 + others.length)] ?? match;
  }

  /** A handshake has failed. Of an identity with one key nothing is remembered. */
  failed(identity: Uint8Array, host: string): void {
    const name = nameOf(identity, host);
    const failures = this.#failures.get(name);
    if (failures !== undefined) this.#failures.set(name, failures + 1);
  }
}

function nameOf(identity: Uint8Array, host: string): string {
  return `${toHex(identity)} ${host}`;
}
