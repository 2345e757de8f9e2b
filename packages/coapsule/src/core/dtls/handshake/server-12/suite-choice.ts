/**
 * Server: the cipher suite, and with it group, credential and form of the client's certificate.
 *
 * Our own order of suites decides (RFC 5246 §7.4.1.3). When none is left, the failure says what was missing.
 *
 * @module
 */

import type { PublicKeyType } from '../../../foundation/crypto-provider.ts';
import { AlertDescription } from '../../alert.ts';
import { type CipherSuite, signsKeyExchange, suiteById } from '../../cipher-suites.ts';
import type { CertificateType, EndpointCredentials } from '../../credentials.ts';
import { readCertificateTypes } from '../extensions/certificate-types.ts';
import { emptyRenegotiationInfoScsv } from '../extensions/renegotiation-info.ts';
import { readSignatureAlgorithms } from '../extensions/signature-algorithms.ts';
import { namedGroups, readSupportedGroups } from '../extensions/supported-groups.ts';
import type { FailureOfState } from '../handshake-context.ts';
import type { ClientHello } from '../messages/client-hello.ts';
import { chooseOwnProof, type OwnProof, ownCertificateTypes } from '../own-proof.ts';

/** A choice that both sides can go on with. */
export interface SuiteChoice {
  readonly suite: CipherSuite;
  /** `undefined` with plain PSK. */
  readonly group: (typeof namedGroups)[number] | undefined;
  /** `undefined` with PSK suites. */
  readonly proof: OwnProof | undefined;
  /** In which form the client shows its key, if it is asked to; `undefined` when there is none for both. */
  readonly clientType: CertificateType | undefined;
}

/** Chooses for a hello that `check-client-hello.ts` let pass. */
export function chooseSuite(
  hello: ClientHello,
  suites: readonly CipherSuite[],
  credentials: EndpointCredentials,
): SuiteChoice | FailureOfState {
  const groups = readSupportedGroups(hello.extensions) as readonly number[] | undefined;
  const group = chooseGroup(groups);
  const clientTypes = (readCertificateTypes(hello.extensions, 'client') as
    | readonly CertificateType[]
    | undefined) ?? ['x509'];
  const clientType = credentials.peerTypes.find((type) => clientTypes.includes(type));
  const isClientTypeMissing = credentials.clientAuthentication === 'required' && clientType === undefined;
  const choice = { group: undefined, proof: undefined, clientType };
  let hasCommon = false;
  for (const suite of suites) {
    if (!hello.cipherSuites.includes(suite.id) || !hasCredential(suite, credentials)) continue;
    hasCommon = true;
    if (suite.keyExchange === 'PSK') return { ...choice, suite };
    if (group === undefined) continue;
    if (!signsKeyExchange(suite)) return { ...choice, suite, group };
    if (isClientTypeMissing) continue;
    const proof = chooseProof(suite, hello, groups, credentials);
    if (proof !== undefined) return { ...choice, suite, group, proof };
  }
  const handshakeFailure = { alert: AlertDescription.HandshakeFailure } as const;
  if (!hasCommon) {
    const usable = suites.filter((suite) => hasCredential(suite, credentials)).map(({ name }) => name);
    return {
      cause: 'no-common-suite',
      detail: `the client offers ${suiteTexts(hello.cipherSuites)}; here ${usable.join(', ') || 'none'} can be used`,
      ...handshakeFailure,
    };
  }
  if (group === undefined) {
    const known = namedGroups.map(({ name }) => name).join(', ');
    return {
      cause: 'no-common-group',
      detail: `the client offers the groups ${hexTexts(groups ?? [])}; here there are ${known}`,
      ...handshakeFailure,
    };
  }
  if (isClientTypeMissing) {
    return {
      cause: 'no-common-certificate-type',
      detail: `the client can show ${clientTypes.join(', ') || 'no type known here'}; here ${credentials.peerTypes.join(', ')} is taken`,
      alert: AlertDescription.UnsupportedCertificate,
    };
  }
  const serverTypes = readCertificateTypes(hello.extensions, 'server') as
    | readonly CertificateType[]
    | undefined;
  if (!(serverTypes ?? ['x509']).some((type) => ownCertificateTypes(credentials).includes(type))) {
    return {
      cause: 'no-common-certificate-type',
      detail: `the client takes ${(serverTypes ?? ['x509']).join(', ') || 'no type known here'}; here there is ${ownCertificateTypes(credentials).join(', ')}`,
      alert: AlertDescription.UnsupportedCertificate,
    };
  }
  const schemes = readSignatureAlgorithms(hello.extensions) as readonly number[];
  return {
    cause: 'no-common-signature-scheme',
    detail: `the client takes the signature schemes ${hexTexts(schemes) || 'of SHA-1 only'}; none of them goes with the key here, or its curve is not offered`,
    ...handshakeFailure,
  };
}

function hasCredential(suite: CipherSuite, credentials: EndpointCredentials): boolean {
  if (!signsKeyExchange(suite)) return credentials.psk;
  const keys = [credentials.certificate?.key, credentials.rawPublicKey?.key];
  return keys.some((key) => key !== undefined && goesWith(suite, key.publicKey.type));
}

/** Our most preferred group that the client takes; without the extension any would do (RFC 8422 §4). */
function chooseGroup(offered: readonly number[] | undefined): (typeof namedGroups)[number] | undefined {
  if (offered === undefined) return namedGroups.find(({ name }) => name === 'secp256r1');
  return namedGroups.find(({ value }) => offered.includes(value));
}

function chooseProof(
  suite: CipherSuite,
  hello: ClientHello,
  groups: readonly number[] | undefined,
  credentials: EndpointCredentials,
): OwnProof | undefined {
  const types = readCertificateTypes(hello.extensions, 'server') as readonly CertificateType[] | undefined;
  const schemes = readSignatureAlgorithms(hello.extensions) as readonly number[];
  return chooseOwnProof(credentials, types ?? ['x509'], schemes, (type) => {
    // RFC 8422 §5.1.1: the curve of the certificate is one of the client's, too.
    const curve = namedGroups.find(({ name }) => type === `ec-${name}`);
    const isCurveKnown = curve === undefined || groups === undefined || groups.includes(curve.value);
    return isCurveKnown && goesWith(suite, type);
  });
}

/** RFC 8422 §2.1, §2.2: EdDSA keys go with ECDHE_ECDSA. */
function goesWith(suite: CipherSuite, type: PublicKeyType): boolean {
  return (suite.keyExchange === 'ECDHE_RSA') === (type === 'rsa');
}

/** Values that are no suites (RFC 5746 §3.3, RFC 7507 §2). */
const signals: ReadonlySet<number> = new Set([emptyRenegotiationInfoScsv, 0x5600]);

/** The first 16 suites by name or number, and how many more there are: a ClientHello has room for thousands. */
function suiteTexts(ids: readonly number[]): string {
  return shortList(ids.filter((id) => !signals.has(id)).map((id) => suiteById(id)?.name ?? hexText(id)));
}

function hexTexts(values: readonly number[]): string {
  return shortList(values.map(hexText));
}

function shortList(texts: readonly string[]): string {
  const shown = texts.slice(0, 16);
  if (texts.length > shown.length) shown.push(`${texts.length - shown.length} more`);
  return shown.join(', ');
}

function hexText(value: number): string {
  return `0x${value.toString(16).padStart(4, '0')}`;
}
