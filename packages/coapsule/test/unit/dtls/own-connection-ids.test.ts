import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { checkDtlsConfig } from '../../../src/core/dtls/dtls-config.ts';
import { DtlsLayer } from '../../../src/core/dtls/dtls-layer.ts';
import { OwnConnectionIds, ownConnectionIdLength } from '../../../src/core/dtls/own-connection-ids.ts';
import { noBytes, toHex } from '../../../src/core/foundation/bytes.ts';
import { nodeCrypto } from '../../../src/crypto/node-crypto.ts';
import { SeededRandom } from '../../../src/testing/seeded-random.ts';

suite('our own connection ids', () => {
  test('are 8 bytes for a server and none for a client, when nothing else is said', () => {
    assert.equal(ownConnectionIdLength(checkDtlsConfig(), 'server'), 8);
    assert.equal(ownConnectionIdLength(checkDtlsConfig(), 'client'), 0);
    for (const connectionIdLength of [0, 20, 'off'] as const) {
      const config = checkDtlsConfig({ connectionIdLength });
      assert.equal(ownConnectionIdLength(config, 'client'), connectionIdLength);
      assert.equal(ownConnectionIdLength(config, 'server'), connectionIdLength);
    }
  });

  test('are given once at a time, also when there are few; then there is none', () => {
    const ids = new OwnConnectionIds(new SeededRandom(1));
    const given = new Set<string>();
    let without = 0;
    for (let association = 1; association <= 400; association++) {
      const id = ids.issue(association, 1);
      if (id.length === 0) {
        without++;
        continue;
      }
      assert.ok(!given.has(toHex(id)));
      given.add(toHex(id));
      assert.equal(ids.associationWith(id), association);
    }
    assert.equal(given.size + without, 400);
    assert.ok(given.size > 200 && given.size <= 256);
  });

  test('begin with the prefix that is set, and are random behind it', () => {
    const ids = new OwnConnectionIds(new SeededRandom(1), Uint8Array.of(7));
    const given = Array.from({ length: 100 }, (_, association) => ids.issue(association, 8));
    assert.ok(given.every((id) => id.length === 8 && id[0] === 7));
    assert.equal(new Set(given.map(toHex)).size, 100);
  });

  test('leave at least 4 random bytes behind a prefix, or the settings are refused', () => {
    const layer = (connectionIdLength: number | 'off', prefixBytes: number) => () =>
      new DtlsLayer({
        role: 'server',
        crypto: nodeCrypto,
        random: new SeededRandom(1),
        config: { connectionIdLength, connectionIdPrefix: new Uint8Array(prefixBytes) },
      });
    assert.doesNotThrow(layer(8, 4));
    assert.doesNotThrow(layer('off', 0));
    assert.throws(layer(8, 5), /connectionIdPrefix: got 5 bytes, expected at most 4/);
    assert.throws(layer('off', 1), /connectionIdPrefix: got 1 bytes, expected at most 0/);
  });

  test('can be given again after their association ended', () => {
    const ids = new OwnConnectionIds(new SeededRandom(1));
    const id = ids.issue(1, 8);
    assert.equal(ids.claim(2, id), false);
    assert.equal(ids.claim(1, id), true);
    ids.release(1);
    assert.equal(ids.associationWith(id), undefined);
    assert.equal(ids.claim(2, id), true);
    assert.equal(ids.associationWith(id), 2);
  });

  test('that are empty belong to nobody', () => {
    const ids = new OwnConnectionIds(new SeededRandom(1));
    assert.deepEqual(ids.issue(1, 0), noBytes);
    assert.equal(ids.claim(1, noBytes), true);
    assert.equal(ids.claim(2, noBytes), true);
    assert.equal(ids.associationWith(noBytes), undefined);
  });
});
