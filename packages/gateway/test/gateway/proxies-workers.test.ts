/** HTTP servers and devices that sleep, behind a gateway of several workers: whichever of them a request comes to. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { OptionNumber } from 'coapsule';
import { sleepyDefaults } from '../../src/sleepy/sleepy-options.ts';
import { SleepingDevice } from '../sleepy/sleeping-device.ts';
import { startTestGateway } from './test-gateway.ts';

const key = 'MySecret16ByteK!';
const bytes = new TextEncoder().encode(key);

test('clients at every worker reach an HTTP server, with bodies as they come', async (t) => {
  const http = createServer((request, response) => {
    let length = 0;
    request.on('data', (part: Buffer) => {
      length += part.length;
    });
    request.on('end', () =>
      response.setHeader('content-type', 'text/plain').end(`${request.method} ${length}`),
    );
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  t.after(() => http.close());
  const { port } = http.address() as AddressInfo;
  const { client, coaps } = await startTestGateway(t, {
    psks: [{ identity: 'sensor-7', key: bytes }],
    workers: 2,
    proxy: {
      targets: [{ uri: 'http://127.0.0.1:*' }],
      networks: ['127.0.0.1'],
      dangerouslyForEveryone: false,
    },
  });
  const options = [{ number: OptionNumber.ProxyUri, value: `http://127.0.0.1:${port}/` }];
  for (let n = 0; n < 6; n++) {
    const device = client('sensor-7', key);
    assert.equal((await device.get(coaps, { options })).text(), 'GET 0');
    const payload = new Uint8Array(40_000);
    assert.equal((await device.put(coaps, { options, payload })).text(), 'PUT 40000');
  }
});

test('a device that sleeps is asked over the worker that it came to', async (t) => {
  const { client, coaps } = await startTestGateway(t, {
    psks: ['meter', 'dashboard'].map((identity) => ({ identity, key: bytes })),
    access: {
      identities: new Map([['dashboard', ['GET,PUT:/sleepy/*']]]),
      groups: [],
      resources: [],
    },
    workers: 2,
    sleepy: {
      ...sleepyDefaults,
      ...{ devices: ['meter'], registered: false, waitMs: 0, servesStale: false, latestOnly: [] },
    },
  });
  const port = Number(coaps.split(':').at(-1));
  const dashboard = client('dashboard', key, { cache: false });
  for (let n = 0; n < 4; n++) {
    const accepted = await dashboard.put(`${coaps}/sleepy/meter/setpoint`, { payload: String(n) });
    assert.equal(accepted.codeText, '2.04', accepted.text());
    // Each has a socket of its own, which the system gives to one of the workers.
    const meter = await SleepingDevice.open(t, port, 'meter', key);
    assert.equal(await meter.send('PUT', '/sleepy/meter/energy', String(n)), '2.04');
    await meter.askedTimes(1);
    assert.equal(meter.asked[0], `PUT /setpoint ${n}`);
    const { command } = JSON.parse(accepted.text()) as { command: string };
    for await (const state of dashboard.observe(`${coaps}${command}`)) if (/"done"/.test(state.text())) break;
    assert.equal((await dashboard.get(`${coaps}/sleepy/meter/energy`)).text(), String(n));
    meter.disconnect();
  }
});
