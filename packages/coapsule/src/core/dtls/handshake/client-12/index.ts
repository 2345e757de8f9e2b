/**
 * The client's side of a DTLS 1.2 handshake with PSK or ECDHE_PSK, in the order of the protocol.
 *
 * ```text
 * flight 1  ClientHello                                         startClient
 * flight 2  HelloVerifyRequest*                                 ExpectServerHello
 * flight 3  ClientHello with the cookie
 * flight 4  ServerHello                                         ExpectServerHello
 *           ServerKeyExchange*                                  ExpectServerKeyExchange
 *           ServerHelloDone                                     ExpectServerHelloDone
 *           (the application picks identity and key)            AwaitPskCredential
 * flight 5  ClientKeyExchange, [ChangeCipherSpec], Finished
 * flight 6  [ChangeCipherSpec]                                  ExpectChangeCipherSpec
 *           Finished                                            ExpectFinished
 * ```
 * `*` may be missing: a server need not ask for a cookie, and plain PSK without a hint has no
 * ServerKeyExchange.
 *
 * @module
 */

import type { AwaitPskCredential } from './await-psk-credential.ts';
import type { ExpectChangeCipherSpec } from './expect-change-cipher-spec.ts';
import type { ExpectFinished } from './expect-finished.ts';
import type { ExpectServerHello } from './expect-server-hello.ts';
import type { ExpectServerHelloDone } from './expect-server-hello-done.ts';
import type { ExpectServerKeyExchange } from './expect-server-key-exchange.ts';

export { startClient } from './start-client.ts';

/** The states of a client, in protocol order. */
export type ClientState =
  | ExpectServerHello
  | ExpectServerKeyExchange
  | ExpectServerHelloDone
  | AwaitPskCredential
  | ExpectChangeCipherSpec
  | ExpectFinished;
