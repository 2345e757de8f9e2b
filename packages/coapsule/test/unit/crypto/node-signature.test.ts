/**
 * Signatures and public keys of the Node.js provider: RFC 6979, Wycheproof; and what it refuses.
 */

import assert from 'node:assert/strict';
import { createPrivateKey, createSecretKey, generateKeyPairSync } from 'node:crypto';
import { suite, test } from 'node:test';
import { concatBytes, noBytes, toHex } from '../../../src/core/foundation/bytes.ts';
import type { PublicKeyType, SignatureScheme } from '../../../src/core/foundation/crypto-provider.ts';
import { ApiMisuseError } from '../../../src/core/foundation/errors.ts';
import { nodeKeyShareOf } from '../../../src/crypto/node-key-share.ts';
import { nodePublicKey, nodeSigningKey } from '../../../src/crypto/node-signature.ts';
import { keyPair } from '../../x509/certificate-factory.ts';
import * as write from '../../x509/der-writer.ts';
import { hex, readVectors, type WycheproofFile } from './vector-files.ts';

const schemes: Readonly<Record<PublicKeyType, readonly SignatureScheme[]>> = {
  'ec-secp256r1': ['ecdsa_sha256', 'ecdsa_sha384', 'ecdsa_sha512'],
  'ec-secp384r1': ['ecdsa_sha256', 'ecdsa_sha384', 'ecdsa_sha512'],
  ed25519: ['ed25519'],
  rsa: [
    'rsa_pss_sha256',
    'rsa_pss_sha384',
    'rsa_pss_sha512',
    'rsa_pkcs1_sha256',
    'rsa_pkcs1_sha384',
    'rsa_pkcs1_sha512',
  ],
};
const allSchemes = [...new Set(Object.values(schemes).flat())];

const pairs = {
  'ec-secp256r1': keyPair('P-256'),
  'ec-secp384r1': keyPair('P-384'),
  ed25519: keyPair('ed25519'),
  rsa: keyPair('rsa-2048'),
} as const satisfies Record<PublicKeyType, unknown>;

const bits: Readonly<Record<PublicKeyType, number>> = {
  'ec-secp256r1': 256,
  'ec-secp384r1': 384,
  ed25519: 256,
  rsa: 2048,
};

suite('signatures', () => {
  const [one, two] = [Uint8Array.of(1, 2), Uint8Array.of(3)];

  for (const type of Object.keys(pairs) as PublicKeyType[]) {
    const key = nodeSigningKey(pairs[type].privateKey);
    const publicKey = nodePublicKey(key.publicKey.spki);

    test(`${type}: the public key comes back from its DER with type and size`, () => {
      assert.equal(publicKey?.type, type);
      assert.equal(publicKey?.bits, bits[type]);
      assert.deepEqual(publicKey?.spki, key.publicKey.spki);
      assert.equal(Object.getPrototypeOf(key.publicKey.spki), Uint8Array.prototype);
    });

    test(`${type}: what is signed verifies in parts, and nothing else does`, () => {
      for (const scheme of schemes[type]) {
        const signature = key.sign(scheme, one, two);
        assert.ok(publicKey?.verify(scheme, signature, concatBytes(one, two)), scheme);
        assert.equal(publicKey?.verify(scheme, signature, two, one), false);
        for (const other of allSchemes) {
          if (other !== scheme) assert.equal(publicKey?.verify(other, signature, one, two), false, other);
        }
        const forged = signature.map((byte, i) => (i === signature.length - 1 ? byte ^ 1 : byte));
        assert.equal(publicKey?.verify(scheme, forged, one, two), false);
      }
    });

    test(`${type}: bytes that are no signature are refused, not thrown`, () => {
      for (const scheme of allSchemes) {
        for (const length of [0, 1, 64, 70, 256, 70_000]) {
          for (const byte of [0, 0x30, 0xff]) {
            assert.equal(publicKey?.verify(scheme, new Uint8Array(length).fill(byte), one), false);
          }
        }
      }
    });

    test(`${type}: signing with the scheme of another key is a misuse`, () => {
      const foreign = allSchemes.find((scheme) => !schemes[type].includes(scheme)) as SignatureScheme;
      assert.throws(() => key.sign(foreign, one), ApiMisuseError);
    });

    test(`${type}: a key with any byte cut off or added is none`, () => {
      const { spki } = key.publicKey;
      for (let length = 0; length < spki.length; length += spki.length > 200 ? 7 : 1) {
        assert.equal(nodePublicKey(spki.slice(0, length)), undefined);
      }
      assert.equal(nodePublicKey(concatBytes(spki, Uint8Array.of(0))), undefined);
    });
  }
});

suite('public keys that are refused', () => {
  function spkiOf(key: ReturnType<typeof keyPair>): Uint8Array {
    return new Uint8Array(key.publicKey.export({ format: 'der', type: 'spki' }));
  }

  test('other curves and types, and RSA below 2048 bits', () => {
    for (const type of ['P-521', 'secp256k1', 'ed448', 'x25519', 'rsa-1024'] as const) {
      assert.equal(nodePublicKey(spkiOf(keyPair(type))), undefined, type);
    }
    const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 });
    assert.equal(nodePublicKey(spkiOf(pss)), undefined);
  });

  function rsa(bitLength: number, exponent: number): Uint8Array {
    const modulus = new Uint8Array(bitLength / 8 + 1).fill(0xff);
    modulus[0] = 0;
    const key = write.sequence(write.der(2, modulus), write.integer(exponent));
    const algorithm = write.sequence(write.objectIdentifier('1.2.840.113549.1.1.1'), write.derNull);
    return write.sequence(algorithm, write.bitString(key));
  }

  test('RSA above 8192 bits, and exponents that are even, 1 or too large', () => {
    assert.equal(nodePublicKey(rsa(2048, 65_537))?.bits, 2048);
    assert.equal(nodePublicKey(rsa(8192, 3))?.bits, 8192);
    for (const [length, exponent] of [
      [8200, 65_537],
      [2048, 1],
      [2048, 65_536],
      [2048, 2 ** 32 + 1],
    ] as const) {
      assert.equal(nodePublicKey(rsa(length, exponent)), undefined, `${length} ${exponent}`);
    }
  });

  const point = spkiOf(pairs['ec-secp256r1']).slice(-65);
  const p256 = write.objectIdentifier('1.2.840.10045.3.1.7');
  function ec(parameters: Uint8Array, bytes: Uint8Array): Uint8Array {
    const algorithm = write.sequence(write.objectIdentifier('1.2.840.10045.2.1'), parameters);
    return write.sequence(algorithm, write.bitString(bytes));
  }

  test('compressed and hybrid points, the point at infinity, and points off the curve', () => {
    assert.ok(nodePublicKey(ec(p256, point)));
    const odd = (point[64] as number) & 1;
    assert.equal(nodePublicKey(ec(p256, concatBytes(Uint8Array.of(2 + odd), point.slice(1, 33)))), undefined);
    assert.equal(nodePublicKey(ec(p256, concatBytes(Uint8Array.of(6 + odd), point.slice(1)))), undefined);
    assert.equal(nodePublicKey(ec(p256, Uint8Array.of(0))), undefined);
    assert.equal(nodePublicKey(ec(p256, noBytes)), undefined);
    const off = point.slice();
    off[64] = (off[64] as number) ^ 1;
    assert.equal(nodePublicKey(ec(p256, off)), undefined);
  });

  test('explicit curve parameters, even those of P-256 (RFC 5480 §2.1.1)', () => {
    assert.equal(nodePublicKey(ec(explicitP256(), point)), undefined);
    assert.equal(nodePublicKey(ec(write.derNull, point)), undefined);
  });

  test('a private key whose file has explicit parameters or a compressed point is used in the usual form', () => {
    const jwk = pairs['ec-secp256r1'].privateKey.export({ format: 'jwk' }) as { d: string };
    const secret = new Uint8Array(Buffer.from(jwk.d, 'base64url'));
    const odd = (point[64] as number) & 1;
    const compressed = concatBytes(Uint8Array.of(2 + odd), point.slice(1, 33));
    for (const [parameters, bytes] of [
      [explicitP256(), point],
      [p256, compressed],
    ] as const) {
      const sec1 = write.sequence(
        write.integer(1),
        write.octetString(secret),
        write.explicit(0, parameters),
        write.explicit(1, write.bitString(bytes)),
      );
      const key = nodeSigningKey(createPrivateKey({ key: Buffer.from(sec1), format: 'der', type: 'sec1' }));
      assert.deepEqual(key.publicKey.spki, spkiOf(pairs['ec-secp256r1']));
    }
  });

  test('a key that cannot be used to sign is a misuse that says what was expected', () => {
    const expected = /expected EC on P-256 or P-384, Ed25519, or RSA of 2048 to 8192 bits/;
    for (const type of ['P-521', 'secp256k1', 'ed448', 'x25519', 'rsa-1024'] as const) {
      assert.throws(() => nodeSigningKey(keyPair(type).privateKey), expected);
    }
    const brainpool = generateKeyPairSync('ec', { namedCurve: 'brainpoolP256r1' });
    assert.throws(() => nodeSigningKey(brainpool.privateKey), /^ApiMisuseError: got ec on brainpoolP256r1, /);
    assert.throws(() => nodeSigningKey(keyPair().publicKey), /got a public key, expected a private one/);
    assert.throws(() => nodeSigningKey(createSecretKey(new Uint8Array(16))), /got a secret key/);
  });
});

/** ECParameters with the numbers of P-256 (FIPS 186-4 D.1.2.3). */
function explicitP256(): Uint8Array {
  const p = 'ffffffff00000001000000000000000000000000ffffffffffffffffffffffff';
  const n = 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551';
  const a = 'ffffffff00000001000000000000000000000000fffffffffffffffffffffffc';
  const b = '5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b';
  const g =
    '6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296' +
    '4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5';
  const unsigned = (text: string): Uint8Array => write.der(2, hex(`00${text}`));
  return write.sequence(
    write.integer(1),
    write.sequence(write.objectIdentifier('1.2.840.10045.1.1'), unsigned(p)),
    write.sequence(write.octetString(hex(a)), write.octetString(hex(b))),
    write.octetString(hex(`04${g}`)),
    unsigned(n),
    write.integer(1),
  );
}

suite('signature vectors', () => {
  test('RFC 6979 §A.2.5: the signatures with SHA-256, SHA-384 and SHA-512 verify', () => {
    const file = readVectors<{
      public_x: string;
      public_y: string;
      vectors: { hash: string; message: string; r: string; s: string }[];
    }>('crypto/ecdsa-p256-rfc6979.json');
    const prefix = '3059301306072a8648ce3d020106082a8648ce3d03010703420004';
    const key = nodePublicKey(hex(prefix + file.public_x + file.public_y));
    let count = 0;
    for (const { hash, message, r, s } of file.vectors) {
      const scheme = `ecdsa_${hash.toLowerCase().replace('-', '')}` as SignatureScheme;
      if (!allSchemes.includes(scheme)) continue;
      count++;
      const signature = write.sequence(unsigned(r), unsigned(s));
      assert.ok(key?.verify(scheme, signature, Buffer.from(message)), `${hash} ${message}`);
    }
    assert.equal(count, 6);
  });

  function unsigned(text: string): Uint8Array {
    return write.der(2, hex(Number.parseInt(text.slice(0, 2), 16) >= 0x80 ? `00${text}` : text));
  }

  interface Group {
    readonly publicKeyDer: string;
  }
  interface Case {
    readonly msg: string;
    readonly sig: string;
  }

  function run(file: string, scheme: SignatureScheme): number {
    let count = 0;
    for (const group of readVectors<WycheproofFile<Group, Case>>(`wycheproof/${file}`).testGroups) {
      const key = nodePublicKey(hex(group.publicKeyDer));
      assert.ok(key, group.publicKeyDer);
      for (const one of group.tests) {
        count++;
        const good = key.verify(scheme, hex(one.sig), hex(one.msg));
        assert.equal(good, one.result === 'valid', `${file} ${one.tcId} ${one.comment}`);
      }
    }
    return count;
  }

  test('484 Wycheproof ECDSA P-256 vectors', () => {
    assert.equal(run('ecdsa_secp256r1_sha256_test.json', 'ecdsa_sha256'), 484);
  });

  test('151 Wycheproof Ed25519 vectors', () => {
    assert.equal(run('ed25519_test.json', 'ed25519'), 151);
  });

  test('612 Wycheproof P-256 key agreements with keys in DER; only the one usual encoding is taken', () => {
    interface AgreementCase {
      readonly public: string;
      readonly private: string;
      readonly shared: string;
    }
    let count = 0;
    let taken = 0;
    const file = readVectors<WycheproofFile<object, AgreementCase>>('wycheproof/ecdh_secp256r1_test.json');
    for (const one of file.testGroups.flatMap(({ tests }) => tests)) {
      count++;
      const found = nodePublicKey(hex(one.public));
      // One vector has a good key of another curve.
      const key = found?.type === 'ec-secp256r1' ? found : undefined;
      if (one.result === 'invalid') assert.equal(key, undefined, `${one.tcId} ${one.comment}`);
      if (one.result === 'valid') assert.ok(key, `${one.tcId} ${one.comment}`);
      if (key === undefined) continue;
      taken++;
      const privateKey = hex(one.private.padStart(64, '0').slice(-64));
      const secret = nodeKeyShareOf('secp256r1', privateKey).agree(key.spki.slice(-65));
      assert.equal(secret && toHex(secret), one.shared, `${one.tcId} ${one.comment}`);
    }
    assert.equal(count, 612);
    assert.equal(taken, 330);
  });
});
