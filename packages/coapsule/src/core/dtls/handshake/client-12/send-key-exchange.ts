/**
 * Client, flight 5: [Certificate], ClientKeyExchange, [CertificateVerify], ChangeCipherSpec, Finished.
 *
 * @module
 */

import { AlertDescription } from '../../alert.ts';
import { deriveKeys } from '../derive-keys.ts';
import { signatureSchemeValue } from '../extensions/signature-algorithms.ts';
import { FlightComposition } from '../flight-composition.ts';
import type {
  FailureOfState,
  HandshakeContext,
  HandshakeParameters,
  HandshakeResult,
  HandshakeState,
} from '../handshake-context.ts';
import { HandshakeType } from '../handshake-type.ts';
import { encodeCertificate } from '../messages/certificate.ts';
import { encodeCertificateVerify } from '../messages/certificate-verify.ts';
import { type ClientKeyExchange, encodeClientKeyExchange } from '../messages/client-key-exchange.ts';
import type { OwnProof } from '../own-proof.ts';
import { ExpectChangeCipherSpec } from './expect-change-cipher-spec.ts';
import { ExpectNewSessionTicket } from './expect-new-session-ticket.ts';
import type { ServerEcdhKey } from './server-exchange.ts';

/** What flight 5 is made of. */
export interface ClientFlight extends Pick<HandshakeResult, 'identity'> {
  readonly peerProof: HandshakeResult['proof'];
  /** Present when the server asked; `none` is an empty Certificate (RFC 5246 §7.4.6). */
  readonly proof?: OwnProof | 'none';
  readonly exchange: ClientKeyExchange;
  readonly premaster: Uint8Array;
}

/** Our ephemeral key and the secret shared with the server's. */
export interface Agreement {
  readonly publicKey: Uint8Array;
  readonly sharedSecret: Uint8Array;
}

/** Makes an ephemeral key of the server's group and agrees with the server's. */
export function agreeWith(context: HandshakeContext, server: ServerEcdhKey): Agreement | FailureOfState {
  const share = context.crypto.keyShare(server.group);
  const sharedSecret = share.agree(server.publicKey);
  if (sharedSecret !== undefined) return { publicKey: share.publicKey, sharedSecret };
  return {
    cause: 'illegal-parameter',
    detail: "ServerKeyExchange: the server's public key is not valid for its group (RFC 8422 §5.11)",
    alert: AlertDescription.IllegalParameter,
  };
}

/** Sends flight 5 and installs the keys it ends with. */
export function sendKeyExchange(
  context: HandshakeContext,
  parameters: HandshakeParameters,
  { proof, exchange, premaster, identity, peerProof }: ClientFlight,
): HandshakeState {
  const flight = new FlightComposition(context);
  const isProven = proof !== undefined && proof !== 'none';
  if (proof !== undefined) {
    flight.add(HandshakeType.Certificate, encodeCertificate(isProven ? proof.presented : undefined));
  }
  flight.add(HandshakeType.ClientKeyExchange, encodeClientKeyExchange(exchange));
  // RFC 7627 §3: the session hash ends here, before CertificateVerify.
  const keys = deriveKeys(context, parameters, premaster, context.transcript.digest());
  if (isProven) {
    const signature = proof.key.sign(proof.scheme, ...context.transcript.messages);
    const scheme = signatureSchemeValue(proof.scheme);
    flight.add(HandshakeType.CertificateVerify, encodeCertificateVerify({ scheme, signature }));
  }
  context.installKeys(keys);
  flight.addFinished(parameters, keys.masterSecret);
  flight.send(5);
  const { masterSecret } = keys;
  const result = { parameters, identity, proof: peerProof, masterSecret };
  return parameters.session.isTicketPromised
    ? new ExpectNewSessionTicket(result)
    : new ExpectChangeCipherSpec(result);
}
