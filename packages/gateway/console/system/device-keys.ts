/**
 * Keys and certificates of devices, made in this page: a private key is saved from here, and goes nowhere else, nor does that of an
 * authority. With the Web Cryptography API, which browsers have over HTTPS and on the machine of the gateway alone.
 *
 * @module
 */

import type { SigningKey } from '../../src/keys/sign-certificate.ts';
import { words } from '../wording.ts';
import type { Written } from './explorer-input.ts';

/** A key pair on P-256, which every stack has (RFC 7252 §9.1.3.2). */
export interface DeviceKeys {
  /** PKCS #8. */
  readonly privateKeyPem: string;
  /** SubjectPublicKeyInfo. */
  readonly publicKeyPem: string;
  readonly publicKey: SigningKey;
}

/** Whether this browser can make keys here. */
export function canMakeKeys(): boolean {
  // Of browsers alone: the types of Node do not have it.
  return (
    (globalThis as { readonly isSecureContext?: boolean }).isSecureContext === true && 'subtle' in crypto
  );
}

/** A new pair. */
export async function newDeviceKeys(): Promise<DeviceKeys> {
  const { privateKey, publicKey } = await crypto.subtle.generateKey(
    { name: 'ECDSA', namedCurve: 'P-256' },
    true,
    ['sign', 'verify'],
  );
  return {
    privateKeyPem: pem('PRIVATE KEY', await crypto.subtle.exportKey('pkcs8', privateKey)),
    publicKeyPem: pem('PUBLIC KEY', await crypto.subtle.exportKey('spki', publicKey)),
    publicKey,
  };
}

/** The authority of device certificates, as it is typed in or read from files. */
export interface TypedAuthority {
  readonly certificatePem: string;
  /** PKCS #8, not encrypted. */
  readonly privateKeyPem: string;
}

const dayMs = 24 * 60 * 60 * 1000;

/** A certificate for a device, with the certificate of an authority that is no root after it; or why there is none. */
export async function issuedCertificate(
  { certificatePem, privateKeyPem }: TypedAuthority,
  {
    commonName,
    publicKey,
    days,
  }: { readonly commonName: string; readonly publicKey: SigningKey; readonly days: number },
): Promise<Written<string>> {
  // Large, and few need it.
  const { X509Certificate, signCertificate } = await import('../../src/keys/sign-certificate.ts');
  let authority: InstanceType<typeof X509Certificate>;
  try {
    authority = new X509Certificate(certificatePem);
  } catch {
    return { fault: words.devices.noAuthority };
  }
  const key = await importedKey(privateKeyPem);
  if (key === undefined) return { fault: words.devices.noAuthorityKey };
  const notBefore = new Date(Date.now() - 5 * 60_000);
  const notAfter = new Date(Math.min(notBefore.getTime() + days * dayMs, authority.notAfter.getTime()));
  const issued = await signCertificate(
    { authority, key },
    { role: 'device', commonName, publicKey },
    { notBefore, notAfter },
  );
  if (!(await new X509Certificate(issued).verify({ publicKey: await authority.publicKey.export() })))
    return { fault: words.devices.foreignAuthorityKey };
  return {
    value: (await authority.isSelfSigned()) ? issued : `${issued}${authority.toString('pem').trim()}\n`,
  };
}

async function importedKey(text: string): Promise<SigningKey | undefined> {
  const [, body] = /-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\s]*)-----END PRIVATE KEY-----/.exec(text) ?? [];
  if (body === undefined) return undefined;
  const der = Uint8Array.from(atob(body.replace(/\s/g, '')), (letter) => letter.charCodeAt(0));
  for (const algorithm of [
    { name: 'ECDSA', namedCurve: 'P-256' },
    { name: 'ECDSA', namedCurve: 'P-384' },
    { name: 'Ed25519' },
  ]) {
    try {
      return await crypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign']);
    } catch {
      // Of another kind.
    }
  }
  return undefined;
}

/** RFC 7468. */
function pem(label: string, der: ArrayBuffer): string {
  const lines = btoa(String.fromCharCode(...new Uint8Array(der))).match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
