import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'coapsule';
import { freeUdpPorts } from '../interop/process.ts';
import { CoapsuleProcess } from '../server/gateway-process.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { numbersSent, RecordingRelay } from './recording-relay.ts';
import { storedTexts } from './stored-texts.ts';

const { COAPSULE_LONG } = process.env;
const kills = COAPSULE_LONG === '1' ? 200 : 20;

/** With connection id and without, so that the gateway finds some by their address only. */
const deviceKinds = [{}, { connectionId: 'off' as const }];
const devicesOfKind = 4;

test(`${kills} kills under load: devices go on without a handshake, no nonce is used twice, a replay does nothing`, async (t) => {
  const data = temporaryFolder(t);
  const names = Array.from({ length: deviceKinds.length * devicesOfKind }, (_, i) => `device-${i}`);
  const port = await freeUdpPorts(1);
  let gateway = serve(t, data, port, names);
  await gateway.ready();
  const relay = await RecordingRelay.open(t, port);

  let stopping = false;
  const answers = names.map(() => 0);
  const checks = new Set<() => void>();
  /** Waits for as many answers, from every device or from whichever comes. */
  const moreAnswers = (count: number, of: 'each' | 'any'): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const before = [...answers];
    const check = (): void => {
      const since = answers.map((n, i) => n - (before[i] ?? 0));
      const least = of === 'each' ? Math.min(...since) : since.reduce((sum, n) => sum + n, 0);
      if (least < count) return;
      checks.delete(check);
      resolve();
    };
    checks.add(check);
    return promise;
  };
  let handshakes = 0;
  const clients = names.map((identity, i) => {
    const client = new Client({
      psk: { identity, key: keyOf(identity) },
      ...deviceKinds[i % deviceKinds.length],
      transmission: { ackTimeoutMs: 100, maxRetransmit: 4 },
      trace: (event) => {
        if (event.kind === 'connected') handshakes += 1;
      },
    });
    t.after(() => client.close());
    return client;
  });
  const acknowledged: string[] = [];
  /** Those of which a second request was made: the first one may have arrived too. */
  const repeated = new Set<string>();
  const put = async (i: number, payload: string): Promise<void> => {
    const uri = `coaps://127.0.0.1:${relay.port}/sensors/${names[i]}`;
    for (;;) {
      try {
        // Before the pauses between retransmissions are longer than a process lives.
        const response = await clients[i]?.put(uri, { payload, timeoutMs: 1500 });
        if (!response?.ok) throw new Error(`${payload}: ${response?.codeText}`);
        break;
      } catch (error) {
        if ((error as { code?: unknown }).code !== 'ERR_TIMEOUT') throw error;
        repeated.add(payload);
      }
    }
    acknowledged.push(payload);
    answers[i] = (answers[i] ?? 0) + 1;
    for (const check of checks) check();
  };
  // From now on every association is saved.
  await Promise.all(names.map((_, i) => put(i, `${i}:first`)));
  const writers = names.map(async (_, i) => {
    for (let index = 0; !stopping; index += 1) {
      await put(i, `${i}:${index}`);
      // Some devices send as fast as they can, some now and then: their edges differ.
      if (i % 3 === 0) await sleep(20 + ((index * 37) % 400));
    }
  });

  for (let kill = 0; kill < kills; kill += 1) {
    if (kill % 3 === 2) await moreAnswers(1, 'each');
    else await moreAnswers(5, 'any');
    // Another point each time of receiving, committing, reserving and answering.
    await sleep(Math.random() * 60);
    await gateway.kill('SIGKILL');
    gateway = serve(t, data, port, names);
    await gateway.ready();
  }
  await moreAnswers(2, 'each');
  stopping = true;
  await Promise.all(writers);
  assert.equal(handshakes, names.length, 'no device had to shake hands again');
  assert.equal(relay.devices.size, names.length);
  let sent = 0;
  for (const device of relay.devices.values()) {
    const [numbers = [], ...others] = numbersSent(device);
    assert.equal(others.length, 0);
    assert.equal(new Set(numbers).size, numbers.length, 'a sequence number was used twice');
    sent += numbers.length;
  }
  t.diagnostic(
    `${sent} records of the gateway, ${acknowledged.length} readings, ${repeated.size} sent again`,
  );

  // The last process ends as hard as the others, and an attacker plays back all that he has.
  await gateway.kill('SIGKILL');
  expectStoredOnce(storedTexts(data), acknowledged, repeated);
  const before = storedTexts(data).length;
  gateway = serve(t, data, port, names);
  await gateway.ready();
  for (const { upstream, fromDevice } of relay.devices.values()) {
    for (const datagram of fromDevice) upstream.send(datagram, port, '127.0.0.1');
    await sleep(20);
  }
  await sleep(500);
  assert.equal(storedTexts(data).length, before, 'the replay stored nothing');
  // The devices are still there, and the gateway still knows them.
  await Promise.all(names.map((_, i) => put(i, `${i}:last`)));
  assert.equal(handshakes, names.length);
  assert.equal((await gateway.kill('SIGTERM')).code, 0);
  expectStoredOnce(storedTexts(data), acknowledged, repeated);
});

test('a clean restart costs a device nothing, and one whose key changed meanwhile has to shake hands', async (t) => {
  const data = temporaryFolder(t);
  const names = ['device-0', 'device-1'];
  const port = await freeUdpPorts(1);
  const first = serve(t, data, port, names);
  await first.ready();
  let handshakes = 0;
  const clientOf = (identity: string): Client => {
    const client = new Client({
      psk: { identity, key: keyOf(identity) },
      transmission: { ackTimeoutMs: 100, maxRetransmit: 3 },
      trace: (event) => {
        if (event.kind === 'connected') handshakes += 1;
      },
    });
    t.after(() => client.close());
    return client;
  };
  const clients = names.map(clientOf);
  const uri = (i: number): string => `coaps://127.0.0.1:${port}/sensors/${names[i]}`;
  for (const [i, client] of clients.entries()) await client.put(uri(i), { payload: '1' });
  assert.equal((await first.kill('SIGTERM')).code, 0);
  const second = serve(t, data, port, ['device-0'], ['device-1:AnotherKey16Byt!']);
  await second.ready();
  assert.ok((await clients[0]?.put(uri(0), { payload: '2' }))?.ok);
  assert.equal(handshakes, 2);
  await assert.rejects(clients[1]?.put(uri(1), { payload: '2' }) ?? Promise.resolve(), {
    code: 'ERR_TIMEOUT',
  });
  assert.equal((await second.kill('SIGTERM')).code, 0);
});

/** No acknowledged reading is missing, and none of which there was one request is there twice. */
function expectStoredOnce(
  stored: readonly string[],
  acknowledged: readonly string[],
  repeated: ReadonlySet<string>,
): void {
  const counts = new Map<string, number>();
  for (const text of stored) counts.set(text, (counts.get(text) ?? 0) + 1);
  assert.deepEqual(
    acknowledged.filter((text) => !counts.has(text)),
    [],
    'acknowledged and lost',
  );
  const twice = [...counts].filter(([text, count]) => count > 1 && !repeated.has(text));
  assert.deepEqual(twice, [], 'stored twice');
}

function serve(
  t: TestContext,
  data: string,
  port: number,
  names: readonly string[],
  more: readonly string[] = [],
): CoapsuleProcess {
  const psks = [...names.map((name) => `${name}:${keyText(name)}`), ...more].flatMap((psk) => ['--psk', psk]);
  const endpoints = ['--coap', 'off', '--coaps', `127.0.0.1:${port}`];
  return new CoapsuleProcess(t, ['serve', '--data', data, ...endpoints, ...psks]);
}

function keyText(identity: string): string {
  return `${identity}-0123456789abcdef`;
}

function keyOf(identity: string): Uint8Array {
  return new TextEncoder().encode(keyText(identity));
}
