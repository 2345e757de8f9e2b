/**
 * What an alert that ends a handshake means: which of our offers or credentials the peer did not like.
 *
 * RFC 5246 §7.2.2, RFC 4279 §2, RFC 6066 §3, RFC 7301 §3.2, RFC 7250 §4. An alert says less than its sender knows,
 * and the same alert says different things at different times; so it is read together with how far the handshake was.
 *
 * @module
 */

import { type Alert, AlertDescription, alertName } from '../alert.ts';
import { suiteById } from '../cipher-suites.ts';
import type { CertificateType } from '../credentials.ts';
import { isDecodeFault } from './decode-fault.ts';
import { readSignatureAlgorithms, signatureSchemeName } from './extensions/signature-algorithms.ts';
import { namedGroups, readSupportedGroups } from './extensions/supported-groups.ts';
import { type HandshakeFacts, messageOf, shownCredential } from './handshake-facts.ts';
import type { HandshakeFailure, HandshakeFailureCause } from './handshake-failure.ts';
import { HandshakeType } from './handshake-type.ts';
import { decodeClientHello } from './messages/client-hello.ts';

/**
 * Alerts with which servers answer a key or an identity that is not theirs (RFC 4279 §2, §7.1). The server of
 * libcoap with GnuTLS just closes.
 */
const keyAlerts: ReadonlySet<number> = new Set([
  AlertDescription.CloseNotify,
  AlertDescription.BadRecordMac,
  AlertDescription.HandshakeFailure,
  AlertDescription.IllegalParameter,
  AlertDescription.AccessDenied,
  AlertDescription.DecryptError,
  AlertDescription.UnknownPskIdentity,
]);

type Meaning = readonly [cause: HandshakeFailureCause, detail: string];

/** The failure for an alert of the peer. */
export function failureByAlert(alert: Alert, facts: HandshakeFacts): HandshakeFailure {
  const alertReceived = alert.description;
  const [cause, detail] = meaningOf(alertReceived, facts);
  return { cause, detail: `${detail} (alert ${alertName(alertReceived)})`, alertReceived };
}

function meaningOf(description: number, facts: HandshakeFacts): Meaning {
  if (description === AlertDescription.ProtocolVersion) {
    return ['version-too-old', 'the peer does not speak DTLS 1.2'];
  }
  const { role, usesPsk, isFinishedSent } = facts;
  const shown = shownCredential(facts);
  const meaning =
    role === 'client' && !isFinishedSent
      ? meaningToHello(description, facts)
      : role === 'client' && usesPsk
        ? meaningToKey(description)
        : shown === 'none'
          ? meaningToNothingShown(description)
          : shown !== undefined
            ? meaningToCredential(description, shown)
            : meaningToServerHello(description, facts);
  return meaning ?? ['alert-received', `the ${peerName(facts)} ended the handshake`];
}

/** Client: the server does not go on after our ClientHello. */
function meaningToHello(description: number, facts: HandshakeFacts): Meaning | undefined {
  const { config, parameters } = facts;
  if (parameters !== undefined) return undefined;
  switch (description) {
    case AlertDescription.HandshakeFailure:
    case AlertDescription.InsufficientSecurity:
      return ['no-common-suite', `the server accepts nothing of what is offered here: ${offerText(facts)}`];
    case AlertDescription.UnrecognizedName:
      return ['unknown-server-name', 'the server does not have the name that was asked for'];
    case AlertDescription.NoApplicationProtocol:
      return [
        'no-common-protocol',
        `the server knows none of the application protocols ${config.protocols.join(', ')}`,
      ];
    case AlertDescription.UnsupportedCertificate: {
      const { certificate, rawPublicKey, peerTypes } = config.credentials;
      const own = [
        ...(certificate === undefined ? [] : (['x509'] as const)),
        ...(rawPublicKey === undefined ? [] : (['raw-public-key'] as const)),
      ];
      return [
        'no-common-certificate-type',
        `the server wants another kind of credential on one of the two sides: this client shows ${kindTexts(own)}, and takes ${kindTexts(peerTypes)} of the server`,
      ];
    }
    case AlertDescription.AccessDenied:
      return ['credential-refused', 'the server refuses this client before any proof'];
    default:
      return undefined;
  }
}

function kindTexts(types: readonly CertificateType[]): string {
  const texts = types.map((type) => (type === 'x509' ? 'a certificate' : 'a raw public key'));
  return texts.join(' or ') || 'nothing';
}

/** Client: the server does not go on after our Finished, made with a pre-shared key. */
function meaningToKey(description: number): Meaning | undefined {
  return keyAlerts.has(description)
    ? ['identity-or-key', 'the server does not know the identity or has another key for it']
    : undefined;
}

/** We were asked for a certificate or key, and showed none. */
function meaningToNothingShown(description: number): Meaning | undefined {
  switch (description) {
    case AlertDescription.HandshakeFailure:
    case AlertDescription.BadCertificate:
    case AlertDescription.UnsupportedCertificate:
    case AlertDescription.CertificateUnknown:
    case AlertDescription.AccessDenied:
    case AlertDescription.CertificateRequired:
      return [
        'client-certificate-missing',
        'the server wants a certificate or raw public key, and there is none here that it would take',
      ];
    default:
      return undefined;
  }
}

/** We showed a certificate or raw public key. */
function meaningToCredential(description: number, shown: CertificateType): Meaning | undefined {
  const name = shown === 'x509' ? 'certificate' : 'raw public key';
  switch (description) {
    case AlertDescription.CertificateExpired:
      return ['certificate-expired', `the peer says that our ${name} is expired, or not valid yet`];
    case AlertDescription.CertificateRevoked:
      return ['certificate-revoked', `the peer says that our ${name} is revoked`];
    case AlertDescription.UnknownCa:
      return ['unknown-ca', `the peer does not know the authority that issued our ${name}`];
    case AlertDescription.UnsupportedCertificate:
      return [
        'certificate-unsupported',
        `the peer cannot use our ${name}: its type of key, or what it may be used for`,
      ];
    case AlertDescription.CertificateUnknown:
      return shown === 'x509'
        ? ['credential-refused', 'the peer does not accept our certificate: its name, or a rule of its own']
        : ['unknown-public-key', 'the peer does not know our raw public key'];
    case AlertDescription.BadCertificate:
      return ['credential-refused', `the peer finds our ${name} malformed, or wrongly signed or constrained`];
    case AlertDescription.DecryptError:
      return ['bad-signature', 'the peer could not verify our signature or Finished'];
    case AlertDescription.AccessDenied:
    case AlertDescription.HandshakeFailure:
      return ['credential-refused', `the peer does not accept our ${name}`];
    default:
      return undefined;
  }
}

/** Server without certificate, or client whose server did not ask for one. */
function meaningToServerHello(description: number, facts: HandshakeFacts): Meaning | undefined {
  const { role, parameters } = facts;
  if (role === 'server' && parameters?.extendedMasterSecret === false) {
    if (description === AlertDescription.HandshakeFailure) {
      return ['no-extended-master-secret', 'the client wants extended_master_secret (RFC 7627)'];
    }
  }
  if (role === 'server' && description === AlertDescription.HandshakeFailure) {
    return [
      'alert-received',
      'the client ended the handshake: it has no credential for this server, or does not accept what was chosen',
    ];
  }
  if (role === 'server' && description === AlertDescription.UserCanceled) {
    return ['alert-received', 'the client gave up'];
  }
  return undefined;
}

function peerName({ role }: HandshakeFacts): string {
  return role === 'client' ? 'server' : 'client';
}

/** What our ClientHello offered, as far as a server may have missed something in it. */
function offerText({ flight }: HandshakeFacts): string {
  const message = messageOf(flight, HandshakeType.ClientHello);
  const hello = message === undefined ? undefined : decodeClientHello(message.body);
  if (hello === undefined || isDecodeFault(hello)) return 'no cipher suite';
  const suites = hello.cipherSuites.map((id) => suiteById(id)?.name).filter((name) => name !== undefined);
  const texts = [`the suites ${suites.join(', ')}`];
  const groups = readSupportedGroups(hello.extensions);
  if (Array.isArray(groups)) {
    texts.push(
      `the groups ${namesOf(groups, (group) => namedGroups.find(({ value }) => value === group)?.name)}`,
    );
  }
  const schemes = readSignatureAlgorithms(hello.extensions);
  if (schemes !== 'malformed' && schemes.length > 0) {
    texts.push(`the signature schemes ${namesOf(schemes, signatureSchemeName)}`);
  }
  return texts.join('; ');
}

function namesOf(values: readonly number[], nameOf: (value: number) => string | undefined): string {
  return values.map((value) => nameOf(value) ?? `0x${value.toString(16)}`).join(', ');
}

/** Whether an alert ends a handshake: all fatal ones, and close_notify and user_canceled at any level. */
export function isEndingAlert(alert: Alert): boolean {
  return (
    alert.level === 'fatal' ||
    alert.description === AlertDescription.CloseNotify ||
    alert.description === AlertDescription.UserCanceled
  );
}
