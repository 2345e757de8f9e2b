import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { AssociationTable, type NewAssociation } from '../../../src/core/dtls/association-table.ts';
import { cipherSuites } from '../../../src/core/dtls/cipher-suites.ts';
import { isNewRecord, markRecordReceived } from '../../../src/core/dtls/record/anti-replay-window.ts';
import { createEpochKeys } from '../../../src/core/dtls/record/epoch-keys.ts';
import { instant } from '../../../src/core/foundation/instant.ts';
import { ipAddress } from '../../../src/core/foundation/peer-address.ts';
import { nodeCrypto } from '../../../src/crypto/node-crypto.ts';
import { systemRandom } from '../../../src/node/system-random.ts';

const [suiteUsed] = cipherSuites;
assert.ok(suiteUsed !== undefined);
const epochKeys = createEpochKeys(nodeCrypto, suiteUsed, new Uint8Array(16), new Uint8Array(4));
const keys = { read: epochKeys, write: epochKeys };

function association(id: number, port = id): NewAssociation {
  return {
    id,
    address: ipAddress('192.0.2.1', port),
    role: id % 2 === 0 ? 'client' : 'server',
    facts: {
      identity: Uint8Array.of(id & 0xff),
      authentication: { kind: 'psk' },
      resumed: false,
      extendedMasterSecret: id % 3 === 0,
      hasConnectionIds: false,
      returnRoutabilityCheck: false,
      peerRecordSizeLimit: 2 ** 14,
      protocol: undefined,
      serverName: undefined,
    },
    keys,
    window: { highest: 2 ** 40 + id, recent: 0x8000_0001, older: 0xffff_ffff },
    writeSequence: 2 ** 47 + id,
    clientRandom: new Uint8Array(32).fill(id & 0xff),
  };
}

suite('the association table', () => {
  test('gives back what 5,000 associations brought, after slots were freed and used again', () => {
    const table = new AssociationTable(nodeCrypto, systemRandom);
    for (let id = 1; id <= 5000; id++) table.add(association(id), instant(id));
    for (let id = 1; id <= 5000; id += 2) table.remove(table.slotOf(id) as number);
    for (let id = 5001; id <= 6000; id++) table.add(association(id), instant(id));
    assert.equal(table.size, 3500);
    for (let id = 1; id <= 6000; id++) {
      const slot = table.slotOf(id);
      if (id <= 5000 && id % 2 === 1) {
        assert.equal(slot, undefined);
        assert.equal(table.slotAt(ipAddress('192.0.2.1', id)), undefined);
        continue;
      }
      assert.ok(slot !== undefined && slot === table.slotAt(ipAddress('192.0.2.1', id)));
      assert.equal(table.id(slot), id);
      assert.equal(table.role(slot), id % 2 === 0 ? 'client' : 'server');
      assert.equal(table.terms(slot).extendedMasterSecret, id % 3 === 0);
      assert.equal(table.lastActivity(slot), id);
      assert.deepEqual(table.identity(slot), Uint8Array.of(id & 0xff));
      assert.deepEqual(table.window(slot), {
        highest: 2 ** 40 + id,
        recent: 0x8000_0001,
        older: 0xffff_ffff,
      });
      assert.equal(table.takeWriteSequence(slot), 2 ** 47 + id);
      assert.equal(table.writeSequence(slot), 2 ** 47 + id + 1);
      assert.ok(table.isFromClientHello(slot, new Uint8Array(32).fill(id & 0xff)));
    }
  });

  test('windows of two associations are apart, though they share a scratch object', () => {
    const table = new AssociationTable(nodeCrypto, systemRandom);
    const [a, b] = [table.add(association(1), instant(0)), table.add(association(2), instant(0))];
    const window = table.window(a);
    markRecordReceived(window, 2 ** 41);
    table.storeWindow(a, window);
    assert.equal(isNewRecord(table.window(a), 2 ** 41), false);
    assert.equal(isNewRecord(table.window(b), 2 ** 41), true);
  });

  test('finds the association that was quiet for the longest time', () => {
    const table = new AssociationTable(nodeCrypto, systemRandom);
    assert.equal(table.mostDispensable(), undefined);
    const slots = [1000, 2000, 3000].map((at, i) => table.add(association(i + 1), instant(at)));
    assert.equal(table.mostDispensable(), slots[0]);
    table.noteActivity(slots[0] as number, instant(4000));
    assert.equal(table.mostDispensable(), slots[1]);
  });

  test('gives up an association of the host that has the most, before older ones of others', () => {
    const table = new AssociationTable(nodeCrypto, systemRandom);
    const at = (id: number, host: string): NewAssociation => ({
      ...association(id),
      address: ipAddress(host, 1000 + id),
    });
    const lonely = table.add(at(1, '192.0.2.1'), instant(0));
    const crowd = [10, 20, 30].map((when, i) => table.add(at(2 + i, '192.0.2.9'), instant(when)));
    assert.equal(table.mostDispensable(), crowd[0]);
    table.remove(crowd[0] as number);
    assert.equal(table.mostDispensable(), crowd[1]);
    table.remove(crowd[1] as number);
    assert.equal(table.mostDispensable(), lonely, 'one each: the quietest');
  });
});
