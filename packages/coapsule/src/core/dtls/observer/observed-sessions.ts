/**
 * Master secrets of sessions that were seen, by session id and by ticket: another handshake may go on from them.
 *
 * @module
 */

import { toHex } from '../../foundation/bytes.ts';

/** Beyond, the oldest is forgotten. */
const mostSessions = 10_000;

/** What an observer remembers for abbreviated handshakes (RFC 5246 §7.3, RFC 5077 §3.1). */
export class ObservedSessions {
  readonly #masterSecrets = new Map<string, Uint8Array>();

  /** @param name Session id or ticket; an empty one is none. */
  remember(name: Uint8Array, masterSecret: Uint8Array): void {
    if (name.length === 0) return;
    const key = toHex(name);
    this.#masterSecrets.delete(key);
    this.#masterSecrets.set(key, masterSecret);
    if (this.#masterSecrets.size <= mostSessions) return;
    for (const oldest of this.#masterSecrets.keys()) {
      this.#masterSecrets.delete(oldest);
      return;
    }
  }

  /** The master secret of a session, 48 bytes. */
  recall(name: Uint8Array): Uint8Array | undefined {
    return name.length === 0 ? undefined : this.#masterSecrets.get(toHex(name));
  }
}
