/**
 * Server, flight 4: ServerHello, [Certificate], [ServerKeyExchange], [CertificateRequest], ServerHelloDone.
 *
 * @module
 */

import { noBytes } from '../../../foundation/bytes.ts';
import type { KeyShare } from '../../../foundation/crypto-provider.ts';
import { signatureSchemeValue, signatureSchemeValues } from '../extensions/signature-algorithms.ts';
import { FlightComposition } from '../flight-composition.ts';
import type { HandshakeContext, HandshakeState } from '../handshake-context.ts';
import { HandshakeType } from '../handshake-type.ts';
import { encodeCertificate } from '../messages/certificate.ts';
import { ClientCertificateType, encodeCertificateRequest } from '../messages/certificate-request.ts';
import { encodeServerKeyExchange, signedParams } from '../messages/server-key-exchange.ts';
import type { OwnProof } from '../own-proof.ts';
import { ExpectCertificate } from './expect-certificate.ts';
import { ExpectClientKeyExchange } from './expect-client-key-exchange.ts';
import type { Negotiated } from './negotiation.ts';
import { addServerHello } from './server-flight-parts.ts';

/** Sends flight 4; returns the state that takes flight 5. */
export function sendServerFlight(context: HandshakeContext, negotiated: Negotiated): HandshakeState {
  const { parameters, proof, clientAuthentication } = negotiated;
  const flight = new FlightComposition(context);
  addServerHello(flight, negotiated);
  if (proof !== undefined) flight.add(HandshakeType.Certificate, certificateBody(proof));
  const keyShare = addKeyExchange(context, negotiated, flight);
  if (clientAuthentication !== 'none') {
    flight.add(HandshakeType.CertificateRequest, certificateRequest);
  }
  flight.add(HandshakeType.ServerHelloDone, noBytes);
  flight.send(4);
  return clientAuthentication === 'none'
    ? new ExpectClientKeyExchange(parameters, keyShare, undefined)
    : new ExpectCertificate(parameters, keyShare, clientAuthentication === 'required');
}

/** Always the same, as are the certificates that go with a key: nothing changes the bytes of a message. */
const certificateRequest = encodeCertificateRequest({
  certificateTypes: [ClientCertificateType.EcdsaSign, ClientCertificateType.RsaSign],
  signatureSchemes: signatureSchemeValues,
});

/** By what is in them: a chain, or the bytes of a public key. */
const certificateBodies = new WeakMap<object, Uint8Array>();

function certificateBody({ presented }: OwnProof): Uint8Array {
  const content = presented.kind === 'x509' ? presented.chain : presented.publicKey;
  const known = certificateBodies.get(content);
  if (known !== undefined) return known;
  const body = encodeCertificate(presented);
  certificateBodies.set(content, body);
  return body;
}

function addKeyExchange(
  context: HandshakeContext,
  { parameters, group, proof }: Negotiated,
  flight: FlightComposition,
): KeyShare | undefined {
  const hint = context.config.pskIdentityHint;
  if (group === undefined) {
    // RFC 4279 §2: without a hint the message is left out.
    if (hint.length > 0) flight.add(HandshakeType.ServerKeyExchange, encodeServerKeyExchange({ hint }));
    return undefined;
  }
  const keyShare = context.crypto.keyShare(group.name);
  const ecdh = { group: group.value, publicKey: keyShare.publicKey };
  if (proof === undefined) {
    flight.add(HandshakeType.ServerKeyExchange, encodeServerKeyExchange({ hint, ecdh }));
    return keyShare;
  }
  const { clientRandom, serverRandom } = parameters;
  // RFC 8422 §5.4: the randoms are signed too, so that the signature is good for this handshake only.
  const signature = proof.key.sign(proof.scheme, clientRandom, serverRandom, signedParams(ecdh));
  const signed = { scheme: signatureSchemeValue(proof.scheme), signature };
  flight.add(HandshakeType.ServerKeyExchange, encodeServerKeyExchange({ hint: noBytes, ecdh, signed }));
  return keyShare;
}
