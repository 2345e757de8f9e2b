/**
 * RFC 9146: Connection Identifier for DTLS 1.2, by section. What the Hellos agree on is tested with the handshake.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { cipherSuites } from '../../src/core/dtls/cipher-suites.ts';
import { splitRecords } from '../../src/core/dtls/record/demultiplex.ts';
import { createEpochKeys, recordOverhead } from '../../src/core/dtls/record/epoch-keys.ts';
import { isOpenFault, openRecord } from '../../src/core/dtls/record/open-record.ts';
import { ContentType } from '../../src/core/dtls/record/record-header.ts';
import { sealRecord } from '../../src/core/dtls/record/seal-record.ts';
import { concatBytes, toHex } from '../../src/core/foundation/bytes.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import { hex } from '../unit/crypto/vector-files.ts';
import { home, MadeAssociations, type MadePeer } from '../unit/dtls/made-association.ts';

const elsewhere = ipAddress('198.51.100.7', 50_000);
const own = Uint8Array.of(0xc1, 2, 3);

/** A record as §4 and §5.3 describe it, written out without the record layer. */
function referenceRecord(
  cipherSuite: (typeof cipherSuites)[number],
  key: Uint8Array,
  iv: Uint8Array,
  connectionId: Uint8Array,
  sequence: string,
  inner: Uint8Array,
): Uint8Array {
  const innerLength = inner.length.toString(16).padStart(4, '0');
  const additionalData = hex(
    `${'ff'.repeat(8)}19${connectionId.length.toString(16).padStart(2, '0')}19fefd0001${sequence}` +
      `${toHex(connectionId)}${innerLength}`,
  );
  const explicit = cipherSuite.recordIvLength === 8 ? hex(`0001${sequence}`) : new Uint8Array(0);
  const nonce =
    cipherSuite.recordIvLength === 8
      ? concatBytes(iv, explicit)
      : hex(`000000000001${sequence}`).map((byte, i) => byte ^ (iv[i] as number));
  const sealed = concatBytes(inner, new Uint8Array(cipherSuite.tagLength));
  nodeCrypto.aead(cipherSuite.aead, key).seal(nonce, additionalData, sealed, 0, inner.length);
  const fragment = concatBytes(explicit, sealed);
  const length = fragment.length.toString(16).padStart(4, '0');
  return concatBytes(hex(`19fefd0001${sequence}`), connectionId, hex(length), fragment);
}

function keyMaterial(cipherSuite: (typeof cipherSuites)[number]): { key: Uint8Array; iv: Uint8Array } {
  const random = new SeededRandom(cipherSuite.id);
  return {
    key: random.fill(new Uint8Array(cipherSuite.keyLength)),
    iv: random.fill(new Uint8Array(cipherSuite.fixedIvLength)),
  };
}

suite('RFC 9146 §4 and §5: records', () => {
  for (const cipherSuite of cipherSuites) {
    const { key, iv } = keyMaterial(cipherSuite);

    test(`${cipherSuite.name}: a record is as the RFC describes it, for connection ids of 1 to 255 bytes`, () => {
      for (const length of [1, 2, 8, 20, 254, 255]) {
        const connectionId = new SeededRandom(length).fill(new Uint8Array(length));
        const keys = createEpochKeys(nodeCrypto, cipherSuite, key, iv, connectionId);
        const sealed = sealRecord(keys, 22, 1, 0x0102_0304_0506, hex('aabbccdd'));
        const inner = hex('aabbccdd16');
        const expected = referenceRecord(cipherSuite, key, iv, connectionId, '010203040506', inner);
        assert.equal(toHex(sealed), toHex(expected));
        assert.equal(sealed.length, 4 + recordOverhead(keys));
        const [record] = splitRecords(sealed, length).records;
        assert.ok(record !== undefined);
        assert.deepEqual(record.connectionId, connectionId);
        assert.equal(record.sequenceNumber, 0x0102_0304_0506);
        assert.deepEqual(openRecord(keys, record), { contentType: 22, content: hex('aabbccdd') });
      }
    });

    test(`${cipherSuite.name}: any changed bit is refused, those of the connection id too`, () => {
      const keys = createEpochKeys(nodeCrypto, cipherSuite, key, iv, own);
      const sealed = sealRecord(keys, 23, 1, 7, hex('0011'));
      for (let bit = 0; bit < sealed.length * 8; bit++) {
        const forged = sealed.slice();
        forged[bit >> 3] = (forged[bit >> 3] as number) ^ (1 << (bit & 7));
        const before = forged.slice();
        for (const record of splitRecords(forged, own.length).records) {
          if (record.epoch === 0) continue;
          assert.ok(isOpenFault(openRecord(keys, record)), `bit ${bit}`);
        }
        assert.deepEqual(forged, before);
      }
    });
  }

  const [cipherSuite] = cipherSuites;
  assert.ok(cipherSuite !== undefined);
  const { key, iv } = keyMaterial(cipherSuite);
  const keys = createEpochKeys(nodeCrypto, cipherSuite, key, iv, own);
  const opened = (inner: Uint8Array): ReturnType<typeof openRecord> => {
    const datagram = referenceRecord(cipherSuite, key, iv, own, '000000000001', inner);
    const [record] = splitRecords(datagram, own.length).records;
    assert.ok(record !== undefined);
    return openRecord(keys, record);
  };

  test('§4: zeros after the type are padding, of any length', () => {
    for (const padding of [0, 1, 16, 1000]) {
      const inner = concatBytes(hex('c0ffee0017'), new Uint8Array(padding));
      assert.deepEqual(opened(inner), { contentType: ContentType.ApplicationData, content: hex('c0ffee00') });
    }
  });

  test('§4: nothing but zeros, nothing at all, or a type nobody knows is refused', () => {
    for (const inner of [
      new Uint8Array(0),
      new Uint8Array(1),
      new Uint8Array(300),
      hex('aa18'),
      hex('aaff'),
    ]) {
      assert.deepEqual(opened(inner), { kind: 'open-fault', reason: 'no-content-type' });
    }
    // The type of a record with a connection id has no place inside of one.
    assert.deepEqual(opened(hex('aa19')), { kind: 'open-fault', reason: 'no-content-type' });
  });

  test('§5: the inner plaintext has 2^14 bytes at most', () => {
    assert.ok(sealRecord(keys, 23, 1, 1, new Uint8Array(2 ** 14 - 1)));
    assert.throws(() => sealRecord(keys, 23, 1, 1, new Uint8Array(2 ** 14)));
    assert.ok(!isOpenFault(opened(new Uint8Array(2 ** 14).fill(23))));
    assert.deepEqual(opened(new Uint8Array(2 ** 14 + 1).fill(23)), {
      kind: 'open-fault',
      reason: 'record-too-long',
    });
  });

  test('§3: nothing in the clear has a connection id, and a side that gave none takes none', () => {
    const sealed = sealRecord(keys, 23, 1, 1, hex('00'));
    assert.equal(splitRecords(sealed).records.length, 0);
    assert.equal(splitRecords(sealed).fault?.offset, 0);
    const inEpoch0 = sealed.slice();
    inEpoch0[4] = 0;
    const { records, fault } = splitRecords(inEpoch0, own.length);
    assert.equal(records.length, 0);
    assert.equal(fault?.offset, 0);
  });

  test('§4: a datagram may hold records with and without connection id; one that is cut is a fault', () => {
    const withId = sealRecord(keys, 23, 1, 1, hex('01'));
    const without = sealRecord(createEpochKeys(nodeCrypto, cipherSuite, key, iv), 23, 1, 2, hex('02'));
    const datagram = concatBytes(withId, without, withId);
    assert.deepEqual(
      splitRecords(datagram, own.length).records.map(({ recordType }) => recordType),
      [25, 23, 25],
    );
    for (let length = 1; length < withId.length; length++) {
      const { records, fault } = splitRecords(withId.subarray(0, length), own.length);
      assert.equal(records.length, 0);
      assert.ok(fault !== undefined, `${length} bytes`);
    }
  });
});

suite('RFC 9146 §3: which association a record belongs to', () => {
  test('one with a connection id is looked up by it, from any address', () => {
    const made = new MadeAssociations();
    const first = made.add({ own: Uint8Array.of(1, 1, 1), address: ipAddress('192.0.2.1', 1) });
    const second = made.add({ own: Uint8Array.of(2, 2, 2), address: ipAddress('192.0.2.1', 2) });
    first.say(1, second.address);
    second.say(1, first.address);
    assert.deepEqual(
      made.all('application-data').map(({ association }) => association),
      [first.association, second.association],
    );
  });

  test('where one is expected, a record without is invalid, and the other way round', () => {
    const made = new MadeAssociations();
    const strict = made.add({ own });
    const naked = made.add({ address: elsewhere });
    // Both with keys that fit: only the format is wrong.
    const without = sealRecord(
      createEpochKeys(
        nodeCrypto,
        cipherSuites[0] as never,
        new Uint8Array(16).fill(17),
        new Uint8Array(4).fill(1),
      ),
      23,
      1,
      50,
      hex('00'),
    );
    assert.deepEqual(strict.give(without), ['connection-id-mismatch']);
    // A layer that gives none would not even see a record; one that gives them finds another association by it.
    assert.deepEqual(naked.give(strict.sealed(hex('00'))), []);
    assert.equal(made.all('application-data').length, 0);
    assert.deepEqual(strict.info?.discarded, { 'connection-id-mismatch': 1 });
    strict.say(3);
    naked.say(3);
    assert.equal(made.all('application-data').length, 2);
  });

  test('our own records have the connection id of the peer, of whatever length it is', () => {
    for (const length of [0, 1, 20, 255]) {
      const made = new MadeAssociations();
      const peer = made.add({ own, peer: new Uint8Array(length).fill(7) });
      made.table.send(peer.association, hex('c0ffee'));
      const [sent] = made.all('transmit');
      assert.equal(sent?.datagram[0], length === 0 ? 23 : 25);
      assert.deepEqual(peer.open(sent?.datagram as Uint8Array)?.content, hex('c0ffee'));
    }
  });
});

suite('RFC 9146 §6: the address of the peer', () => {
  function madePeer(): { made: MadeAssociations; peer: MadePeer } {
    const made = new MadeAssociations();
    return { made, peer: made.add({ own }) };
  }
  const addressOf = (peer: MadePeer): number | undefined => peer.info?.address.port;

  test('changes with the newest record', () => {
    const { made, peer } = madePeer();
    peer.say(20);
    peer.say(20, elsewhere);
    assert.equal(addressOf(peer), elsewhere.port);
    assert.deepEqual(made.all('address-changed'), [
      { kind: 'address-changed', association: peer.association, from: home, to: elsewhere, validated: false },
    ]);
    assert.equal(peer.info?.addressValidated, false);
    made.take();
    made.table.send(peer.association, hex('00'));
    assert.equal(made.all('transmit')[0]?.address, elsewhere);
  });

  test('D19: does not change with an older record, which is delivered all the same', () => {
    const { made, peer } = madePeer();
    const late = peer.sealed(hex('01'));
    peer.say(20);
    peer.give(late, elsewhere);
    assert.equal(made.all('application-data').length, 2);
    assert.equal(addressOf(peer), home.port);
    assert.deepEqual(made.all('address-changed'), []);
  });

  test('D19: does not change with a replayed or a forged record', () => {
    const { made, peer } = madePeer();
    const record = peer.sealed(hex('01'));
    peer.give(record);
    assert.deepEqual(peer.give(record, elsewhere), ['replayed-record']);
    const forged = peer.sealed(hex('02'));
    forged[forged.length - 1] = (forged.at(-1) as number) ^ 1;
    assert.deepEqual(peer.give(forged, elsewhere), ['authentication-failed']);
    assert.equal(addressOf(peer), home.port);
    assert.deepEqual(made.all('address-changed'), []);
  });

  test('never changes without a connection id', () => {
    const made = new MadeAssociations();
    const peer = made.add();
    assert.deepEqual(peer.give(peer.sealed(hex('01')), elsewhere), ['no slot']);
    assert.equal(addressOf(peer), home.port);
  });

  test('a new address gets at most three times the bytes that came from there, the rest waits for the proof', () => {
    const { made, peer } = madePeer();
    const record = peer.sealed(new Uint8Array(20));
    peer.give(record, elsewhere);
    for (let i = 0; i < 8; i++) made.table.send(peer.association, new Uint8Array(50));
    const sent = made.all('transmit');
    const bytes = sent.reduce((sum, { datagram }) => sum + datagram.length, 0);
    assert.ok(bytes <= 3 * record.length && bytes > 3 * record.length - 100);
    assert.ok(sent.every(({ address }) => address === elsewhere));
    const held = made.all('amplification-limit');
    assert.equal(held.length + sent.length, 8);
    made.take();
    made.table.confirmAddress(peer.association);
    assert.equal(made.all('transmit').length, held.length);
    assert.equal(peer.info?.addressValidated, true);
    made.table.send(peer.association, new Uint8Array(1000));
    assert.equal(made.all('transmit').length, held.length + 1);
  });

  test('more bytes from there allow more; back at the proved address there is no limit', () => {
    const { made, peer } = madePeer();
    peer.say(10, elsewhere);
    made.table.send(peer.association, new Uint8Array(300));
    assert.equal(made.all('transmit').length, 0);
    peer.say(400, elsewhere);
    made.table.send(peer.association, new Uint8Array(300));
    assert.equal(made.all('transmit').length, 1);
    peer.say(10, home);
    assert.equal(made.all('address-changed').at(-1)?.validated, true);
    // What waited goes where the peer is.
    assert.deepEqual(
      made.all('transmit').map(({ address }) => address),
      [elsewhere, home],
    );
    assert.equal(peer.info?.addressValidated, true);
  });

  test('what waits is bounded for one peer and for all of them, and gone after 60 s', () => {
    const made = new MadeAssociations();
    const peers = Array.from({ length: 300 }, (_, i) =>
      made.add({ own: Uint8Array.of(1 + (i >> 8), i & 0xff, 0), address: ipAddress('192.0.2.1', 1 + i) }),
    );
    for (const [i, peer] of peers.entries()) {
      peer.say(1, ipAddress('198.51.100.1', 1 + i));
      for (let n = 0; n < 20; n++) made.table.send(peer.association, new Uint8Array(1900));
    }
    made.take();
    const [first, ...others] = peers as [MadePeer, ...MadePeer[]];
    made.table.confirmAddress(first.association);
    assert.equal(made.all('transmit').length, 8);
    made.pass(60_000);
    made.take();
    for (const peer of others) made.table.confirmAddress(peer.association);
    assert.deepEqual(made.all('transmit'), []);
  });
});
