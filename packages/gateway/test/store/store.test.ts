import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openDatabase } from '../../src/store/database.ts';
import { DeviceTable } from '../../src/store/device-table.ts';
import type { Reading, RecordOutcome, RequestFingerprint } from '../../src/store/reading-table.ts';
import { Store } from '../../src/store/store.ts';
import type { StoreFault } from '../../src/store/store-fault.ts';
import { temporaryFolder } from './temporary-folder.ts';

function reading(path: string, text: string, receivedAtMs = 1_000_000): Reading {
  return {
    path,
    value: new TextEncoder().encode(text),
    contentFormat: 0,
    identity: 'sensor-1',
    peerAddress: '[::1]:40000',
    receivedAtMs,
  };
}

/** Whether a reading was there already; fails for one that was refused. */
function isRepeat(outcome: RecordOutcome): boolean {
  assert.ok('repeat' in outcome);
  return outcome.repeat;
}

function request(messageId: number, change: Partial<RequestFingerprint> = {}): RequestFingerprint {
  return {
    peer: '[::1]:40000',
    messageId,
    token: Uint8Array.of(1, 2, 3, 4),
    digest: new Uint8Array(32).fill(7),
    lifetimeMs: 247_000,
    ...change,
  };
}

test('the latest reading of a path comes back as it was stored', async (t) => {
  await using store = await Store.open(temporaryFolder(t));
  assert.equal(await store.latest('/sensors/a'), undefined);
  assert.deepEqual(await store.record(reading('/sensors/a', '1'), request(1)), {
    first: true,
    repeat: false,
  });
  assert.deepEqual(await store.record(reading('/sensors/a', '2'), request(2)), {
    first: false,
    repeat: false,
  });
  await store.record(
    { ...reading('/sensor', ''), contentFormat: undefined, identity: undefined },
    request(3),
  );
  assert.deepEqual(await store.latest('/sensors/a'), reading('/sensors/a', '2'));
  assert.deepEqual(await store.latest('/sensor'), {
    ...reading('/sensor', ''),
    contentFormat: undefined,
    identity: undefined,
  });
});

test('a request that was stored before is answered as before and not stored again, also after a restart', async (t) => {
  const path = temporaryFolder(t);
  {
    await using store = await Store.open(path);
    await store.record(reading('/sensors/a', '1'), request(1));
    assert.deepEqual(await store.record(reading('/sensors/a', '1'), request(1)), {
      first: true,
      repeat: true,
    });
  }
  {
    await using store = await Store.open(path);
    assert.deepEqual(await store.record(reading('/sensors/a', '1', 1_246_999), request(1)), {
      first: true,
      repeat: true,
    });
  }
  assert.deepEqual(counts(path), { readings: 1, answers: 1 });
});

test('a request that differs in endpoint, Message ID, token or content is a new one', async (t) => {
  const path = temporaryFolder(t);
  {
    await using store = await Store.open(path);
    const fingerprints = [
      request(1),
      request(2),
      request(1, { peer: '[::1]:40001' }),
      request(1, { token: new Uint8Array() }),
      request(1, { digest: new Uint8Array(32) }),
    ];
    for (const fingerprint of fingerprints) {
      assert.equal(isRepeat(await store.record(reading('/sensors/a', '1'), fingerprint)), false);
    }
  }
  assert.equal(counts(path).readings, 5);
});

test('a deduplication record ends with its lifetime, and is then purged', async (t) => {
  const path = temporaryFolder(t);
  {
    await using store = await Store.open(path);
    await store.record(reading('/sensors/a', '1', 1_000_000), request(1));
    const late = await store.record(reading('/sensors/a', '1', 1_247_000), request(1));
    assert.equal(isRepeat(late), false);
    await store.record(reading('/sensors/b', '1', 9_000_000), request(9));
  }
  assert.deepEqual(counts(path), { readings: 3, answers: 1 });
});

test('a reading that cannot come twice, after the wall clock jumped ahead, takes no record of others away', async (t) => {
  await using store = await Store.open(temporaryFolder(t));
  store.useLifetimes(() => 1_000_000);
  await store.record(reading('/sensors/a', '1'), request(1));
  await store.record(reading('/sensors/b', '1', 9_000_000_000), undefined);
  assert.equal(isRepeat(await store.record(reading('/sensors/a', '1'), request(1))), true);
});

test('a record from far in the future, after the clock was set back, does not hide a new request', async (t) => {
  await using store = await Store.open(temporaryFolder(t));
  await store.record(reading('/sensors/a', '1', 500_000_000), request(1));
  assert.equal(isRepeat(await store.record(reading('/sensors/a', '1', 1_000_000), request(1))), false);
});

test('writes that arrive while a commit runs are committed together in the next one', async (t) => {
  await using store = await Store.open(temporaryFolder(t));
  const all = Array.from({ length: 500 }, (_, index) =>
    store.record(reading(`/sensors/${index % 7}`, `${index}`), request(index)),
  );
  const outcomes = await Promise.all(all);
  assert.equal(store.commits, 2); // the first alone, then the 499 that waited for it
  assert.equal(outcomes.filter((outcome) => 'first' in outcome && outcome.first).length, 7);
});

test('more writes than may wait are refused at once and the others are stored', async (t) => {
  await using store = await Store.open(temporaryFolder(t), { maxWaitingWrites: 2 });
  const results = await Promise.allSettled(
    [1, 2, 3, 4, 5].map((id) => store.record(reading('/sensors/a', `${id}`), request(id))),
  );
  assert.deepEqual(
    results.map((result) => (result.status === 'fulfilled' ? 'stored' : (result.reason as StoreFault).code)),
    ['stored', 'stored', 'stored', 'overloaded', 'overloaded'],
  );
});

test('writes that wait are bounded in bytes too', async (t) => {
  await using store = await Store.open(temporaryFolder(t), { maxWaitingBytes: 100 });
  const results = await Promise.allSettled(
    [1, 200, 60, 40].map((length, id) =>
      store.record(reading('/sensors/a', 'x'.repeat(length)), request(id)),
    ),
  );
  // The first goes to the disk at once, the second waits alone however large it is.
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'rejected', 'rejected'],
  );
});

test('more reads than may wait are refused at once', async (t) => {
  await using store = await Store.open(temporaryFolder(t), { maxWaitingReads: 2 });
  const results = await Promise.allSettled([1, 2, 3].map((path) => store.latest(`/sensors/${path}`)));
  assert.deepEqual(
    results.map((result) => (result.status === 'fulfilled' ? 'read' : (result.reason as StoreFault).code)),
    ['read', 'read', 'overloaded'],
  );
});

test('a value that changes after the call is stored as it was', async (t) => {
  await using store = await Store.open(temporaryFolder(t));
  const datagram = new TextEncoder().encode('....first....');
  const first = store.record(reading('/sensors/b', '1'), request(1));
  const second = store.record(
    { ...reading('/sensors/a', ''), value: datagram.subarray(4, 9) },
    request(2, { token: datagram.subarray(0, 4) }),
  );
  datagram.fill(0);
  await Promise.all([first, second]);
  assert.deepEqual((await store.latest('/sensors/a'))?.value, new TextEncoder().encode('first'));
});

test('a lock file that is no database is named as what to delete', async (t) => {
  const path = temporaryFolder(t);
  writeFileSync(join(path, 'gateway.lock'), 'garbage '.repeat(200), { mode: 0o600 });
  await assert.rejects(
    Store.open(path),
    (fault: StoreFault) =>
      fault.message.includes('lock file') &&
      fault.message.includes('gateway.lock') &&
      fault.nextStep.includes('delete this file'),
  );
});

test('closing finishes the writes that wait, and later calls are refused', async (t) => {
  const path = temporaryFolder(t);
  const store = await Store.open(path);
  const writes = [1, 2, 3].map((id) => store.record(reading('/sensors/a', `${id}`), request(id)));
  await store.close();
  await store.close();
  await Promise.all(writes);
  await assert.rejects(store.latest('/sensors/a'), (fault: StoreFault) => fault.code === 'closed');
  assert.equal(counts(path).readings, 3);
  assert.equal(existsSync(join(path, 'gateway.pid')), false);
});

test('of a path with a bound the newest readings are kept', async (t) => {
  const path = temporaryFolder(t);
  {
    await using store = await Store.open(path);
    for (let id = 0; id < 10; id += 1)
      await store.record(reading('/sensor', `${id}`), request(id), { keepNewest: 3 });
    await store.record(reading('/sensors/a', '1'), request(10));
    assert.deepEqual((await store.latest('/sensor'))?.value, new TextEncoder().encode('9'));
  }
  assert.deepEqual(counts(path), { readings: 4, answers: 11 });
});

test('paths below a prefix are listed once each, in order and up to the limit', async (t) => {
  await using store = await Store.open(temporaryFolder(t));
  for (const [index, path] of [
    '/sensors/b',
    '/sensor',
    '/sensors/a/x',
    '/sensors/b',
    '/sensors0',
  ].entries()) {
    await store.record(reading(path, '1'), request(index));
  }
  assert.deepEqual(await store.pathsBelow('/sensors/', 10), ['/sensors/a/x', '/sensors/b']);
  assert.deepEqual(await store.pathsBelow('/sensors/', 1), ['/sensors/a/x']);
});

test('an identity that has all its paths may write them but no other, and others may', async (t) => {
  await using store = await Store.open(temporaryFolder(t));
  const quota = { maxPaths: 2, maxBytes: 1_000_000 };
  const put = (identity: string | undefined, path: string, id: number) =>
    store.record({ ...reading(path, '1'), identity }, request(id), { quota });
  await put('a', '/sensors/1', 1);
  await put('a', '/sensors/2', 2);
  assert.deepEqual(await put('a', '/sensors/3', 3), { refused: 'too-many-paths' });
  assert.equal(await store.latest('/sensors/3'), undefined);
  assert.equal(isRepeat(await put('a', '/sensors/2', 4)), false);
  for (const [index, identity] of ['b', undefined].entries()) {
    assert.equal(isRepeat(await put(identity, '/sensors/3', 5 + index)), false);
  }
  // The same request again, now that it may: it was not taken for stored.
  assert.equal(isRepeat(await store.record(reading('/sensors/3', '1'), request(3))), false);
});

test('an identity that has all its bytes is refused, unless the oldest reading makes room', async (t) => {
  const path = temporaryFolder(t);
  {
    await using store = await Store.open(path);
    const quota = { maxPaths: 10, maxBytes: 10_000 };
    const put = (text: string, id: number, keepNewest?: number) =>
      store.record(reading('/sensors/a', text), request(id), { quota, keepNewest });
    const outcomes: RecordOutcome[] = [];
    for (let id = 0; id < 5; id += 1) outcomes.push(await put('x'.repeat(3000), id));
    assert.deepEqual(
      outcomes.map((outcome) => ('refused' in outcome ? outcome.refused : 'stored')),
      ['stored', 'stored', 'stored', 'too-many-bytes', 'too-many-bytes'],
    );
    // In one transaction with others, which are stored.
    const together = await Promise.all([put('y', 10), put('x'.repeat(9000), 11), put('z', 12)]);
    assert.deepEqual(together[1], { refused: 'too-many-bytes' });
    assert.equal(isRepeat(await put('x'.repeat(3000), 20, 3)), false);
  }
  assert.deepEqual(counts(path), { readings: 3, answers: 6 });
});

test('what a writer takes is counted exactly, also when readings go', async (t) => {
  const path = temporaryFolder(t);
  {
    await using store = await Store.open(path);
    for (let id = 0; id < 9; id += 1) {
      const identity = ['a', 'b', undefined][id % 3];
      await store.record({ ...reading(`/sensors/${id % 2}`, 'x'.repeat(id)), identity }, request(id), {
        keepNewest: 2,
      });
    }
  }
  const { database, close } = openDatabase(path, { create: false, asGateway: false });
  t.after(close);
  const counted = database
    .prepare(
      `SELECT coalesce(identity, '') AS identity, sum(length(value) + 2 * length(path) + 128) AS bytes
       FROM reading GROUP BY 1`,
    )
    .all();
  assert.deepEqual(database.prepare('SELECT * FROM account WHERE bytes > 0').all(), counted);
  assert.deepEqual(
    database.prepare('SELECT * FROM account_path').all(),
    database
      .prepare(
        "SELECT coalesce(identity, '') AS identity, path, count(*) AS readings FROM reading GROUP BY 1, 2",
      )
      .all(),
  );
});

test('a condition is judged after the deduplication: what was stored is answered as then', async (t) => {
  await using store = await Store.open(temporaryFolder(t));
  const put = (id: number, storeWhen: { exists: boolean; missing: boolean }) =>
    store.record(reading('/sensors/a', '1'), request(id), { storeWhen });
  const onlyNew = { exists: false, missing: true };
  const onlyKnown = { exists: true, missing: false };
  assert.deepEqual(await put(1, onlyKnown), { refused: 'missing' });
  assert.deepEqual(await put(2, onlyNew), { first: true, repeat: false });
  assert.deepEqual(await put(2, onlyNew), { first: true, repeat: true });
  assert.deepEqual(await put(3, onlyNew), { refused: 'exists' });
  assert.deepEqual(await put(4, onlyKnown), { first: false, repeat: false });
});

test('a list that is too long has paths of every identity', async (t) => {
  await using store = await Store.open(temporaryFolder(t));
  let id = 0;
  for (const [identity, paths] of [
    ['a', 8],
    ['y', 1],
    ['z', 3],
  ] as const) {
    for (let path = 0; path < paths; path += 1) {
      id += 1;
      await store.record({ ...reading(`/sensors/${identity}/${path}`, '1'), identity }, request(id));
    }
  }
  assert.deepEqual(await store.pathsBelow('/sensors/', 6), [
    '/sensors/a/0',
    '/sensors/a/1',
    '/sensors/a/2',
    '/sensors/y/0',
    '/sensors/z/0',
    '/sensors/z/1',
  ]);
  assert.equal((await store.pathsBelow('/sensors/', 100)).length, 12);
});

test('a second gateway on the same folder is refused with the process that holds it, and may start after it', async (t) => {
  const path = temporaryFolder(t);
  const store = await Store.open(path);
  await assert.rejects(
    Store.open(path),
    (fault: StoreFault) => fault.code === 'in-use' && fault.message.includes(`process ${process.pid}`),
  );
  await store.close();
  await using again = await Store.open(path);
  assert.equal(await again.latest('/sensor'), undefined);
});

test('the folder of a gateway that was killed is free at once', async (t) => {
  const path = temporaryFolder(t);
  const program = `import { Store } from ${JSON.stringify(new URL('../../src/store/store.ts', import.meta.url).href)};
    await Store.open(${JSON.stringify(path)}); process.stdout.write('open');`;
  const file = join(temporaryFolder(t), 'hold.mjs');
  writeFileSync(file, program);
  const child = spawn(process.execPath, ['--conditions=@coapsule/source', file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  await Promise.race([once(child.stdout, 'data'), exited]);
  await assert.rejects(
    Store.open(path),
    (fault: StoreFault) => fault.code === 'in-use' && fault.message.includes(`process ${child.pid}`),
  );
  child.kill('SIGKILL');
  await exited;
  await using store = await Store.open(path);
  assert.deepEqual(await store.devices(), []);
});

test('a device added, rotated or removed by another process is seen by the open store', async (t) => {
  const path = temporaryFolder(t);
  let changed = Promise.withResolvers<void>();
  await using store = await Store.open(path, {
    onDevicesChanged: () => changed.resolve(),
    watchIntervalMs: 5,
  });
  const other = openDatabase(path, { create: false, asGateway: false });
  t.after(() => other.close());
  const devices = new DeviceTable(other);

  assert.equal(
    devices.add({
      id: 'a',
      credential: { kind: 'psk', key: Uint8Array.of(1) },
      rules: ['GET:/x'],
      addedAtMs: 5,
    }),
    true,
  );
  assert.equal(
    devices.add({ id: 'a', credential: { kind: 'psk', key: Uint8Array.of(9) }, rules: [], addedAtMs: 6 }),
    false,
  );
  await changed.promise;
  const device = { id: 'a', addedAtMs: 5, rules: ['GET:/x'] };
  assert.deepEqual(await store.device('a'), {
    ...device,
    credential: { kind: 'psk', key: Uint8Array.of(1) },
    keyVersion: 1,
    rotatedAtMs: undefined,
  });

  changed = Promise.withResolvers<void>();
  assert.equal(devices.rotate('a', { kind: 'psk', key: Uint8Array.of(2) }, 8), true);
  await changed.promise;
  assert.deepEqual(await store.device('a'), {
    ...device,
    credential: { kind: 'psk', key: Uint8Array.of(2) },
    keyVersion: 2,
    rotatedAtMs: 8,
  });

  changed = Promise.withResolvers<void>();
  assert.equal(devices.remove('a'), true);
  await changed.promise;
  assert.equal(await store.device('a'), undefined);
  assert.equal(devices.remove('a'), false);
  assert.equal(devices.rotate('a', { kind: 'psk', key: Uint8Array.of(3) }, 9), false);
});

test('a device is found by the fingerprint of its key or certificate, which no two devices share', async (t) => {
  const path = temporaryFolder(t);
  await using store = await Store.open(path);
  const other = openDatabase(path, { create: false, asGateway: false });
  t.after(() => other.close());
  const devices = new DeviceTable(other);
  const rpk = { kind: 'rpk', fingerprint: 'sha256:01' } as const;
  const cert = { kind: 'cert', fingerprint: 'sha256:02', expiresAtMs: 7 } as const;
  devices.add({ id: 'a', credential: rpk, rules: [], addedAtMs: 1 });
  devices.add({ id: 'b', credential: cert, rules: [], addedAtMs: 1 });
  assert.deepEqual((await store.deviceByFingerprint('sha256:01'))?.credential, rpk);
  assert.deepEqual((await store.device('b'))?.credential, cert);
  assert.throws(() => devices.add({ id: 'c', credential: rpk, rules: [], addedAtMs: 1 }), /UNIQUE/);
  assert.equal(await store.device('c'), undefined);
  devices.rotate('a', { kind: 'psk', key: Uint8Array.of(9) }, 2);
  assert.equal(await store.deviceByFingerprint('sha256:01'), undefined);
  assert.deepEqual((await store.device('a'))?.credential, { kind: 'psk', key: Uint8Array.of(9) });
});

function counts(path: string): { readings: number; answers: number } {
  const { database, close } = openDatabase(path, { create: false, asGateway: false });
  try {
    const row = database
      .prepare('SELECT (SELECT count(*) FROM reading) AS r, (SELECT count(*) FROM deduplication) AS a')
      .get() as { r: number; a: number };
    return { readings: row.r, answers: row.a };
  } finally {
    close();
  }
}
