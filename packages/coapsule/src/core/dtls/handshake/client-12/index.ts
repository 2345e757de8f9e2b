/**
 * The client's side of a DTLS 1.2 handshake with PSK or ECDHE_PSK, in the order of the protocol.
 *
 * ```text
 * flight 1  ClientHello                                         sendClientHello
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

import type { HandshakeContext } from '../handshake-context.ts';
import type { AwaitPskCredential } from './await-psk-credential.ts';
import type { ExpectChangeCipherSpec } from './expect-change-cipher-spec.ts';
import type { ExpectFinished } from './expect-finished.ts';
import type { ExpectServerHello } from './expect-server-hello.ts';
import type { ExpectServerHelloDone } from './expect-server-hello-done.ts';
import type { ExpectServerKeyExchange } from './expect-server-key-exchange.ts';
import { sendClientHello } from './send-client-hello.ts';

/** The states of a client, in protocol order. */
export type ClientState =
  | ExpectServerHello
  | ExpectServerKeyExchange
  | ExpectServerHelloDone
  | AwaitPskCredential
  | ExpectChangeCipherSpec
  | ExpectFinished;

/** Sends the first ClientHello; returns the first state of a client, and its random. */
export function startClient(
  context: HandshakeContext,
  serverName: string | undefined,
): { readonly state: ClientState; readonly random: Uint8Array } {
  return sendClientHello(context, serverName);
}
