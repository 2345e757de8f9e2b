/**
 * The server's side of a DTLS 1.2 handshake, in the order of the protocol.
 *
 * ```text
 * flight 3  ClientHello (cookie checked before)                 ExpectClientHello, negotiate
 * flight 4  ServerHello, Certificate (with signatures),         sendServerFlight
 *           ServerKeyExchange*, CertificateRequest*, ServerHelloDone
 * flight 5  Certificate (when asked for)                        ExpectCertificate
 *           ClientKeyExchange                                   ExpectClientKeyExchange
 *           (the application looks up the key)                  AwaitPskKey
 *           CertificateVerify (after a Certificate)             ExpectCertificateVerify
 *           (the application judges what the client showed)     AwaitPeerVerification
 *           [ChangeCipherSpec]                                  ExpectChangeCipherSpec
 *           Finished                                            ExpectFinished
 * flight 6  [ChangeCipherSpec], Finished
 * ```
 * `*` may be missing: ServerKeyExchange for plain PSK without a hint (RFC 4279 §2), CertificateRequest when clients
 * are not asked. Flights 1 and 2 have no state: `cookie-exchange.ts`.
 *
 * @module
 */

import type { HandshakeState } from '../handshake-context.ts';
import { ExpectClientHello } from './expect-client-hello.ts';

/** The first state of a server. */
export function startServer(): HandshakeState {
  return new ExpectClientHello();
}
