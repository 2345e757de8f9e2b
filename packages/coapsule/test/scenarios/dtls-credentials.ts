/**
 * Credentials of a DTLS pair, for tests: raw public keys and certificates of each type of key.
 *
 * @module
 */

import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { CipherSuiteName } from '../../src/core/dtls/cipher-suites.ts';
import type { EndpointCredentials } from '../../src/core/dtls/credentials.ts';
import type { DtlsConfig } from '../../src/core/dtls/dtls-config.ts';
import type { PublicKeyType, SigningKey } from '../../src/core/foundation/crypto-provider.ts';
import { nodeSigningKey } from '../../src/crypto/node-signature.ts';
import { type Extension, type Issued, issue, issueRoot } from '../x509/certificate-factory.ts';
import { octetString } from '../x509/der-writer.ts';

const made = new Map<string, KeyObject>();

/** The private key of a name and type; the same one at each call, since RSA keys take long to make. */
function privateKeyOf(name: string, type: PublicKeyType): KeyObject {
  const known = made.get(`${name} ${type}`);
  if (known !== undefined) return known;
  const key = newPrivateKey(type);
  made.set(`${name} ${type}`, key);
  return key;
}

function signingKeyOf(name: string, type: PublicKeyType): SigningKey {
  return nodeSigningKey(privateKeyOf(name, type));
}

function newPrivateKey(type: PublicKeyType): KeyObject {
  switch (type) {
    case 'ec-secp256r1':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    case 'ec-secp384r1':
      return generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
    case 'ed25519':
      return generateKeyPairSync('ed25519').privateKey;
    case 'rsa':
      return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  }
}

/** Raw public keys on both sides. */
export function rawPublicKeyCredentials(
  name: 'client' | 'server',
  type: PublicKeyType = 'ec-secp256r1',
): EndpointCredentials {
  return {
    psk: false,
    rawPublicKey: { key: signingKeyOf(name, type) },
    peerTypes: ['raw-public-key'],
    clientAuthentication: name === 'server' ? 'required' : 'none',
  };
}

const issued = new Map<string, EndpointCredentials>();

/**
 * Certificates on both sides, each with an issuing CA in its chain; the same ones at each call.
 *
 * @param bytes The chain is filled up to this many, or a few more; 0 leaves it as it is.
 */
export function certificateCredentials(
  name: 'client' | 'server',
  type: PublicKeyType = 'ec-secp256r1',
  bytes = 0,
): EndpointCredentials {
  const key = `${name} ${type} ${bytes}`;
  const known = issued.get(key);
  if (known !== undefined) return known;
  const keys = { privateKey: privateKeyOf(name, type), publicKey: createPublicKey(privateKeyOf(name, type)) };
  const extensions = bytes === 0 ? [] : [filler(Math.max(1, Math.floor(bytes / 2) - 400))];
  const issuer = issue({ subject: `CN=${name} CA`, issuer: testRoot(), ca: 0, extensions });
  const own = issue({ subject: `CN=${name}`, issuer, keys, names: { dns: [`${name}.example`] }, extensions });
  const credentials: EndpointCredentials = {
    psk: false,
    certificate: { chain: [own.der, issuer.der], key: signingKeyOf(name, type) },
    peerTypes: ['x509'],
    clientAuthentication: name === 'server' ? 'required' : 'none',
  };
  issued.set(key, credentials);
  return credentials;
}

let root: Issued | undefined;

/** The trust anchor of `certificateCredentials`. */
export function testRoot(): Issued {
  root ??= issueRoot();
  return root;
}

/** An extension that nobody knows and that is not critical. */
function filler(length: number): Extension {
  return { oid: '1.3.6.1.4.1.32473.1', value: octetString(new Uint8Array(length).fill(0x66)) };
}

/** The credentials of both sides without a certificate or raw public key of the client. */
export function withoutClientProof(
  client: EndpointCredentials,
  server: EndpointCredentials,
): readonly [client: EndpointCredentials, server: EndpointCredentials] {
  const { certificate: _, rawPublicKey: __, ...rest } = client;
  return [rest, { ...server, clientAuthentication: 'none' }];
}

/** One way for two sides to prove themselves, with settings for each that allow no other. */
export interface CredentialKind {
  readonly name: string;
  readonly client: Partial<DtlsConfig>;
  readonly server: Partial<DtlsConfig>;
}

function kindOf(
  name: string,
  suite: CipherSuiteName,
  credentials?: readonly [client: EndpointCredentials, server: EndpointCredentials],
): CredentialKind {
  if (credentials === undefined) return { name, client: { suites: [suite] }, server: {} };
  return {
    name,
    client: { suites: [suite], credentials: credentials[0] },
    server: { credentials: credentials[1] },
  };
}

/** A handshake of each shape there is: without and with signatures of one side and of both. */
export const credentialKinds: readonly CredentialKind[] = [
  kindOf('PSK', 'TLS_PSK_WITH_AES_128_CCM_8'),
  kindOf('ECDHE_PSK', 'TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256'),
  kindOf('raw public keys on both sides', 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8', [
    rawPublicKeyCredentials('client'),
    rawPublicKeyCredentials('server'),
  ]),
  kindOf('certificates on both sides', 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', [
    certificateCredentials('client'),
    certificateCredentials('server', 'ed25519'),
  ]),
  kindOf(
    'a certificate of the server',
    'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
    withoutClientProof(certificateCredentials('client'), certificateCredentials('server', 'rsa')),
  ),
];
