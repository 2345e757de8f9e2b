/**
 * The client's side of a DTLS 1.2 handshake, in the order of the protocol.
 *
 * ```text
 *           (the application confirms a known session)          AwaitSessionCheck*
 * flight 1  ClientHello                                         sendClientHello
 * flight 2  HelloVerifyRequest*                                 ExpectServerHello
 * flight 3  ClientHello with the cookie
 * flight 4  ServerHello                                         ExpectServerHello
 *           Certificate (with signatures)                       ExpectCertificate
 *           ServerKeyExchange*                                  ExpectServerKeyExchange
 *           CertificateRequest*                                 ExpectCertificateRequest
 *           ServerHelloDone                                     ExpectServerHelloDone
 *           (the application picks identity and key             AwaitPskCredential
 *            or judges what the server showed)                  AwaitPeerVerification
 * flight 5  [Certificate], ClientKeyExchange, [CertificateVerify],
 *           [ChangeCipherSpec], Finished                        sendKeyExchange
 * flight 6  NewSessionTicket*                                   ExpectNewSessionTicket
 *           [ChangeCipherSpec]                                  ExpectChangeCipherSpec
 *           Finished                                            ExpectFinished
 * ```
 * When a session goes on (RFC 5246 §7.3), flight 4 is ServerHello and what is flight 6 above, and the last one is
 * flight 5, [ChangeCipherSpec] and Finished, out of ExpectFinished.
 *
 * `*` may be missing: a server need not ask for a cookie or a certificate, and plain PSK without a hint has no
 * ServerKeyExchange.
 *
 * Some states have a twin of the same name on the other side, since both send such a message (RFC 5246 §7.4). Each tells
 * what it means for its own flights; what is computed is shared (`../derive-keys.ts`).
 *
 * @module
 */

import type { HandshakeContext, HandshakeState } from '../handshake-context.ts';
import { sendClientHello } from './send-client-hello.ts';

/** Sends the first ClientHello; returns the first state of a client, and its random. */
export function startClient(
  context: HandshakeContext,
  serverName: string | undefined,
): { readonly state: HandshakeState; readonly random: Uint8Array } {
  return sendClientHello(context, serverName);
}
