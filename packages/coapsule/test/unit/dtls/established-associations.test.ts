import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type CipherSuite, suiteByName } from '../../../src/core/dtls/cipher-suites.ts';
import { checkDtlsConfig } from '../../../src/core/dtls/dtls-config.ts';
import type { DtlsOutput } from '../../../src/core/dtls/dtls-output.ts';
import { EstablishedAssociations } from '../../../src/core/dtls/established-associations.ts';
import { splitRecords } from '../../../src/core/dtls/record/demultiplex.ts';
import { createEpochKeys } from '../../../src/core/dtls/record/epoch-keys.ts';
import { encodePlaintextRecord } from '../../../src/core/dtls/record/plaintext-record.ts';
import { ContentType } from '../../../src/core/dtls/record/record-header.ts';
import { sealRecord } from '../../../src/core/dtls/record/seal-record.ts';
import { noBytes } from '../../../src/core/foundation/bytes.ts';
import { instant } from '../../../src/core/foundation/instant.ts';
import { ipAddress } from '../../../src/core/foundation/peer-address.ts';
import { nodeCrypto } from '../../../src/crypto/node-crypto.ts';

/** One association whose suite has limits small enough to reach. */
function associationWith(limits: Pick<CipherSuite, 'maxSealedRecords' | 'maxForgedRecords'>): {
  readonly table: EstablishedAssociations;
  readonly slot: number;
  readonly outputs: DtlsOutput[];
  readonly receive: (record: Uint8Array) => void;
  readonly sealed: (sequenceNumber: number) => Uint8Array;
} {
  const suiteUsed: CipherSuite = {
    ...(suiteByName('TLS_PSK_WITH_AES_128_CCM_8') as CipherSuite),
    ...limits,
  };
  const keys = createEpochKeys(nodeCrypto, suiteUsed, new Uint8Array(16), new Uint8Array(4));
  const outputs: DtlsOutput[] = [];
  const table = new EstablishedAssociations(checkDtlsConfig(), (output) => outputs.push(output));
  const address = ipAddress('192.0.2.1', 40_000);
  const random = new Uint8Array(32);
  table.add(
    { association: 1, address, role: 'server' },
    {
      kind: 'established',
      parameters: {
        suite: suiteUsed,
        clientRandom: random,
        serverRandom: random,
        extendedMasterSecret: true,
      },
      identity: noBytes,
      read: keys,
      write: keys,
      window: { highest: -1, recent: 0, older: 0 },
      writeSequence: 1,
      writeSequenceEpoch0: 0,
      peerMessageSeq: 3,
      finalFlight: undefined,
      held: [],
    },
    instant(0),
  );
  const slot = table.slotAt(address) as number;
  return {
    table,
    slot,
    outputs,
    receive: (record) => {
      for (const view of splitRecords(record.slice()).records) table.receive(slot, view, instant(0));
    },
    sealed: (sequenceNumber) =>
      sealRecord(keys, ContentType.ApplicationData, 1, sequenceNumber, new Uint8Array(4)),
  };
}

suite('the limits of a key (RFC 9147 §4.5.3, RFC 9325 §4.4)', () => {
  test('an association that sealed as many records as it may is closed, with a close_notify within the limit', () => {
    const { table, outputs } = associationWith({ maxSealedRecords: 100, maxForgedRecords: 10 });
    let sent = 0;
    while (table.send(1, new Uint8Array(4))) sent++;
    // One is the Finished, and 16 are left for alerts.
    assert.equal(sent, 100 - 1 - 16);
    assert.equal(outputs.filter(({ kind }) => kind === 'transmit').length, sent + 1);
    const closed = outputs.at(-1);
    assert.ok(closed?.kind === 'closed' && closed.reason === 'sequence-exhausted');
    assert.equal(table.size, 0);
  });

  test('an association that was sent more forged records than the limit is closed; replayed ones do not count', () => {
    const { table, outputs, receive, sealed } = associationWith({
      maxSealedRecords: 100,
      maxForgedRecords: 10,
    });
    for (let i = 0; i < 20; i++) receive(sealed(0));
    const forged = (): void =>
      receive(encodePlaintextRecord(ContentType.ApplicationData, 0xfefd, 1, 7, new Uint8Array(40)));
    for (let i = 0; i < 10; i++) forged();
    receive(sealed(1));
    assert.equal(outputs.filter(({ kind }) => kind === 'application-data').length, 2);
    assert.equal(table.size, 1);
    forged();
    const closed = outputs.at(-1);
    assert.ok(closed?.kind === 'closed' && closed.reason === 'forgery-limit');
  });
});
