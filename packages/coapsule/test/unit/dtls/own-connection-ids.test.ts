import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { checkDtlsConfig } from '../../../src/core/dtls/dtls-config.ts';
import { OwnConnectionIds, ownConnectionIdLength } from '../../../src/core/dtls/own-connection-ids.ts';
import { noBytes, toHex } from '../../../src/core/foundation/bytes.ts';
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
