/**
 * Records: splitting datagrams, sealing, opening, and what is refused at each.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { cipherSuites } from '../../../../src/core/dtls/cipher-suites.ts';
import { fragmentOf, type RecordView, splitRecords } from '../../../../src/core/dtls/record/demultiplex.ts';
import {
  createEpochKeys,
  type EpochKeys,
  recordOverhead,
} from '../../../../src/core/dtls/record/epoch-keys.ts';
import { isOpenFault, openRecord } from '../../../../src/core/dtls/record/open-record.ts';
import { encodePlaintextRecord } from '../../../../src/core/dtls/record/plaintext-record.ts';
import { type ContentType, maxSequenceNumber } from '../../../../src/core/dtls/record/record-header.ts';
import { sealRecord } from '../../../../src/core/dtls/record/seal-record.ts';
import { concatBytes, noBytes, toHex } from '../../../../src/core/foundation/bytes.ts';
import { InvariantError } from '../../../../src/core/foundation/errors.ts';
import { nodeCrypto } from '../../../../src/crypto/node-crypto.ts';
import { SeededRandom } from '../../../../src/testing/seeded-random.ts';
import { hex } from '../../crypto/vector-files.ts';

const contentTypes: readonly ContentType[] = [20, 21, 22, 23];
const sequenceNumbers = fc.oneof(
  fc.constantFrom(0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 3, maxSequenceNumber),
  fc.integer({ min: 0, max: maxSequenceNumber }),
);

function only(datagram: Uint8Array): RecordView {
  const { records, fault } = splitRecords(datagram);
  assert.equal(fault, undefined);
  assert.equal(records.length, 1);
  return records[0] as RecordView;
}

function keysFor(suite: (typeof cipherSuites)[number]): EpochKeys {
  const random = new SeededRandom(suite.id);
  const key = random.fill(new Uint8Array(suite.keyLength));
  return createEpochKeys(nodeCrypto, suite, key, random.fill(new Uint8Array(suite.fixedIvLength)));
}

suite('splitRecords', () => {
  const hello = encodePlaintextRecord(22, 0xfeff, 0, 7, hex('010203'));
  const ccs = encodePlaintextRecord(20, 0xfefd, 0, 8, hex('01'));

  test('a header has type, version, epoch, sequence number and length in 13 bytes (RFC 6347 §4.1)', () => {
    const record = encodePlaintextRecord(22, 0xfefd, 0x0102, 0x030405060708, hex('aabb'));
    assert.equal(toHex(record), `16fefd${'0102'}${'030405060708'}${'0002'}aabb`);
  });

  test('what is encoded splits into the same values', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...contentTypes),
        fc.constantFrom(0xfefd, 0xfeff),
        fc.integer({ min: 0, max: 0xffff }),
        sequenceNumbers,
        fc.uint8Array({ maxLength: 300 }),
        (contentType, version, epoch, sequenceNumber, fragment) => {
          const record = only(encodePlaintextRecord(contentType, version, epoch, sequenceNumber, fragment));
          assert.equal(record.recordType, contentType);
          assert.equal(record.version, version);
          assert.equal(record.epoch, epoch);
          assert.equal(record.sequenceNumber, sequenceNumber);
          assert.deepEqual(fragmentOf(record), fragment);
        },
      ),
      { seed: 1, numRuns: 500 },
    );
  });

  test('an empty datagram has no records and no fault', () => {
    assert.deepEqual(splitRecords(noBytes), { records: [] });
  });

  test('records with empty fragments are kept, and splitting goes on', () => {
    const empty = encodePlaintextRecord(23, 0xfefd, 1, 0, noBytes);
    const datagram = concatBytes(...Array<Uint8Array>(100).fill(empty));
    const { records, fault } = splitRecords(datagram);
    assert.equal(fault, undefined);
    assert.equal(records.length, 100);
    assert.equal(records[99]?.fragmentOffset, datagram.length);
  });

  const spoiled: readonly [name: string, record: Uint8Array, faultAt: number][] = [
    ['a record with a connection id (tls12_cid)', hex('19fefd0000000000000000000100'), 0],
    ['a DTLS 1.3 ciphertext record', hex('2e00010002aabb000000000000'), 0],
    ['version TLS 1.2', hex('16030300000000000000000001ff'), 1],
    ['version 1.1 of DTLS, which does not exist, in epoch 1', hex('16fefe00010000000000000001ff'), 1],
    ['a length that reaches past the datagram', hex('16fefd00000000000000000002ff'), 11],
    [
      'a length above 2^14 in epoch 0',
      concatBytes(hex('16fefd00000000000000004001'), new Uint8Array(0x4001)),
      11,
    ],
    [
      'a length above 2^14 + 2048',
      concatBytes(hex('17fefd00010000000000004801'), new Uint8Array(0x4801)),
      11,
    ],
  ];
  for (const [name, record, faultAt] of spoiled) {
    test(`${name} is a fault at its byte, and the records before it are kept`, () => {
      const datagram = concatBytes(hello, ccs, record, hello);
      const { records, fault } = splitRecords(
        name.startsWith('a length that') ? datagram.subarray(0, -hello.length) : datagram,
      );
      assert.deepEqual(
        records.map(({ sequenceNumber }) => sequenceNumber),
        [7, 8],
      );
      assert.equal(fault?.layer, 'dtls-record');
      assert.equal(fault?.offset, hello.length + ccs.length + faultAt);
    });
  }

  test('a record of an unknown content type is skipped by its length, and told as a fault', () => {
    const { records, fault } = splitRecords(concatBytes(hello, hex('18fefd0000000000000000000100'), ccs));
    assert.deepEqual(
      records.map(({ sequenceNumber }) => sequenceNumber),
      [7, 8],
    );
    assert.equal(fault?.offset, hello.length);
  });

  test('any minor version is taken in epoch 0 (RFC 5246 Appendix E.1)', () => {
    for (const version of ['fe00', 'fefc', 'fefe', 'feff']) {
      const { records, fault } = splitRecords(hex(`16${version}00000000000000000001ff`));
      assert.equal(fault, undefined);
      assert.equal(records.length, 1, version);
    }
    assert.equal(splitRecords(hex('16ffff00000000000000000001ff')).records.length, 0);
  });

  test('a datagram that ends inside a header is a fault at its end', () => {
    for (let length = 1; length < 13; length++) {
      const { records, fault } = splitRecords(concatBytes(hello, ccs.subarray(0, length)));
      assert.equal(records.length, 1);
      assert.equal(fault?.offset, hello.length + length);
    }
  });

  test('the largest lengths are taken: 2^14 in epoch 0, 2^14 + 2048 in others', () => {
    assert.equal(
      only(encodePlaintextRecord(22, 0xfefd, 0, 0, new Uint8Array(2 ** 14))).fragmentLength,
      2 ** 14,
    );
    const largest = concatBytes(hex('17fefd00010000000000004800'), new Uint8Array(0x4800));
    assert.equal(only(largest).fragmentLength, 0x4800);
  });

  test('a datagram that is a view into a larger buffer is read from its own begin to its own end', () => {
    const buffer = concatBytes(hex('ffffff'), hello, hex('16fefd'));
    const record = only(buffer.subarray(3, 3 + hello.length));
    assert.equal(toHex(fragmentOf(record)), '010203');
  });
});

for (const cipherSuite of cipherSuites) {
  suite(cipherSuite.name, () => {
    const keys = keysFor(cipherSuite);

    test('what is sealed opens in place to the same plaintext, and costs `recordOverhead` bytes', () => {
      fc.assert(
        fc.property(
          fc.constantFrom(...contentTypes),
          fc.integer({ min: 1, max: 0xffff }),
          sequenceNumbers,
          fc.uint8Array({ maxLength: 200 }),
          (contentType, epoch, sequenceNumber, plaintext) => {
            const sealed = sealRecord(keys, contentType, epoch, sequenceNumber, plaintext);
            assert.equal(sealed.length, plaintext.length + recordOverhead(keys));
            const record = only(sealed);
            assert.equal(record.version, 0xfefd);
            assert.equal(record.epoch, epoch);
            assert.equal(record.sequenceNumber, sequenceNumber);
            const opened = openRecord(keys, record);
            assert.ok(!isOpenFault(opened));
            assert.equal(opened.contentType, contentType);
            assert.deepEqual(opened.content, plaintext);
            assert.equal(opened.content.buffer, sealed.buffer);
          },
        ),
        { seed: 2, numRuns: 100 },
      );
    });

    test('any changed bit of the datagram is refused, and the datagram stays as it was', () => {
      const sealed = sealRecord(keys, 23, 1, 0x1_0000_0002, hex('0011223344'));
      let refused = 0;
      for (let bit = 0; bit < sealed.length * 8; bit++) {
        const forged = sealed.slice();
        forged[bit >> 3] = (forged[bit >> 3] as number) ^ (1 << (bit & 7));
        const before = forged.slice();
        for (const record of splitRecords(forged).records) {
          // A record of epoch 0 is never opened; its keys do not exist.
          if (record.epoch === 0) continue;
          const result = openRecord(keys, record);
          assert.ok(isOpenFault(result), `bit ${bit}`);
          if (result.reason === 'not-authentic') refused++;
        }
        assert.deepEqual(forged, before);
      }
      // All but type, version and length (5 bytes) and one bit of the epoch: epoch 0 is the case left out above.
      assert.ok(refused >= (sealed.length - 5) * 8 - 1);
    });

    test('records shorter than nonce and tag, and longer than 2^14, are refused before any key is used', () => {
      let used = 0;
      const counting: EpochKeys = {
        ...keys,
        aead: {
          tagLength: keys.aead.tagLength,
          seal: () => {},
          open: () => {
            used++;
            return -1;
          },
        },
      };
      const least = cipherSuite.recordIvLength + cipherSuite.tagLength;
      const reason = (length: number): string | undefined => {
        const header = sealRecord(keys, 23, 1, 0, noBytes).slice(0, 13);
        header[11] = length >> 8;
        header[12] = length;
        const result = openRecord(counting, only(concatBytes(header, new Uint8Array(length))));
        return isOpenFault(result) ? result.reason : undefined;
      };
      for (let length = 0; length < least; length++) assert.equal(reason(length), 'record-too-short');
      assert.equal(reason(least + 2 ** 14 + 1), 'record-too-long');
      assert.equal(used, 0);
      assert.equal(reason(least), 'not-authentic');
      assert.equal(reason(least + 2 ** 14), 'not-authentic');
      assert.equal(used, 2);
    });

    test('an empty plaintext and the largest one seal and open', () => {
      for (const length of [0, 1, 2 ** 14]) {
        const plaintext = new SeededRandom(length).fill(new Uint8Array(length));
        const opened = openRecord(keys, only(sealRecord(keys, 23, 1, 1, plaintext)));
        assert.deepEqual(opened, { contentType: 23, content: plaintext });
      }
    });

    test('sealing past 2^48 - 1, in epoch 0 or past 2^16 - 1, or more than 2^14 bytes is refused', () => {
      assert.ok(sealRecord(keys, 23, 1, maxSequenceNumber, noBytes));
      assert.throws(() => sealRecord(keys, 23, 1, maxSequenceNumber + 1, noBytes), InvariantError);
      assert.throws(() => sealRecord(keys, 23, 1, Number.NaN, noBytes), InvariantError);
      assert.throws(() => sealRecord(keys, 23, 1, -1, noBytes), InvariantError);
      assert.throws(() => sealRecord(keys, 23, 0, 0, noBytes), InvariantError);
      assert.throws(() => sealRecord(keys, 23, 0x1_0000, 0, noBytes), InvariantError);
      assert.throws(() => sealRecord(keys, 23, 1, 0, new Uint8Array(2 ** 14 + 1)), InvariantError);
    });

    test('keys or IVs of another length than the suite says are refused', () => {
      const key = new Uint8Array(cipherSuite.keyLength);
      const iv = new Uint8Array(cipherSuite.fixedIvLength);
      assert.throws(() => createEpochKeys(nodeCrypto, cipherSuite, key.subarray(1), iv), InvariantError);
      assert.throws(() => createEpochKeys(nodeCrypto, cipherSuite, key, iv.subarray(1)), InvariantError);
    });
  });
}

suite('nonces', () => {
  test('the explicit nonce of CCM and GCM is epoch and sequence number, so it never repeats (RFC 6655 §3)', () => {
    for (const cipherSuite of cipherSuites.filter(({ recordIvLength }) => recordIvLength === 8)) {
      const keys = keysFor(cipherSuite);
      const record = sealRecord(keys, 23, 0x0102, 0x030405060708, hex('00'));
      assert.equal(toHex(record.subarray(13, 21)), '0102030405060708');
    }
  });

  test('ChaCha20-Poly1305 takes the padded record number XOR the IV and sends no nonce (RFC 7905 §2)', () => {
    for (const cipherSuite of cipherSuites.filter(({ recordIvLength }) => recordIvLength === 0)) {
      const random = new SeededRandom(3);
      const key = random.fill(new Uint8Array(32));
      const iv = random.fill(new Uint8Array(12));
      const keys = createEpochKeys(nodeCrypto, cipherSuite, key, iv);
      const record = sealRecord(keys, 23, 0x0102, 0x030405060708, hex('aabbcc'));
      assert.equal(record.length, 13 + 3 + 16);
      const nonce = hex('000000000102030405060708').map((byte, i) => byte ^ (iv[i] as number));
      const expected = concatBytes(hex('aabbcc'), new Uint8Array(16));
      const additionalData = hex('010203040506070817fefd0003');
      nodeCrypto.aead('CHACHA20_POLY1305', key).seal(nonce, additionalData, expected, 0, 3);
      assert.equal(toHex(record.subarray(13)), toHex(expected));
    }
  });

  test('the explicit nonce of a received record is taken as it is, whatever it is', () => {
    const cipherSuite = cipherSuites[0] as (typeof cipherSuites)[number];
    const key = new Uint8Array(16).fill(1);
    const iv = new Uint8Array(4).fill(2);
    const keys = createEpochKeys(nodeCrypto, cipherSuite, key, iv);
    const fragment = concatBytes(hex('ffeeddccbbaa9988'), hex('c0ffee'), new Uint8Array(8));
    const nonce = concatBytes(iv, fragment.subarray(0, 8));
    nodeCrypto.aead(cipherSuite.aead, key).seal(nonce, hex('000100000000000517fefd0003'), fragment, 8, 3);
    const datagram = concatBytes(hex('17fefd00010000000000050013'), fragment);
    const opened = openRecord(keys, only(datagram));
    assert.ok(!isOpenFault(opened));
    assert.equal(toHex(opened.content), 'c0ffee');
  });

  test('the IV is copied', () => {
    const cipherSuite = cipherSuites[0] as (typeof cipherSuites)[number];
    const iv = new Uint8Array(4).fill(9);
    const keys = createEpochKeys(nodeCrypto, cipherSuite, new Uint8Array(16), iv);
    const before = sealRecord(keys, 23, 1, 0, hex('00'));
    iv.fill(0);
    assert.deepEqual(sealRecord(keys, 23, 1, 0, hex('00')), before);
  });
});
