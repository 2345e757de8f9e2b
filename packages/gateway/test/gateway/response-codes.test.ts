/**
 * Each response code in its own scenario, rows J01 to J18 of the requirements: a gateway, sockets of the loopback address, our
 * client, and datagrams by hand where no client sends such.
 */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { type Client, CoapsuleError, codeText, OptionNumber, type TraceEvent } from 'coapsule';
import { decodeCbor, encodeCbor, isDecodeFault } from 'coapsule/cbor';
import {
  Code,
  decodeBlock,
  decodeMessage,
  encodeBlock,
  isDecodeFault as isMessageFault,
} from 'coapsule/message';
import { decodeSenmlCbor, decodeSenmlJson } from 'coapsule/senml';
import type { GatewayProxyOptions } from '../../src/gateway/gateway-proxy.ts';
import { openDatabase } from '../../src/store/database.ts';
import { DeviceTable } from '../../src/store/device-table.ts';
import { RawDevice } from './raw-device.ts';
import { startTestGateway, type TestGateway } from './test-gateway.ts';

const key042 = 'MySecret16ByteK!';
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The demo, a client of nobody, and one of a sensor. */
async function demo(
  t: TestContext,
): Promise<TestGateway & { readonly plain: Client; readonly sensor: Client }> {
  const gateway = await startTestGateway(t, { demo: true });
  return { ...gateway, plain: gateway.client(), sensor: gateway.client('sensor-042', key042) };
}

test('J01, 2.01 Created: POST to /sensors makes /sensors/42 and /sensors/43, and tells where', async (t) => {
  const { coap, coaps, sensor, plain } = await demo(t);
  const first = await sensor.post(`${coaps}/sensors`, { payload: '1' });
  const second = await sensor.post(`${coaps}/sensors`, { payload: '{}', contentFormat: 50 });
  assert.deepEqual([first.codeText, first.locationPath], ['2.01', '/sensors/42']);
  assert.deepEqual([second.codeText, second.locationPath], ['2.01', '/sensors/43']);
  assert.deepEqual((await sensor.get(`${coaps}/sensors/43`)).contentFormat, 50);
  assert.match((await plain.get(`${coap}/sensors`)).text(), /<\/sensors\/42>,<\/sensors\/43>/);
  assert.equal((await plain.post(`${coap}/sensors`, { payload: '1' })).codeText, '4.01');
});

test('J02, 2.02 Deleted: DELETE takes /sensors/42 away, which is 4.04 afterwards; its number is not given again', async (t) => {
  const { coaps, sensor } = await demo(t);
  await sensor.post(`${coaps}/sensors`, { payload: '1' });
  assert.equal((await sensor.get(`${coaps}/sensors/42`)).text(), '1');
  assert.equal((await sensor.delete(`${coaps}/sensors/42`)).codeText, '2.02');
  assert.equal((await sensor.get(`${coaps}/sensors/42`)).codeText, '4.04');
  assert.equal((await sensor.post(`${coaps}/sensors`, { payload: '2' })).locationPath, '/sensors/43');
  await sensor.put(`${coaps}/sensors/sensor-042`, { payload: '1' });
  assert.equal((await sensor.delete(`${coaps}/sensors/sensor-042`)).codeText, '4.05', 'readings stay');
});

test('J03, 2.03 Valid: GET /config with its ETag has no payload; PUT with an If-Match that is not current is 4.12', async (t) => {
  const { coap, plain } = await demo(t);
  const { etag } = await plain.get(`${coap}/config`);
  assert.ok(etag !== undefined);
  const valid = await plain.get(`${coap}/config`, { etag });
  assert.deepEqual([valid.codeText, valid.payload.length], ['2.03', 0]);
  assert.equal((await plain.put(`${coap}/config`, { payload: '{"a":1}', ifMatch: etag })).codeText, '2.04');
  assert.equal((await plain.put(`${coap}/config`, { payload: '{"a":2}', ifMatch: etag })).codeText, '4.12');
  const other = await plain.get(`${coap}/config`, { etag });
  assert.deepEqual([other.codeText, other.text()], ['2.05', '{"a":1}']);
});

test('J04, 2.04 Changed: PUT 22.5 to /thermostat/setpoint, and GET shows it', async (t) => {
  const { coap, plain } = await demo(t);
  assert.equal((await plain.put(`${coap}/thermostat/setpoint`, { payload: '22.5' })).codeText, '2.04');
  assert.equal((await plain.get(`${coap}/thermostat/setpoint`)).text(), '22.5');
});

test('J05, 2.05 Content: a measurement comes as text, JSON, CBOR or SenML, as Accept asks', async (t) => {
  const { coap, plain } = await demo(t);
  const as = (path: string, accept?: number) =>
    plain.get(coap + path, accept === undefined ? {} : { accept });
  assert.match((await as('/temperature')).text(), /^2\d\.\d°C$/);
  const json = await as('/temperature', 50);
  assert.deepEqual(
    [json.codeText, json.contentFormat, typeof JSON.parse(json.text())],
    ['2.05', 50, 'number'],
  );
  const cbor = decodeCbor((await as('/temperature', 60)).payload);
  assert.ok(!isDecodeFault(cbor) && typeof cbor.value === 'number');
  const [senml] = [decodeSenmlJson((await as('/temperature', 110)).payload)];
  assert.ok(!isDecodeFault(senml));
  assert.deepEqual([senml[0]?.name, senml[0]?.unit], ['demo:temperature', 'Cel']);
  const pressure = decodeSenmlCbor((await as('/pressure', 112)).payload);
  assert.ok(!isDecodeFault(pressure));
  assert.equal(pressure[0]?.unit, 'Pa', 'hPa is no unit of a Record');
  assert.ok((pressure[0]?.value as number) > 100_000);
  assert.equal((await as('/temperature', 41)).codeText, '4.06');
});

test('J06, 4.00 Bad Request: PUT of what is not JSON to /config says so, and changes nothing', async (t) => {
  const { coap, plain } = await demo(t);
  const before = (await plain.get(`${coap}/config`)).text();
  const refused = await plain.put(`${coap}/config`, { payload: '{"interval": 5', contentFormat: 50 });
  assert.deepEqual([refused.codeText, refused.diagnostic], ['4.00', 'the payload is not JSON']);
  assert.equal((await plain.get(`${coap}/config`)).text(), before);
});

test('J07, 4.01 Unauthorized: /lock over plain CoAP; at the port of coaps a plain request gets no answer at all', async (t) => {
  const { coap, coaps, plain, sensor } = await demo(t);
  const refused = await plain.put(`${coap}/lock`, { payload: 'unlock' });
  assert.deepEqual(
    [refused.codeText, refused.diagnostic],
    ['4.01', 'use coaps with an identity of this gateway'],
  );
  const device = await RawDevice.open(t, coaps);
  await device.send({ code: Code.Get, path: '/lock' });
  // The socket takes datagrams in their order: when this one is answered, the other was passed over.
  assert.equal((await sensor.get(`${coaps}/lock`)).text(), 'locked');
  assert.equal(device.waiting, 0);
});

test('J08, 4.03 Forbidden: who has no rule for /admin/config; the administrator gets 2.04', async (t) => {
  const { coap, coaps, folder, client, plain, sensor } = await demo(t);
  const opened = openDatabase(folder, { create: false, asGateway: false });
  const key = bytes('a-private-16-byte-key');
  const rules = ['GET,PUT:/admin/config'];
  new DeviceTable(opened).add({
    id: 'admin',
    credential: { kind: 'psk', key },
    rules,
    addedAtMs: 1,
  });
  opened.close();
  const payload = 'interval=10';
  assert.equal((await sensor.put(`${coaps}/admin/config`, { payload })).codeText, '4.03');
  const admin = client('admin', 'a-private-16-byte-key');
  assert.equal((await admin.put(`${coaps}/admin/config`, { payload })).codeText, '2.04');
  assert.equal((await admin.get(`${coaps}/admin/config`)).text(), payload);
  assert.equal((await plain.put(`${coap}/admin/config`, { payload })).codeText, '4.01');
});

test('J09, 4.04 Not Found: GET /sensors/999, which nobody has registered', async (t) => {
  const { coap, plain } = await demo(t);
  assert.equal((await plain.get(`${coap}/sensors/999`)).codeText, '4.04');
});

test('J10, 4.05 Method Not Allowed: DELETE /temperature', async (t) => {
  const { coap, plain } = await demo(t);
  const refused = await plain.delete(`${coap}/temperature`);
  assert.deepEqual([refused.codeText, refused.diagnostic], ['4.05', '/temperature has no DELETE']);
});

test('J11, 4.08 Request Entity Incomplete: block 5 after block 3 of an upload; what came before is dropped', async (t) => {
  const { coap, plain } = await demo(t);
  const device = await RawDevice.open(t, coap);
  const block = async (num: number): Promise<string> => {
    const value = encodeBlock({ num, more: true, szx: 2 });
    const options = [[OptionNumber.Block1, value]] as const;
    const payload = new Uint8Array(64).fill(num);
    return codeText((await device.ask({ code: Code.Put, path: '/store/f', options, payload })).code);
  };
  for (const num of [0, 1, 2, 3]) assert.equal(await block(num), '2.31');
  assert.equal(await block(5), '4.08');
  assert.equal(await block(4), '4.08', 'nothing is there any more to go on with');
  assert.equal((await plain.get(`${coap}/store/f`)).codeText, '4.04');
});

test('J12, 4.13 Request Entity Too Large: with the size that is possible, or with blocks to try, which the client does', async (t) => {
  const { coap, client } = await demo(t);
  const device = await RawDevice.open(t, coap);
  const large = await device.ask({ code: Code.Put, path: '/light', payload: new Uint8Array(50_000) });
  assert.deepEqual([codeText(large.code), large.options.uint(OptionNumber.Size1)], ['4.13', 100]);
  // What takes as much only in small messages.
  const payload = encodeCbor('x'.repeat(700));
  const hint = await device.ask({
    code: Code.Put,
    path: '/calibration',
    options: [[OptionNumber.ContentFormat, 60]],
    payload,
  });
  const block1 = hint.options.first(OptionNumber.Block1);
  assert.equal(codeText(hint.code), '4.13');
  assert.equal(block1 && decodeBlock(block1)?.szx, 4, 'blocks of 256 bytes');
  const seen: string[] = [];
  const trace = (event: TraceEvent): void => {
    const message = event.kind === 'message' ? decodeMessage(event.bytes) : undefined;
    if (message === undefined || isMessageFault(message)) return;
    seen.push(`${codeText(message.code)}${message.options.has(OptionNumber.Block1) ? ' Block1' : ''}`);
  };
  const patient = client(undefined, undefined, { trace, blockSize: 1024 });
  const put = await patient.put(`${coap}/calibration`, { payload, contentFormat: 60 });
  assert.equal(put.codeText, '2.04');
  assert.deepEqual(seen.slice(0, 4), ['0.03', '4.13 Block1', '0.03 Block1', '2.31 Block1']);
  assert.deepEqual((await patient.get(`${coap}/calibration`)).payload, payload);
});

test('J13, 4.15 Unsupported Content-Format: XML to a resource that takes CBOR alone', async (t) => {
  const { coap, plain } = await demo(t);
  const put = async (payload: string | Uint8Array, contentFormat: number): Promise<string> =>
    (await plain.put(`${coap}/calibration`, { payload, contentFormat })).codeText;
  assert.equal(await put('<offset>1</offset>', 41), '4.15');
  assert.equal(await put(Uint8Array.of(0x81), 60), '4.00', 'no CBOR');
  assert.equal(await put(encodeCbor(new Map([['offset', 1.5]])), 60), '2.04');
});

test('J14, 5.00 Internal Server Error: a sensor whose hardware fails; its cause is in the log alone, and the gateway lives', async (t) => {
  const { coap, plain, log } = await demo(t);
  const broken = await plain.get(`${coap}/adc`);
  assert.deepEqual([broken.codeText, broken.diagnostic], ['5.00', 'the server failed']);
  await log.waitFor(/the analogue-digital converter does not answer/);
  assert.equal((await plain.get(`${coap}/temperature`)).codeText, '2.05');
});

test('J15, 4.05 and not 5.01: PATCH, iPATCH and FETCH where they are not offered, and methods that nobody knows (RFC 7252 §5.8)', async (t) => {
  const { coap, plain } = await demo(t);
  for (const method of ['PATCH', 'IPATCH', 'FETCH'] as const) {
    const refused = await plain.request(method, `${coap}/temperature`, { payload: '1' });
    assert.deepEqual([refused.codeText, refused.diagnostic], ['4.05', `/temperature has no ${method}`]);
  }
  const device = await RawDevice.open(t, coap);
  for (const code of [8, 31]) {
    assert.equal(codeText((await device.ask({ code, path: '/temperature' })).code), '4.05', `0.${code}`);
  }
});

test('J16, 5.03 Service Unavailable: with Max-Age 30 when the store cannot take a reading; our client sends nothing until then', async (t) => {
  const gateway = await startTestGateway(t, { dangerouslyAllowPlainWrites: true });
  const { coap, client, folder, log } = gateway;
  const plain = client();
  const other = new DatabaseSync(join(folder, 'coapsule.db'));
  t.after(() => other.close());
  other.exec("CREATE TRIGGER full BEFORE INSERT ON reading BEGIN SELECT RAISE(ABORT, 'no more'); END");
  const refused = await plain.put(`${coap}/sensors/a`, { payload: '1' });
  assert.deepEqual([refused.codeText, refused.maxAgeSeconds], ['5.03', 30]);
  const requests = log.lines.filter((line) => line.startsWith('PUT ')).length;
  await assert.rejects(plain.put(`${coap}/sensors/a`, { payload: '1' }), (error) => {
    assert.ok(error instanceof CoapsuleError);
    assert.equal(error.code, 'ERR_RETRY_LATER');
    assert.ok((error.retryAfterMs ?? 0) > 0 && (error.retryAfterMs ?? 0) <= 30_000);
    return true;
  });
  assert.equal(log.lines.filter((line) => line.startsWith('PUT ')).length, requests, 'nothing was sent');
  other.exec('DROP TRIGGER full');
  const again = await plain.put(`${coap}/sensors/a`, { payload: '1', whenBusy: 'send' });
  assert.equal(again.codeText, '2.01');
});

const everything: GatewayProxyOptions = {
  targets: [{ uri: 'coap://127.0.0.1:*' }, { uri: 'http://127.0.0.1:*' }],
  networks: ['127.0.0.0/8'],
  dangerouslyForEveryone: true,
};

test('J17, 5.04 Gateway Timeout: a server behind the proxy that is not there, by CoAP and by HTTP', async (t) => {
  const { coap, client } = await startTestGateway(t, { proxy: everything });
  const proxied = client(undefined, undefined, { proxy: coap });
  const udp = createSocket('udp4').bind(0, '127.0.0.1');
  await once(udp, 'listening');
  const { port: udpPort } = udp.address();
  await new Promise<void>((resolve) => udp.close(() => resolve()));
  assert.equal((await proxied.get(`coap://127.0.0.1:${udpPort}/x`)).codeText, '5.04');
  const tcp = createServer().listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  const { port } = tcp.address() as { port: number };
  await new Promise((resolve) => tcp.close(resolve));
  assert.equal(await throughProxy(t, coap, `http://127.0.0.1:${port}/x`), '5.04');
});

test('J17, 5.02 Bad Gateway: a server that answers with garbage, by CoAP and by HTTP', async (t) => {
  const { coap, client } = await startTestGateway(t, { proxy: everything });
  const udp = createSocket('udp4').bind(0, '127.0.0.1');
  await once(udp, 'listening');
  t.after(() => udp.close());
  // An ACK with 2.31 Continue, to a request that had no blocks.
  udp.on('message', (request, from) => {
    const token = request.subarray(4, 4 + ((request[0] ?? 0) & 0x0f));
    const head = [0x60 | token.length, Code.Continue, request[2] ?? 0, request[3] ?? 0];
    udp.send(Buffer.concat([Buffer.from(head), token]), from.port, from.address);
  });
  const proxied = client(undefined, undefined, { proxy: coap });
  assert.equal((await proxied.get(`coap://127.0.0.1:${udp.address().port}/x`)).codeText, '5.02');
  const tcp = createServer((socket) => socket.end('this is no HTTP\r\n\r\n')).listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  t.after(() => tcp.close());
  const { port } = tcp.address() as { port: number };
  assert.equal(await throughProxy(t, coap, `http://127.0.0.1:${port}/x`), '5.02');
});

test('J17, 5.05 Proxying Not Supported: a gateway that is no proxy, and a server that it may not ask', async (t) => {
  const off = await startTestGateway(t);
  assert.equal((await off.client().get('coap://127.0.0.1:9/x', { proxy: off.coap })).codeText, '5.05');
  const on = await startTestGateway(t, { proxy: { ...everything, networks: [] } });
  assert.equal((await on.client().get('coap://127.0.0.1:9/x', { proxy: on.coap })).codeText, '5.05');
});

test('J18: a code is one byte, the class in its three upper bits: 4.04 is 0x84 on the wire', async (t) => {
  const { coap } = await demo(t);
  const device = await RawDevice.open(t, coap);
  for (const [path, text, byte] of [
    ['/sensors/999', '4.04', 0x84],
    ['/temperature', '2.05', 0x45],
    ['/adc', '5.00', 0xa0],
  ] as const) {
    await device.send({ code: Code.Get, path });
    assert.equal((await device.receive())[1], byte);
    assert.equal(codeText(byte), text);
  }
});

/** The code of a GET for a URI that our client would not send to a proxy by itself: by Proxy-Uri. */
async function throughProxy(t: TestContext, proxy: string, uri: string): Promise<string> {
  const device = await RawDevice.open(t, proxy);
  const response = await device.ask({
    code: Code.Get,
    path: '',
    options: [[OptionNumber.ProxyUri, bytes(uri)]],
  });
  return codeText(response.code);
}
