/**
 * Fuzz target: any datagram through splitting, opening and the alert decoder, with keys of two suites.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { decodeAlert } from '../../src/core/dtls/alert.ts';
import { type CipherSuiteName, suiteByName } from '../../src/core/dtls/cipher-suites.ts';
import { AntiReplayWindow } from '../../src/core/dtls/record/anti-replay-window.ts';
import {
  copyRecord,
  fragmentOf,
  type RecordView,
  recordLength,
  splitRecords,
} from '../../src/core/dtls/record/demultiplex.ts';
import { createEpochKeys, type EpochKeys } from '../../src/core/dtls/record/epoch-keys.ts';
import { isOpenFault, openRecord } from '../../src/core/dtls/record/open-record.ts';
import { encodePlaintextRecord } from '../../src/core/dtls/record/plaintext-record.ts';
import { sealRecord } from '../../src/core/dtls/record/seal-record.ts';
import { decodePathMessage } from '../../src/core/dtls/return-routability-message.ts';
import { concatBytes, equalBytes, noBytes } from '../../src/core/foundation/bytes.ts';
import { InvariantError } from '../../src/core/foundation/errors.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';
import { hex, readVectors } from '../unit/crypto/vector-files.ts';
import type { FuzzTarget } from './fuzz-target.ts';

const ccm8 = keysOf('TLS_PSK_WITH_AES_128_CCM_8');
const chacha = keysOf('TLS_PSK_WITH_CHACHA20_POLY1305_SHA256');
const ownConnectionId = Uint8Array.of(0xc1, 0xd2, 0xe3);
const withConnectionId = keysOf('TLS_PSK_WITH_AES_128_CCM_8', ownConnectionId);
const plaintexts = [new Uint8Array(0), Uint8Array.of(1, 0), new Uint8Array(24).fill(5)];

/** Epoch 1 is opened with AES-CCM-8, all later ones with ChaCha20-Poly1305. */
export const target: FuzzTarget = {
  name: 'DTLS records',
  corpus: [
    ...['wireshark-psk-aes128-ccm8', 'openssl-psk-ccm8'].flatMap(captured),
    concatBytes(encodePlaintextRecord(21, 0xfefd, 0, 1, Uint8Array.of(2, 40)), sealed(ccm8, 1)),
    concatBytes(sealed(ccm8, 1), sealed(chacha, 2), sealed(ccm8, 1)),
    concatBytes(sealed(withConnectionId, 1), sealed(ccm8, 1)),
    sealRecord(withConnectionId, 27, 1, 9, new Uint8Array(9)),
  ],
  run(input) {
    runWith(input.slice(), ownConnectionId.length);
    const { records, fault } = splitRecords(input);
    const window = new AntiReplayWindow();
    let covered = 0;
    let skippedAt: number | undefined;
    for (const record of records) {
      const start = record.fragmentOffset - 13;
      assert.ok(start >= covered);
      // Only records of unknown content types lie between.
      if (start > covered) skippedAt ??= covered;
      covered = record.fragmentOffset + record.fragmentLength;
      if (record.epoch === 0) decodeAlert(fragmentOf(record));
      else open(record, window);
    }
    if (fault === undefined) assert.equal(skippedAt ?? covered, input.length);
    else if (skippedAt === undefined) assert.ok(fault.offset >= covered && fault.offset <= input.length);
    else assert.equal(fault.offset, skippedAt);
  },
};

/** The same bytes at a layer that gives connection ids. */
function runWith(input: Uint8Array, ownConnectionIdLength: number): void {
  const { records } = splitRecords(input, ownConnectionIdLength);
  let covered = 0;
  for (const record of records) {
    const length = recordLength(record);
    const end = record.fragmentOffset + record.fragmentLength;
    assert.ok(end - length >= covered && end <= input.length);
    assert.equal(record.connectionId.length, record.recordType === 25 ? ownConnectionIdLength : 0);
    covered = end;
    const copy = copyRecord(record);
    assert.equal(recordLength(copy), copy.datagram.length);
    if (record.recordType !== 25) continue;
    assert.ok(record.epoch > 0);
    const opened = openRecord(withConnectionId, record);
    const again = openRecord(withConnectionId, copy);
    assert.deepEqual(again, opened);
    if (isOpenFault(opened)) continue;
    decodePathMessage(opened.content);
    assert.ok(opened.content.length < 2 ** 14);
  }
}

/** A record opens to what seals to the same bytes again, or is refused and stays as it was. */
function open(record: RecordView, window: AntiReplayWindow): void {
  const keys = record.epoch === 1 ? ccm8 : chacha;
  const before = fragmentOf(record).slice();
  const fresh = window.check(record.sequenceNumber);
  const opened = openRecord(keys, record);
  if (isOpenFault(opened)) {
    assert.ok(equalBytes(fragmentOf(record), before));
    assert.equal(window.check(record.sequenceNumber), fresh);
    return;
  }
  decodeAlert(opened.content);
  window.markReceived(record.sequenceNumber);
  assert.equal(window.check(record.sequenceNumber), false);
  if (record.version !== 0xfefd) return;
  const { epoch, sequenceNumber } = record;
  const { contentType, content } = opened;
  assert.ok(equalBytes(sealRecord(keys, contentType, epoch, sequenceNumber, content).subarray(13), before));
}

function captured(file: string): Uint8Array[] {
  return readVectors<{ datagrams: { datagram: string }[] }>(`dtls12/${file}.json`).datagrams.map(
    ({ datagram }) => hex(datagram),
  );
}

function sealed(keys: EpochKeys, epoch: number): Uint8Array {
  return concatBytes(
    ...plaintexts.map((plaintext, i) => sealRecord(keys, 21, epoch, 2 ** 32 + i, plaintext)),
  );
}

function keysOf(name: CipherSuiteName, connectionId: Uint8Array = noBytes): EpochKeys {
  const suite = suiteByName(name);
  if (suite === undefined) throw new InvariantError(`no suite ${name}`);
  return createEpochKeys(
    nodeCrypto,
    suite,
    new Uint8Array(suite.keyLength).fill(1),
    new Uint8Array(suite.fixedIvLength).fill(2),
    connectionId,
  );
}
