/**
 * Peers whose address changes, over the whole stack in virtual time.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { suiteByName } from '../../src/core/dtls/cipher-suites.ts';
import type { EndpointConfigInput } from '../../src/core/endpoint/endpoint-config.ts';
import type { EndpointOutput } from '../../src/core/endpoint/outputs.ts';
import { ipAddress, type PeerAddress } from '../../src/core/foundation/peer-address.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { Pair, type PairOptions, serverAddress } from '../../src/testing/pair.ts';

/** Addresses that a NAT might give, one after the other. */
const natAddress = (n: number): PeerAddress => ipAddress(`198.51.100.${1 + (n % 200)}`, 20_000 + n);

function connectedPair(options: PairOptions = {}): Pair {
  const pair = new Pair({ security: 'dtls', ...options });
  const first = pair.request('/first');
  assert.ok(pair.runUntil(() => first.final));
  return pair;
}

function eventsOf<Kind extends EndpointOutput['kind']>(
  pair: Pair,
  side: 'client' | 'server',
  kind: Kind,
): Extract<EndpointOutput, { kind: Kind }>[] {
  return pair.events
    .filter((event) => event.side === side && event.output.kind === kind)
    .map(({ output }) => output as Extract<EndpointOutput, { kind: Kind }>);
}

/** Bytes that a side sent to an address. */
function bytesTo(pair: Pair, address: PeerAddress): number {
  return pair.network.sent
    .filter(({ to }) => to.key === address.key)
    .reduce((sum, { datagram }) => sum + datagram.length, 0);
}

const modes: readonly [name: string, server: EndpointConfigInput][] = [
  ['with a return routability check', {}],
  ['without one', { dtls: { returnRoutabilityCheck: false } }],
];

for (const [mode, server] of modes) {
  suite(`a NAT gives a device another address, ${mode}`, () => {
    test('every second, for 1,000 exchanges: none is lost, and there is one handshake', () => {
      const pair = connectedPair({ server });
      let sent = 0;
      let nextMove = pair.now + 1000;
      for (; sent < 1000; sent++) {
        if (pair.now >= nextMove) {
          pair.moveClient(natAddress(sent));
          nextMove = pair.now + 1000;
        }
        const request = pair.request('/reading', {
          code: Code.Post,
          payload: encodeUtf8(`n=${sent}`),
        });
        assert.ok(pair.runUntil(() => request.final || request.error !== undefined));
        assert.equal(request.error, undefined, `exchange ${sent}`);
        pair.run(300);
      }
      assert.equal(pair.served.length, 1 + 1000, 'each was carried out once');
      assert.equal(eventsOf(pair, 'server', 'connected').length, 1);
      assert.equal(eventsOf(pair, 'server', 'closed').length, 0);
    });

    test('no request is even repeated: the answer finds the new address', () => {
      const pair = connectedPair({ server });
      pair.run(60_000);
      pair.moveClient(natAddress(1));
      const before = pair.now;
      const request = pair.request('/reading');
      assert.ok(pair.runUntil(() => request.final));
      assert.ok(pair.now - before < 1000);
    });

    test('a large answer waits for the proof, not for a retransmission', () => {
      const pair = connectedPair({ server });
      pair.run(60_000);
      const address = natAddress(1);
      pair.moveClient(address);
      pair.handler = () => ({ code: Code.Content, payload: new Uint8Array(900) });
      const [before, sentBefore] = [pair.now, pair.network.sent.length];
      const request = pair.request('/large');
      pair.network.hook = ({ to, datagram }) => {
        if (to.key !== address.key || datagram.length < 500) return undefined;
        const sent = pair.network.sent.slice(sentBefore);
        const fromThere = sent.filter(({ from }) => from.key === address.key);
        assert.ok(fromThere.length >= 2, 'the peer answered from there before');
        return undefined;
      };
      assert.ok(pair.runUntil(() => request.final));
      assert.equal(request.responses[0]?.payload.length, 900);
      assert.ok(pair.now - before < 1000, `${pair.now - before} ms`);
      assert.equal(pair.server.counters.keptBack, 1);
    });

    test('an old record from elsewhere does not move the peer', () => {
      const pair = connectedPair({ server });
      const second = pair.request('/second');
      assert.ok(pair.runUntil(() => second.final));
      const recorded = pair.network.sent
        .filter(({ to, datagram }) => to.key === serverAddress.key && datagram[0] === 25)
        .map(({ datagram }) => datagram);
      assert.ok(recorded.length >= 2);
      pair.run(60_000);
      const thief = ipAddress('203.0.113.66', 666);
      for (const datagram of recorded) pair.network.send(thief, serverAddress, datagram, pair.now);
      pair.run(5000);
      assert.equal(bytesTo(pair, thief), 0);
      const request = pair.request('/again');
      assert.ok(pair.runUntil(() => request.final));
      assert.deepEqual(eventsOf(pair, 'server', 'address-changed'), []);
    });

    test('forged records from new addresses move nothing and get nothing', () => {
      const pair = connectedPair({ server });
      const [record] = pair.network.sent
        .filter(({ to, datagram }) => to.key === serverAddress.key && datagram[0] === 25)
        .slice(-1);
      assert.ok(record !== undefined);
      for (let i = 0; i < 500; i++) {
        const forged = record.datagram.slice();
        // A sequence number far ahead, and some other bit.
        forged[5] = 0x7f;
        forged[forged.length - 1 - (i % 20)] = (forged.at(-1 - (i % 20)) as number) ^ (1 + (i % 255));
        pair.network.send(natAddress(i), serverAddress, forged, pair.now);
        pair.run(1);
      }
      pair.run(5000);
      for (let i = 0; i < 500; i++) assert.equal(bytesTo(pair, natAddress(i)), 0);
      assert.deepEqual(eventsOf(pair, 'server', 'address-changed'), []);
      const request = pair.request('/again');
      assert.ok(pair.runUntil(() => request.final));
      assert.ok(pair.now > 0);
    });

    test('a new address that never answers gets at most three times the bytes that came from there', () => {
      const pair = connectedPair({ server });
      pair.run(60_000);
      const victim = ipAddress('203.0.113.9', 9);
      // The device is real, but its datagrams carry the address of somebody else.
      pair.moveClient(victim);
      pair.network.detach(victim);
      pair.handler = () => ({ code: Code.Content, payload: new Uint8Array(1000) });
      for (let i = 0; i < 5; i++) {
        pair.request(`/large/${i}`, { type: 'NON' });
        pair.run(2000);
      }
      const toServer = pair.network.sent
        .filter(({ from }) => from.key === victim.key)
        .reduce((sum, { datagram }) => sum + datagram.length, 0);
      pair.run(100_000);
      assert.ok(bytesTo(pair, victim) <= 3 * toServer, `${bytesTo(pair, victim)} for ${toServer}`);
    });
  });
}

suite('an application is told of a new address', () => {
  test('and the peer of later requests has it', () => {
    const pair = connectedPair();
    pair.run(60_000);
    pair.moveClient(natAddress(1));
    const request = pair.request('/reading');
    assert.ok(pair.runUntil(() => request.final));
    pair.run(1000);
    const [change] = eventsOf(pair, 'server', 'address-changed');
    assert.equal(change?.to.key, natAddress(1).key);
    assert.equal(change?.validated, true);
    const later = pair.request('/later');
    assert.ok(pair.runUntil(() => later.final));
    assert.equal(pair.served.at(-1)?.peer.address.key, natAddress(1).key);
  });

  test('without a check, before it is proved; a ping proves it', () => {
    const pair = connectedPair({ server: { dtls: { returnRoutabilityCheck: false }, trace: true } });
    pair.run(60_000);
    pair.moveClient(natAddress(1));
    const request = pair.request('/reading');
    assert.ok(pair.runUntil(() => request.final));
    const [change] = eventsOf(pair, 'server', 'address-changed');
    assert.equal(change?.validated, false);
    pair.run(1000);
    assert.ok(
      eventsOf(pair, 'server', 'trace').some(
        ({ event }) => event.kind === 'message' && event.direction === 'sent' && event.bytes[1] === 0,
      ),
      'an Empty Confirmable message',
    );
    pair.handler = () => ({ code: Code.Content, payload: new Uint8Array(1000) });
    const large = pair.request('/large');
    assert.ok(pair.runUntil(() => large.final));
    assert.equal(pair.server.counters.keptBack, 0);
  });
});

suite('keep-alive', () => {
  const client: EndpointConfigInput = { dtls: { keepAliveMs: 30_000 } };

  test('a client asks a quiet server for a sign of life, and the association goes on', () => {
    const pair = connectedPair({ client });
    const before = pair.network.sent.length;
    pair.run(100_000);
    const sent = pair.network.sent.slice(before);
    assert.equal(sent.filter(({ to }) => to.key === serverAddress.key).length, 3);
    assert.equal(sent.length, 6);
    assert.equal(eventsOf(pair, 'client', 'closed').length, 0);
    assert.deepEqual(
      pair.events.filter(({ output }) => output.kind === 'pong'),
      [],
    );
  });

  test('one that gives none is left, and the next request makes a new handshake', () => {
    const pair = connectedPair({ client });
    pair.restart('server');
    assert.ok(pair.runUntil(() => eventsOf(pair, 'client', 'closed').length > 0, 200_000));
    assert.equal(eventsOf(pair, 'client', 'closed')[0]?.reason, 'silent');
    const request = pair.request('/again');
    assert.ok(pair.runUntil(() => request.final));
    assert.equal(eventsOf(pair, 'client', 'connected').length, 2);
  });

  test('traffic makes it unnecessary', () => {
    const pair = connectedPair({ client });
    const before = pair.network.sent.length;
    for (let i = 0; i < 10; i++) {
      pair.run(20_000);
      const request = pair.request('/reading');
      assert.ok(pair.runUntil(() => request.final));
    }
    assert.equal(pair.network.sent.length - before, 20);
  });
});

suite('small records', () => {
  test('a peer that takes little in a record gets smaller blocks (RFC 8449)', () => {
    const pair = connectedPair({ client: { dtls: { maxRecordSize: 256 } } });
    pair.handler = () => ({ code: Code.Content, payload: new Uint8Array(3000) });
    const request = pair.request('/large');
    assert.ok(pair.runUntil(() => request.final));
    assert.equal(request.responses[0]?.payload.length, 3000);
    assert.equal(pair.server.counters.unsendable, 0);
    const largest = Math.max(...pair.network.sent.map(({ datagram }) => datagram.length));
    assert.ok(largest <= 256 + 60, `${largest} bytes`);
  });

  test('and sends smaller ones to a server that takes little', () => {
    const pair = connectedPair({ server: { dtls: { maxRecordSize: 256 } } });
    const request = pair.request('/large', { code: Code.Put, payload: new Uint8Array(3000) });
    assert.ok(pair.runUntil(() => request.final));
    assert.equal(pair.served.at(-1)?.request.payload.length, 3000);
    assert.equal(pair.client.counters.unsendable, 0);
  });
});

suite('keys that are nearly used up (RFC 9325 §4.4)', () => {
  /** Runs with a suite that seals only so many records. */
  function withLimit(maxSealedRecords: number, run: () => void): void {
    const cipherSuite = suiteByName('TLS_PSK_WITH_AES_128_CCM_8') as { maxSealedRecords: number };
    const before = cipherSuite.maxSealedRecords;
    cipherSuite.maxSealedRecords = maxSealedRecords;
    try {
      run();
    } finally {
      cipherSuite.maxSealedRecords = before;
    }
  }

  test('are replaced in the background: 500 requests, none is lost or carried out twice', () => {
    withLimit(200, () => {
      const pair = connectedPair();
      for (let i = 0; i < 500; i++) {
        const request = pair.request('/reading', { code: Code.Post, payload: encodeUtf8(`${i}`) });
        assert.ok(pair.runUntil(() => request.final || request.error !== undefined));
        assert.equal(request.error, undefined, `request ${i}`);
        pair.run(100);
      }
      assert.equal(pair.served.length, 1 + 500);
      // Each lasts for 180 records, of which one is the Finished.
      assert.equal(eventsOf(pair, 'client', 'connected').length, 3);
      assert.ok(eventsOf(pair, 'client', 'closed').every(({ reason }) => reason === 'replaced'));
    });
  });

  test('a request without an answer begins again on the new ones, and an observation goes on', () => {
    withLimit(200, () => {
      const pair = connectedPair();
      pair.handler = ({ options }) =>
        options.text(OptionNumber.UriPath) === 'never'
          ? undefined
          : { code: Code.Content, payload: 'state', observe: true };
      const observation = pair.request('/observed', { observe: true });
      assert.ok(pair.runUntil(() => observation.responses.length > 0));
      const open = pair.request('/never');
      while (eventsOf(pair, 'client', 'connected').length < 2) {
        const request = pair.request('/reading');
        assert.ok(pair.runUntil(() => request.final));
      }
      pair.run(5000);
      assert.equal(
        pair.served.filter(({ request }) => request.options.text(OptionNumber.UriPath) === 'never').length,
        2,
      );
      assert.equal(open.error, undefined);
      const before = observation.responses.length;
      pair.notify('/observed');
      pair.run(1000);
      assert.ok(observation.responses.length > before);
      const exchange = pair.served
        .filter(({ request }) => request.options.text(OptionNumber.UriPath) === 'never')
        .at(-1);
      pair.respond(exchange?.exchange as number, { code: Code.Content, payload: 'late' });
      assert.ok(pair.runUntil(() => open.final));
    });
  });
});
