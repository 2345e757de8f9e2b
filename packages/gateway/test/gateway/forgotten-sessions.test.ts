/** A device that sleeps and forgets how far its association was (requirement P05), seen by the gateway and in a capture. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import type { Client } from 'coapsule';
import { CaptureFixture, device, gateway as gatewayHost } from '../diagnosis/capture-fixture.ts';
import { startTestGateway } from './test-gateway.ts';

const hourMs = 3_600_000;

/** The way to a gateway, on which everything is captured. */
async function captured(t: TestContext, port: number) {
  const front = createSocket('udp4').bind(0, '127.0.0.1');
  const back = createSocket('udp4').bind(0, '127.0.0.1');
  t.after(() => {
    front.close();
    back.close();
  });
  await Promise.all([once(front, 'listening'), once(back, 'listening')]);
  const capture = new CaptureFixture();
  let devicePort = 0;
  let last: Uint8Array = new Uint8Array();
  const toGateway = (datagram: Uint8Array): void => {
    last = datagram;
    capture.datagram(device, gatewayHost, way.nowMs, datagram);
    back.send(datagram, port, '127.0.0.1');
  };
  const way = {
    uri: `coaps://127.0.0.1:${front.address().port}`,
    ...{ capture, nowMs: 0, answers: 0 },
    /** The device wakes with the numbers and the reading that it had at its last wake: it makes the same record. */
    again: (): void => toGateway(last),
  };
  front.on('message', (datagram, from) => {
    devicePort = from.port;
    toGateway(datagram);
  });
  back.on('message', (datagram) => {
    way.answers++;
    capture.datagram(gatewayHost, device, way.nowMs, datagram);
    front.send(datagram, devicePort, '127.0.0.1');
  });
  return way;
}

async function start(t: TestContext) {
  const told: string[] = [];
  const key = 'key of a sensor.';
  const { gateway, coaps, client } = await startTestGateway(t, {
    psks: [{ identity: 'sensor', key: new TextEncoder().encode(key) }],
    trace: (event) => {
      if (event.kind === 'out-of-step') told.push(event.likely);
    },
    http: { address: { host: '127.0.0.1', port: 0 }, tokens: [], tls: undefined },
  });
  const way = await captured(t, Number(coaps.split(':').at(-1)));
  const uri = `${way.uri}/sensors/sensor`;
  const wake = (): Client => client('sensor', key);
  const put = async (from: Client): Promise<string> => (await from.put(uri, { payload: '21.5' })).codeText;
  const replays = async (): Promise<number> => {
    const metrics = await (await fetch(`http://${gateway.endpoints.http}/metrics`)).text();
    return Number(/replayed-record"[^}]*\} (\d+)/.exec(metrics)?.[1] ?? 0);
  };
  const found = (): string[] => way.capture.findings().map(({ kind }) => kind);
  return { way, wake, put, uri, replays, found, told };
}

test('P05: a device that wakes with the association of its first boot is not heard, the gateway counts its records as replays, and a capture names the cause', async (t) => {
  const { way, wake, put, uri, replays, found, told } = await start(t);
  const first = wake();
  assert.equal(await put(first), '2.01');
  const kept = (await first.exportAssociation(uri)) ?? assert.fail('there is no association');
  way.nowMs = hourMs;
  const second = wake();
  await second.importAssociation(uri, kept);
  assert.equal(await put(second), '2.04');
  // It does not say goodbye: power is gone, and with it how far it was.
  await second.exportAssociation(uri);
  const { answers } = way;
  for (let hour = 2; hour <= 6; hour++) {
    way.nowMs = hour * hourMs;
    way.again();
    while ((await replays()) < hour - 1);
  }
  assert.equal(way.answers, answers, 'none of them is answered');
  assert.deepEqual(told, ['old-copy-restored'], 'once, and with what it most likely means');
  const [finding] = way.capture.findings().filter(({ kind }) => kind === 'association-forgotten');
  assert.ok(finding !== undefined, found().join());
  assert.equal(finding.severity, 'error');
  assert.match(finding.cause, /slept and lost how far it was/);
  assert.match(finding.fix, /--session FILE/);
  // A new handshake is what it costs each time, and it helps.
  way.nowMs += hourMs;
  assert.equal(await put(wake()), '2.04');
});

test('P05: a device that keeps how far it was is heard at each wake, and nothing is found', async (t) => {
  const { way, wake, put, uri, replays, found, told } = await start(t);
  const first = wake();
  assert.equal(await put(first), '2.01');
  let kept = await first.exportAssociation(uri);
  for (let hour = 1; hour <= 6; hour++) {
    way.nowMs = hour * hourMs;
    const device = wake();
    await device.importAssociation(uri, kept ?? assert.fail('there is no association'));
    assert.equal(await put(device), '2.04');
    kept = await device.exportAssociation(uri);
  }
  assert.equal(await replays(), 0);
  assert.deepEqual(told, []);
  assert.ok(!found().includes('association-forgotten'), found().join());
});
