/**
 * RFC 6347 §4.1: the MUST and SHOULD sentences about records that the record layer itself keeps.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cipherSuites } from '../../src/core/dtls/cipher-suites.ts';
import { AntiReplayWindow, replayWindowWidth } from '../../src/core/dtls/record/anti-replay-window.ts';
import { type RecordView, splitRecords } from '../../src/core/dtls/record/demultiplex.ts';
import { createEpochKeys, type EpochKeys } from '../../src/core/dtls/record/epoch-keys.ts';
import { isOpenFault, openRecord } from '../../src/core/dtls/record/open-record.ts';
import { encodePlaintextRecord } from '../../src/core/dtls/record/plaintext-record.ts';
import { sealRecord } from '../../src/core/dtls/record/seal-record.ts';
import { concatBytes, toHex } from '../../src/core/foundation/bytes.ts';
import { InvariantError } from '../../src/core/foundation/errors.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';

const cipherSuite = cipherSuites[0] as (typeof cipherSuites)[number];
const keys: EpochKeys = createEpochKeys(
  nodeCrypto,
  cipherSuite,
  new Uint8Array(16).fill(7),
  new Uint8Array(4),
);

/** A receiver as §4.1.2.6 describes it: check, authenticate, only then mark. */
class Receiver {
  readonly window: AntiReplayWindow = new AntiReplayWindow();
  readonly received: string[] = [];

  receive(datagram: Uint8Array): void {
    for (const record of splitRecords(datagram.slice()).records) this.#receiveRecord(record);
  }

  #receiveRecord(record: RecordView): void {
    if (record.epoch !== 1 || !this.window.check(record.sequenceNumber)) return;
    const opened = openRecord(keys, record);
    if (isOpenFault(opened)) return;
    this.window.markReceived(record.sequenceNumber);
    this.received.push(toHex(opened.content));
  }
}

function seal(sequenceNumber: number): Uint8Array {
  return sealRecord(keys, 23, 1, sequenceNumber, Uint8Array.of(sequenceNumber));
}

test('§4.1: sequence numbers do not wrap: the last one is sealed, the next is refused', () => {
  assert.ok(sealRecord(keys, 23, 1, 2 ** 48 - 1, Uint8Array.of(1)));
  assert.throws(() => sealRecord(keys, 23, 1, 2 ** 48, Uint8Array.of(1)), InvariantError);
  assert.throws(() => encodePlaintextRecord(22, 0xfefd, 0, 2 ** 48, Uint8Array.of(1)), InvariantError);
});

test('§4.1: the epoch does not wrap: 65,535 is the last one that is sealed', () => {
  assert.ok(sealRecord(keys, 23, 0xffff, 0, Uint8Array.of(1)));
  assert.throws(() => sealRecord(keys, 23, 0x1_0000, 0, Uint8Array.of(1)), InvariantError);
});

test('§4.1.1: several records in one datagram are read one after the other, none reaches past its end', () => {
  const receiver = new Receiver();
  receiver.receive(concatBytes(seal(0), seal(1), seal(2).subarray(0, -1)));
  assert.deepEqual(receiver.received, ['00', '01']);
});

test('§4.1.2.1: epoch and sequence number are authenticated: a record moved to another number is refused', () => {
  for (const byte of [3, 4, 5, 6, 7, 8, 9, 10]) {
    const moved = seal(0);
    moved[byte] = (moved[byte] as number) ^ 2;
    const record = splitRecords(moved).records[0] as RecordView;
    assert.ok(isOpenFault(openRecord(keys, record)), `header byte ${byte}`);
  }
});

test('§4.1.2.6: a repeated record is received once', () => {
  const receiver = new Receiver();
  for (const sequenceNumber of [0, 0, 1, 0, 1]) receiver.receive(seal(sequenceNumber));
  receiver.receive(concatBytes(seal(2), seal(2)));
  assert.deepEqual(receiver.received, ['00', '01', '02']);
});

test('§4.1.2.6: the window is 64 wide; records in any order inside it are received, older ones are not', () => {
  assert.equal(replayWindowWidth, 64);
  const receiver = new Receiver();
  receiver.receive(seal(70));
  for (let sequenceNumber = 69; sequenceNumber >= 0; sequenceNumber--) receiver.receive(seal(sequenceNumber));
  assert.equal(receiver.received.length, 64);
  assert.equal(receiver.received.at(-1), '07');
});

test('§4.1.2.6: a record that fails authentication does not update the window', () => {
  const receiver = new Receiver();
  receiver.receive(seal(0));
  for (const forgedNumber of [1, 2, 65, 1000, 2 ** 47]) {
    const forged = sealRecord(keys, 23, 1, forgedNumber, Uint8Array.of(0));
    forged[forged.length - 1] = (forged[forged.length - 1] as number) ^ 1;
    receiver.receive(forged);
  }
  for (const sequenceNumber of [1, 2, 65]) receiver.receive(seal(sequenceNumber));
  assert.deepEqual(receiver.received, ['00', '01', '02', '41']);
});

test('§4.1.2.7: an invalid record is discarded alone; valid ones before and after it are received', () => {
  const receiver = new Receiver();
  const forged = seal(1);
  forged[20] = (forged[20] as number) ^ 1;
  receiver.receive(concatBytes(seal(0), forged, seal(2)));
  receiver.receive(Uint8Array.of(0, 1, 2, 3));
  receiver.receive(concatBytes(seal(3), Uint8Array.of(0xff)));
  assert.deepEqual(receiver.received, ['00', '02', '03']);
});
