/**
 * Public keys of strangers: OpenSSL is asked about the forms that are accepted, and about nothing else.
 */

import assert from 'node:assert/strict';
import crypto, { generateKeyPairSync } from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { suite, test } from 'node:test';
import { concatBytes } from '../../../src/core/foundation/bytes.ts';
import { nodePublicKey } from '../../../src/crypto/node-signature.ts';
import { keyPair } from '../../x509/certificate-factory.ts';
import * as write from '../../x509/der-writer.ts';

function spkiOf({ publicKey }: ReturnType<typeof keyPair>): Uint8Array {
  return new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }));
}

/** What `nodePublicKey` says, and whether OpenSSL saw the bytes. */
function asked(spki: Uint8Array): { readonly accepted: boolean; readonly seen: boolean } {
  const { createPublicKey } = crypto;
  let seen = false;
  crypto.createPublicKey = ((input: Parameters<typeof createPublicKey>[0]) => {
    seen = true;
    return createPublicKey(input);
  }) as typeof createPublicKey;
  syncBuiltinESMExports();
  try {
    return { accepted: nodePublicKey(spki) !== undefined, seen };
  } finally {
    crypto.createPublicKey = createPublicKey;
    syncBuiltinESMExports();
  }
}

suite('OpenSSL sees', () => {
  test('the keys that are accepted', () => {
    for (const type of ['P-256', 'P-384', 'ed25519', 'rsa-2048'] as const) {
      // That of RSA is shared by all tests of a process: another one may have shown it already.
      const pair = type === 'rsa-2048' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : keyPair(type);
      const spki = spkiOf(pair);
      assert.deepEqual(asked(spki), { accepted: true, seen: true }, type);
      // It need not see them again.
      assert.deepEqual(asked(spki), { accepted: true, seen: false }, type);
    }
  });

  const point = spkiOf(keyPair('P-256')).slice(-65);
  const ec = (parameters: Uint8Array, bytes: Uint8Array): Uint8Array =>
    write.sequence(
      write.sequence(write.objectIdentifier('1.2.840.10045.2.1'), parameters),
      write.bitString(bytes),
    );
  const p256 = write.objectIdentifier('1.2.840.10045.3.1.7');
  const rsa = (modulusBytes: number, exponent: Uint8Array): Uint8Array => {
    const modulus = new Uint8Array(modulusBytes + 1).fill(0xff);
    modulus[0] = 0;
    const algorithm = write.sequence(write.objectIdentifier('1.2.840.113549.1.1.1'), write.derNull);
    return write.sequence(
      algorithm,
      write.bitString(write.sequence(write.der(2, modulus), write.der(2, exponent))),
    );
  };
  const dsa = write.sequence(
    write.sequence(write.objectIdentifier('1.2.840.10040.4.1'), write.sequence(write.integer(23))),
    write.bitString(write.integer(4)),
  );
  const rows: Readonly<Record<string, Uint8Array>> = {
    'no curve with parameters of its own': ec(
      write.sequence(write.integer(1), write.sequence(write.objectIdentifier('1.2.840.10045.1.2'))),
      point,
    ),
    'no binary curve': ec(write.objectIdentifier('1.3.132.0.1'), point),
    'no compressed point': ec(p256, concatBytes(Uint8Array.of(2), point.slice(1, 33))),
    'no other curve': spkiOf(keyPair('secp256k1')),
    'no X25519': spkiOf(keyPair('x25519')),
    'no DSA': dsa,
    'no RSA-PSS': new Uint8Array(
      generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey.export({
        format: 'der',
        type: 'spki',
      }),
    ),
    'no RSA modulus above 8192 bits': rsa(1500, Uint8Array.of(1, 0, 1)),
    'no RSA exponent of many bytes': rsa(256, new Uint8Array(256).fill(0x7f)),
    'no bytes after a key': concatBytes(spkiOf(keyPair('P-256')), Uint8Array.of(0)),
    'nothing that is no key': new Uint8Array(91).fill(0x30),
  };
  for (const [sentence, spki] of Object.entries(rows)) {
    test(sentence, () => assert.deepEqual(asked(spki), { accepted: false, seen: false }));
  }
});
