/** Devices that sleep behind the gateway: their state is answered for them, commands reach them when they are heard. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type ClientOptions, OptionNumber } from 'coapsule';
import type { GatewayOptions } from '../../src/gateway/gateway-options.ts';
import { type SleepyOptions, sleepyDefaults } from '../../src/sleepy/sleepy-options.ts';
import { freeUdpPorts } from '../interop/process.ts';
import { CoapsuleProcess } from '../server/gateway-process.ts';
import { SleepingDevice } from '../sleepy/sleeping-device.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { startTestGateway } from './test-gateway.ts';

const key = 'MySecret16ByteK!';
const bytes = new TextEncoder().encode(key);
const psks = ['meter', 'dashboard', 'stranger'].map((identity) => ({ identity, key: bytes }));
const access = {
  identities: new Map([['dashboard', ['GET,PUT,POST,DELETE:/sleepy/*']]]),
  groups: [],
  resources: [],
};
const sleepy: SleepyOptions = {
  ...sleepyDefaults,
  ...{ devices: ['meter'], registered: true, waitMs: 0, servesStale: false, latestOnly: [] },
};

async function start(
  t: TestContext,
  more: Partial<SleepyOptions> = {},
  options: Partial<GatewayOptions> = {},
) {
  const gateway = await startTestGateway(t, { psks, access, sleepy: { ...sleepy, ...more }, ...options });
  const port = Number(gateway.coaps.split(':').at(-1));
  const device = (identity = 'meter'): Promise<SleepingDevice> => SleepingDevice.open(t, port, identity, key);
  const dashboard = gateway.client('dashboard', key, uncached);
  return { ...gateway, device, dashboard, at: `${gateway.coaps}/sleepy/meter` };
}

const uncached: ClientOptions = { cache: false };

test('what a device has told last is answered for it, with the Max-Age that is left, validated, and observed', async (t) => {
  const { device, dashboard, at } = await start(t, { freshMs: 600_000 });
  const meter = await device();
  assert.equal((await dashboard.get(`${at}/energy`)).codeText, '5.04');
  assert.equal(await meter.send('PUT', '/sleepy/meter/energy', '17'), '2.04');
  const read = await dashboard.get(`${at}/energy`);
  const left = read.options.uint(OptionNumber.MaxAge) ?? 0;
  assert.deepEqual([read.text(), left > 500 && left <= 600], ['17', true]);
  assert.equal((await dashboard.get(`${at}/energy`, { etag: [read.etag as Uint8Array] })).codeText, '2.03');
  const seen: string[] = [];
  for await (const state of dashboard.observe(`${at}/energy`)) {
    seen.push(state.text());
    if (seen.length === 1) await meter.send('PUT', '/sleepy/meter/energy', '18');
    else break;
  }
  assert.deepEqual(seen, ['17', '18']);
  // Nothing of it was asked of the device.
  assert.deepEqual(meter.asked, []);
  // What it told is the state of the path without a query.
  assert.equal((await dashboard.get(`${at}/energy?unit=J`)).codeText, '5.04');
});

test('what is not fresh any more is answered as configured only, and with Max-Age 0', async (t) => {
  const strict = await start(t, { freshMs: 0 });
  assert.equal(await (await strict.device()).send('PUT', '/sleepy/meter/energy', '17'), '2.04');
  const lenient = await start(t, { freshMs: 0, servesStale: true });
  assert.equal(await (await lenient.device()).send('PUT', '/sleepy/meter/energy', '17'), '2.04');
  const stale = await lenient.dashboard.get(`${lenient.at}/energy`);
  assert.deepEqual([stale.text(), stale.options.uint(OptionNumber.MaxAge)], ['17', 0]);
  // There the device is to say it again.
  const refused = await strict.dashboard.get(`${strict.at}/energy`);
  assert.equal(refused.codeText, '5.04');
});

test('a command is accepted with 2.04 and its place, reaches the device when it is heard, and tells then what came of it', async (t) => {
  const { device, dashboard, at, coaps } = await start(t);
  const accepted = await dashboard.put(`${at}/setpoint`, { payload: '21' });
  assert.deepEqual([accepted.codeText, accepted.contentFormat], ['2.04', 50]);
  const told = JSON.parse(accepted.text());
  assert.deepEqual(
    [told.command, told.state, told.method, told.target, told.from],
    ['/sleepy/meter/.commands/1', 'queued', 'PUT', '/setpoint', 'dashboard'],
  );
  const meter = await device();
  await meter.send('PUT', '/sleepy/meter/energy', '17');
  for await (const state of dashboard.observe(`${coaps}${told.command}`)) {
    const { state: name, code } = JSON.parse(state.text());
    if (name === 'done') {
      assert.equal(code, '2.04');
      break;
    }
  }
  assert.deepEqual([meter.asked, meter.resources.get('/setpoint')], [['PUT /setpoint 21'], '21']);
  const all = JSON.parse((await dashboard.get(at)).text());
  assert.deepEqual([all.device, all.awake, all.commands.length], ['meter', true, 1]);
});

test('who sets the wall clock a year ahead or back lets no command expire, and keeps none', async (t) => {
  const year = 365 * 86_400_000;
  for (const jump of [year, -year]) {
    let offset = 0;
    const { device, dashboard, at } = await start(t, {}, { clock: () => Date.now() + offset });
    await dashboard.put(`${at}/setpoint`, { payload: '21' });
    offset = jump;
    const [waiting] = JSON.parse((await dashboard.get(at)).text()).commands;
    assert.equal(waiting.state, 'queued');
    // As clocks say it now.
    const left = Date.parse(waiting.expiresAt) - (Date.now() + offset);
    assert.ok(Math.abs(left - sleepyDefaults.lifetimeMs) < 60_000, `${left} ms`);
    const meter = await device();
    await meter.send('PUT', '/sleepy/meter/energy', '17');
    const command = async () => JSON.parse((await dashboard.get(`${at}/.commands/1`)).text());
    while ((await command()).state !== 'done');
    assert.deepEqual(meter.asked, ['PUT /setpoint 21']);
  }
});

test('who can wait has the answer of the device itself', async (t) => {
  const { device, dashboard, at } = await start(t, { waitMs: 30_000 });
  const asked = dashboard.put(`${at}/setpoint`, { payload: '21' });
  const waits = async (): Promise<boolean> =>
    JSON.parse((await dashboard.get(at)).text()).commands.length > 0;
  while (!(await waits()));
  const meter = await device();
  meter.resources.set('/temperature', '19.5');
  // Any request says that it is awake.
  await meter.send('GET', '/sleepy/meter');
  const answer = await asked;
  assert.deepEqual([answer.codeText, answer.payload.length], ['2.04', 0]);
  assert.equal((await dashboard.get(`${at}/temperature`)).text(), '19.5');
  assert.deepEqual(meter.asked, ['PUT /setpoint 21', 'GET /temperature']);
});

test('a command can be taken back, rules and names hold, and the queue has an end', async (t) => {
  const { device, dashboard, at, client, coap, coaps } = await start(t, { mostCommands: 2 });
  await dashboard.put(`${at}/a`, { payload: '1' });
  await dashboard.delete(`${at}/b`);
  const full = await dashboard.post(`${at}/c`, { payload: '1' });
  assert.deepEqual([full.codeText, full.options.uint(OptionNumber.MaxAge)], ['4.29', 60]);
  assert.equal((await dashboard.delete(`${at}/.commands/1`)).codeText, '2.02');
  assert.equal((await dashboard.delete(`${at}/.commands/1`)).codeText, '4.09');
  assert.equal((await dashboard.get(`${at}/.commands/77`)).codeText, '4.04');
  assert.equal((await dashboard.put(`${coaps}/sleepy/other/a`, { payload: '1' })).codeText, '4.04');
  assert.equal((await client('stranger', key).put(`${at}/a`, { payload: '1' })).codeText, '4.03');
  assert.equal((await client().put(`${coap}/sleepy/meter/a`, { payload: '1' })).codeText, '4.01');
  const meter = await device();
  assert.equal(await meter.send('PUT', '/sleepy/other/x', '1'), '4.03');
  await meter.send('GET', '/sleepy/meter');
  await meter.askedTimes(1);
  assert.deepEqual(meter.asked, ['DELETE /b']);
});

test('a device that says so when it registers sleeps too', async (t) => {
  const { device, dashboard, at } = await start(t, { devices: [] });
  assert.equal((await dashboard.get(`${at}/x`)).codeText, '4.04');
  const meter = await device();
  assert.equal(await meter.send('POST', '/rd?ep=meter&sleepy'), '2.01');
  await dashboard.put(`${at}/setpoint`, { payload: '21' });
  // The update of its registration tells that it is awake.
  await meter.send('POST', '/rd?ep=meter&sleepy');
  await meter.askedTimes(1);
  assert.deepEqual(meter.asked, ['PUT /setpoint 21']);
});

test('a gateway that is killed after it has accepted a command delivers it in its next life, once', async (t) => {
  const data = temporaryFolder(t);
  const port = await freeUdpPorts(1);
  const config = `${data}.yaml`;
  const { writeFileSync, rmSync } = await import('node:fs');
  writeFileSync(
    config,
    `psk: { keys: [{ identity: meter, key: ${key} }, { identity: dashboard, key: ${key} }] }
access: { identities: { dashboard: { allow: ["PUT,GET:/sleepy/*"] } } }
sleepy: { devices: [meter], waitSeconds: 0 }
`,
    { mode: 0o600 },
  );
  t.after(() => rmSync(config));
  const serve = async (): Promise<CoapsuleProcess> => {
    const process = new CoapsuleProcess(t, [
      ...['serve', '--config', config, '--data', data, '--http', 'off'],
      ...['--coap', 'off', '--coaps', `127.0.0.1:${port}`],
    ]);
    await process.ready();
    return process;
  };
  const first = await serve();
  const { Client } = await import('coapsule');
  await using dashboard = new Client({ psk: { identity: 'dashboard', key: bytes } });
  const at = `coaps://127.0.0.1:${port}/sleepy/meter`;
  const accepted = await dashboard.put(`${at}/valve`, { payload: 'shut' });
  assert.equal(accepted.codeText, '2.04', accepted.text());
  await first.kill('SIGKILL');
  await serve();
  const meter = await SleepingDevice.open(t, port, 'meter', key);
  await meter.send('PUT', '/sleepy/meter/energy', '1');
  await meter.askedTimes(1);
  await using again = new Client({ psk: { identity: 'dashboard', key: bytes } });
  for await (const state of again.observe(`${at}/.commands/1`)) if (/"done"/.test(state.text())) break;
  await meter.send('PUT', '/sleepy/meter/energy', '2');
  assert.deepEqual(meter.asked, ['PUT /valve shut']);
});
