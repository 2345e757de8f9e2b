/**
 * Client and server on a serial line, over a pair of pseudo-terminals: plain and with each kind of credentials.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readlinkSync, realpathSync } from 'node:fs';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import {
  type AssociationStore,
  type Client,
  forwardProxy,
  OptionNumber,
  OscoreContext,
  OscoreContexts,
  type ResumableAssociation,
  reverseProxy,
} from '../../src/index.ts';
import { withoutPty } from '../node/pty-pair.ts';
import { body, LinePair, mutualX509, plain, psk, rawPublicKeys } from './line-pair.ts';

/** What could be read on a line that is not secured. */
const secrets = ['Hello World', 'store', 'counter', 'whoami', 'the beginning...', '...and the end!!'];

function readableOn(pair: LinePair): string[] {
  const { a, b } = pair.pty.written();
  const text = Buffer.concat([a, b]).toString('latin1');
  return secrets.filter((secret) => text.includes(secret));
}

/** Whether this process has a device open. */
function isOpenHere(device: string): boolean {
  return readdirSync('/proc/self/fd').some((file) => {
    try {
      return readlinkSync(`/proc/self/fd/${file}`) === device;
    } catch {
      // Closed meanwhile.
      return false;
    }
  });
}

/** GET, 8 KB both ways and Observe, from end b. */
async function exchangeAll(pair: LinePair, client: Client, secure: boolean): Promise<void> {
  const uri = (path: string): string => pair.uri('b', secure, path);
  const got = await client.get(uri('/a'));
  assert.deepEqual([got.codeText, got.text(), got.peer.transport], ['2.05', 'Hello World', 'serial']);
  assert.equal(got.peer.address.key, `serial:${pair.pty.b}`);

  assert.deepEqual((await client.get(uri('/store'))).payload, body);
  assert.equal((await client.put(uri('/store'), { payload: body.toReversed() })).codeText, '2.04');
  assert.deepEqual((await client.get(uri('/store'))).payload, body.toReversed());

  const seen: string[] = [];
  for await (const notification of client.observe(uri('/counter'))) {
    seen.push(notification.text());
    if (seen.length === 4) break;
    await client.post(uri('/counter'));
  }
  assert.deepEqual(seen, ['0', '1', '2', '3']);
}

describe('a serial line', { skip: withoutPty }, () => {
  for (const security of [plain, psk, rawPublicKeys, mutualX509]) {
    const { name, secure } = security;
    it(`${name}: GET, 8 KB both ways and Observe; ${secure ? 'nothing' : 'all'} can be read on the wire`, async (t) => {
      const pair = await LinePair.open(t);
      const listener = await pair.serve(security);
      const client = pair.client(security);
      const who = { plain: 'nobody', PSK: 'psk sensor-042', 'mutual X.509': 'x509 sensor-7' }[name];
      const asked = await client.get(pair.uri('b', secure, '/whoami'));
      assert.equal(asked.text(), who ?? 'raw-public-key sensor-7');
      await exchangeAll(pair, client, secure);
      const { mtu, counters, diagnosis } = listener.line ?? assert.fail('a line');
      assert.deepEqual([mtu, counters.lost, counters.refused, counters.dropped], [1024, {}, 0, 0]);
      assert.equal(diagnosis, undefined);
      // RFC 7959 §2.2: 512 is what MTU 1024 leaves after all overheads.
      assert.ok(counters.largestPacket > 512 && counters.largestPacket <= 1024, `${counters.largestPacket}`);
      await client.close();
      assert.deepEqual(readableOn(pair), secure ? [] : secrets);
      assert.deepEqual(pair.errors, []);
    });
  }

  it('OSCORE on a plain line: the same, and nothing can be read; both ends may ask', async (t) => {
    const pair = await LinePair.open(t);
    const [one, other] = [Uint8Array.of(1), Uint8Array.of(2)];
    const context = (senderId: Uint8Array, recipientId: Uint8Array): Promise<OscoreContext> =>
      OscoreContext.open({
        masterSecret: new Uint8Array(16).fill(7),
        ...{ senderId, recipientId, firstUse: true },
        store: { load: async () => undefined, save: async () => {} },
      });
    await using atServer = await context(one, other);
    await using atClient = await context(other, one);
    const [client, asker] = [
      pair.client(plain, { oscore: atClient }),
      pair.client(plain, { oscore: atServer }),
    ];
    await pair.serve(plain, { oscore: new OscoreContexts([atServer]), client: asker });
    await pair.serve(plain, { oscore: new OscoreContexts([atClient]), client }, { end: 'b' });
    await exchangeAll(pair, client, false);
    assert.equal((await asker.get(pair.uri('a', false, '/a'))).text(), 'Hello World');
    assert.deepEqual(readableOn(pair), []);
    assert.deepEqual(pair.errors, []);
  });

  for (const security of [plain, psk, mutualX509]) {
    const { name, secure } = security;
    it(`${name}: both ends ask and answer on the same line`, async (t) => {
      const pair = await LinePair.open(t);
      const ends = [];
      for (const end of ['a', 'b'] as const) {
        const client = pair.client(security);
        await pair.serve(security, { client }, { end });
        ends.push({ client, uri: pair.uri(end, secure, '/store') });
      }
      const [one, other] = ends as [(typeof ends)[0], (typeof ends)[0]];
      const [fromOne, fromOther] = await Promise.all([one.client.get(one.uri), other.client.get(other.uri)]);
      assert.deepEqual([fromOne.payload, fromOther.payload], [body, body]);
      // Both began a handshake; one association serves both directions.
      const connected = pair.events.filter(({ kind }) => kind === 'connected');
      assert.equal(connected.length, secure ? 2 : 0);
      assert.deepEqual(
        pair.events.filter(({ kind }) => kind === 'handshake-failed'),
        [],
      );
      assert.deepEqual(pair.errors, []);
    });
  }

  it('what is behind a line is reached from a network by a reverse-proxy, and by no forward-proxy', async (t) => {
    const pair = await LinePair.open(t);
    await pair.serve(psk, {}, { end: 'b' });
    const client = pair.client(psk);
    const gateway = pair
      .server()
      .resource('/device/*', reverseProxy({ below: '/device', to: pair.uri('a', true), client }))
      .proxy(forwardProxy({ targets: [{ uri: 'coap://*' }] }));
    // The device asks nothing here; both ends could.
    await pair.serve(psk, { client }, { end: 'a', server: gateway });
    const { uri } = await gateway.listen('coap://127.0.0.1:0');
    const outside = pair.client(plain);
    assert.equal((await outside.get(`${uri}/device/a`)).text(), 'Hello World');
    assert.deepEqual((await outside.get(`${uri}/device/store`)).payload, body);
    const refused = await outside.get(uri, {
      options: [{ number: OptionNumber.ProxyUri, value: pair.uri('a', true, '/a') }],
    });
    assert.equal(refused.codeText, '5.05');
    await assert.rejects(outside.get(pair.uri('a', true, '/a'), { proxy: uri }), /which no proxy opens/);
  });

  it('each role has credentials of its own: keys for who comes, a certificate where we go', async (t) => {
    const pair = await LinePair.open(t);
    const client = pair.client(mutualX509);
    await pair.serve(psk, { client });
    const device = await pair.serve(mutualX509, {}, { end: 'b' });
    const response = await client.get(pair.uri('a', true, '/whoami'));
    assert.equal(response.text(), 'x509 sensor-7');
    // The device goes; another one comes, with its key, and is asked over the association that it has begun.
    await device.close();
    const own = pair.client(psk);
    await pair.serve(mutualX509, { client: own }, { end: 'b' });
    assert.equal((await own.get(pair.uri('b', true, '/whoami'))).text(), 'psk sensor-042');
    assert.equal((await client.get(pair.uri('a', true, '/whoami'))).text(), 'psk sensor-042');
  });

  it('the line belongs to the listener: a client that closes leaves it, a listener that closes ends what waits', async (t) => {
    const pair = await LinePair.open(t);
    const [brief, client] = [pair.client(plain), pair.client(plain)];
    const listener = await pair.serve(plain, { client: brief });
    const other = pair.client(plain);
    assert.equal((await other.get(pair.uri('b', false, '/a'))).text(), 'Hello World');
    await brief.close();
    assert.equal(listener.line?.isOpen, true);
    assert.equal((await other.get(pair.uri('b', false, '/a'))).text(), 'Hello World');
    await listener.close();

    const again = await pair.serve(plain, { client });
    await other.close();
    const waiting = assert.rejects(client.get(pair.uri('a', false, '/a')), { code: 'ERR_CLOSED' });
    while (again.line?.counters.packetsSent === 0) await setImmediate();
    await again.close();
    await waiting;
    // Now the client opens the line itself, and a listener that would borrow it is told.
    await pair.serve(plain, {}, { end: 'b' });
    assert.equal((await client.get(pair.uri('a', false, '/a'))).text(), 'Hello World');
    await assert.rejects(pair.serve(plain, { client }), /is open in another program/);
    await assert.rejects(
      pair.server().listen('coap://127.0.0.1:0', { client }),
      /client is for serial lines/,
    );
  });

  it('a client uses a line as one scheme and rate at a time', async (t) => {
    const pair = await LinePair.open(t);
    await pair.serve(plain);
    const client = pair.client(psk);
    const slow = `coap+serial://${encodeURIComponent(pair.pty.b)}:9600/a`;
    assert.equal((await client.get(pair.uri('b', false, '/a'))).text(), 'Hello World');
    assert.equal((await client.get(slow)).text(), 'Hello World');
    const observation = client.observe(`coap+serial://${encodeURIComponent(pair.pty.b)}:9600/counter`);
    for await (const _ of observation) {
      await assert.rejects(client.get(pair.uri('b', true, '/a')), {
        code: 'ERR_BUSY',
        message: /is in use as coap\+serial with 9600 baud/,
      });
      break;
    }
  });

  it('of two first requests at once, with and without security, none goes as the other', async (t) => {
    const pair = await LinePair.open(t);
    await pair.serve(plain);
    const client = pair.client(psk);
    const first = client.get(pair.uri('b', false, '/a'));
    await assert.rejects(client.get(pair.uri('b', true, '/a')), {
      code: 'ERR_BUSY',
      message: /is in use as coap\+serial /,
    });
    assert.equal((await first).text(), 'Hello World');
  });

  const skip = !existsSync('/proc/self/fd');
  it('a client that closes waits for a line that is being closed already', { skip }, async (t) => {
    const pair = await LinePair.open(t);
    await pair.serve(plain);
    const client = pair.client(plain);
    assert.equal((await client.get(pair.uri('b', false, '/a'))).text(), 'Hello World');
    const device = realpathSync(pair.pty.b);
    assert.ok(isOpenHere(device));
    // The same line at another rate: what is open is closed first.
    const next = assert.rejects(client.get(`coap+serial://${encodeURIComponent(pair.pty.b)}:9600/a`), {
      code: 'ERR_CLOSED',
    });
    while ((await client.lines()).length > 0) await setImmediate();
    await client.close();
    assert.ok(!isOpenHere(device));
    await next;
  });

  it('an association on a line outlives its server', async (t) => {
    const pair = await LinePair.open(t);
    const left = new Map<string, ResumableAssociation>();
    const associationStore: AssociationStore = {
      resume: async () => [...left.values()],
      add: async (one) => {
        const { reserved } = one;
        left.set(one.name, { ...one, writeFrom: reserved, reserved: reserved + 64, exact: false });
      },
      suspend: async (all) => {
        for (const { name, state, next, edge } of all) {
          const one = left.get(name) as ResumableAssociation;
          left.set(name, { ...one, state, edge, writeFrom: next, reserved: next + 64, exact: true });
        }
      },
      remove: async (name) => void left.delete(name),
      rememberRequest: async () => undefined,
      ...{ reserve: async () => {}, setEdge: async () => {}, setAnswer: async () => {} },
    };
    const client = pair.client(mutualX509);
    for (const _process of [1, 2, 3]) {
      const listener = await pair.serve(mutualX509, { associationStore });
      assert.equal((await client.get(pair.uri('b', true, '/whoami'))).text(), 'x509 sensor-7');
      await listener.close();
    }
    assert.deepEqual(
      pair.events.map((event) => (event.kind === 'connected' ? (event.imported ?? 'handshake') : event.kind)),
      ['handshake', true, true],
    );
    assert.deepEqual(pair.errors, []);
  });
});
