/** A device of the store under OSCORE (RFC 8613), over each transport of the gateway: GET, 8 KB both ways, Observe; plain and inside DTLS or TLS. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { Client, type ClientOptions, OscoreContext } from 'coapsule';
import { defaultRules, ruleText } from '../../src/access/rule.ts';
import type { GatewayOptions } from '../../src/gateway/gateway-options.ts';
import { openDatabase } from '../../src/store/database.ts';
import { DeviceTable } from '../../src/store/device-table.ts';
import { peerTest } from '../interop/peer.ts';
import { lineUri, VirtualLine } from '../interop/virtual-line.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { startTestGateway, type TestGateway } from './test-gateway.ts';

const masterSecret = Buffer.from('0102030405060708090a0b0c0d0e0f10', 'hex');
const [deviceId, gatewayId] = [Uint8Array.of(0x0c), Uint8Array.of(0x05)];
/** Who is known to the hop: a radio that carries messages of the device. */
const hop = { identity: 'radio-1', key: Buffer.from('the key of radio one') };

/** A gateway with the device sensor-7 under OSCORE, and radio-1 with a pre-shared key, which may do nothing. */
async function startGateway(t: TestContext, options: Partial<GatewayOptions>): Promise<TestGateway> {
  const dataFolder = temporaryFolder(t);
  const opened = openDatabase(dataFolder, { create: true, asGateway: false });
  const devices = new DeviceTable(opened);
  devices.add({
    id: 'sensor-7',
    credential: {
      ...{ kind: 'oscore', masterSecret, masterSalt: undefined, senderId: gatewayId, recipientId: deviceId },
      ...{ idContext: undefined, aead: 'AES-CCM-16-64-128', hkdf: 'SHA-256' },
    },
    rules: defaultRules('sensor-7').map(ruleText),
    addedAtMs: 1,
  });
  devices.add({ id: hop.identity, credential: { kind: 'psk', key: hop.key }, rules: [], addedAtMs: 1 });
  opened.close();
  return startTestGateway(t, { dataFolder, ...options });
}

/** The device's end. */
function ownEnd(): Promise<OscoreContext> {
  return OscoreContext.open({
    ...{ masterSecret, senderId: deviceId, recipientId: gatewayId, firstUse: true },
    store: { load: async () => undefined, save: async () => {} },
  });
}

async function exchangeAll(uri: string, options: ClientOptions): Promise<void> {
  await using client = new Client(options);
  const large = `${uri}/sensors/sensor-7/large`;
  const body = Buffer.alloc(8_192, uri);
  assert.equal((await client.put(large, { payload: body })).codeText[0], '2', uri);
  assert.deepEqual(Buffer.from((await client.get(large)).payload), body, uri);
  const path = `${uri}/sensors/sensor-7/count`;
  await client.put(path, { payload: '0' });
  const seen: string[] = [];
  for await (const response of client.observe(path)) {
    seen.push(response.text());
    if (seen.length === 3) break;
    await client.put(path, { payload: String(seen.length) });
  }
  assert.deepEqual(seen, ['0', '1', '2'], uri);
}

const anyPort = { host: '127.0.0.1', port: 0 };

test('over UDP, TCP and WebSocket, and inside DTLS and TLS, where it counts who asks from end to end', async (t) => {
  const { gateway, coap, coaps, log } = await startGateway(t, {
    streams: [
      { scheme: 'coap+tcp', address: anyPort },
      { scheme: 'coaps+tcp', address: anyPort },
      { scheme: 'coap+ws', address: anyPort },
    ],
  });
  const { tcp, tls, ws } = gateway.endpoints;
  await using oscore = await ownEnd();
  for (const uri of [coap, `coap+tcp://${tcp}`, `coap+ws://${ws}`]) await exchangeAll(uri, { oscore });
  for (const uri of [coaps, `coaps+tcp://${tls}`]) {
    await exchangeAll(uri, { oscore, psk: hop });
    // Without OSCORE it is the radio that asks, whose rules allow nothing.
    await using radio = new Client({ psk: hop });
    assert.equal((await radio.get(`${uri}/sensors/sensor-7/count`)).codeText, '4.03');
  }
  assert.ok(
    log.lines.some((line) => /PUT \/sensors\/sensor-7\/large 2\.0\d .* as sensor-7 under OSCORE/.test(line)),
  );
});

test('over WebSocket in TLS, to a gateway that shows a certificate', async (t) => {
  const file = (name: string): string =>
    readFileSync(new URL(`../../../coapsule/test/api/certificates/${name}`, import.meta.url), 'utf8');
  const { gateway } = await startGateway(t, {
    streams: [{ scheme: 'coaps+ws', address: anyPort }],
    credentials: {
      certificate: { chain: file('server.pem'), privateKey: file('server.key') },
      rawPublicKey: { privateKey: file('server.key') },
      authorities: undefined,
    },
  });
  const uri = `coaps+ws://localhost:${gateway.endpoints.wss?.split(':').at(-1)}`;
  const trustAnchors = file('ca.pem');
  await using oscore = await ownEnd();
  await exchangeAll(uri, { oscore, trustAnchors });
  await using stranger = new Client({ trustAnchors });
  assert.equal((await stranger.get(`${uri}/sensors/sensor-7/count`)).codeText, '4.01');
});

peerTest('over serial lines, plain and inside DTLS', ['socat'], async (t) => {
  const [plain, secured] = [await VirtualLine.open(t, 'plain'), await VirtualLine.open(t, 'secured')];
  await startGateway(t, {
    serial: [
      { device: plain.near, baudRate: 115_200, security: 'plain' },
      { device: secured.near, baudRate: 115_200, security: 'secured' },
    ],
  });
  await using oscore = await ownEnd();
  await exchangeAll(lineUri('coap+serial', plain.far), { oscore });
  await exchangeAll(lineUri('coaps+serial', secured.far), { oscore, psk: hop });
});
