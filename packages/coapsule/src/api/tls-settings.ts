/**
 * From the options of clients and listeners, which are those of DTLS, to what TLS is told; and from what TLS has shown to
 * `PeerSecurity`.
 *
 * RFC 8323 §9.1, RFC 7925 §4, RFC 9325.
 *
 * @module
 */

import type { CipherSuiteName } from '../core/dtls/cipher-suites.ts';
import type { EndpointCredentials, PresentedCredential } from '../core/dtls/credentials.ts';
import { toHex } from '../core/foundation/bytes.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import { randomBytes } from '../core/foundation/random-source.ts';
import { certificatesPem, privateKeyPem } from '../crypto/tls-key.ts';
import { systemRandom } from '../node/system-random.ts';
import type { SecureContextOptions, TlsFacts } from '../node/tls-socket.ts';
import { describeCertificates } from './credential-input.ts';
import type { NamedCredentials } from './credential-options.ts';
import type { EndpointOptions } from './endpoint-options.ts';
import { identityText, type PeerProof, type TlsSecurity } from './peer-info.ts';
import type { Judgement } from './peer-verification.ts';

/** Authenticated encryption and forward secrecy only (RFC 9325 §4.2, RFC 7925 §4.4). */
const certificateSuites = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-CCM',
  'ECDHE-ECDSA-AES128-CCM8',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-RSA-CHACHA20-POLY1305',
] as const;

/** RFC 7925 §4.2, and those of RFC 5487, RFC 6655 and RFC 7905 that OpenSSL has. */
const pskSuites = [
  'ECDHE-PSK-CHACHA20-POLY1305',
  'PSK-AES128-GCM-SHA256',
  'PSK-AES256-GCM-SHA384',
  'PSK-CHACHA20-POLY1305',
  'PSK-AES128-CCM',
  'PSK-AES128-CCM8',
] as const;

const suites13 = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
] as const;

/** OpenSSL's names of the suites of this library; it has no ECDHE_PSK with CCM and GCM (RFC 8442). */
const suiteNames: Readonly<Partial<Record<CipherSuiteName, string>>> = {
  TLS_PSK_WITH_AES_128_CCM_8: 'PSK-AES128-CCM8',
  TLS_PSK_WITH_AES_128_CCM: 'PSK-AES128-CCM',
  TLS_PSK_WITH_AES_128_GCM_SHA256: 'PSK-AES128-GCM-SHA256',
  TLS_PSK_WITH_AES_256_CCM_8: 'PSK-AES256-CCM8',
  TLS_PSK_WITH_AES_256_CCM: 'PSK-AES256-CCM',
  TLS_PSK_WITH_AES_256_GCM_SHA384: 'PSK-AES256-GCM-SHA384',
  TLS_PSK_WITH_CHACHA20_POLY1305_SHA256: 'PSK-CHACHA20-POLY1305',
  TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-PSK-CHACHA20-POLY1305',
  TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8: 'ECDHE-ECDSA-AES128-CCM8',
  TLS_ECDHE_ECDSA_WITH_AES_128_CCM: 'ECDHE-ECDSA-AES128-CCM',
  TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8: 'ECDHE-ECDSA-AES256-CCM8',
  TLS_ECDHE_ECDSA_WITH_AES_256_CCM: 'ECDHE-ECDSA-AES256-CCM',
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
};

/** SSL_OP_NO_TICKET and SSL_OP_NO_RENEGOTIATION of OpenSSL. */
const noTickets = 0x4000;
const noRenegotiation = 0x40000000;

/** What `node:tls` is told of one side, and under one name. */
export function secureContext(
  { psk, peerTypes }: Pick<EndpointCredentials, 'psk' | 'peerTypes'>,
  own: NamedCredentials,
  role: 'client' | 'server',
  chain: readonly Uint8Array[] | undefined,
  suites: readonly CipherSuiteName[] | undefined,
): SecureContextOptions {
  const usesCertificates = role === 'client' ? peerTypes.includes('x509') : chain !== undefined;
  const ciphers =
    suites === undefined
      ? [...suites13, ...(usesCertificates ? certificateSuites : []), ...(psk ? pskSuites : [])]
      : opensslNames(suites);
  return {
    minVersion: 'TLSv1.2',
    // A server cannot wait for the key of an identity in TLS 1.3 (`handshake-tap.ts`). `suites` names those of 1.2.
    ...((role === 'server' && psk) || suites !== undefined ? { maxVersion: 'TLSv1.2' as const } : {}),
    ciphers: [
      ...ciphers,
      // CCM_8 has a tag of 8 bytes, which OpenSSL counts as weak; RFC 7925 makes it mandatory. Keys and signatures are
      // bounded below and when certificates are judged.
      '@SECLEVEL=0',
    ].join(':'),
    ecdhCurve: 'X25519:P-256:P-384',
    sigalgs:
      'ECDSA+SHA256:ECDSA+SHA384:ed25519:RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512',
    honorCipherOrder: true,
    secureOptions: noTickets | noRenegotiation,
    ...(chain === undefined || own.certificate === undefined
      ? {}
      : {
          cert: certificatesPem(chain),
          key: privateKeyPem(own.certificate.privateKey, own.certificate.passphrase),
        }),
  };
}

function opensslNames(suites: readonly CipherSuiteName[]): readonly string[] {
  const names = suites.flatMap((suite) => suiteNames[suite] ?? []);
  if (names.length === 0) {
    throw new ApiMisuseError(
      `suites has none that TLS of Node.js has: ${suites.join(', ')}; it has ${Object.keys(suiteNames).join(', ')}`,
    );
  }
  return names;
}

/** Refuses what TLS of Node.js cannot do, before anything is opened. */
export function expectTlsCredentials(where: string, own: NamedCredentials, hasOther: boolean): void {
  if (own.rawPublicKey !== undefined && !hasOther) {
    throw new ApiMisuseError(
      `${where}: TLS here has no raw public keys (RFC 7250); give psk or certificate, or use coaps`,
    );
  }
}

/** The application protocols to agree on: what was given, or that of CoAP (RFC 8323 §11.7). */
export function tlsProtocols({ protocols }: EndpointOptions): readonly string[] {
  return protocols ?? ['coap'];
}

/** What the peer has shown, to be judged; undefined when it has shown no certificate. */
export function presented({ chain }: TlsFacts): PresentedCredential | undefined {
  return chain.length === 0 ? undefined : { kind: 'x509', chain };
}

const processName = toHex(randomBytes(systemRandom, 8));
let lastConnection = 0;

/** The security of a new connection. */
export function tlsSecurity(
  facts: TlsFacts,
  identityBytes: Uint8Array,
  { context, certificateExpiresAt }: Partial<Pick<Judgement, 'context' | 'certificateExpiresAt'>>,
): TlsSecurity {
  const authentication = proofOf(facts);
  const { version, suite, protocol, serverName } = facts;
  return {
    kind: 'tls',
    identity: identityText(identityBytes),
    identityBytes,
    version,
    suite,
    authentication,
    certificateExpiresAt:
      certificateExpiresAt ??
      (authentication.kind === 'x509' ? authentication.certificate.notAfter : undefined),
    protocol,
    serverName,
    association: `${processName}-tls-${++lastConnection}`,
    context,
  };
}

function proofOf({ chain, pskIdentity }: TlsFacts): PeerProof {
  const [own] = chain;
  if (own !== undefined) {
    const [certificate] = describeCertificates(own);
    if (certificate !== undefined) return { kind: 'x509', certificate };
  }
  return { kind: pskIdentity === undefined ? 'none' : 'psk' };
}
