import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeText, OptionNumber, type Request, type RequestOptions, type TraceEvent } from 'coapsule';
import { decodeMessage, isDecodeFault as isMessageFault } from 'coapsule/message';
import { demoResources } from '../../src/resources/demo-resources.ts';
import { openDatabase } from '../../src/store/database.ts';
import { DeviceTable } from '../../src/store/device-table.ts';
import { VirtualTimer } from '../virtual-timer.ts';
import { startTestGateway } from './test-gateway.ts';

const key042 = 'MySecret16ByteK!';

test('the demo resources answer as the requirements say, over plain coap', async (t) => {
  const { coap, client: newClient } = await startTestGateway(t, { demo: true });
  const client = newClient();
  const ask = async (
    method: 'GET' | 'PUT' | 'POST' | 'DELETE',
    path: string,
    payload?: string,
    options: RequestOptions = {},
  ) => {
    const response = await client.request(method, coap + path, {
      ...options,
      ...(payload === undefined ? {} : { payload }),
    });
    return `${response.codeText} ${response.ok ? response.text() : ''}`.trim();
  };

  const table: readonly (readonly [string, () => Promise<string>, RegExp | string])[] = [
    ['/a', () => ask('GET', '/a'), '2.05 Hello World'],
    ['/light starts on', () => ask('GET', '/light'), '2.05 {"status": true}'],
    ['/light PUT', () => ask('PUT', '/light', '{"status": false}'), '2.04'],
    ['/light PUT again', () => ask('PUT', '/light', '{"status": false}'), '2.04'],
    ['/light keeps it', () => ask('GET', '/light'), '2.05 {"status": false}'],
    ['/light empty PUT', () => ask('PUT', '/light'), '4.00'],
    ['/light POST', () => ask('POST', '/light', 'x'), '4.05'],
    ['/light DELETE', () => ask('DELETE', '/light'), '4.05'],
    ['/light too long', () => ask('PUT', '/light', 'x'.repeat(101)), '4.13'],
    ['/temperature text', () => ask('GET', '/temperature'), /^2\.05 2\d\.\d°C$/],
    ['/temperature JSON', () => ask('GET', '/temperature', undefined, { accept: 50 }), /^2\.05 2\d\.\d$/],
    ['/temperature XML', () => ask('GET', '/temperature', undefined, { accept: 41 }), '4.06'],
    ['/temperature DELETE', () => ask('DELETE', '/temperature'), '4.05'],
    ['/humidity', () => ask('GET', '/humidity'), /^2\.05 4\d\.\d %$/],
    ['/pressure', () => ask('GET', '/pressure'), /^2\.05 1013\.\d hPa$/],
    ['/sensor before', () => ask('GET', '/sensor'), '2.05 22.5'],
    ['/sensor first POST', () => ask('POST', '/sensor', '23.5'), '2.01'],
    ['/sensor second POST', () => ask('POST', '/sensor', '24.5'), '2.04'],
    ['/sensor latest', () => ask('GET', '/sensor'), '2.05 24.5'],
    ['/sensor empty POST', () => ask('POST', '/sensor'), '4.00'],
    ['/sensor If-None-Match', () => ask('PUT', '/sensor', '1', ifNoneMatch), '4.12'],
    ['/sensors/temp', () => ask('PUT', '/sensors/temp', '19'), '2.01'],
    ['/sensors', () => ask('GET', '/sensors'), '2.05 </sensors/temp>'],
    ['/sensors/999', () => ask('GET', '/sensors/999'), '4.04'],
    ['/sensors/x needs security to write', () => ask('PUT', '/sensors/x', '1'), '4.01'],
    ['/config', () => ask('GET', '/config'), '2.05 {"interval":2,"name":"demo"}'],
    ['/config bad JSON', () => ask('PUT', '/config', '{'), '4.00'],
    ['/config no object', () => ask('PUT', '/config', '[1]'), '4.00'],
    ['/config XML', () => ask('PUT', '/config', '<a/>', { contentFormat: 41 }), '4.15'],
    ['/config/interval', () => ask('PUT', '/config/interval', '60'), '2.04'],
    ['/config/interval bad', () => ask('PUT', '/config/interval', 'soon'), '4.00'],
    ['/config/interval zero', () => ask('PUT', '/config/interval', '0'), '4.00'],
    ['/config has it', () => ask('GET', '/config'), '2.05 {"interval":60,"name":"demo"}'],
    ['/config PUT', () => ask('PUT', '/config', '{"interval":5}', { contentFormat: 50 }), '2.04'],
    ['/config PUT bad interval', () => ask('PUT', '/config', '{"interval":"x"}'), '4.00'],
    ['/thermostat/setpoint', () => ask('PUT', '/thermostat/setpoint', '22.5'), '2.04'],
    ['/thermostat/setpoint keeps it', () => ask('GET', '/thermostat/setpoint'), '2.05 22.5'],
    ['/thermostat/setpoint bad', () => ask('PUT', '/thermostat/setpoint', 'warm'), '4.00'],
    ['/lock over plain coap', () => ask('GET', '/lock'), '4.01'],
    ['/lock PUT over plain coap', () => ask('PUT', '/lock', 'unlock'), '4.01'],
    ['/hello', () => ask('GET', '/hello'), '2.05 Hello, world!'],
    ['/obs', () => ask('GET', '/obs'), /^2\.05 tick \d+$/],
    ['/nothing', () => ask('GET', '/nothing'), '4.04'],
  ];
  for (const [name, answer, expected] of table) {
    const actual = await answer();
    if (typeof expected === 'string') assert.equal(actual, expected, name);
    else assert.match(actual, expected, name);
  }
});

test('requirement L04: a NON PUT to /sensors/temp is taken, answered NON where an answer is wanted, and seen by observers', async (t) => {
  const { coap, client: newClient } = await startTestGateway(t, { demo: true });
  const types: string[] = [];
  const trace = (event: TraceEvent): void => {
    if (event.kind !== 'message') return;
    const message = decodeMessage(event.bytes);
    if (!isMessageFault(message)) types.push(`${event.direction} ${message.type} ${codeText(message.code)}`);
  };
  const client = newClient(undefined, undefined, { trace });
  const uri = `${coap}/sensors/temp`;
  const put = await client.put(uri, { payload: '21.5', confirmable: false });
  assert.equal(put.codeText, '2.01');
  assert.deepEqual(types, ['sent NON 0.03', 'received NON 2.01']);
  const readings: string[] = [];
  for await (const reading of client.observe(uri)) {
    readings.push(reading.text());
    if (readings.length === 1) await client.send('PUT', uri, { payload: '22.5' });
    else break;
  }
  assert.deepEqual(readings, ['21.5', '22.5']);
});

const ifNoneMatch = { options: [{ number: OptionNumber.IfNoneMatch, value: new Uint8Array() }] };

test('/large is 8192 letters, and /store keeps a body of 1 MiB and not one byte more', async (t) => {
  const { coap, client: newClient } = await startTestGateway(t, { demo: true });
  const client = newClient();
  const large = await client.get(`${coap}/large`);
  assert.equal(large.text(), 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'.repeat(316).slice(0, 8192));

  const body = Uint8Array.from({ length: 1024 * 1024 }, (_, index) => (index * 31) >> 3);
  assert.equal((await client.get(`${coap}/store`)).codeText, '4.04');
  assert.equal((await client.put(`${coap}/store`, { payload: body })).codeText, '2.01');
  assert.deepEqual((await client.get(`${coap}/store`)).payload, body);
  const tooLarge = new Uint8Array(1024 * 1024 + 1);
  assert.equal((await client.put(`${coap}/store`, { payload: tooLarge })).codeText, '4.13');
  assert.equal((await client.put(`${coap}/store/b`, { payload: 'x', contentFormat: 50 })).codeText, '2.01');
  assert.equal((await client.get(`${coap}/store/b`)).contentFormat, 50);
  assert.equal((await client.delete(`${coap}/store`)).codeText, '2.02');
  assert.equal((await client.get(`${coap}/store`)).codeText, '4.04');
});

for (const scheme of ['coap', 'coaps'] as const) {
  test(`observers of /light hear of a PUT, and of /obs of each tick, over ${scheme}`, async (t) => {
    const gateway = await startTestGateway(t, { demo: true });
    const base = gateway[scheme];
    const client = scheme === 'coap' ? gateway.client() : gateway.client('sensor-042', key042);
    const light = client.observe(`${base}/light`)[Symbol.asyncIterator]();
    assert.equal((await light.next()).value?.text(), '{"status": true}');
    await client.put(`${base}/light`, { payload: 'off' });
    assert.equal((await light.next()).value?.text(), 'off');
    const observation = client.observe(`${base}/obs`);
    const ticks: number[] = [];
    for await (const notification of observation) {
      ticks.push(Number(notification.text().replace('tick ', '')));
      if (ticks.length === 4) break;
    }
    assert.ok(
      ticks.every((tick, index) => index === 0 || tick > (ticks[index - 1] as number)),
      ticks.join(),
    );
  });
}

test('an observer of a telemetry path hears of each new reading', async (t) => {
  const { coap, coaps, client } = await startTestGateway(t, { demo: true });
  const device = client('sensor-042', key042);
  await device.put(`${coaps}/sensors/sensor-042/hr`, { payload: '71' });
  const observation = client().observe(`${coap}/sensors/sensor-042/hr`)[Symbol.asyncIterator]();
  assert.equal((await observation.next()).value?.text(), '71');
  await device.put(`${coaps}/sensors/sensor-042/hr`, { payload: '72' });
  assert.equal((await observation.next()).value?.text(), '72');
});

test('/lock opens for a demo identity over coaps alone', async (t) => {
  const { coaps, client: newClient } = await startTestGateway(t, { demo: true });
  const client = newClient('sensor-043', 'AnotherKey16Byt!');
  assert.equal((await client.get(`${coaps}/lock`)).text(), 'locked');
  assert.equal((await client.put(`${coaps}/lock`, { payload: 'unlock' })).codeText, '2.04');
  assert.equal((await client.get(`${coaps}/lock`)).text(), 'unlocked');
  assert.equal((await client.put(`${coaps}/lock`, { payload: 'constructor' })).codeText, '4.00');
});

test('the resources are listed for discovery, the light as observable', async (t) => {
  const { coap, client } = await startTestGateway(t, { demo: true });
  const links = await client().discover(coap);
  const light = links.find(({ target }) => target === '/light');
  assert.ok(light?.attributes.some(([name]) => name === 'obs'));
  for (const target of ['/temperature', '/sensor', '/sensors', '/config/interval', '/lock', '/store', '/obs'])
    assert.ok(
      links.some((link) => link.target === target),
      target,
    );
});

test('demo credentials are in memory only, and a stored device of that name shuts them out', async (t) => {
  const { coaps, folder, client } = await startTestGateway(t, { demo: true });
  const opened = openDatabase(folder, { create: false, asGateway: false });
  const devices = new DeviceTable(opened);
  assert.deepEqual(devices.all(), []);
  const key = new TextEncoder().encode('a-private-16-byte-key');
  devices.add({ id: 'sensor-042', credential: { kind: 'psk', key }, rules: [], addedAtMs: 1 });
  opened.close();
  await assert.rejects(client('sensor-042', key042).get(`${coaps}/hello`), { code: 'ERR_CREDENTIALS' });
  assert.equal((await client('sensor-042', 'a-private-16-byte-key').get(`${coaps}/hello`)).codeText, '2.05');
});

test('L08: PUT to /config/interval changes how often the sensors measure', async () => {
  const clock = new VirtualTimer();
  const notified: string[] = [];
  const { resources, stop } = demoResources((path) => notified.push(path), clock);
  const put = resources.find(({ path }) => path === '/config/interval')?.resource.put;
  const measured = (seconds: number): number => {
    notified.length = 0;
    clock.advance(seconds * 1000);
    return notified.filter((path) => path === '/temperature').length;
  };
  assert.equal(measured(60), 30);
  await put?.(requestWith('10'));
  assert.equal(measured(60), 6);
  await assert.rejects(async () => put?.(requestWith('0')), /whole seconds/);
  assert.equal(measured(60), 6);
  stop();
  assert.equal(measured(60), 0);
});

/** A request of which the handler looks at the payload alone. */
function requestWith(text: string): Request {
  const options = { has: () => false };
  return { text: () => text, options, contentFormat: undefined } as unknown as Request;
}
