/**
 * A client that may have one of several pre-shared keys under its identity, as while one takes the place of another.
 *
 * RFC 4279 §2 knows one key for an identity; nothing on the wire tells that there are more.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { cipherSuites } from '../../src/core/dtls/cipher-suites.ts';
import type { InstalledKeys } from '../../src/core/dtls/handshake/handshake-context.ts';
import { HandshakeType } from '../../src/core/dtls/handshake/handshake-type.ts';
import { ProtectedRecords } from '../../src/core/dtls/handshake/protected-records.ts';
import { type RecordView, splitRecords } from '../../src/core/dtls/record/demultiplex.ts';
import { createEpochKeys } from '../../src/core/dtls/record/epoch-keys.ts';
import { ContentType, recordHeaderLength } from '../../src/core/dtls/record/record-header.ts';
import { sealRecord } from '../../src/core/dtls/record/seal-record.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';
import {
  assertSameView,
  closeAssociation,
  DtlsPair,
  type DtlsPairOptions,
  onTheWire,
  sensorIdentity,
} from './dtls-pair.ts';

const keys = ['the newest key', 'the key before', 'the key before that', 'the oldest key'].map(encodeUtf8);
const [newest, before] = keys as [Uint8Array, Uint8Array];
const pskSuites = cipherSuites.filter(({ name }) => name.includes('PSK'));

function pairWith(clientKey: Uint8Array, options: DtlsPairOptions = {}): DtlsPair {
  const pair = new DtlsPair(options);
  pair.client.lookUp = () => ({ identity: sensorIdentity, key: clientKey });
  pair.server.lookUp = () => ({ key: newest, otherKeys: keys.slice(1) });
  return pair;
}

suite('a client that may have one of several keys', () => {
  for (const { name } of pskSuites) {
    test(`connects with each of them, and the server says which (${name})`, () => {
      for (const [i, key] of keys.entries()) {
        const pair = pairWith(key, { client: { suites: [name], keylog: true }, server: { keylog: true } });
        pair.connect();
        pair.run(5000, () => pair.bothConnected);
        assertSameView(pair, name);
        assert.equal(pair.server.all('connected')[0]?.otherPsk, i === 0 ? undefined : i);
        assert.ok(pair.exchange());
      }
    });
  }

  test('takes no datagram and no byte more with another one than with the first', () => {
    const [first, ...others] = keys.map((key) => {
      const pair = pairWith(key);
      pair.connect();
      pair.run(5000, () => pair.bothConnected);
      return onTheWire(pair);
    });
    for (const other of others) assert.deepEqual(other, first);
  });

  test('that has none of them looks like one with an unknown identity in number, size and time of the datagrams', () => {
    const pair = pairWith(encodeUtf8('no such key'));
    pair.connect();
    pair.run(60_000);
    assert.equal(pair.server.all('handshake-failed')[0]?.failure.cause, 'psk-mismatch');
    const stranger = new DtlsPair();
    stranger.client.lookUp = () => ({ identity: encodeUtf8('sensor-043'), key: newest });
    stranger.connect();
    stranger.run(60_000);
    assert.equal(stranger.server.all('handshake-failed')[0]?.failure.cause, 'unknown-identity');
    assert.deepEqual(onTheWire(pair), onTheWire(stranger));
  });

  test('connects over a lossy link with each of them', () => {
    for (let seed = 1; seed <= (process.env['COAPSULE_LONG'] === '1' ? 400 : 20); seed++) {
      const key = keys[seed % keys.length] as Uint8Array;
      const conditions = { lossRate: 0.2, reorderRate: 0.2, duplicateRate: 0.1 };
      const pair = pairWith(key, { seed, conditions });
      pair.connect();
      pair.run(120_000, () => pair.bothConnected);
      assert.ok(pair.bothConnected, `seed ${seed}`);
      assert.equal(pair.server.all('connected')[0]?.otherPsk ?? 0, seed % keys.length, `seed ${seed}`);
    }
  });

  test('keeps its number also behind a key that is none: an empty one, or one that is too long', () => {
    for (const none of [new Uint8Array(0), new Uint8Array(65_536)]) {
      const pair = pairWith(before);
      pair.server.lookUp = () => ({ key: newest, otherKeys: [none, before] });
      pair.connect();
      pair.run(5000, () => pair.bothConnected);
      assert.equal(pair.server.all('connected')[0]?.otherPsk, 2);
    }
  });

  test('has its key alone in the key log, also when a record came before that opens with none', () => {
    const pair = pairWith(newest, { client: { keylog: true }, server: { keylog: true } });
    let isForged = false;
    pair.network.hook = ({ from, datagram }) => {
      const isLastFlight = datagram[recordHeaderLength] === HandshakeType.ClientKeyExchange;
      if (isForged || from !== pair.client.address || !isLastFlight) return undefined;
      isForged = true;
      // The last byte of the Finished.
      return {
        kind: 'edit',
        datagram: datagram.map((byte, i) => (i === datagram.length - 1 ? byte ^ 1 : byte)),
      };
    };
    pair.connect();
    pair.run(20_000, () => pair.bothConnected);
    assert.ok(isForged);
    assertSameView(pair, 'after a forged record');
    assert.equal(pair.server.all('keylog').length, 1);
  });

  test('more than three other keys are left out', () => {
    const pair = pairWith(encodeUtf8('the fifth key'));
    pair.server.lookUp = () => ({ key: newest, otherKeys: [...keys.slice(1), encodeUtf8('the fifth key')] });
    pair.connect();
    pair.run(60_000);
    assert.equal(pair.server.all('handshake-failed')[0]?.failure.cause, 'psk-mismatch');
  });

  for (const resumption of ['session-id', 'ticket'] as const) {
    test(`resumes a session of the key before while that counts, and the server says so; not after (${resumption})`, () => {
      const pair = pairWith(before, { client: { resumption }, server: { resumption } });
      for (const isResumed of [false, true]) {
        pair.connect();
        pair.run(5000, () => pair.bothConnected);
        const connected = pair.server.all('connected')[0];
        assert.equal(connected?.resumed, isResumed);
        assert.equal(connected?.otherPsk, 1);
        assert.ok(pair.exchange());
        closeAssociation(pair);
      }
      pair.server.lookUp = () => ({ key: newest });
      pair.connect();
      pair.run(60_000);
      assert.equal(pair.server.all('connected').length, 0);
      assert.equal(pair.server.all('handshake-failed')[0]?.failure.cause, 'psk-mismatch');
    });
  }
});

test('other keys are made only for a record that does not open with the first, once, and are forgotten then', () => {
  const [suite] = pskSuites;
  assert.ok(suite !== undefined);
  const keysOf = (fill: number): InstalledKeys => {
    const made = createEpochKeys(
      nodeCrypto,
      suite,
      new Uint8Array(suite.keyLength).fill(fill),
      new Uint8Array(suite.fixedIvLength).fill(fill),
      undefined,
    );
    return { read: made, write: made };
  };
  const recordOf = (fill: number, sequence: number): RecordView => {
    const sealed = sealRecord(keysOf(fill).write, ContentType.Handshake, 1, sequence, Uint8Array.of(1, 2, 3));
    const [record] = splitRecords(sealed).records;
    assert.ok(record !== undefined);
    return record;
  };
  const made: number[] = [];
  const other = (fill: number) => () => {
    made.push(fill);
    return keysOf(fill);
  };
  const records = new ProtectedRecords();
  const chosen: InstalledKeys[] = [];
  records.install(keysOf(1), [other(2), other(3)], (keys) => chosen.push(keys));
  assert.notEqual(typeof records.open(recordOf(1, 1), true), 'string');
  assert.deepEqual([made, records.installedIndex], [[], 0]);
  // What was made once is used again; after that only the one that opened counts.
  const again = new ProtectedRecords();
  again.install(keysOf(1), [other(2), other(3)], (keys) => chosen.push(keys));
  assert.equal(again.open(recordOf(9, 1), true), 'authentication-failed');
  assert.equal(again.open(recordOf(9, 2), true), 'authentication-failed');
  assert.deepEqual(made, [2, 3]);
  assert.notEqual(typeof again.open(recordOf(3, 3), true), 'string');
  assert.deepEqual([again.installedIndex, chosen.length], [2, 1]);
  assert.equal(again.open(recordOf(2, 4), true), 'authentication-failed');
  assert.equal(again.open(recordOf(1, 5), true), 'authentication-failed');
  assert.notEqual(typeof again.open(recordOf(3, 6), true), 'string');
});
