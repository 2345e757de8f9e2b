import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import {
  type AssociationState,
  decodeAssociationState,
  encodeAssociationState,
  identityHash,
  isAssociationStateFault,
} from '../../../src/core/dtls/association-state.ts';
import { type CipherSuite, cipherSuites } from '../../../src/core/dtls/cipher-suites.ts';
import { nodeCrypto } from '../../../src/crypto/node-crypto.ts';
import { SeededRandom } from '../../../src/testing/seeded-random.ts';

const random = new SeededRandom(7);
const bytes = (length: number): Uint8Array => {
  const filled = new Uint8Array(length);
  random.fill(filled);
  return filled;
};

function stateOf(suite: CipherSuite, changes: Partial<AssociationState> = {}): AssociationState {
  const keys = () => ({ key: bytes(suite.keyLength), iv: bytes(suite.fixedIvLength) });
  return {
    role: 'client',
    suite,
    extendedMasterSecret: true,
    connectionIds: { own: bytes(8), peer: bytes(20) },
    returnRoutabilityCheck: true,
    generation: 2 ** 53 - 1,
    writeSequence: 2 ** 48 - 1,
    window: { highest: 2 ** 48 - 1, recent: 0x80000001, older: 0xffffffff },
    peerRecordSizeLimit: 16_384,
    identityHash: identityHash(nodeCrypto, bytes(200)),
    application: bytes(8),
    read: keys(),
    write: keys(),
    ...changes,
  };
}

const decode = (input: Uint8Array) => decodeAssociationState(nodeCrypto, input);
const [anySuite] = cipherSuites as [CipherSuite];

/** With a check that fits again: what a program could have written, not what bit rot makes. */
function resealed(input: Uint8Array, change: (copy: Uint8Array) => void): Uint8Array {
  const copy = input.slice();
  change(copy);
  const body = copy.subarray(0, -8);
  copy.set(nodeCrypto.digest('SHA-256', body).subarray(0, 8), body.length);
  return copy;
}

suite('the state of an association as bytes', () => {
  test('it has at most 256 bytes for every suite, with an own connection id of 8 and a peer’s of 20 bytes', () => {
    const lengths = cipherSuites.map((one) => encodeAssociationState(nodeCrypto, stateOf(one)).length);
    assert.ok(Math.max(...lengths) <= 256, `${Math.max(...lengths)}`);
    // The number that the documentation prints.
    assert.equal(Math.max(...lengths), 186);
  });

  test('what was written is read again, for every suite, both roles, with and without connection ids', () => {
    for (const one of cipherSuites) {
      for (const state of [
        stateOf(one),
        stateOf(one, { role: 'server', extendedMasterSecret: false, generation: 0, writeSequence: 1 }),
        stateOf(one, { connectionIds: undefined, window: { highest: -1, recent: 0, older: 0 } }),
        stateOf(one, { connectionIds: { own: bytes(0), peer: bytes(255) } }),
        stateOf(one, { window: { highest: 0, recent: 1, older: 0 }, returnRoutabilityCheck: false }),
        stateOf(one, { window: { highest: 40, recent: 0xffffffff, older: 0x1ff } }),
      ]) {
        assert.deepEqual(decode(encodeAssociationState(nodeCrypto, state)), state);
      }
    }
  });

  test('the documentation prints the layout and the largest size as they are', () => {
    const root = join(import.meta.dirname, '../../../../..');
    const source = readFileSync(join(root, 'packages/coapsule/src/core/dtls/association-state.ts'), 'utf8');
    const document = readFileSync(join(root, 'docs/sleep-and-wake.md'), 'utf8');
    const rows = [...source.matchAll(/^ \* (\|.*\|)$/gm)].map(([, row = '']) => row);
    assert.ok(rows.length > 15);
    for (const row of rows) assert.ok(document.includes(row), row);
    assert.ok(source.includes('At most 186 bytes'));
    assert.ok(document.includes('At most 186 bytes'));
  });

  test('any bit that changed is noticed', () => {
    const encoded = encodeAssociationState(nodeCrypto, stateOf(anySuite));
    for (let bit = 0; bit < encoded.length * 8; bit++) {
      const copy = encoded.slice();
      copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
      assert.equal(decode(copy), bit < 8 ? 'unknown-version' : 'damaged');
    }
  });

  test('a part of it, or more than it, is refused', () => {
    const encoded = encodeAssociationState(nodeCrypto, stateOf(anySuite));
    for (let length = 0; length < encoded.length; length++) {
      assert.ok(isAssociationStateFault(decode(encoded.subarray(0, length))));
    }
    assert.equal(decode(Uint8Array.of(...encoded, 0)), 'damaged');
  });

  test('a value that cannot be is refused although the check fits', () => {
    const encoded = encodeAssociationState(nodeCrypto, stateOf(anySuite));
    const set = (offset: number, value: number) =>
      decode(
        resealed(encoded, (copy) => {
          copy[offset] = value;
        }),
      );
    assert.equal(set(1, 0xff), 'malformed', 'flags of the future');
    assert.equal(set(2, 0x77), 'unknown-suite');
    assert.equal(set(4, 0xff), 'malformed', 'generation above 2^53');
    assert.equal(set(13, 2), 'malformed', 'epoch 2');
    assert.equal(set(33, 0), 'malformed', 'a window whose right edge was not received');
    assert.equal(set(34, 0xff), 'malformed', 'record size limit');
    assert.equal(set(60, 21), 'malformed', 'own connection id too long');
    assert.equal(set(60, 7), 'malformed', 'lengths that do not add up');
    const young = encodeAssociationState(
      nodeCrypto,
      stateOf(anySuite, { window: { highest: 2, recent: 7, older: 0 } }),
    );
    const beforeTheFirst = resealed(young, (copy) => {
      copy[33] = 0x0f;
    });
    assert.equal(decode(beforeTheFirst), 'malformed', 'a record before the first one was received');
  });
});
