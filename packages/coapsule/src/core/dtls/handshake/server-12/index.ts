/**
 * The server's side of a DTLS 1.2 handshake, in the order of the protocol.
 *
 * ```text
 * flight 3  ClientHello (cookie checked before)                 ExpectClientHello, recallSession, negotiate
 *           (the application confirms a known session)          AwaitSessionCheck*
 * flight 4  ServerHello, Certificate (with signatures),         sendServerFlight
 *           ServerKeyExchange*, CertificateRequest*, ServerHelloDone
 * flight 5  Certificate (when asked for)                        ExpectCertificate
 *           ClientKeyExchange                                   ExpectClientKeyExchange
 *           (the application looks up the key)                  AwaitPskKey
 *           CertificateVerify (after a Certificate)             ExpectCertificateVerify
 *           (the application judges what the client showed)     AwaitPeerVerification
 *           [ChangeCipherSpec]                                  ExpectChangeCipherSpec
 *           Finished                                            ExpectFinished
 * flight 6  NewSessionTicket*, [ChangeCipherSpec], Finished     sendLastFlight
 * ```
 * When a session goes on (RFC 5246 §7.3), flight 4 is ServerHello, NewSessionTicket*, [ChangeCipherSpec] and Finished
 * (sendResumptionFlight), and the client's [ChangeCipherSpec] and Finished are the last.
 *
 * `*` may be missing: ServerKeyExchange for plain PSK without a hint (RFC 4279 §2), CertificateRequest when clients
 * are not asked. Flights 1 and 2 have no state: `cookie-exchange.ts`.
 *
 * Some states have a twin of the same name in `../client-12`; why, is said there.
 *
 * @module
 */

import type { HandshakeState } from '../handshake-context.ts';
import { ExpectClientHello } from './expect-client-hello.ts';

/** The first state of a server. */
export function startServer(): HandshakeState {
  return new ExpectClientHello();
}
