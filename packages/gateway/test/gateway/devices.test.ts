import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { defaultRules, ruleText } from '../../src/access/rule.ts';
import { openDatabase } from '../../src/store/database.ts';
import { DeviceTable } from '../../src/store/device-table.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { HoldingRelay } from './holding-relay.ts';
import { startTestGateway } from './test-gateway.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The devices of a folder, as `coapsule device` in another process sees them. */
function otherProcess(t: TestContext, folder: string): DeviceTable {
  const opened = openDatabase(folder, { create: true, asGateway: false });
  t.after(() => opened.close());
  return new DeviceTable(opened);
}

function addDevice(devices: DeviceTable, id: string, key: string, rules?: readonly string[]): void {
  devices.add({
    id,
    credential: { kind: 'psk', key: bytes(key) },
    rules: rules ?? defaultRules(id).map(ruleText),
    addedAtMs: 1,
  });
}

test('a device writes and reads below its own path, and gets 4.03 on another’s', async (t) => {
  const folder = temporaryFolder(t);
  const devices = otherProcess(t, folder);
  addDevice(devices, 'patient-1', 'key of patient one');
  addDevice(devices, 'patient-2', 'key of patient two');
  addDevice(devices, 'nurse', 'key of the station', ['GET:/sensors', 'GET:/sensors/*']);
  const { coaps, coap, client, log } = await startTestGateway(t, { dataFolder: folder });

  const one = client('patient-1', 'key of patient one');
  assert.equal((await one.put(`${coaps}/sensors/patient-1/hr`, { payload: '71' })).codeText, '2.01');
  assert.equal((await one.get(`${coaps}/sensors/patient-1/hr`)).text(), '71');
  assert.equal((await one.put(`${coaps}/sensors/patient-2/hr`, { payload: '0' })).codeText, '4.03');
  assert.equal((await one.get(`${coaps}/sensors/patient-2/hr`)).codeText, '4.03');
  await log.waitFor(
    /^patient-1: PUT \/sensors\/patient-2\/hr refused \(it may: PUT,POST,GET:\/sensors\/patient-1 PUT,POST,GET:\/sensors\/patient-1\/\* PUT,POST,GET:\/sensor\)$/,
  );
  assert.equal((await one.put(`${coaps}/nothing`, { payload: '0' })).codeText, '4.04');

  const nurse = client('nurse', 'key of the station');
  assert.equal((await nurse.get(`${coaps}/sensors/patient-1/hr`)).text(), '71');
  assert.equal((await nurse.get(`${coaps}/sensors`)).text(), '</sensors/patient-1/hr>');
  assert.equal((await nurse.put(`${coaps}/sensors/patient-1/hr`, { payload: '0' })).codeText, '4.03');

  const two = client('patient-2', 'key of patient two');
  assert.equal((await two.put(`${coaps}/sensors/patient-2/a%2Fb`, { payload: '1' })).codeText, '2.01');
  assert.equal((await two.get(`${coaps}/sensors`)).text(), '</sensors/patient-2/a%2Fb>');
  assert.equal((await one.get(`${coaps}/sensors`)).text(), '</sensors/patient-1/hr>');

  const plain = client();
  assert.equal((await plain.get(`${coap}/sensors`)).codeText, '4.01');
  assert.equal((await plain.get(`${coap}/sensors/patient-1/hr`)).codeText, '4.01');
  assert.equal((await plain.put(`${coap}/sensors/patient-1/hr`, { payload: '0' })).codeText, '4.01');
  assert.equal((await plain.post(`${coap}/sensor`, { payload: '0' })).codeText, '4.01');
  assert.equal((await plain.get(`${coap}/hello`)).codeText, '4.04'); // no demo resources

  await log.waitFor(/PUT \/sensors\/patient-1\/hr 2\.01 Created from 127\.0\.0\.1:\d+ as patient-1$/);
  for (const key of ['key of patient one', 'key of patient two']) {
    for (const form of [key, Buffer.from(key).toString('hex'), Buffer.from(key).toString('base64')])
      assert.ok(!log.lines.some((line) => line.includes(form)), 'a key is in the log');
  }
});

test('a reading is kept with the identity that was authenticated', async (t) => {
  const folder = temporaryFolder(t);
  const devices = otherProcess(t, folder);
  addDevice(devices, 'sensor-7', 'a key of sixteen bytes');
  const { coaps, client } = await startTestGateway(t, { dataFolder: folder, clock: () => 1_700_000_000_000 });
  const sensor = client('sensor-7', 'a key of sixteen bytes');
  await sensor.post(`${coaps}/sensor`, { payload: '22.5', contentFormat: 0 });
  const opened = openDatabase(folder, { create: false, asGateway: false });
  const row = { ...opened.database.prepare('SELECT * FROM reading').get() };
  opened.close();
  assert.match(String(row['peer_address']), /^127\.0\.0\.1:\d+$/);
  assert.deepEqual(
    { ...row, peer_address: undefined },
    {
      id: 1,
      path: '/sensor',
      value: bytes('22.5'),
      content_format: 0,
      identity: 'sensor-7',
      peer_address: undefined,
      received_at_ms: 1_700_000_000_000,
    },
  );
});

test('a device added while the gateway runs is let in; removed, its association ends', async (t) => {
  const { coaps, client, folder, log } = await startTestGateway(t);
  await log.waitFor(/there is no device yet/);
  const devices = otherProcess(t, folder);
  addDevice(devices, 'late', 'a key of sixteen bytes');
  const late = client('late', 'a key of sixteen bytes');
  assert.equal((await late.put(`${coaps}/sensors/late`, { payload: '1' })).codeText, '2.01');

  devices.remove('late');
  await log.waitFor(/secured association with .* ended: local/);
  await assert.rejects(late.put(`${coaps}/sensors/late`, { payload: '2' }), (error: { code: string }) =>
    ['ERR_ASSOCIATION_CLOSED', 'ERR_CREDENTIALS'].includes(error.code),
  );
});

test('a rotated key ends the association, the new one opens another, the old one none', async (t) => {
  const folder = temporaryFolder(t);
  const devices = otherProcess(t, folder);
  addDevice(devices, 'meter', 'the old key of sixteen');
  addDevice(devices, 'other', 'a key that stays the same');
  const { coaps, client, log } = await startTestGateway(t, { dataFolder: folder });
  const other = client('other', 'a key that stays the same');
  await other.put(`${coaps}/sensors/other`, { payload: '1' });
  await client('meter', 'the old key of sixteen').put(`${coaps}/sensors/meter`, { payload: '1' });

  devices.rotate('meter', { kind: 'psk', key: bytes('the new key of sixteen') }, 2);
  await log.waitFor(/ended: local/);
  const renewed = client('meter', 'the new key of sixteen');
  assert.equal((await renewed.put(`${coaps}/sensors/meter`, { payload: '2' })).codeText, '2.04');
  await assert.rejects(client('meter', 'the old key of sixteen').get(`${coaps}/sensors/meter`), {
    code: 'ERR_CREDENTIALS',
  });
  const kept = await other.put(`${coaps}/sensors/other`, { payload: '2' });
  assert.equal(kept.handshakeMs, undefined);
});

test('failing handshakes under the name of a device do not keep an association under its old key alive', async (t) => {
  const folder = temporaryFolder(t);
  const devices = otherProcess(t, folder);
  addDevice(devices, 'meter', 'the old key of sixteen');
  const { coaps, client, log } = await startTestGateway(t, { dataFolder: folder, watchIntervalMs: 200 });
  await client('meter', 'the old key of sixteen').put(`${coaps}/sensors/meter`, { payload: '1' });
  devices.rotate('meter', { kind: 'psk', key: bytes('the new key of sixteen') }, 2);
  // This look-up gives the new key before the gateway has noticed the change.
  await assert.rejects(client('meter', 'whatever it may be').get(`${coaps}/sensors/meter`), {
    code: 'ERR_CREDENTIALS',
  });
  await log.waitFor(/ended: local/);
});

test('an association under a published key ends when a device of its name is added', async (t) => {
  const folder = temporaryFolder(t);
  const devices = otherProcess(t, folder);
  for (const options of [{ demo: true }, { anyIdentityKey: bytes('MySecret16ByteK!') }]) {
    const { coaps, client, log, gateway } = await startTestGateway(t, { dataFolder: folder, ...options });
    const stranger = client('sensor-042', 'MySecret16ByteK!');
    assert.equal((await stranger.put(`${coaps}/sensors/sensor-042`, { payload: '1' })).ok, true);
    addDevice(devices, 'sensor-042', 'the real key of sixteen', ['*:/sensors/*']);
    await log.waitFor(/ended: local/);
    await assert.rejects(stranger.put(`${coaps}/sensors/x`, { payload: '2' }), (error: { code: string }) =>
      ['ERR_ASSOCIATION_CLOSED', 'ERR_CREDENTIALS'].includes(error.code),
    );
    devices.remove('sensor-042');
    await gateway.close();
  }
});

test('a handshake that began with a key and ends after its rotation gives no association', async (t) => {
  const folder = temporaryFolder(t);
  const devices = otherProcess(t, folder);
  addDevice(devices, 'meter', 'the old key of sixteen');
  const secrets = Promise.withResolvers<void>();
  const { coaps, client, log } = await startTestGateway(t, {
    dataFolder: folder,
    keylog: () => secrets.resolve(),
  });
  const relay = await HoldingRelay.open(t, coaps);
  const lost = client('meter', 'the old key of sixteen').put(`${relay.uri}/sensors/meter`, { payload: '1' });
  lost.catch(() => {});
  await relay.holding;
  await secrets.promise; // the key was looked up
  devices.rotate('meter', { kind: 'psk', key: bytes('the new key of sixteen') }, 2);
  relay.release();
  await log.waitFor(/secured association with .* as meter/);
  await log.waitFor(/ended: local/);
  assert.ok(!log.lines.some((line) => /PUT .* 2\./.test(line)));
  await assert.rejects(lost);
});

test('a device that was removed and added again with another key loses its old association', async (t) => {
  const folder = temporaryFolder(t);
  const devices = otherProcess(t, folder);
  addDevice(devices, 'a', 'the first key of sixteen');
  const { coaps, client, log } = await startTestGateway(t, { dataFolder: folder });
  await client('a', 'the first key of sixteen').put(`${coaps}/sensors/a`, { payload: '1' });
  devices.remove('a');
  devices.add({
    id: 'a',
    credential: { kind: 'psk', key: bytes('the second key of sixteen') },
    rules: [],
    addedAtMs: 2,
  });
  await log.waitFor(/ended: local/);
});

test('changed rights count for an association that stays', async (t) => {
  const folder = temporaryFolder(t);
  const opened = openDatabase(folder, { create: true, asGateway: false });
  t.after(() => opened.close());
  addDevice(new DeviceTable(opened), 'a', 'a key of sixteen bytes', ['PUT:/sensors/x']);
  const { coaps, client } = await startTestGateway(t, { dataFolder: folder });
  const device = client('a', 'a key of sixteen bytes');
  assert.equal((await device.put(`${coaps}/sensors/x`, { payload: '1' })).codeText, '2.01');
  opened.database.exec("UPDATE device_rule SET rule = 'GET:/sensors/x'");
  // The gateway looks every few milliseconds; ask until it has seen it.
  let codeText = '';
  while (codeText !== '4.03') codeText = (await device.put(`${coaps}/sensors/x`, { payload: '1' })).codeText;
  assert.equal((await device.get(`${coaps}/sensors/x`)).text(), '1');
});

test('with one key for any identity each name writes below its own path only, and a warning is loud', async (t) => {
  const { coaps, client, log } = await startTestGateway(t, { anyIdentityKey: bytes('esp32c3_key') });
  await log.waitFor(/ANY IDENTITY IS ACCEPTED/);
  await log.waitFor(/published sample key/);
  for (const identity of ['whoever', '*', 'a/b', 'ü']) {
    const device = client(identity, 'esp32c3_key');
    const own = `${coaps}/sensors/${encodeURIComponent(identity)}`;
    assert.equal((await device.put(own, { payload: '1' })).codeText, '2.01', identity);
    assert.equal((await device.put(`${coaps}/sensors/someone`, { payload: '1' })).codeText, '4.03', identity);
    assert.equal((await device.put(`${coaps}/sensors/a/b`, { payload: '1' })).codeText, '4.03', identity);
  }
});

test('a key from the command line counts before the store’s, with a warning', async (t) => {
  const folder = temporaryFolder(t);
  addDevice(otherProcess(t, folder), 'a', 'the key in the store 16');
  const { coaps, client, log } = await startTestGateway(t, {
    dataFolder: folder,
    psks: [{ identity: 'a', key: bytes('short') }],
  });
  await log.waitFor(/the key of a has 5 bytes/);
  await log.waitFor(/a is also a device of the store/);
  assert.equal((await client('a', 'short').put(`${coaps}/sensors/a`, { payload: '1' })).codeText, '2.01');
});

test('plain writes have to be allowed by their dangerous name, and then need no identity', async (t) => {
  const { coap, client, log } = await startTestGateway(t, { dangerouslyAllowPlainWrites: true });
  await log.waitFor(/PLAIN WRITES ARE ALLOWED/);
  const plain = client();
  assert.equal((await plain.put(`${coap}/sensors/a/b`, { payload: '1' })).codeText, '2.01');
  assert.equal((await plain.get(`${coap}/sensors/a/b`)).text(), '1');
  assert.equal((await plain.put(`${coap}/sensors/a/`, { payload: '1' })).codeText, '4.00');
  assert.equal((await plain.put(`${coap}/sensors/a`, { payload: 'x'.repeat(65_537) })).codeText, '4.13');
  assert.equal(
    (
      await plain.put(`${coap}/sensors/${'x'.repeat(200)}/${'y'.repeat(200)}/${'z'.repeat(200)}`, {
        payload: '1',
      })
    ).codeText,
    '4.00',
  );
});

test('without demo and devices the plain endpoint offers nothing but discovery', async (t) => {
  const { coap, client } = await startTestGateway(t, { coaps: undefined });
  const plain = client();
  assert.equal((await plain.get(`${coap}/.well-known/core`)).codeText, '2.05');
  assert.equal((await plain.get(`${coap}/sensors`)).codeText, '4.01');
});

test('a device that fills its quota gets 4.29 with Max-Age, the others go on, and the log names it', async (t) => {
  const folder = temporaryFolder(t);
  const devices = otherProcess(t, folder);
  for (const id of ['a', 'b']) addDevice(devices, id, `key of sixteen bytes ${id}`);
  const { coaps, client, log } = await startTestGateway(t, {
    dataFolder: folder,
    retention: { maxPaths: 3, keepNewest: 2 },
  });
  const [a, b] = ['a', 'b'].map((id) => client(id, `key of sixteen bytes ${id}`));
  const codes: string[] = [];
  for (let path = 0; path < 4; path += 1) {
    const response = await a!.put(`${coaps}/sensors/a/${path}`, { payload: '1' });
    codes.push(response.codeText);
    if (path === 3) assert.equal(response.maxAgeSeconds, 3600);
  }
  assert.deepEqual(codes, ['2.01', '2.01', '2.01', '4.29']);
  await log.waitFor(/a reading was refused: a reached --max-paths/);
  for (let round = 0; round < 5; round += 1) await a!.put(`${coaps}/sensors/a/0`, { payload: `${round}` });
  assert.equal((await b!.put(`${coaps}/sensors/b/1`, { payload: '1' })).codeText, '2.01');
  const opened = openDatabase(folder, { create: false, asGateway: false });
  const rows = opened.database.prepare("SELECT value FROM reading WHERE path = '/sensors/a/0'").all();
  opened.close();
  assert.deepEqual(
    rows.map(({ value }) => Buffer.from(value as Uint8Array).toString()),
    ['3', '4'],
  );
});

test('conditional writes: 4.12 where the condition does not hold', async (t) => {
  const { coap, client } = await startTestGateway(t, { dangerouslyAllowPlainWrites: true });
  const plain = client();
  const put = async (number: number, value: Uint8Array): Promise<string> =>
    (await plain.put(`${coap}/sensors/a`, { payload: '1', options: [{ number, value }] })).codeText;
  const [ifMatch, ifNoneMatch] = [1, 5];
  assert.equal(await put(ifMatch, new Uint8Array()), '4.12');
  assert.equal(await put(ifNoneMatch, new Uint8Array()), '2.01');
  assert.equal(await put(ifNoneMatch, new Uint8Array()), '4.12');
  assert.equal(await put(ifMatch, new Uint8Array()), '2.04');
  assert.equal(await put(ifMatch, Uint8Array.of(1)), '4.12'); // readings have no ETag
});

test('a / or a % inside a segment makes another path than a separator, for values, rights and observers', async (t) => {
  const folder = temporaryFolder(t);
  addDevice(otherProcess(t, folder), 'a', 'a key of sixteen bytes');
  const { coaps, client } = await startTestGateway(t, { dataFolder: folder });
  const device = client('a', 'a key of sixteen bytes');
  const paths = ['x/y', 'x%2Fy', 'x%252Fy', 'x%25y'];
  const observations = [];
  for (const path of paths) {
    const uri = `${coaps}/sensors/a/${path}`;
    assert.equal((await device.put(uri, { payload: path })).codeText, '2.01', path);
    const observation = device.observe(uri)[Symbol.asyncIterator]();
    assert.equal((await observation.next()).value?.text(), path);
    observations.push(observation);
  }
  for (const [index, path] of paths.entries()) {
    await device.put(`${coaps}/sensors/a/${path}`, { payload: `${path} again` });
    assert.equal((await observations[index]?.next())?.value?.text(), `${path} again`);
  }
  assert.equal((await device.put(`${coaps}/sensors/b%2F..%2Fa`, { payload: '1' })).codeText, '4.03');
});
