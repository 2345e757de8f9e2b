/** What users do with a gateway from end to end, where no other file shows it (docs/scenarios.md has them all). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, CoapsuleError, codeText, OptionNumber, Server, type TraceEvent } from 'coapsule';
import { decodeBlock, decodeMessage, isDecodeFault } from 'coapsule/message';
import { demoResources } from '../../src/resources/demo-resources.ts';
import { VirtualTimer } from '../virtual-timer.ts';
import { startTestGateway } from './test-gateway.ts';

const key042 = 'MySecret16ByteK!';

/** A trace that writes each message down: `sent CON 0.01`. */
function recorded(): { readonly messages: string[]; readonly trace: (event: TraceEvent) => void } {
  const messages: string[] = [];
  const trace = (event: TraceEvent): void => {
    const message = event.kind === 'message' ? decodeMessage(event.bytes) : undefined;
    if (event.kind !== 'message' || message === undefined || isDecodeFault(message)) return;
    const value = message.options.first(OptionNumber.Block1) ?? message.options.first(OptionNumber.Block2);
    const block = value && decodeBlock(value);
    const size = block === undefined ? '' : ` block ${block.num} of ${16 << block.szx}`;
    messages.push(`${event.direction} ${message.type} ${codeText(message.code)}${size}`);
  };
  return { messages, trace };
}

test('G05: two resources observed on one socket: each state goes to the observation that it is of', async (t) => {
  const { coap, client } = await startTestGateway(t, { demo: true });
  const [observer, writer] = [client(), client()];
  const seen: Record<string, string[]> = { '/light': [], '/sensors/temp': [] };
  const follow = async (path: string): Promise<void> => {
    for await (const state of observer.observe(coap + path)) {
      seen[path]?.push(state.text());
      if (state.text().endsWith(' 9')) return;
    }
  };
  const following = Object.keys(seen).map(follow);
  // Both are registered when both have their first state.
  while (Object.values(seen).some((states) => states.length === 0)) await writer.get(`${coap}/a`);
  for (let n = 0; n < 10; n++) {
    await Promise.all([
      writer.put(`${coap}/light`, { payload: `light ${n}` }),
      writer.put(`${coap}/sensors/temp`, { payload: `temp ${n}` }),
    ]);
  }
  await Promise.all(following);
  assert.ok(seen['/light']?.slice(1).every((text) => text.startsWith('light ')));
  assert.ok(seen['/sensors/temp']?.slice(1).every((text) => text.startsWith('temp ')));
});

test('H08: a reading is one Confirmable GET and one ACK with 2.05; 22.5°C is 7 bytes', async (t) => {
  const { coap, client } = await startTestGateway(t, { demo: true });
  const { messages, trace } = recorded();
  const response = await client(undefined, undefined, { trace }).get(`${coap}/temperature`);
  assert.deepEqual(messages, ['sent CON 0.01', 'received ACK 2.05']);
  assert.match(response.text(), /^2\d\.\d°C$/);
  assert.equal(response.payload.length, 7);
});

test('H09, L08: observers of /temperature hear 22.5, 23.1, 22.9 every 30 s, and every 10 s once /config/interval says so', async (t) => {
  const timer = new VirtualTimer();
  const server = new Server();
  const demo = demoResources((path) => server.notify(path), timer);
  for (const { path, resource } of demo.resources) server.resource(path, resource);
  const { uri } = await server.listen('coap://127.0.0.1:0');
  await using client = new Client();
  t.after(async () => {
    demo.stop();
    await server.close();
  });
  assert.equal((await client.put(`${uri}/config/interval`, { payload: '30' })).codeText, '2.04');
  const observation = client.observe(`${uri}/temperature`)[Symbol.asyncIterator]();
  const numbers: number[] = [];
  const next = async (): Promise<string> => {
    const { value } = await observation.next();
    numbers.push(value?.observe ?? -1);
    return value?.text() ?? '';
  };
  assert.equal(await next(), '22.5°C');
  timer.advance(29_999);
  assert.equal((await client.get(`${uri}/temperature`)).text(), '22.5°C', 'not before');
  timer.advance(1);
  assert.equal(await next(), '23.1°C');
  timer.advance(30_000);
  assert.equal(await next(), '22.9°C');
  assert.ok(
    numbers.every((number, index) => index === 0 || number > (numbers[index - 1] ?? 0)),
    numbers.join(),
  );
  assert.equal((await client.put(`${uri}/config/interval`, { payload: 'ten' })).codeText, '4.00');
  assert.equal((await client.put(`${uri}/config/interval`, { payload: '10' })).codeText, '2.04');
  timer.advance(10_000);
  assert.equal(await next(), '22.6°C');
});

test('H12: discovery lists resources with their attributes, and filters them by what is asked', async (t) => {
  const { coap, client } = await startTestGateway(t, { demo: true });
  const discover = async (query: string): Promise<string> =>
    (await client().get(`${coap}/.well-known/core${query}`)).text();
  assert.equal(await discover('?rt=light'), '</light>;rt="light";ct=0;obs');
  assert.match(await discover('?rt=temp*'), /^<\/temperature>;rt="temperature";ct="0 50 60 110 112";obs$/);
  assert.match(await discover('?href=/config*'), /^<\/config>;[^,]*,<\/config\/interval>;[^,]*$/);
  assert.match(await discover('?obs'), /<\/lock>/);
});

test('K05: bodies come in blocks of the size that the client wants, 16 to 1024, and are the same', async (t) => {
  const { coap, client } = await startTestGateway(t, { demo: true });
  const whole = (await client().get(`${coap}/large`)).payload;
  for (const blockSize of [16, 64, 128, 256, 1024]) {
    const { messages, trace } = recorded();
    const got = await client(undefined, undefined, { trace, blockSize }).get(`${coap}/large`);
    assert.deepEqual(got.payload, whole);
    const received = messages.filter((message) => message.startsWith('received ACK 2.05'));
    assert.equal(received.length, 8192 / blockSize);
    assert.ok(received.every((message) => message.endsWith(` of ${blockSize}`)));
  }
});

test('K06: to the gateway 64 bytes go in one message on 6LoWPAN and 1024 elsewhere, one byte more in blocks', async (t) => {
  const { coap, client } = await startTestGateway(t, { demo: true });
  for (const [linkProfile, most] of [
    ['6lowpan', 64],
    ['ethernet', 1024],
  ] as const) {
    for (const [length, expected] of [
      [most, 1],
      [most + 1, 2],
    ] as const) {
      const { messages, trace } = recorded();
      const payload = new Uint8Array(length).fill(length);
      const put = await client(undefined, undefined, { trace, linkProfile }).put(`${coap}/store/x`, {
        payload,
      });
      assert.ok(put.ok);
      assert.equal(messages.filter((message) => message.startsWith('sent CON')).length, expected);
      assert.deepEqual((await client().get(`${coap}/store/x`)).payload, payload);
    }
  }
});

test('L06: a command is a success when the answer says so: the lock opens; refused it is none, and without an answer it fails', async (t) => {
  const gateway = await startTestGateway(t, { demo: true });
  const { coap, coaps } = gateway;
  const unlock = (client: Client, base: string) =>
    client.send('command', `${base}/lock`, { payload: 'unlock' }).then(({ response }) => response?.ok);
  const sensor = gateway.client('sensor-042', key042, {
    transmission: { ackTimeoutMs: 20, ackRandomFactor: 1, maxRetransmit: 1 },
  });
  assert.equal(await unlock(sensor, coaps), true);
  assert.equal((await sensor.get(`${coaps}/lock`)).text(), 'unlocked');
  assert.equal(await unlock(gateway.client(), coap), false, 'over plain CoAP it is refused');
  await gateway.gateway.close();
  await assert.rejects(unlock(sensor, coaps), CoapsuleError);
});

test('L05: a reading that nobody has to answer is one datagram, and the gateway has it', async (t) => {
  const { coap, client, log } = await startTestGateway(t, { demo: true });
  const { messages, trace } = recorded();
  const sender = client(undefined, undefined, { trace });
  const { outcome } = await sender.send('telemetry', `${coap}/sensors/temp`, {
    payload: '19.5',
    method: 'PUT',
    noResponse: 'all',
  });
  assert.equal(outcome, 'sent');
  await log.waitFor(/^PUT \/sensors\/temp 2\.01/);
  assert.equal((await client().get(`${coap}/sensors/temp`)).text(), '19.5');
  assert.deepEqual(messages, ['sent NON 0.03']);
});
