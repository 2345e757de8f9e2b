/** A configuration for a gateway that runs is taken whole, or not at all. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestGateway } from './test-gateway.ts';

const key = 'MySecret16ByteK!';
const psks = [{ identity: 'sensor-7', key: new TextEncoder().encode(key) }];

test('with a path of another server that the gateway has itself, nothing of it counts, and its keys are those from before', async (t) => {
  const { gateway, client, coaps } = await startTestGateway(t, {
    psks,
    upstreams: [{ path: '/cloud', uri: 'coap://127.0.0.1:1', client: {} }],
  });
  const wrong = { path: '/sensors', uri: 'coap://127.0.0.1:1', client: {} };
  await assert.rejects(
    gateway.reconfigure({ psks: [], upstreams: [wrong] }),
    /\/sensors is a path of the gateway's own/,
  );
  const device = client('sensor-7', key);
  assert.equal((await device.get(`${coaps}/cloud/x`)).codeText, '4.03');
  assert.equal((await device.get(`${coaps}/sensors/sensor-7/x`)).codeText, '4.04');
});
