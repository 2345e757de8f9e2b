import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { cipherSuites } from '../../../../src/core/dtls/cipher-suites.ts';
import {
  decodeSessionState,
  encodeSessionState,
  isSessionAlive,
  pskDigest,
  type SessionProof,
} from '../../../../src/core/dtls/session/session-state.ts';
import { concatBytes } from '../../../../src/core/foundation/bytes.ts';
import { instant } from '../../../../src/core/foundation/instant.ts';
import { encodeUtf8 } from '../../../../src/core/foundation/utf8.ts';
import { nodeCrypto } from '../../../../src/crypto/node-crypto.ts';
import { sampleSession } from './session-samples.ts';

const bytes = (min: number, max: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: min, maxLength: max });
const proofs: fc.Arbitrary<SessionProof> = fc.oneof(
  fc
    .tuple(bytes(16, 16), bytes(0, 40))
    .map(([keyDigest, hint]): SessionProof => ({ kind: 'psk', keyDigest, hint })),
  fc
    .array(bytes(0, 300), { minLength: 1, maxLength: 10 })
    .map((chain): SessionProof => ({ kind: 'x509', chain })),
  bytes(0, 300).map((publicKey): SessionProof => ({ kind: 'raw-public-key', publicKey })),
  fc.constant<SessionProof>({ kind: 'none' }),
);
const sessions = fc.record(
  {
    suite: fc.constantFrom(...cipherSuites),
    masterSecret: bytes(48, 48),
    identity: bytes(0, 1024),
    proof: proofs,
    serverName: fc.option(fc.constantFrom('a', 'device.example'), { nil: undefined }),
    createdAt: fc.nat(2 ** 31).map(instant),
  },
  { noNullPrototype: true },
);

suite('the bytes of a session', () => {
  test('are read back as the session they were', () => {
    fc.assert(
      fc.property(sessions, (session) => {
        assert.deepEqual(decodeSessionState(encodeSessionState(session)), session);
      }),
    );
  });

  test('cut or with a byte too many they are none', () => {
    for (const proof of fc.sample(proofs, { numRuns: 20, seed: 1 })) {
      const whole = encodeSessionState({ ...sampleSession, proof });
      const isChain = proof.kind === 'x509';
      for (let length = 0; length < whole.length; length++) {
        // A chain has no length of its own, so it may end after any certificate.
        const cut = decodeSessionState(whole.subarray(0, length));
        assert.ok(
          cut === undefined || (isChain && cut.proof.kind === 'x509'),
          `${proof.kind} cut to ${length}`,
        );
      }
      assert.equal(decodeSessionState(concatBytes(whole, Uint8Array.of(0))), undefined);
    }
  });

  test('of an unknown suite, an unknown proof or a broken name are none', () => {
    const whole = encodeSessionState({ ...sampleSession, serverName: 'a' });
    const nameAt = 2 + 6 + 48 + 2 + sampleSession.identity.length + 1;
    for (const [at, value] of [
      [0, 0x13],
      [nameAt, 0xff],
      [nameAt + 1, 9],
    ] as const) {
      const broken = whole.slice();
      broken[at] = value;
      assert.equal(decodeSessionState(broken), undefined, `byte ${at}`);
    }
  });

  test('keep nothing of the buffer they were read from', () => {
    const buffer = encodeSessionState(sampleSession);
    const session = decodeSessionState(buffer);
    buffer.fill(0);
    assert.deepEqual(session, sampleSession);
  });
});

test('a session lives up to its lifetime and not a millisecond longer', () => {
  assert.ok(isSessionAlive(sampleSession, 1000, instant(999)));
  assert.ok(!isSessionAlive(sampleSession, 1000, instant(1000)));
});

test('the digest of a key differs with the key and is not its plain hash', () => {
  const key = encodeUtf8('MySecret16ByteK!');
  const digest = pskDigest(nodeCrypto, key);
  assert.equal(digest.length, 16);
  assert.deepEqual(digest, pskDigest(nodeCrypto, key.slice()));
  assert.notDeepEqual(digest, pskDigest(nodeCrypto, encodeUtf8('MySecret16ByteL!')));
  assert.notDeepEqual(digest, nodeCrypto.digest('SHA-256', key).slice(0, 16));
});
