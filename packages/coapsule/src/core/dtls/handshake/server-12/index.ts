/**
 * The server's side of a DTLS 1.2 handshake with PSK or ECDHE_PSK, in the order of the protocol.
 *
 * ```text
 * flight 3  ClientHello (cookie checked before)                 ExpectClientHello
 * flight 4  ServerHello, ServerKeyExchange*, ServerHelloDone
 * flight 5  ClientKeyExchange                                   ExpectClientKeyExchange
 *           (the application looks up the key)                  AwaitPskKey
 *           [ChangeCipherSpec]                                  ExpectChangeCipherSpec
 *           Finished                                            ExpectFinished
 * flight 6  [ChangeCipherSpec], Finished
 * ```
 * `*` left out for plain PSK without a hint (RFC 4279 §2). Flights 1 and 2 have no state: `cookie-exchange.ts`.
 *
 * @module
 */

import type { AwaitPskKey } from './await-psk-key.ts';
import type { ExpectChangeCipherSpec } from './expect-change-cipher-spec.ts';
import { ExpectClientHello } from './expect-client-hello.ts';
import type { ExpectClientKeyExchange } from './expect-client-key-exchange.ts';
import type { ExpectFinished } from './expect-finished.ts';

/** The states of a server, in protocol order. */
export type ServerState =
  | ExpectClientHello
  | ExpectClientKeyExchange
  | AwaitPskKey
  | ExpectChangeCipherSpec
  | ExpectFinished;

/** The first state of a server. */
export function startServer(): ServerState {
  return new ExpectClientHello();
}
