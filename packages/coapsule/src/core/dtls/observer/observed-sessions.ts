/**
 * Master secrets of sessions that were seen, by session id and by ticket: another handshake may go on from them.
 *
 * @module
 */

import { toHex } from '../../foundation/bytes.ts';
import { RecencyMap } from '../../foundation/recency-map.ts';

/** Beyond, the oldest is forgotten. */
const mostSessions = 10_000;

/** What an observer remembers for abbreviated handshakes (RFC 5246 §7.3, RFC 5077 §3.1). */
export class ObservedSessions {
  readonly #masterSecrets = new RecencyMap<Uint8Array>();

  /** @param name Session id or ticket; an empty one is none. */
  remember(name: Uint8Array, masterSecret: Uint8Array): void {
    if (name.length === 0) return;
    this.#masterSecrets.set(toHex(name), masterSecret);
    this.#masterSecrets.keepLatest(mostSessions);
  }

  /** The master secret of a session, 48 bytes. */
  recall(name: Uint8Array): Uint8Array | undefined {
    return name.length === 0 ? undefined : this.#masterSecrets.get(toHex(name));
  }
}
