/** What gateways share, in Redis: the contracts of everything that is kept there, and what happens when Redis goes away. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, type TestContext } from 'node:test';
import { RedisDevices } from '../../src/shared/redis-devices.ts';
import type { RedisLink } from '../../src/shared/redis-link.ts';
import { RedisLog } from '../../src/shared/redis-log.ts';
import { type RedisNames, redisNames } from '../../src/shared/redis-names.ts';
import { RedisOwners } from '../../src/shared/redis-owners.ts';
import { RedisRegistrations } from '../../src/shared/redis-registrations.ts';
import { RedisStream } from '../../src/shared/redis-stream.ts';
import { Sealing } from '../../src/shared/sealing.ts';
import { StoreFault } from '../../src/store/store-fault.ts';
import { deviceKeepingContract } from '../keeping/device-keeping.ts';
import { readingStreamContract, streamed } from '../keeping/reading-stream.ts';
import { registrationKeepingContract } from '../keeping/registration-keeping.ts';
import { sessionOwnersContract } from '../keeping/session-owners.ts';
import { peerTest } from './peer.ts';
import { RedisServer, sharedKey } from './redis-server.ts';

const redisTest = (name: string, run: (t: TestContext) => Promise<void>): void =>
  peerTest(name, ['redis-server'], run);

/** Two gateways at one server, each with a connection and a key of its own making. */
async function two<T>(
  t: TestContext,
  make: (link: RedisLink, names: RedisNames, sealing: Sealing) => T,
): Promise<{ readonly one: T; readonly other: T; readonly link: RedisLink; readonly names: RedisNames }> {
  const server = await RedisServer.start(t);
  const names = redisNames(randomUUID());
  const [{ link }, { link: second }] = [await server.link(), await server.link()];
  const one = make(link, names, new Sealing(sharedKey));
  const other = make(second, names, new Sealing(sharedKey));
  return { one, other, link, names };
}

describe('Redis', () => {
  deviceKeepingContract(
    'Redis',
    async (t) => {
      const { one, other, link } = await two(t, (...parts) => new RedisDevices(...parts));
      const clear = async (): Promise<void> => void (await link.ask('FLUSHALL'));
      return { keeping: one, other, clear };
    },
    redisTest,
  );

  registrationKeepingContract(
    'Redis',
    async (t) => {
      const { one, other, link } = await two(t, (...parts) => new RedisRegistrations(...parts));
      const clear = async (): Promise<void> => void (await link.ask('FLUSHALL'));
      return { keeping: one, other, clear };
    },
    redisTest,
  );

  readingStreamContract(
    'Redis',
    async (t) => {
      const { one, other } = await two(t, (...parts) => new RedisStream(...parts));
      return { stream: one, other };
    },
    redisTest,
  );

  sessionOwnersContract(
    'Redis',
    async (t) => {
      const { one, other, link, names } = await two(t, (link, names) => new RedisOwners(link, names));
      const end = async (id: Uint8Array): Promise<void> => {
        await link.ask('PEXPIRE', names.session(id), '0');
      };
      return { owners: one, other, end };
    },
    redisTest,
  );

  redisTest('a session is owned for the time that was said: Redis ends it by itself', async (t) => {
    const { one, link, names } = await two(t, (link, names) => new RedisOwners(link, names));
    const id = Uint8Array.of(1);
    const left = async (): Promise<number> => Number(await link.ask('PTTL', names.session(id)));
    const claimed = await one.claim(id, 'north', 50_000);
    assert.ok(claimed.kind === 'owned');
    assert.ok((await left()) > 40_000 && (await left()) <= 50_000);
    assert.ok(await one.renew(id, { owner: 'north', fence: claimed.fence }, 500_000));
    assert.ok((await left()) > 400_000);
  });

  redisTest('the numbers of owners grow on when Redis has lost all its data', async (t) => {
    const { one, link } = await two(t, (link, names) => new RedisOwners(link, names));
    const id = Uint8Array.of(1);
    const before = await one.claim(id, 'north', 50_000);
    await link.ask('FLUSHALL');
    const after = await one.claim(id, 'south', 50_000);
    assert.ok(before.kind === 'owned' && after.kind === 'owned' && after.fence > before.fence);
  });

  redisTest(
    'of the stream as many of the newest are kept as it has room for, and who was away is told of the gap',
    async (t) => {
      const { one, other } = await two(
        t,
        (link, names, sealing) => new RedisStream(link, names, sealing, 200),
      );
      const mark = await other.end();
      await one.append([streamed(0)]);
      const before = await other.after(mark, 10);
      assert.deepEqual([before.readings, before.hasGap], [[streamed(0)], false]);
      for (let n = 1; n < 1000; n += 100) {
        await one.append(Array.from({ length: 100 }, (_, i) => streamed(n + i)));
      }
      const page = await other.after(before.mark, 5000);
      assert.ok(page.hasGap);
      // Redis takes away whole nodes of its tree, of 100 entries.
      assert.ok(page.readings.length >= 200 && page.readings.length < 400, String(page.readings.length));
      assert.deepEqual(page.readings.at(-1), streamed(1000));
      assert.equal((await other.after(page.mark, 10)).hasGap, false);
    },
  );

  redisTest(
    'who comes back to an older copy of Redis sees that it has lost something, also when others have written since',
    async (t) => {
      const server = await RedisServer.start(t);
      const { link, until } = await server.link();
      const log = new RedisLog(link, 'changes');
      const add = (): Promise<unknown> => link.ask('XADD', 'changes', '*', 'device', 'a');
      await add();
      await link.ask('SAVE');
      const [whole, lost] = [await log.end(), await add()];
      assert.equal((await log.after(whole, 10)).isLost, false);
      await server.down();
      await until('away', 1);
      await server.up();
      await until('ready', 2);
      assert.equal((await log.after(String(lost), 10)).isLost, true, 'the end is before the mark');
      const fresh = [await add(), await add()];
      const page = await log.after(String(lost), 1);
      assert.deepEqual([page.isLost, page.hasGap], [true, true], 'the end is behind it');
      assert.deepEqual([page.entries.map(({ id }) => id), page.mark], [[fresh[0]], fresh[0]]);
      const next = await log.after(whole, 10);
      assert.deepEqual([next.entries.map(({ id }) => id), next.isLost], [fresh, false]);
    },
  );

  redisTest('everybody finds the newest reading of a path, whoever recorded it', async (t) => {
    const { one, other } = await two(t, (...parts) => new RedisStream(...parts));
    const [old, fresh] = [streamed(1), { ...streamed(1, 'south') }];
    const newer = { ...fresh, reading: { ...fresh.reading, receivedAtMs: old.reading.receivedAtMs + 1 } };
    await other.append([newer]);
    await one.append([old]);
    assert.deepEqual(await one.latest(old.reading.path), newer);
    // What the same gateway tells later is later, also when its clock was set back.
    const back = { ...newer, reading: { ...newer.reading, receivedAtMs: 5 } };
    await other.append([back]);
    assert.deepEqual(await one.latest(old.reading.path), back);
    assert.equal(await one.latest('/none'), undefined);
  });

  redisTest(
    'nothing of a key, a reading or a registration is in Redis but sealed, and under another name or key it does not open',
    async (t) => {
      const { one, link, names } = await two(t, (link, names, sealing) => ({
        devices: new RedisDevices(link, names, sealing),
        registrations: new RedisRegistrations(link, names, sealing),
        stream: new RedisStream(link, names, sealing),
      }));
      const secret = 'a key that nobody may read';
      const device = {
        ...{ id: 'a', keyVersion: 1, addedAtMs: 1, rotatedAtMs: undefined, rules: [] },
        credential: { kind: 'psk' as const, key: new TextEncoder().encode(secret) },
      };
      await one.devices.putDevices([{ home: 'north', device }]);
      const reading = { ...streamed(1).reading, value: new TextEncoder().encode(secret) };
      await one.stream.append([{ node: 'north', reading }]);
      await one.registrations.keepRegistration({
        ...{ id: 'r', name: secret, sector: '', owner: undefined, lifetimeSeconds: 1, expiresAtMs: 1 },
        ...{ base: { uri: 'coap://a', isGiven: true, zone: undefined }, attributes: [], links: [] },
      });
      const dump = async (...command: readonly string[]): Promise<string> =>
        JSON.stringify(await link.ask(...command));
      const all = [
        await dump('HGETALL', names.devices),
        await dump('HGETALL', names.registrations),
        await dump('HGETALL', names.latest),
        await dump('XRANGE', names.readings, '-', '+'),
      ].join('\n');
      for (const form of ['utf8', 'base64', 'base64url', 'hex'] as const) {
        // Not the last characters: they depend on what follows.
        assert.ok(!all.includes(Buffer.from(secret).toString(form).slice(0, 20)), form);
      }
      const record = String(await link.ask('HGET', names.devices, 'a'));
      await link.ask('HSET', names.devices, 'b', record);
      await assert.rejects(one.devices.homedDevice('b'), /b in Redis was not sealed with this key/);
      const others = new RedisDevices(link, names, new Sealing(new Uint8Array(32)));
      await assert.rejects(others.homedDevice('a'), StoreFault);
      assert.deepEqual((await one.devices.homedDevice('a'))?.device, device);
    },
  );

  redisTest(
    'while Redis is away what is asked fails at once, and goes on without a word when it is there again',
    async (t) => {
      const server = await RedisServer.start(t, true);
      const { link, until } = await server.link();
      const stream = new RedisStream(link, redisNames(), new Sealing(sharedKey));
      await stream.append([streamed(1)]);
      await server.down();
      await until('away', 1);
      await assert.rejects(stream.append([streamed(2)]), { code: 'away' });
      await server.up();
      await until('ready', 2);
      await stream.append([streamed(3)]);
      assert.deepEqual((await stream.after('0-0', 10)).readings, [streamed(1), streamed(3)]);
    },
  );

  redisTest(
    'a server that says nothing holds up no more than so many commands, and all of them fail',
    async (t) => {
      const server = await RedisServer.start(t);
      const { link, until } = await server.link(600);
      server.signal('SIGSTOP');
      t.after(() => server.signal('SIGCONT'));
      const asked = Promise.allSettled(Array.from({ length: 5000 }, () => link.ask('PING')));
      await until('away', 1);
      assert.ok((await asked).every(({ status }) => status === 'rejected'));
      server.signal('SIGCONT');
      await until('ready', 2);
      assert.equal(await link.ask('PING'), 'PONG');
    },
  );
});
