/**
 * Four recorded DTLS 1.2 PSK sessions of other implementations, from the PSK to the last record.
 *
 * Keys are derived from PSK and randoms, both Finished messages are verified, each protected record is opened
 * and sealed again to the same bytes.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type CipherSuite, suiteByName } from '../../../../src/core/dtls/cipher-suites.ts';
import {
  extendedMasterSecret,
  keyBlock,
  masterSecret,
  pskPremasterSecret,
  verifyData,
} from '../../../../src/core/dtls/key-schedule/prf-12.ts';
import { fragmentOf, type RecordView, splitRecords } from '../../../../src/core/dtls/record/demultiplex.ts';
import {
  createEpochKeys,
  type EpochKeys,
  explicitNonce,
  recordAdditionalData,
} from '../../../../src/core/dtls/record/epoch-keys.ts';
import { isOpenFault, openRecord } from '../../../../src/core/dtls/record/open-record.ts';
import { encodePlaintextRecord } from '../../../../src/core/dtls/record/plaintext-record.ts';
import { type ContentType, writeRecordHeader } from '../../../../src/core/dtls/record/record-header.ts';
import { sealRecord } from '../../../../src/core/dtls/record/seal-record.ts';
import { concatBytes, noBytes, toHex } from '../../../../src/core/foundation/bytes.ts';
import type { RunningHash } from '../../../../src/core/foundation/crypto-provider.ts';
import { nodeCrypto } from '../../../../src/crypto/node-crypto.ts';
import { hex, readVectors } from '../../crypto/vector-files.ts';

interface Capture {
  readonly cipher_suite: string;
  readonly extended_master_secret: boolean;
  readonly psk: string;
  readonly client_random: string;
  readonly server_random: string;
  readonly premaster_secret: string;
  readonly master_secret: string;
  readonly client_write_key: string;
  readonly server_write_key: string;
  readonly client_write_iv: string;
  readonly server_write_iv: string;
  readonly datagrams: readonly {
    readonly sender: 'client' | 'server';
    readonly datagram: string;
    readonly records: readonly {
      readonly content_type: number;
      readonly epoch: number;
      readonly sequence_number: number;
      readonly aad?: string;
      readonly nonce?: string;
      readonly plaintext?: string;
    }[];
  }[];
}

/** Whether the sender took epoch and sequence number as the explicit nonce, as we do. */
const captures = [
  { file: 'wireshark-psk-aes128-ccm8', protectedRecords: 7, nonceIsRecordNumber: true },
  { file: 'openssl-psk-ccm8', protectedRecords: 4, nonceIsRecordNumber: true },
  { file: 'golioth-basics-psk', protectedRecords: 66, nonceIsRecordNumber: false },
  { file: 'golioth-ota-download-psk', protectedRecords: 36, nonceIsRecordNumber: false },
] as const;

for (const { file, protectedRecords, nonceIsRecordNumber } of captures) {
  suite(file, () => {
    const capture = readVectors<Capture>(`dtls12/${file}.json`);
    const cipherSuite = suiteByName(capture.cipher_suite) as CipherSuite;
    const clientRandom = hex(capture.client_random);
    const serverRandom = hex(capture.server_random);
    const keys = {
      client: createEpochKeys(
        nodeCrypto,
        cipherSuite,
        hex(capture.client_write_key),
        hex(capture.client_write_iv),
      ),
      server: createEpochKeys(
        nodeCrypto,
        cipherSuite,
        hex(capture.server_write_key),
        hex(capture.server_write_iv),
      ),
    };

    test('premaster secret, master secret and key block follow from the PSK', () => {
      const premaster = pskPremasterSecret(hex(capture.psk));
      assert.equal(toHex(premaster), capture.premaster_secret);
      const master = capture.extended_master_secret
        ? extendedMasterSecret(nodeCrypto, 'SHA-256', premaster, sessionHash(capture))
        : masterSecret(nodeCrypto, 'SHA-256', premaster, clientRandom, serverRandom);
      assert.equal(toHex(master), capture.master_secret);
      const block = keyBlock(nodeCrypto, cipherSuite, master, clientRandom, serverRandom);
      assert.equal(toHex(block.clientWriteKey), capture.client_write_key);
      assert.equal(toHex(block.serverWriteKey), capture.server_write_key);
      assert.equal(toHex(block.clientWriteIv), capture.client_write_iv);
      assert.equal(toHex(block.serverWriteIv), capture.server_write_iv);
    });

    test('each record splits, opens to its plaintext, and seals to the identical bytes', () => {
      let opened = 0;
      for (const { sender, datagram, records } of capture.datagrams) {
        const split = splitRecords(hex(datagram));
        assert.equal(split.fault, undefined);
        assert.equal(split.records.length, records.length);
        const encoded = split.records.map((record, index) => {
          const expected = records[index] as Capture['datagrams'][number]['records'][number];
          assert.equal(record.recordType, expected.content_type);
          assert.equal(record.epoch, expected.epoch);
          assert.equal(record.sequenceNumber, expected.sequence_number);
          if (record.epoch === 0) {
            const { version, epoch, sequenceNumber } = record;
            const contentType = expected.content_type as ContentType;
            return encodePlaintextRecord(contentType, version, epoch, sequenceNumber, fragmentOf(record));
          }
          opened++;
          return openAndSealAgain(keys[sender], record, expected.plaintext as string, nonceIsRecordNumber);
        });
        assert.equal(toHex(concatBytes(...encoded)), datagram);
      }
      assert.equal(opened, protectedRecords);
    });

    test('both Finished messages carry the verify_data we compute', () => {
      const transcript = nodeCrypto.hash('SHA-256');
      const master = hex(capture.master_secret);
      const verified: string[] = [];
      for (const { sender, message } of handshakeMessages(capture, keys)) {
        if (message[0] === finished) {
          const expected = verifyData(nodeCrypto, 'SHA-256', master, sender, transcript.digest());
          assert.equal(toHex(message.subarray(handshakeHeaderLength)), toHex(expected));
          verified.push(sender);
        }
        transcript.update(message);
      }
      assert.deepEqual(verified, ['client', 'server']);
    });
  });
}

const clientHello = 1;
const helloVerifyRequest = 3;
const clientKeyExchange = 16;
const finished = 20;
const handshakeHeaderLength = 12;

/** Hash of the handshake up to and including ClientKeyExchange (RFC 7627 §3). */
function sessionHash(capture: Capture): Uint8Array {
  const transcript: RunningHash = nodeCrypto.hash('SHA-256');
  for (const { message } of handshakeMessages(capture, undefined)) {
    transcript.update(message);
    if (message[0] === clientKeyExchange) return transcript.digest();
  }
  throw new Error('no ClientKeyExchange');
}

/** Handshake messages that count for the transcript: without the cookie exchange (RFC 6347 §4.2.1). */
function* handshakeMessages(
  capture: Capture,
  keys: { readonly client: EpochKeys; readonly server: EpochKeys } | undefined,
): Iterable<{ sender: 'client' | 'server'; message: Uint8Array }> {
  let hellos = 0;
  for (const { sender, datagram } of capture.datagrams) {
    for (const record of splitRecords(hex(datagram)).records) {
      if (record.recordType !== 22 || (record.epoch > 0 && keys === undefined)) continue;
      const opened = record.epoch === 0 || keys === undefined ? undefined : openRecord(keys[sender], record);
      assert.ok(opened === undefined || !isOpenFault(opened));
      const message = opened === undefined ? fragmentOf(record) : opened.content;
      const type = message[0];
      if (type === helloVerifyRequest || (type === clientHello && hellos++ === 0)) continue;
      yield { sender, message };
    }
  }
}

function openAndSealAgain(
  keys: EpochKeys,
  record: RecordView,
  plaintext: string,
  nonceIsRecordNumber: boolean,
): Uint8Array {
  const { version, epoch, sequenceNumber, datagram, fragmentOffset } = record;
  const explicit = datagram.slice(fragmentOffset, fragmentOffset + 8);
  const opened = openRecord(keys, record);
  assert.ok(!isOpenFault(opened));
  const { contentType, content } = opened;
  assert.equal(toHex(content), plaintext);
  if (nonceIsRecordNumber) return sealRecord(keys, contentType, epoch, sequenceNumber, content);
  // This sender chose other explicit nonces, which `sealRecord` never would: the same steps with its nonce.
  const sealed = new Uint8Array(13 + 8 + content.length + keys.suite.tagLength);
  writeRecordHeader(sealed, contentType, version, epoch, sequenceNumber, noBytes, sealed.length - 13);
  sealed.set(explicit, 13);
  sealed.set(content, 21);
  const additionalData = recordAdditionalData(contentType, version, epoch, sequenceNumber, content.length);
  keys.aead.seal(explicitNonce(keys, explicit, 0), additionalData, sealed, 21, content.length);
  return sealed;
}
