/**
 * The running hash over the messages of a handshake (RFC 5246 §7.4.9, RFC 6347 §4.2.6).
 *
 * Each message counts as if it had come in one fragment. HelloVerifyRequest and the ClientHello it answers are
 * left out (RFC 6347 §4.2.1), and so is HelloRequest: the callers do not add them.
 *
 * @module
 */

import type { CryptoProvider, HashAlgorithm, RunningHash } from '../../foundation/crypto-provider.ts';
import { encodeMessageFragment, type HandshakeMessage } from './message-header.ts';

/** What both sides must have seen alike. */
export class Transcript {
  readonly #hash: RunningHash;

  constructor(crypto: CryptoProvider, hash: HashAlgorithm) {
    this.#hash = crypto.hash(hash);
  }

  /** Adds one message, header included. */
  add(message: HandshakeMessage): void {
    this.#hash.update(encodeMessageFragment(message, 0, message.body.length));
  }

  /** The hash of all messages so far. */
  digest(): Uint8Array {
    return this.#hash.digest();
  }
}
