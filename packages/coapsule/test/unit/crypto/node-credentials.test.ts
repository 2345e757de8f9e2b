/**
 * Certificates and keys out of files: every form that tools write, and errors that say what was got instead.
 */

import assert from 'node:assert/strict';
import { createPublicKey, createSecretKey, type KeyObject, X509Certificate } from 'node:crypto';
import { suite, test } from 'node:test';
import { rootCertificates } from 'node:tls';
import { concatBytes, noBytes } from '../../../src/core/foundation/bytes.ts';
import { ApiMisuseError } from '../../../src/core/foundation/errors.ts';
import { validatePath } from '../../../src/core/x509/path-validation.ts';
import {
  readCertificates,
  readPublicKey,
  readSigningKey,
  systemTrustAnchors,
} from '../../../src/crypto/node-credentials.ts';
import { nodeCrypto } from '../../../src/crypto/node-crypto.ts';
import { issue, issueRoot, keyPair, toPem } from '../../x509/certificate-factory.ts';

const root = issueRoot();
const leaf = issue({ subject: 'CN=device', issuer: root });
const spki = new Uint8Array(leaf.keys.publicKey.export({ format: 'der', type: 'spki' }));

function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'utf8'));
}

function misuse(run: () => unknown, text: RegExp): void {
  assert.throws(run, (error) => error instanceof ApiMisuseError && text.test(error.message));
}

suite('certificates', () => {
  test('PEM with several blocks, text around them and a key among them; as text and as bytes', () => {
    const file = `A device\n${leaf.pem}${leaf.keyPem}\n# its CA\n${root.pem.replaceAll('\n', '\r\n')}`;
    assert.deepEqual(readCertificates(file), [leaf.der, root.der]);
    assert.deepEqual(readCertificates(bytes(file)), [leaf.der, root.der]);
  });

  test('DER, and the object of Node.js; what comes back is a copy', () => {
    const given = leaf.der.slice();
    const [read] = readCertificates(given);
    given.fill(0);
    assert.deepEqual(read, leaf.der);
    assert.equal(Object.getPrototypeOf(read), Uint8Array.prototype);
    assert.deepEqual(readCertificates(new X509Certificate(leaf.der)), [leaf.der]);
    assert.deepEqual(readCertificates(Buffer.from(leaf.der)), [leaf.der]);
  });

  test('errors say what was got', () => {
    misuse(
      () => readCertificates(''),
      /^got no PEM block and no DER, expected PEM with CERTIFICATE, or DER$/,
    );
    misuse(() => readCertificates('./device.pem'), /^got no PEM block and no DER/);
    misuse(() => readCertificates(noBytes), /^got no PEM block and no DER/);
    misuse(() => readCertificates(leaf.keyPem), /^got PEM with PRIVATE KEY, expected PEM with CERTIFICATE/);
    misuse(
      () => readCertificates(toPem('TRUSTED CERTIFICATE', leaf.der)),
      /^got PEM with TRUSTED CERTIFICATE/,
    );
    misuse(
      () => readCertificates(leaf.pem + toPem('CERTIFICATE', root.der.slice(0, -1))),
      /^certificate 2 of 2 is malformed: certificate is longer than what is left \(at byte 0\)$/,
    );
    misuse(
      () => readCertificates(leaf.pem.replace(/\n(.)/, '\n!$1')),
      /^the certificate is PEM without valid base64$/,
    );
    misuse(
      () => readCertificates(concatBytes(leaf.der, Uint8Array.of(0))),
      /^the certificate is malformed: certificate has bytes too many/,
    );
    misuse(
      () => readCertificates(undefined as unknown as string),
      /^got undefined, expected PEM text or bytes$/,
    );
    misuse(() => readCertificates(null as unknown as string), /^got null, expected/);
  });
});

suite('private keys', () => {
  const pairs = { ec: keyPair('P-384'), ed25519: keyPair('ed25519'), rsa: keyPair('rsa-2048') };
  const cipher = { cipher: 'aes-256-cbc', passphrase: 'open sesame' } as const;

  function forms(key: KeyObject): [string, string | Uint8Array, string | undefined][] {
    const found: [string, string | Uint8Array, string | undefined][] = [];
    const types = { ec: ['sec1'], rsa: ['pkcs1'], ed25519: [] }[key.asymmetricKeyType as keyof typeof pairs];
    for (const type of ['pkcs8', ...types] as ('pkcs8' | 'sec1' | 'pkcs1')[]) {
      found.push([`${type} PEM`, key.export({ format: 'pem', type }).toString(), undefined]);
      found.push([`${type} DER`, new Uint8Array(key.export({ format: 'der', type })), undefined]);
      const encrypted = key.export({ format: 'pem', type, ...cipher }).toString();
      found.push([`encrypted ${type} PEM`, encrypted, cipher.passphrase]);
    }
    const der = new Uint8Array(key.export({ format: 'der', type: 'pkcs8', ...cipher }));
    found.push(['encrypted pkcs8 DER', der, cipher.passphrase]);
    return found;
  }

  for (const [name, { privateKey, publicKey }] of Object.entries(pairs)) {
    for (const [form, source, passphrase] of forms(privateKey)) {
      test(`${name} as ${form}`, () => {
        const key = readSigningKey(source, passphrase);
        assert.deepEqual(
          key.publicKey.spki,
          new Uint8Array(publicKey.export({ format: 'der', type: 'spki' })),
        );
        if (typeof source === 'string') readSigningKey(bytes(`text\n${leaf.pem}${source}`), passphrase);
        if (passphrase === undefined) return;
        misuse(() => readSigningKey(source), /encrypted/);
        misuse(() => readSigningKey(source, 'wrong'), /the passphrase is wrong/);
      });
    }
  }

  test('a passphrase is not needed for a key without, and does no harm', () => {
    assert.ok(readSigningKey(leaf.keyPem, 'unused'));
    assert.ok(readSigningKey(leaf.keys.privateKey, 'unused'));
  });

  test('errors say what was got, and show nothing of a key', () => {
    const damaged = leaf.keyPem.replace(/\n.{20}/, `\n${'A'.repeat(20)}`);
    misuse(() => readSigningKey(damaged), /^the PEM block PRIVATE KEY cannot be read: the block is damaged$/);
    misuse(() => readSigningKey(leaf.pem), /^got PEM with CERTIFICATE, expected PEM with PRIVATE KEY/);
    misuse(() => readSigningKey(leaf.der), /^got bytes that are no private key in DER/);
    misuse(() => readSigningKey('secret'), /^got no PEM block and no DER/);
    misuse(() => readSigningKey(leaf.keys.publicKey), /^got a public key, expected a private one/);
    const p521 = keyPair('P-521').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    misuse(() => readSigningKey(p521), /^got ec on secp521r1, expected EC on P-256 or P-384/);
    misuse(() => readSigningKey(undefined as unknown as string), /^got undefined, expected/);
  });
});

suite('public keys', () => {
  test('as PEM, DER and object; out of a certificate and of a private key', () => {
    const { publicKey, privateKey } = leaf.keys;
    const sources = [
      publicKey.export({ format: 'pem', type: 'spki' }).toString(),
      bytes(publicKey.export({ format: 'pem', type: 'spki' }).toString()),
      spki,
      publicKey,
      privateKey,
      leaf.keyPem,
      leaf.pem,
      leaf.der,
      new X509Certificate(leaf.der),
      leaf.keyPem + leaf.pem,
    ];
    for (const source of sources) assert.deepEqual(readPublicKey(source).spki, spki);
  });

  test('an RSA key in the form of PKCS #1', () => {
    const { publicKey } = keyPair('rsa-2048');
    const pem = publicKey.export({ format: 'pem', type: 'pkcs1' }).toString();
    assert.equal(readPublicKey(pem).bits, 2048);
    assert.equal(readPublicKey(createPublicKey(pem)).type, 'rsa');
  });

  test('errors say what was got', () => {
    misuse(() => readPublicKey(''), /^got no PEM block and no DER, expected PEM with PUBLIC KEY/);
    misuse(
      () => readPublicKey(toPem('PUBLIC KEY', Uint8Array.of(1))),
      /^the PEM block PUBLIC KEY cannot be read$/,
    );
    misuse(() => readPublicKey(keyPair('ed448').publicKey), /^got Ed448, expected EC on P-256/);
    misuse(() => readPublicKey(keyPair('rsa-1024').publicKey), /^got RSA of 1024 bits/);
    misuse(() => readPublicKey(concatBytes(spki, Uint8Array.of(0))), /^got EC on P-256/);
    misuse(() => readPublicKey(Uint8Array.of(0x30, 0)), /^got no key/);
    misuse(() => readPublicKey(createSecretKey(new Uint8Array(16))), /^got a secret key/);
  });
});

test('the trust anchors of the system are those of Node.js, decoded once, and chains can be judged by them', () => {
  const anchors = systemTrustAnchors();
  assert.ok(anchors.length > 0.9 * rootCertificates.length);
  assert.equal(systemTrustAnchors(), anchors);
  const question = { anchors, nowMs: Date.UTC(2026, 1, 1), purpose: 'server', crypto: nodeCrypto } as const;
  const verdict = validatePath({ ...question, chain: [leaf.der, root.der] });
  assert.ok(!verdict.accepted);
  assert.equal(verdict.cause, 'unknown-ca');
});
