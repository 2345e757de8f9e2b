/**
 * What to do about a handshake that failed: one sentence for each cause, as seen from either end.
 *
 * @module
 */

import { AlertDescription } from '../core/dtls/alert.ts';
import type { DtlsRole } from '../core/dtls/dtls-output.ts';
import type { HandshakeFailure, HandshakeFailureCause } from '../core/dtls/handshake/handshake-failure.ts';

/** One sentence for people: what to try. */
export function handshakeAdvice(failure: HandshakeFailure, role: DtlsRole): string {
  const { cause, alertReceived } = failure;
  const alertStep = cause === 'alert-received' ? alertSteps[alertReceived ?? -1] : undefined;
  const ownStep = alertReceived === undefined ? undefined : ownCredentialSteps[cause];
  const step = ownStep ?? alertStep ?? nextSteps[cause];
  return typeof step === 'string' ? step : step[role];
}

type Step = string | Readonly<Record<DtlsRole, string>>;

const report = 'the two implementations do not agree: keep a capture and a key log, and report it';

const keyTypes = 'use a key of type EC (P-256, P-384), Ed25519, or RSA of 2048 bits or more';

/** For causes that concern the own credential, since the peer told of them by an alert. */
const ownCredentialSteps: Readonly<Partial<Record<HandshakeFailureCause, string>>> = {
  'certificate-expired': 'renew our certificate, and check the clocks of both sides',
  'certificate-revoked': 'get a new certificate: the peer has ours on its deny list',
  'certificate-unsupported': `${keyTypes}, with the key usages our role needs`,
  'unknown-ca':
    'get a certificate of an authority that the peer trusts and send its whole chain, or let the peer trust ours',
  'unknown-public-key': 'register our public key with the peer',
  'bad-signature': 'check that our private key belongs to the certificate or public key that is shown',
};

/** For alerts that no cause is known for. */
const alertSteps: Readonly<Record<number, string>> = {
  [AlertDescription.HandshakeFailure]:
    'the peer has nothing in common with us: other credentials (a key, a certificate) or another suite may do',
  [AlertDescription.AccessDenied]: 'the peer knows who we are and does not want us: add us there',
  [AlertDescription.UserCanceled]: 'nothing: the peer had a reason of its own, such as a time limit',
};

const nextSteps: Readonly<Record<HandshakeFailureCause, Step>> = {
  'unknown-identity': {
    client: 'add the identity at the server',
    server: 'add the device, or correct the identity that it uses',
  },
  'psk-mismatch': 'give both sides the same key',
  'identity-or-key': "compare identity and key with the server's; its log says which of the two is wrong",
  'transcript-mismatch': 'someone changed the handshake on its way: check the network',
  'no-credentials': 'give `psk` with identity and key',
  'no-common-suite': {
    client: 'allow a suite, group or signature scheme that the server has; its log says what is missing',
    server: 'allow a suite of the client, and give the server the kind of credential that it needs',
  },
  'no-common-group': 'allow a suite without ECDHE, or a group that the other side has',
  'version-too-old': {
    client: 'the server must speak DTLS 1.2: update it',
    server: 'the client must speak DTLS 1.2: update it',
  },
  'no-extended-master-secret':
    "the peer lacks RFC 7627: update it, or set extendedMasterSecret to 'preferred' (--no-ems)",
  'no-common-signature-scheme': 'use a certificate with a key both sides can verify, such as EC on P-256',
  'no-common-certificate-type': 'use the same kind on both sides: certificates, or raw public keys',
  'no-common-protocol': 'allow an application protocol (ALPN) that both sides have',
  'unknown-server-name': {
    client: 'ask for a name that the server has',
    server: 'add the name to the server, or have the client ask for another one',
  },
  'certificate-malformed': "look at the peer's certificate with `openssl x509 -text`",
  'certificate-expired': "renew the peer's certificate, and check the clock",
  'certificate-not-yet-valid': 'check the clocks of both sides',
  'certificate-revoked': 'the certificate is on the deny list: give the peer a new one',
  'certificate-usage': 'issue the certificate with the key usages its role needs',
  'certificate-constraint': "issue the certificate within the authority's constraints",
  'certificate-signature': 'the chain does not fit together: send each certificate with its own issuer',
  'certificate-unsupported': keyTypes,
  'unknown-ca': "give the authority that issued the peer's certificate as a trust anchor",
  'name-mismatch': "use a name that the server's certificate has, or tell it with `serverName`",
  'unknown-public-key': "pin the peer's public key if it is the right one",
  'peer-refused': 'our own `verifyPeer` decided so, or has to give the peer a name',
  'credential-refused':
    "look at the peer's log for what it did not like about our credential, and make it known there",
  'bad-signature': 'someone changed the handshake on its way, or the key does not fit the certificate',
  'client-certificate-missing': {
    client: 'give a certificate and its key, or a raw public key, of a kind that the server takes',
    server: 'give the client a certificate or raw public key, or do not require one',
  },
  'peer-silent': {
    client:
      'check that the server runs, that its port is one of coaps and not of coap, and that UDP gets through in both directions',
    server: 'nothing to do for a client that went away; else check that UDP gets through in both directions',
  },
  'mtu-too-large':
    'set a smaller mtu on the side with the larger datagrams, or shorten its certificate chain',
  'cookie-loop':
    'something between changes the address of each datagram, or several servers answer in turn: look at NAT and load balancers',
  'unsupported-extension': report,
  'unexpected-message': report,
  'illegal-parameter': report,
  'malformed-message': report,
  'alert-received': "look at the peer's log for the reason of its alert",
  'no-decision': 'our own key look-up or `verifyPeer` must answer sooner',
  'too-many-attempts':
    'correct the credential that is tried again and again; after the wait the next try is taken',
  replaced: 'nothing: a newer handshake took its place',
  capacity: {
    client: 'the server is full: try again later',
    server: 'nothing: the client will try again; more handshakes need a larger maxHandshakes',
  },
  cancelled: 'nothing: the caller asked for it',
};
