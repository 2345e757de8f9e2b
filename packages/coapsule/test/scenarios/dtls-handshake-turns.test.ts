/**
 * A flood of handshakes and those that are connected: records of handshakes wait for their turn, all others do not.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { noBytes } from '../../src/core/foundation/bytes.ts';
import { ipAddress, type PeerAddress } from '../../src/core/foundation/peer-address.ts';
import { rawPublicKeyCredentials } from './dtls-credentials.ts';
import { DtlsPair } from './dtls-pair.ts';
import { cookieOf, LonelyLayer, ScriptedClient } from './dtls-scripted-peer.ts';

/** A client that has its cookie; the datagram that begins its handshake. */
function atTheDoor(server: LonelyLayer, peer: PeerAddress): Uint8Array {
  const client = new ScriptedClient();
  client.clientRandom.set([peer.port >> 8, peer.port & 255]);
  const [answer] = server.give(client.messageRecord(client.hello(noBytes, 0)), peer);
  return client.messageRecord(client.hello(cookieOf(answer), 1));
}

/** One turn of the loop; the addresses that got something. */
function turn(server: LonelyLayer): string[] {
  const before = server.outputs.length;
  server.layer.handleTimeout(server.clock.now);
  server.drain();
  const keys = server.outputs
    .slice(before)
    .flatMap((output) => (output.kind === 'transmit' ? [output.address.key] : []));
  return [...new Set(keys)];
}

const crowd = (i: number): PeerAddress => ipAddress(`203.0.113.${i}`, 1000 + i);

describe('records of handshakes', () => {
  test('wait for their turn while those of an association are taken at once', () => {
    const server = new LonelyLayer('server', { handshakeRecordsPerTurn: 4 });
    const device = new ScriptedClient();
    device.connect(server);
    assert.ok(server.connected);
    turn(server);
    const begins = Array.from({ length: 50 }, (_, i) => atTheDoor(server, crowd(i)));
    const answered = begins.map((hello, i) => server.give(hello, crowd(i)).length > 0);
    assert.equal(answered.filter(Boolean).length, 4);
    // Another turn is asked for at once, and the device is served before it.
    assert.ok((server.layer.nextTimeout() ?? Infinity) <= server.clock.now);
    const before = server.all('application-data').length;
    server.give(device.data('a reading'));
    assert.equal(server.all('application-data').length, before + 1);
    // 46 more, four a turn, in the order in which they came.
    const turns = Array.from({ length: 12 }, () => turn(server));
    assert.deepEqual(
      turns.flat(),
      Array.from({ length: 46 }, (_, i) => crowd(i + 4).key),
    );
    assert.ok(turns.every((keys) => keys.length <= 4));
    assert.deepEqual(turn(server), []);
    assert.ok((server.layer.nextTimeout() ?? Infinity) > server.clock.now);
    assert.equal(server.layer.usage.handshakes, 50);
  });

  test('have no more room for taking long: a turn ends when the loop comes round', () => {
    const server = new LonelyLayer('server', { handshakeRecordsPerTurn: 4 });
    const begins = Array.from({ length: 8 }, (_, i) => atTheDoor(server, crowd(i)));
    turn(server);
    const answered = begins.map((hello, i) => {
      server.clock.advanceBy(2);
      return server.give(hello, crowd(i)).length > 0;
    });
    assert.deepEqual(answered, [true, true, true, true, false, false, false, false]);
    assert.equal(turn(server).length, 4);
  });

  test('of a network that floods do not keep those of another network waiting', () => {
    const server = new LonelyLayer('server', { handshakeRecordsPerTurn: 1 });
    turn(server);
    // One network, whatever the lower half of the address says.
    const flooder = (i: number): PeerAddress => ipAddress(`2001:db8::${i.toString(16)}`, 2000 + i);
    const flood = Array.from({ length: 40 }, (_, i) => atTheDoor(server, flooder(i)));
    const honest = crowd(1);
    const begin = atTheDoor(server, honest);
    for (const [i, hello] of flood.entries()) server.give(hello, flooder(i));
    server.give(begin, honest);
    assert.deepEqual(turn(server), [flooder(1).key]);
    assert.deepEqual(turn(server), [honest.key]);
    assert.deepEqual(turn(server), [flooder(2).key]);
  });

  test('that find no room are lost, and the bytes that wait have a bound', () => {
    const server = new LonelyLayer('server', { handshakeRecordsPerTurn: 1 });
    turn(server);
    const first = atTheDoor(server, crowd(0));
    const hello = atTheDoor(server, crowd(1));
    server.give(first, crowd(0));
    for (let i = 0; i < 40; i++) server.give(hello, crowd(1));
    const lost = server.all('discarded').filter(({ reason }) => reason === 'handshake-limit');
    assert.equal(lost.length, 40 - 32);
    assert.ok(server.layer.usage.keptBytes <= 33 * hello.length);
    for (let i = 0; i < 33; i++) turn(server);
    assert.equal(server.layer.usage.handshakes, 2);
    assert.ok((server.layer.nextTimeout() ?? Infinity) > server.clock.now);
  });

  test('one in each turn are enough for a handshake of any kind, also where datagrams are lost and come in any order', () => {
    const signed = {
      server: { credentials: rawPublicKeyCredentials('server') },
      client: { credentials: rawPublicKeyCredentials('client') },
    };
    for (const { server, client } of [{ server: {}, client: {} }, signed]) {
      for (let seed = 1; seed <= 12; seed++) {
        const pair = new DtlsPair({
          seed,
          server: { ...server, handshakeRecordsPerTurn: 1 },
          client,
          conditions: { lossRate: 0.15, duplicateRate: 0.1, reorderRate: 0.2, delayMs: 30, jitterMs: 30 },
        });
        pair.connect();
        pair.run(120_000, () => pair.client.all('connected').length > 0);
        pair.run(5000);
        assert.equal(pair.client.all('connected').length, 1, `seed ${seed}`);
        assert.equal(pair.server.all('connected').length, 1, `seed ${seed}`);
        assert.equal(pair.server.layer.usage.handshakes, 0);
      }
    }
  });
});
