/**
 * Certificates and keys out of files: PEM (as text or bytes) or DER, as people have them, or Node's own objects. Errors say
 * what was got and what was expected, and never what a key is; callers put the name of the option before them.
 *
 * @module
 */

import { createPrivateKey, createPublicKey, KeyObject, X509Certificate } from 'node:crypto';
import type { PublicKey, SigningKey } from '../core/foundation/crypto-provider.ts';
import { ApiMisuseError, isDecodeFault } from '../core/foundation/errors.ts';
import { decodeCertificate, type TrustAnchor, trustAnchor } from '../core/x509/certificate.ts';
import { describePublicKey } from '../core/x509/subject-public-key.ts';
import { acceptedKeys, nodePublicKey, nodeSigningKey } from './node-signature.ts';
import { type PemBlock, pemBlocks } from './pem.ts';
import { plainBytes } from './plain-bytes.ts';

/**
 * The certificates of a text with PEM blocks, in order, or the one of a DER file. Keys in the same text are passed over.
 *
 * @returns DER of each, at least one; each of them decodes.
 * @throws ApiMisuseError when there is none, or one does not decode.
 */
export function readCertificates(input: string | Uint8Array | X509Certificate): Uint8Array[] {
  const source = input instanceof X509Certificate ? plainBytes(input.raw) : input;
  const blocks = blocksOf(source);
  const found =
    blocks === undefined
      ? [source as Uint8Array]
      : blocks.filter(({ label }) => certificateLabels.has(label)).map(({ der }) => der);
  if (found.length === 0) throw new ApiMisuseError(missing(blocks ?? [], 'CERTIFICATE'));
  return found.map((der, index) => {
    const which = found.length === 1 ? 'the certificate' : `certificate ${index + 1} of ${found.length}`;
    if (der === undefined) throw new ApiMisuseError(`${which} is PEM without valid base64`);
    const copy = Uint8Array.from(der);
    const decoded = decodeCertificate(copy);
    if (!isDecodeFault(decoded)) return copy;
    throw new ApiMisuseError(`${which} is malformed: ${decoded.reason} (at byte ${decoded.offset})`);
  });
}

/**
 * A private key: PKCS #8, encrypted or not, SEC 1 (EC) or PKCS #1 (RSA), each as PEM or DER.
 *
 * @param passphrase For an encrypted one; otherwise not used.
 * @throws ApiMisuseError when it cannot be read, or is not of a type that is accepted; never shows anything of the key.
 */
export function readSigningKey(input: string | Uint8Array | KeyObject, passphrase?: string): SigningKey {
  return nodeSigningKey(privateKeyObject(input, passphrase));
}

/** A private key as Node's object; see `readSigningKey`. */
export function privateKeyObject(input: string | Uint8Array | KeyObject, passphrase?: string): KeyObject {
  return input instanceof KeyObject ? input : readPrivateKey(input, passphrase);
}

/**
 * A public key: a SubjectPublicKeyInfo, or that of a certificate or of a private key (not encrypted); PEM or DER.
 *
 * @throws ApiMisuseError when there is none, or it is not of a type that is accepted.
 */
export function readPublicKey(input: string | Uint8Array | KeyObject | X509Certificate): PublicKey {
  const spki = publicKeyInfo(input);
  const key = nodePublicKey(spki);
  if (key === undefined) {
    throw new ApiMisuseError(`got ${describePublicKey(spki)}, expected ${acceptedKeys}`);
  }
  return key;
}

let systemAnchors: readonly TrustAnchor[] | undefined;

/** The CAs that Node.js comes with, but those that do not decode. Decoded at the first call, then kept. */
export function systemTrustAnchors(): readonly TrustAnchor[] {
  // Loaded by who asks for them alone.
  systemAnchors ??= process
    .getBuiltinModule('node:tls')
    .rootCertificates.flatMap((pem) => pemBlocks(pem))
    .flatMap(({ der }) => {
      const anchor = der && trustAnchor(der);
      return anchor === undefined || isDecodeFault(anchor) ? [] : [anchor];
    });
  return systemAnchors;
}

const certificateLabels: ReadonlySet<string> = new Set(['CERTIFICATE', 'X509 CERTIFICATE']);
const privateKeyLabels: ReadonlySet<string> = new Set([
  'PRIVATE KEY',
  'ENCRYPTED PRIVATE KEY',
  'EC PRIVATE KEY',
  'RSA PRIVATE KEY',
]);

/** The blocks of a PEM text, or `undefined` for DER: every structure here begins with a SEQUENCE. */
function blocksOf(source: string | Uint8Array): PemBlock[] | undefined {
  if (typeof source === 'string') return pemBlocks(source);
  if (!(source instanceof Uint8Array)) {
    throw new ApiMisuseError(`got ${source === null ? 'null' : typeof source}, expected PEM text or bytes`);
  }
  return source[0] === 0x30 ? undefined : pemBlocks(Buffer.from(source).toString('latin1'));
}

function missing(blocks: readonly PemBlock[], expected: string): string {
  const labels = [...new Set(blocks.map(({ label }) => label))].slice(0, 3).join(', ');
  const got = labels === '' ? 'no PEM block and no DER' : `PEM with ${labels}`;
  return `got ${got}, expected PEM with ${expected}, or DER`;
}

function readPrivateKey(source: string | Uint8Array, passphrase: string | undefined): KeyObject {
  const blocks = blocksOf(source);
  if (blocks === undefined) return readPrivateDer(source as Uint8Array, passphrase);
  const block = blocks.find(({ label }) => privateKeyLabels.has(label));
  if (block === undefined) throw new ApiMisuseError(missing(blocks, 'PRIVATE KEY'));
  const isEncrypted =
    block.label === 'ENCRYPTED PRIVATE KEY' || block.text.includes('Proc-Type: 4,ENCRYPTED');
  if (isEncrypted && passphrase === undefined) {
    throw new ApiMisuseError('the key is encrypted, and no passphrase was given');
  }
  try {
    return createPrivateKey({ key: block.text, format: 'pem', ...(isEncrypted && { passphrase }) });
  } catch {
    // What OpenSSL says here helps nobody, and does not tell the two cases apart.
    const reason = isEncrypted ? 'the passphrase is wrong, or the block is damaged' : 'the block is damaged';
    throw new ApiMisuseError(`the PEM block ${block.label} cannot be read: ${reason}`);
  }
}

function readPrivateDer(der: Uint8Array, passphrase: string | undefined): KeyObject {
  const key = Buffer.from(der);
  for (const type of ['pkcs8', 'sec1', 'pkcs1'] as const) {
    try {
      const secret = type === 'pkcs8' && passphrase !== undefined ? { passphrase } : {};
      return createPrivateKey({ key, format: 'der', type, ...secret });
    } catch {
      // The next one.
    }
  }
  const hint =
    passphrase === undefined ? 'it is encrypted and needs a passphrase' : 'the passphrase is wrong';
  throw new ApiMisuseError(`got bytes that are no private key in DER (PKCS #8, SEC 1, PKCS #1), or ${hint}`);
}

function publicKeyInfo(input: string | Uint8Array | KeyObject | X509Certificate): Uint8Array {
  if (input instanceof KeyObject) return infoOf(input);
  if (input instanceof X509Certificate) return infoOf(input.publicKey);
  const blocks = blocksOf(input);
  if (blocks === undefined) return certificateKey(input as Uint8Array) ?? (input as Uint8Array);
  const block = blocks.find(({ label }) => publicKeyLabels.has(label));
  if (block !== undefined) {
    try {
      return infoOf(createPublicKey({ key: block.text, format: 'pem' }));
    } catch {
      throw new ApiMisuseError(`the PEM block ${block.label} cannot be read`);
    }
  }
  if (blocks.some(({ label }) => certificateLabels.has(label))) {
    return certificateKey(readCertificates(input)[0] as Uint8Array) as Uint8Array;
  }
  if (blocks.some(({ label }) => privateKeyLabels.has(label))) {
    return readSigningKey(input).publicKey.spki;
  }
  throw new ApiMisuseError(missing(blocks, 'PUBLIC KEY'));
}

const publicKeyLabels: ReadonlySet<string> = new Set(['PUBLIC KEY', 'RSA PUBLIC KEY']);

function certificateKey(der: Uint8Array): Uint8Array | undefined {
  const certificate = decodeCertificate(der);
  return isDecodeFault(certificate) ? undefined : certificate.spki;
}

function infoOf(key: KeyObject): Uint8Array {
  if (key.type === 'secret') throw new ApiMisuseError('got a secret key, expected a public one');
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return plainBytes(publicKey.export({ format: 'der', type: 'spki' }));
}
