/** Gateways that share devices, directory and readings over one Redis server. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext } from 'node:test';
import type { Client, Response } from 'coapsule';
import type { EndpointAddress } from '../../src/server/serve-options.ts';
import { redisNames } from '../../src/shared/redis-names.ts';
import { RedisNodes } from '../../src/shared/redis-nodes.ts';
import { Sealing } from '../../src/shared/sealing.ts';
import { openDatabase } from '../../src/store/database.ts';
import { type DeviceCredential, DeviceTable } from '../../src/store/device-table.ts';
import { startTestGateway, type TestGateway } from '../gateway/test-gateway.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { peerTest } from './peer.ts';
import { freeUdpPorts } from './process.ts';
import { coapsule, startGateway as startProcess } from './programs.ts';
import { RedisServer, sharedKey } from './redis-server.ts';

const redisTest = (name: string, run: (t: TestContext) => Promise<void>): void =>
  peerTest(name, ['redis-server'], run);

const key = 'a key of sixteen';
const connected = /^shared: connected to /;
const rules = ['PUT,GET:/sensors/*', 'GET:/sensors/*'];

async function startGateway(
  t: TestContext,
  server: RedisServer,
  options: Parameters<typeof startTestGateway>[1] & {
    readonly graceMs?: number;
    readonly link?: EndpointAddress;
  } = {},
): Promise<TestGateway> {
  const { graceMs = 3_600_000, link, ...rest } = options;
  return startTestGateway(t, { shared: { url: server.url, key: sharedKey, graceMs, link }, ...rest });
}

function portOf({ coaps }: TestGateway): number {
  return Number(coaps.split(':').at(-1));
}

function withDevices<T>({ folder }: TestGateway, work: (devices: DeviceTable) => T): T {
  const opened = openDatabase(folder, { create: true, asGateway: false });
  try {
    return work(new DeviceTable(opened));
  } finally {
    opened.close();
  }
}

function addDevice(
  gateway: TestGateway,
  id: string,
  credential: DeviceCredential = { kind: 'psk', key: new TextEncoder().encode(key) },
): void {
  assert.ok(withDevices(gateway, (devices) => devices.add({ id, credential, rules, addedAtMs: 1 })));
}

/** Asks again until it is so: what others did comes by itself, and no line tells of it. */
async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5));
}

function knows(gateway: TestGateway, id: string): boolean {
  return withDevices(gateway, (devices) => devices.find(id)) !== undefined;
}

describe('gateways that share over Redis', () => {
  redisTest(
    'a device that is added at one connects to the other, and does not any more when it is removed there',
    async (t) => {
      const server = await RedisServer.start(t);
      const [north, south] = [await startGateway(t, server), await startGateway(t, server)];
      await Promise.all([north, south].map(({ log }) => log.waitFor(connected)));
      addDevice(north, 'sensor-7');
      await until(() => knows(south, 'sensor-7'));
      const device = south.client('sensor-7', key);
      assert.equal((await device.put(`${south.coaps}/sensors/sensor-7`, { payload: '1' })).codeText, '2.01');
      // Its home alone changes it.
      assert.equal(
        withDevices(south, (devices) => devices.remove('sensor-7')),
        false,
      );
      assert.equal(
        withDevices(south, (devices) => devices.allow('sensor-7', [])),
        false,
      );
      withDevices(north, (devices) => devices.remove('sensor-7'));
      await south.log.waitFor(/^secured association with .* ended/);
      assert.equal(knows(south, 'sensor-7'), false);
    },
  );

  redisTest(
    'gateways get numbers of their own, keep them, and find each other by them; those of another key are not found',
    async (t) => {
      const server = await RedisServer.start(t);
      const { link } = await server.link();
      const nodes = (sealing: Sealing): RedisNodes => new RedisNodes(link, redisNames('numbers'), sealing);
      const ours = nodes(new Sealing(sharedKey));
      const at = (port: number) => ({ host: '192.0.2.1', port });
      assert.deepEqual(
        [await ours.claim('a', 0, at(1)), await ours.claim('b', 0, at(2)), await ours.claim('a', 0, at(3))],
        [1, 2, 1],
      );
      assert.equal(await ours.claim('c', 9, at(4)), 9, 'the number that it had');
      assert.equal(await ours.claim('d', 2, at(5)), 3, 'or another one, where somebody has that');
      await nodes(new Sealing(new Uint8Array(32))).claim('e', 0, at(6));
      assert.deepEqual(
        await ours.all(),
        new Map([1, 2, 9, 3].map((number, index) => [number, at([3, 2, 4, 5][index] as number)])),
      );
      for (let count = 0; count < 250; count++) await ours.claim(`more-${count}`, 0, at(7));
      assert.equal(await ours.claim('last', 0, at(8)), undefined, 'all are taken');
      assert.equal(await ours.claim('b', 2, at(9)), 2);
      // Of two that were seen last a week and more ago, the others forget the one, and its number goes to the next that comes.
      for (const number of ['3', '9']) {
        const row = String(await link.ask('HGET', redisNames('numbers').nodes, number));
        await link.ask('HSET', redisNames('numbers').nodes, number, row.replace(/ \d+ /, ' 1000 '));
      }
      assert.equal(await ours.claim('last', 0, at(8)), 3);
      const left = await ours.all();
      assert.deepEqual([left.get(3), left.get(9)], [at(8), undefined]);
    },
  );

  redisTest(
    'a device that comes to another gateway behind the same address goes on without a handshake, also while Redis is away and after a restart',
    async (t) => {
      const server = await RedisServer.start(t);
      const port = await freeUdpPorts(2);
      const place = port + 1;
      const link = { host: '127.0.0.1', port: 0 };
      const folder = temporaryFolder(t);
      const north = await startGateway(t, server, {
        link: { ...link, port: place },
        dataFolder: folder,
        coaps: { host: '127.0.0.1', port },
        metrics: link,
      });
      const south = await startGateway(t, server, { link });
      await Promise.all([north, south].map(({ log }) => log.waitFor(connected)));
      addDevice(north, 'sensor-7');
      await until(() => knows(south, 'sensor-7'));
      // It stands before them and gives all datagrams to one.
      const [front, back] = [
        createSocket('udp4').bind(0, '127.0.0.1'),
        createSocket('udp4').bind(0, '127.0.0.1'),
      ];
      t.after(() => {
        front.close();
        back.close();
      });
      await Promise.all([once(front, 'listening'), once(back, 'listening')]);
      let target = portOf(north);
      let devicePort = 0;
      front.on('message', (datagram, { port }) => {
        devicePort = port;
        back.send(datagram, target, '127.0.0.1');
      });
      back.on('message', (datagram, { port }) => {
        assert.equal(port, target, 'the answer comes from the gateway that was asked');
        front.send(datagram, devicePort, '127.0.0.1');
      });
      let handshakes = 0;
      const device = north.client('sensor-7', key, {
        trace: ({ kind }) => {
          if (kind === 'connected') handshakes++;
        },
      });
      const uri = `coaps://127.0.0.1:${front.address().port}/sensors/sensor-7`;
      const put = async (payload: string): Promise<string> => (await device.put(uri, { payload })).codeText;
      assert.equal(await put('1'), '2.01');
      target = portOf(south);
      assert.equal(await put('2'), '2.04');
      await server.down();
      assert.equal(await put('3'), '2.04');
      target = portOf(north);
      assert.equal(await put('4'), '2.04');
      assert.equal(handshakes, 1);
      // What no gateway has sent does nothing.
      back.send('a datagram of a stranger', place, '127.0.0.1');
      const metrics = async (): Promise<string> =>
        (await fetch(`http://${north.gateway.endpoints.metrics}/metrics`)).text();
      await until(async () => /node_datagrams_total\{event="refused"\} 1\n/.test(await metrics()));
      assert.match(await metrics(), /node_datagrams_total\{event="received"\} [1-9]/);
      await north.log.waitFor(/something came to the link between gateways that does not open/);
      // Its number is its own, also where Redis is away at its start, and its associations are kept: it goes on where it was.
      await north.gateway.close();
      const again = await startGateway(t, server, {
        link: { ...link, port: place },
        dataFolder: folder,
        coaps: { host: '127.0.0.1', port },
      });
      assert.equal(portOf(again), port);
      target = portOf(south);
      assert.deepEqual([await put('5'), handshakes], ['2.04', 1]);
    },
  );

  redisTest(
    'a key that is rotated at one counts at the other, and one under OSCORE stays where it is',
    async (t) => {
      const server = await RedisServer.start(t);
      const north = await startGateway(t, server);
      addDevice(north, 'sensor-7');
      addDevice(north, 'sensor-8', {
        ...{ kind: 'oscore', masterSecret: new Uint8Array(16), masterSalt: undefined, idContext: undefined },
        ...{ senderId: Uint8Array.of(1), recipientId: Uint8Array.of(2) },
        ...{ aead: 'AES-CCM-16-64-128', hkdf: 'SHA-256' },
      });
      const south = await startGateway(t, server);
      await until(() => knows(south, 'sensor-7'));
      const version = (): number | undefined =>
        withDevices(south, (devices) => devices.find('sensor-7'))?.keyVersion;
      assert.equal(version(), 1);
      const other = new TextEncoder().encode('another key of 16');
      withDevices(north, (devices) => devices.rotate('sensor-7', { kind: 'psk', key: other }, 2));
      await until(() => version() === 2);
      assert.ok((await canConnectWith(south, 'sensor-7', 'another key of 16')).codeText);
      assert.equal(knows(south, 'sensor-8'), false);
    },
  );

  redisTest(
    'of two devices of one name the one that was added here counts here, and the operator is told',
    async (t) => {
      const server = await RedisServer.start(t);
      const [north, south] = [await startGateway(t, server), await startGateway(t, server)];
      await Promise.all([north, south].map(({ log }) => log.waitFor(connected)));
      addDevice(north, 'sensor-7');
      await until(() => knows(south, 'sensor-7'));
      const third = await startGateway(t, server);
      withDevices(third, (devices) =>
        devices.add({
          id: 'sensor-7',
          credential: { kind: 'psk', key: new TextEncoder().encode('the third one has') },
          rules,
          addedAtMs: 9,
        }),
      );
      await third.log.waitFor(/^shared: the device sensor-7.* is one of another gateway too/);
      assert.equal(
        withDevices(third, (devices) => devices.homeOf('sensor-7')),
        '',
      );
      assert.equal(withDevices(south, (devices) => devices.find('sensor-7'))?.addedAtMs, 1);
    },
  );

  redisTest(
    'what is registered at one is found at the other, refreshed there, and removed from both',
    async (t) => {
      const server = await RedisServer.start(t);
      const [north, south] = [await startGateway(t, server), await startGateway(t, server)];
      await Promise.all([north, south].map(({ log }) => log.waitFor(connected)));
      addDevice(north, 'sensor-7');
      await until(() => knows(south, 'sensor-7'));
      const [there, here] = [north.client('sensor-7', key), south.client('sensor-7', key)];
      const links = { payload: '</temp>;rt="temperature"', contentFormat: 40 };
      const made = await there.post(`${north.coaps}/rd?ep=sensor-7&base=coap://sensor-7.example`, links);
      assert.equal(made.codeText, '2.01');
      const found = async (client: Client, gateway: TestGateway): Promise<string> =>
        (await client.get(`${gateway.coaps}/rd-lookup/res?rt=temperature`)).text();
      await until(
        async () => (await found(here, south)) === '<coap://sensor-7.example/temp>;rt="temperature"',
      );
      const location = made.locationPath;
      assert.equal((await here.post(`${south.coaps}${location}?et=oven`)).codeText, '2.04');
      await until(async () => (await there.get(`${north.coaps}/rd-lookup/ep?et=oven`)).text() !== '');
      assert.equal((await here.delete(`${south.coaps}${location}`)).codeText, '2.02');
      await until(async () => (await found(there, north)) === '');
    },
  );

  redisTest('a reading at one is seen by an observer at the other, and who asks there gets it', async (t) => {
    const server = await RedisServer.start(t);
    const [north, south] = [await startGateway(t, server), await startGateway(t, server)];
    await Promise.all([north, south].map(({ log }) => log.waitFor(connected)));
    addDevice(north, 'sensor-7');
    await until(() => knows(south, 'sensor-7'));
    const [there, here] = [north.client('sensor-7', key), south.client('sensor-7', key)];
    const path = '/sensors/sensor-7/temp';
    assert.ok((await there.put(`${north.coaps}${path}`, { payload: '20' })).ok);
    await until(async () => (await here.get(`${south.coaps}${path}`)).ok);
    const states = here.observe(`${south.coaps}${path}`)[Symbol.asyncIterator]();
    assert.equal(((await states.next()).value as Response).text(), '20');
    assert.ok((await there.put(`${north.coaps}${path}`, { payload: '21' })).ok);
    assert.equal(((await states.next()).value as Response).text(), '21');
    await states.return?.();
    // What is stored here later is newer than what others have.
    assert.ok((await here.put(`${south.coaps}${path}`, { payload: '22' })).ok);
    assert.equal((await here.get(`${south.coaps}${path}`)).text(), '22');
    await until(async () => (await there.get(`${north.coaps}${path}`)).text() === '22');
  });

  redisTest(
    'while Redis is away devices of others go on, registrations are refused with 5.03, and readings follow later: without a restart',
    async (t) => {
      const server = await RedisServer.start(t, true);
      const [north, south] = [await startGateway(t, server), await startGateway(t, server)];
      await Promise.all([north, south].map(({ log }) => log.waitFor(connected)));
      addDevice(north, 'sensor-7');
      await until(() => knows(south, 'sensor-7'));
      const there = north.client('sensor-7', key);
      const links = { payload: '</temp>', contentFormat: 40 };
      const register = `${north.coaps}/rd?ep=sensor-7&base=coap://sensor-7.example`;
      assert.equal((await there.post(register, links)).codeText, '2.01');
      const look = south.client('sensor-7', key);
      await until(async () => (await look.get(`${south.coaps}/rd-lookup/res`)).text() !== '');
      await server.down();
      await Promise.all([north, south].map(({ log }) => log.waitFor(/^shared: Redis at .* is away/)));
      const here = south.client('sensor-7', key);
      const path = '/sensors/sensor-7/temp';
      assert.equal((await here.get(`${south.coaps}${path}`)).codeText, '4.04');
      assert.match((await here.get(`${south.coaps}/rd-lookup/res`)).text(), /temp/);
      const refused = await there.post(register, links);
      assert.deepEqual([refused.codeText, refused.maxAgeSeconds], ['5.03', 30]);
      for (let value = 1; value <= 5; value++) {
        assert.ok((await there.put(`${north.coaps}${path}`, { payload: `${value}`, whenBusy: 'send' })).ok);
      }
      await server.up();
      await until(async () => (await here.get(`${south.coaps}${path}`, { whenBusy: 'send' })).text() === '5');
      await until(async () => (await there.post(register, { ...links, whenBusy: 'send' })).ok);
    },
  );

  redisTest(
    'when Redis loses all its data, each gateway brings back what it has, and nothing is lost',
    async (t) => {
      const server = await RedisServer.start(t);
      const [north, south] = [await startGateway(t, server), await startGateway(t, server)];
      await Promise.all([north, south].map(({ log }) => log.waitFor(connected)));
      addDevice(north, 'sensor-7');
      addDevice(south, 'sensor-8');
      await until(() => knows(south, 'sensor-7') && knows(north, 'sensor-8'));
      const there = north.client('sensor-7', key);
      await there.post(`${north.coaps}/rd?ep=sensor-7&base=coap://sensor-7.example`, {
        payload: '</temp>',
        contentFormat: 40,
      });
      // It keeps nothing on disk.
      await server.down();
      await server.up();
      const third = await startGateway(t, server);
      await until(() => knows(third, 'sensor-7') && knows(third, 'sensor-8'));
      const client = third.client('sensor-8', key);
      await until(async () => (await client.get(`${third.coaps}/rd-lookup/res`)).text().includes('temp'));
      assert.ok(knows(south, 'sensor-7') && knows(north, 'sensor-8'));
    },
  );

  redisTest(
    'when Redis comes back with an older copy, what was added and registered since is brought back',
    async (t) => {
      const server = await RedisServer.start(t);
      const [north, south] = [await startGateway(t, server), await startGateway(t, server)];
      await Promise.all([north, south].map(({ log }) => log.waitFor(connected)));
      addDevice(north, 'sensor-7');
      await until(() => knows(south, 'sensor-7'));
      const register = async (gateway: TestGateway, id: string): Promise<void> => {
        const links = { payload: `</${id}>`, contentFormat: 40 };
        const target = `${gateway.coaps}/rd?ep=${id}&base=coap://${id}.example`;
        assert.equal((await gateway.client(id, key).post(target, links)).codeText, '2.01');
      };
      const found = async (gateway: TestGateway, client: Client, id: string): Promise<boolean> =>
        (await client.get(`${gateway.coaps}/rd-lookup/res`)).text().includes(`/${id}>`);
      const { link } = await server.link();
      assert.equal(await link.ask('SAVE'), 'OK');
      addDevice(north, 'sensor-9');
      await until(() => knows(south, 'sensor-9'));
      await register(north, 'sensor-9');
      const look = south.client('sensor-7', key);
      await until(() => found(south, look, 'sensor-9'));
      await server.down();
      await Promise.all([north, south].map(({ log }) => log.waitFor(/^shared: Redis at .* is away/)));
      await server.up();
      const third = await startGateway(t, server);
      const client = third.client('sensor-7', key);
      await until(() => knows(third, 'sensor-9'));
      await until(() => found(third, client, 'sensor-9'));
      // The others have what they had, and still follow.
      await register(third, 'sensor-7');
      for (const gateway of [north, south]) {
        const observer = gateway.client('sensor-7', key);
        await until(() => found(gateway, observer, 'sensor-7'));
        assert.ok(await found(gateway, observer, 'sensor-9'));
        assert.ok(knows(gateway, 'sensor-9'));
      }
    },
  );

  redisTest(
    'a gateway that was away finds what was changed meanwhile: added, removed and registered',
    async (t) => {
      const server = await RedisServer.start(t, true);
      const north = await startGateway(t, server);
      const south = await startGateway(t, server);
      await Promise.all([north, south].map(({ log }) => log.waitFor(connected)));
      addDevice(north, 'sensor-7');
      await until(() => knows(south, 'sensor-7'));
      await south.gateway.close();
      withDevices(north, (devices) => devices.remove('sensor-7'));
      addDevice(north, 'sensor-9');
      const again = await startGateway(t, server, { dataFolder: south.folder });
      await until(() => knows(again, 'sensor-9') && !knows(again, 'sensor-7'));
    },
  );

  redisTest(
    'devices of others are let in without Redis for the time that was said, and no longer',
    async (t) => {
      const server = await RedisServer.start(t);
      const north = await startGateway(t, server);
      const south = await startGateway(t, server, { graceMs: 1 });
      await Promise.all([north, south].map(({ log }) => log.waitFor(connected)));
      addDevice(north, 'sensor-7');
      await until(() => knows(south, 'sensor-7'));
      const device = south.client('sensor-7', key);
      assert.ok((await device.put(`${south.coaps}/sensors/sensor-7`, { payload: '1' })).ok);
      await server.down();
      await south.log.waitFor(/the 1 devices of other gateways are not let in any more/);
      await south.log.waitFor(/^secured association with .* ended/);
      await server.up();
      await until(() => knows(south, 'sensor-7'));
    },
  );

  redisTest(
    'a gateway that shares no more lets no devices of others in, and has them again when it shares',
    async (t) => {
      const server = await RedisServer.start(t);
      const [north, south] = [await startGateway(t, server), await startGateway(t, server)];
      await Promise.all([north, south].map(({ log }) => log.waitFor(connected)));
      addDevice(north, 'sensor-7');
      addDevice(south, 'sensor-8');
      await until(() => knows(south, 'sensor-7'));
      await south.gateway.close();
      const alone = await startTestGateway(t, { dataFolder: south.folder });
      await alone.log.waitFor(/without --redis the 1 devices of other gateways are not let in any more/);
      assert.deepEqual([knows(alone, 'sensor-7'), knows(alone, 'sensor-8')], [false, true]);
      await alone.gateway.close();
      const again = await startGateway(t, server, { dataFolder: south.folder });
      await until(() => knows(again, 'sensor-7'));
    },
  );

  redisTest('a gateway with another key shares nothing, and says what is to be done', async (t) => {
    const server = await RedisServer.start(t);
    const north = await startGateway(t, server);
    await north.log.waitFor(connected);
    const south = await startTestGateway(t, {
      shared: { url: server.url, key: new Uint8Array(32), graceMs: 1000 },
    });
    await south.log.waitFor(
      /sealed what is in Redis with another key: nothing is shared; give all gateways the same/,
    );
  });

  redisTest(
    'a thousand devices that are imported at one are at the other, and gone there when they are removed',
    async (t) => {
      const server = await RedisServer.start(t);
      const [north, south] = [await startGateway(t, server), await startGateway(t, server)];
      await Promise.all([north, south].map(({ log }) => log.waitFor(connected)));
      const devices = Array.from({ length: 1000 }, (_, n) => ({
        ...{ id: `pump-${n}`, rules, addedAtMs: 1 },
        credential: { kind: 'psk' as const, key: new TextEncoder().encode(`key of pump ${n}`) },
      }));
      assert.equal(
        withDevices(north, (table) => table.addAll(devices)),
        undefined,
      );
      const count = (): number => withDevices(south, (table) => table.all().length);
      await until(() => count() === 1000);
      withDevices(north, (table) => {
        for (const { id } of devices.slice(1)) table.remove(id);
      });
      await until(() => count() === 1);
      assert.ok(knows(south, 'pump-0'));
    },
  );

  redisTest(
    'coapsule serve shares what coapsule device adds: two processes, one Unix socket, a key in a file',
    async (t) => {
      const server = await RedisServer.start(t);
      const keyFile = join(server.folder, 'shared.key');
      writeFileSync(keyFile, Buffer.from(sharedKey).toString('hex'), { mode: 0o600 });
      const shared = ['--redis', server.url, '--redis-key', keyFile];
      const [north, south] = [await startProcess(t, ...shared), await startProcess(t, ...shared)];
      await Promise.all([north, south].map(({ process }) => process.waitFor(/shared: connected to/)));
      const added = await coapsule(t, 'device', 'add', 'sensor-7', '--psk', key, '--data', north.folder);
      assert.equal(added.code, 0, added.output);
      const list = (): ReturnType<typeof coapsule> => coapsule(t, 'device', 'list', '--data', south.folder);
      await until(async () => (await list()).output.includes('sensor-7'));
      const credentials = ['-u', 'sensor-7', '-k', key];
      const put = await coapsule(t, 'put', `${south.coaps}/sensors/sensor-7`, '-e', '5', ...credentials);
      assert.equal(put.code, 0, put.output);
      await until(async () => {
        const got = await coapsule(t, 'get', `${north.coaps}/sensors/sensor-7`, ...credentials);
        return got.stdout.toString().trim() === '5';
      });
      const removed = await coapsule(t, 'device', 'remove', 'sensor-7', '--data', south.folder);
      assert.match(removed.output, /was added at another gateway.*change it there/s);
    },
  );

  redisTest(
    'options that cannot be are refused with what is to be done, and no text shows a password',
    async (t) => {
      const refusal = async (...args: readonly string[]): Promise<string> => {
        const { code, output } = await coapsule(t, 'serve', '--check', ...args);
        assert.notEqual(code, 0, output);
        return output;
      };
      assert.match(await refusal('--redis', 'redis://localhost'), /needs a key.*openssl rand -hex 32/s);
      assert.match(await refusal('--redis-key', 'x'), /--redis-key is for gateways that share.*--redis/s);
      const shown = await refusal('--redis', 'redis://me:hunter2@localhost');
      assert.match(shown, /--redis-password-file/);
      assert.doesNotMatch(shown, /hunter2/);
      const file = join((await RedisServer.start(t)).folder, 'short.key');
      writeFileSync(file, 'too short');
      assert.match(
        await refusal('--redis', 'unix:/none', '--redis-key', file),
        /holds no key: it has 9 bytes/,
      );
    },
  );
});

function canConnectWith(gateway: TestGateway, id: string, secret: string): Promise<Response> {
  return gateway.client(id, secret).get(`${gateway.coaps}/sensors/none`);
}
