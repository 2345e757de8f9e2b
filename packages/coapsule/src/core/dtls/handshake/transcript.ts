/**
 * The messages of a handshake: their running hash (RFC 5246 §7.4.9, RFC 6347 §4.2.6), and themselves, for a client's
 * signature over them (RFC 5246 §7.4.8).
 *
 * Each message counts as if it had come in one fragment. HelloVerifyRequest and the ClientHello it answers are
 * left out (RFC 6347 §4.2.1), and so is HelloRequest: the callers do not add them.
 *
 * @module
 */

import type { CryptoProvider, HashAlgorithm, RunningHash } from '../../foundation/crypto-provider.ts';
import { InvariantError } from '../../foundation/errors.ts';
import { encodeMessageHeader, type HandshakeMessage } from './message-header.ts';

/** What both sides must have seen alike. */
export class Transcript {
  readonly #crypto: CryptoProvider;
  /** Header and body of each. */
  readonly #messages: Uint8Array[] = [];
  #hash: RunningHash | undefined;

  constructor(crypto: CryptoProvider) {
    this.#crypto = crypto;
  }

  /** Adds one message, header included. */
  add(message: HandshakeMessage): void {
    const header = encodeMessageHeader(message);
    this.#messages.push(header, message.body);
    this.#hash?.update(header);
    this.#hash?.update(message.body);
  }

  /** The suite is chosen, and with it the hash: counts what was added before, too. */
  begin(hash: HashAlgorithm): void {
    this.#hash = this.#crypto.hash(hash);
    for (const part of this.#messages) this.#hash.update(part);
  }

  /** The hash of all messages so far. */
  digest(): Uint8Array {
    if (this.#hash === undefined) throw new InvariantError('a transcript without a hash');
    return this.#hash.digest();
  }

  /** All messages so far, header and body of each, to be signed; the bytes must not be changed. */
  get messages(): readonly Uint8Array[] {
    return this.#messages;
  }
}
