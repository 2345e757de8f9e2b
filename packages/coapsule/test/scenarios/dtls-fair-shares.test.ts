/**
 * How the room and the rate for handshakes are shared among the hosts that want them.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HandshakeRate } from '../../src/core/dtls/handshake-rate.ts';
import { noBytes } from '../../src/core/foundation/bytes.ts';
import { instant } from '../../src/core/foundation/instant.ts';
import { ipAddress, type PeerAddress } from '../../src/core/foundation/peer-address.ts';
import { cookieOf, LonelyLayer, ScriptedClient } from './dtls-scripted-peer.ts';

let nextRandom = 0;

/** A new handshake of a host; tells whether the server answers it. */
function begin(server: LonelyLayer, peer: PeerAddress): boolean {
  const client = new ScriptedClient();
  client.clientRandom.set([nextRandom >> 16, (nextRandom >> 8) & 255, nextRandom & 255]);
  nextRandom++;
  const [answer] = server.give(client.messageRecord(client.hello(noBytes, 0)), peer);
  return server.give(client.messageRecord(client.hello(cookieOf(answer), 1)), peer).length > 0;
}

/** The first hosts that were given up. */
function givenUp(server: LonelyLayer, isOf: (host: string) => boolean): number {
  return server.all('handshake-failed').filter(({ address }) => isOf(address.host)).length;
}

const isHonest = (host: string): boolean => host.startsWith('198.51.100.');
const honest = (i: number): PeerAddress => ipAddress(`198.51.100.${i}`, 5000);

describe('room for handshakes', () => {
  test('a whole IPv6 network of 64 bits counts as one host, so its crowd pushes out nobody but itself', () => {
    const server = new LonelyLayer('server', { handshakeRate: 1_000_000 });
    for (let i = 1; i <= 100; i++) assert.ok(begin(server, honest(i)));
    for (let i = 1; i <= 1100; i++) begin(server, ipAddress(`2001:db8::${i.toString(16)}`, 5684));
    assert.equal(givenUp(server, isHonest), 0);
    // A quarter of the room is for one host.
    assert.equal(
      givenUp(server, (host) => host.startsWith('2001:')),
      1100 - 250,
    );
    assert.equal(server.layer.usage.handshakes, 100 + 250);
  });

  test('a crowd of networks with one handshake each pushes out nobody who was there before it, and no newcomer at once', () => {
    const server = new LonelyLayer('server', { handshakeRate: 1_000_000 });
    for (let i = 1; i <= 100; i++) begin(server, honest(i));
    const crowd = (from: number, to: number): void => {
      for (let i = from; i < to; i++) begin(server, ipAddress(`2001:db8:${i.toString(16)}::1`, 5684));
    };
    crowd(0, 3000);
    assert.equal(givenUp(server, isHonest), 0);
    begin(server, honest(200));
    crowd(3000, 3400);
    assert.equal(givenUp(server, isHonest), 0);
    assert.equal(server.layer.usage.handshakes, 1000);
  });
});

describe('the rate at which handshakes begin', () => {
  for (const perMs of [1, 4]) {
    test(`one host that begins ${perMs * 1000} a second, always first, costs no other host its first try`, () => {
      const server = new LonelyLayer('server', { maxHandshakes: 100_000 });
      let refused = 0;
      let asked = 0;
      for (let ms = 0; ms < 4000; ms++) {
        server.wait(1);
        for (let i = 0; i < perMs; i++) begin(server, ipAddress('192.0.2.66', 1024 + (nextRandom % 60_000)));
        if (ms % 20 !== 0) continue;
        asked++;
        if (!begin(server, honest(asked))) refused++;
      }
      assert.deepEqual([refused, asked], [0, 200]);
    });
  }

  test('one host behind which many are gets the whole of it while nobody else asks', () => {
    const rate = new HandshakeRate(500);
    let begun = 0;
    for (let ms = 0; ms < 10_000; ms++) {
      for (let i = 0; i < 2; i++) if (rate.take('192.0.2.66', instant(ms))) begun++;
    }
    assert.ok(begun >= 10 * 500, `${begun} in 10 s`);
  });

  test('the shares of 4,096 networks are counted at most, and a whole /64 has one of them', () => {
    const rate = new HandshakeRate(500);
    for (let i = 0; i < 10_000; i++) rate.take(`10.0.${i >> 8}.${i & 255}`, instant(0));
    assert.equal(rate.size, 4096);
    for (let i = 0; i < 10_000; i++) rate.take(`2001:db8::${i.toString(16)}`, instant(1));
    assert.equal(rate.size, 4096);
    assert.ok(rate.take('10.0.39.15', instant(60_000)));
    assert.equal(rate.size, 4096);
  });

  test('a rate of one a second still lets each host begin', () => {
    const rate = new HandshakeRate(1);
    assert.ok(rate.take('192.0.2.1', instant(0)));
    assert.ok(rate.take('192.0.2.2', instant(0)));
    assert.ok(!rate.take('192.0.2.3', instant(0)));
    assert.ok(rate.take('192.0.2.3', instant(1000)));
  });
});
