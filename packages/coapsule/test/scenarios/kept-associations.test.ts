import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { cipherSuites } from '../../src/core/dtls/cipher-suites.ts';
import type { AssociationId } from '../../src/core/dtls/dtls-layer.ts';
import { splitRecords } from '../../src/core/dtls/record/demultiplex.ts';
import type { Endpoint } from '../../src/core/endpoint/endpoint.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import {
  clientAddress,
  Pair,
  type PairOptions,
  type PairRequest,
  serverAddress,
} from '../../src/testing/pair.ts';
import { KeptPair } from './kept-pair.ts';

const noRoutabilityCheck = { returnRoutabilityCheck: false } as const;
const hourMs = 3_600_000;

function get(pair: Pair, path = '/a'): PairRequest {
  const request = pair.request(path);
  assert.ok(pair.runUntil(() => request.final || request.error !== undefined));
  return request;
}

function post(pair: Pair, text: string, type: 'CON' | 'NON' = 'CON'): PairRequest {
  return pair.request('/a', {
    code: Code.Post,
    type,
    payload: encodeUtf8(text),
    ...(type === 'NON' ? { expectResponse: false } : {}),
  });
}

function handshakes(pair: Pair): number {
  return pair.events.filter(
    ({ side, output }) => side === 'server' && output.kind === 'connected' && output.imported !== true,
  ).length;
}

function clientAssociation(pair: Pair): AssociationId {
  const [last] = pair.events
    .filter(({ side }) => side === 'client')
    .flatMap(({ output }) => (output.kind === 'connected' ? [output.association] : []))
    .slice(-1);
  assert.ok(last !== undefined);
  return last;
}

function exported(pair: Pair, generation = 1): Uint8Array {
  let state: Uint8Array | undefined;
  pair.command('client', (client, now) => {
    state = client.exportAssociation(clientAssociation(pair), generation, now);
  });
  assert.ok(state !== undefined);
  return state;
}

function imported(pair: Pair, state: Uint8Array, options: Parameters<Endpoint['importAssociation']>[2] = {}) {
  let result: AssociationId | string = '';
  pair.command('client', (client, now) => {
    result = client.importAssociation(state, serverAddress, options, now);
  });
  return result as AssociationId | string;
}

/** Epoch and sequence number of every protected record on the wire from an address. */
function numbersUsed(pair: Pair, from: string): string[] {
  const sent = pair.network.sent.filter((one) => one.from.key === from);
  return sent.flatMap(({ datagram }) =>
    splitRecords(datagram, 8)
      .records.filter(({ epoch }) => epoch > 0)
      .map(({ epoch, sequenceNumber }) => `${epoch}/${sequenceNumber}`),
  );
}

suite('a device that sleeps', () => {
  test('24 messages, each before a sleep that loses all memory but 256 bytes, need one handshake', () => {
    for (const { name, keyExchange } of cipherSuites) {
      if (!keyExchange.endsWith('PSK')) continue;
      const pair = new Pair({ security: 'dtls', client: { dtls: { suites: [name] } } });
      let state: Uint8Array | undefined;
      for (let message = 0; message < 24; message++) {
        if (state !== undefined) {
          pair.restart('client');
          assert.equal(typeof imported(pair, state, { leastGeneration: message }), 'number');
        }
        assert.equal(get(pair).responses[0]?.code, Code.Content);
        state = exported(pair, message + 1);
        assert.ok(state.length <= 256, `${state.length} bytes with ${name}`);
        pair.run(hourMs);
      }
      assert.equal(handshakes(pair), 1);
      assert.equal(pair.served.length, 24);
      const numbers = numbersUsed(pair, clientAddress.key);
      assert.equal(new Set(numbers).size, numbers.length);
    }
  });

  test('an export ends the association: nothing is sent by it, not even a close_notify, and requests fail', () => {
    const pair = new Pair({ security: 'dtls', handler: () => undefined });
    const open = pair.request('/a');
    pair.run(5000);
    const byClient = () => pair.network.sent.filter(({ from }) => from.key === clientAddress.key).length;
    const before = byClient();
    exported(pair);
    assert.deepEqual(open.error, { kind: 'exchange', failure: 'peer-closed' });
    pair.run(300_000);
    assert.equal(byClient(), before);
    let again: Uint8Array | undefined;
    pair.command('client', (client, now) => {
      again = client.exportAssociation(clientAssociation(pair), 2, now);
    });
    assert.equal(again, undefined);
  });

  test('Message IDs and tokens go on where they were', () => {
    const pair = new Pair({ security: 'dtls' });
    get(pair);
    const state = exported(pair);
    pair.restart('client');
    imported(pair, state);
    get(pair);
    const [first, second] = pair.served.map(({ request }) => request);
    assert.equal(second?.messageId, ((first?.messageId ?? 0) + 1) % 65_536);
    assert.notDeepEqual(second?.token, first?.token);
  });

  test('a copy that was used already is refused by its generation', () => {
    const pair = new Pair({ security: 'dtls' });
    get(pair);
    const old = exported(pair, 7);
    pair.restart('client');
    assert.equal(imported(pair, old, { leastGeneration: 8 }), 'older-generation');
    assert.equal(typeof imported(pair, old, { leastGeneration: 7 }), 'number');
  });

  test('what cannot be used here is refused by its cause', () => {
    const pair = new Pair({ security: 'dtls', client: { dtls: { connectionIdLength: 4 } } });
    get(pair);
    const state = exported(pair);
    const refusal = (options: PairOptions, state_ = state, more = {}) =>
      imported(new Pair({ security: 'dtls', ...options }), state_, more);
    const client = { dtls: { connectionIdLength: 4 } } as const;
    assert.equal(refusal({ client }, state.subarray(1)), 'unknown-version');
    assert.equal(refusal({ client }, state.subarray(0, -1)), 'damaged');
    assert.equal(refusal({}), 'connection-id-length');
    assert.equal(refusal({ client: { ...client, role: 'server' } }), 'other-role');
    assert.equal(
      refusal({ client: { dtls: { connectionIdLength: 4, suites: ['TLS_PSK_WITH_AES_256_CCM'] } } }),
      'suite-not-allowed',
    );
    assert.equal(refusal({ client }, state, { identity: encodeUtf8('somebody') }), 'other-identity');
    const twice = new Pair({ security: 'dtls', client });
    assert.equal(typeof imported(twice, state), 'number');
    assert.equal(imported(twice, state), 'connection-id-in-use');
  });
});

suite('a device that does it wrong', () => {
  test('one that restores the same copy each hour loses its messages, is told of, and a new handshake heals it', () => {
    const pair = new Pair({ security: 'dtls', server: { trace: true } });
    get(pair);
    for (let i = 0; i < 3; i++) get(pair);
    const copy = exported(pair);
    for (let hour = 0; hour < 24; hour++) {
      pair.restart('client');
      assert.equal(typeof imported(pair, copy), 'number');
      post(pair, `${hour}`, 'NON');
      pair.run(hourMs);
    }
    assert.equal(pair.served.length, 4 + 1, 'only the first use of the copy counts');
    const told = pair.events.flatMap(({ side, output }) =>
      side === 'server' && output.kind === 'out-of-step' ? [output.likely] : [],
    );
    assert.ok(told.length > 0 && told.every((likely) => likely === 'old-copy-restored'), told.join());
    pair.restart('client');
    assert.equal(get(pair).responses[0]?.code, Code.Content);
    assert.equal(handshakes(pair), 2);
  });

  test('one that shakes hands at each wake is served each time, from the same address too', () => {
    const pair = new Pair({ security: 'dtls' });
    for (let hour = 0; hour < 24; hour++) {
      pair.restart('client');
      assert.equal(get(pair).responses[0]?.code, Code.Content);
      pair.run(hourMs);
    }
    assert.equal(handshakes(pair), 24);
  });
});

suite('a server that ends and comes back', () => {
  const kinds = [
    ['with connection ids and RFC 9853', {}],
    ['with connection ids', { client: { dtls: noRoutabilityCheck }, server: { dtls: noRoutabilityCheck } }],
    ['without connection ids', { client: { dtls: { connectionIdLength: 'off' } } }],
  ] as const satisfies readonly (readonly [string, PairOptions])[];

  for (const [kind, options] of kinds) {
    test(`a clean end costs nothing ${kind}`, () => {
      const pair = new KeptPair(options);
      for (let i = 0; i < 10; i++) {
        const request = get(pair);
        assert.equal(request.responses[0]?.code, Code.Content);
        pair.restartServer();
      }
      assert.equal(handshakes(pair), 1);
      const numbers = numbersUsed(pair, serverAddress.key);
      assert.equal(new Set(numbers).size, numbers.length);
    });

    test(`a device that sends one NON and sleeps loses nothing over a crash ${kind}`, () => {
      const pair = new KeptPair(options);
      get(pair);
      for (let i = 0; i < 20; i++) {
        pair.run(hourMs);
        pair.crashServer();
        post(pair, `reading ${i}`, 'NON');
        pair.run(1000);
      }
      assert.equal(handshakes(pair), 1);
      assert.deepEqual(
        pair.served.slice(1).map(({ request }) => new TextDecoder().decode(request.payload)),
        Array.from({ length: 20 }, (_, i) => `reading ${i}`),
      );
      const numbers = numbersUsed(pair, serverAddress.key);
      assert.equal(new Set(numbers).size, numbers.length);
    });

    test(`a fast peer proves after a crash that it is alive, and goes on ${kind}`, () => {
      const pair = new KeptPair(options);
      for (let i = 0; i < 200; i++) get(pair);
      const [stored] = [...pair.stored.values()];
      assert.ok((stored?.edge ?? 0) > 201, 'the edge is ahead of a fast peer');
      pair.crashServer();
      const before = pair.served.length;
      const request = post(pair, 'once');
      assert.ok(pair.runUntil(() => request.final));
      assert.equal(request.responses[0]?.code, Code.Content);
      assert.equal(pair.served.length, before + 1);
      for (let i = 0; i < 200; i++) get(pair);
      assert.equal(handshakes(pair), 1);
      const numbers = numbersUsed(pair, serverAddress.key);
      assert.equal(new Set(numbers).size, numbers.length);
    });

    test(`recorded traffic executes nothing after a crash ${kind}`, () => {
      const pair = new KeptPair(options);
      for (let i = 0; i < 50; i++) {
        const request = post(pair, `${i}`);
        assert.ok(pair.runUntil(() => request.final));
        if (i === 20) pair.run(hourMs);
      }
      const recorded = pair.network.sent.filter(({ from }) => from.key === clientAddress.key);
      assert.ok(recorded.length > 50);
      const before = pair.served.length;
      pair.crashServer();
      for (let round = 0; round < 3; round++) {
        for (const { datagram } of recorded) {
          pair.command('server', (server, now) =>
            server.handle({ address: clientAddress, datagram: datagram.slice() }, now),
          );
          pair.run(round * 700);
        }
      }
      assert.equal(pair.served.length, before);
      // The device is there: its answers to our question prove it, and nothing of the recording counts after that.
      const request = post(pair, 'new');
      assert.ok(pair.runUntil(() => request.final));
      assert.equal(pair.served.length, before + 1);
    });
  }

  for (const order of ['first', 'last'] as const) {
    test(`one without connection id comes back beside one that had its address before and comes ${order}`, () => {
      const withId = new KeptPair();
      get(withId);
      const without = new KeptPair({ client: { dtls: { connectionIdLength: 'off' } } });
      get(without);
      const rows = [...withId.stored.values(), ...without.stored.values()];
      if (order === 'last') rows.reverse();
      // Both were at the same address; the one with a connection id has moved since, which is not stored.
      without.restart('server');
      without.command('server', (server, now) => {
        for (const { kept, address, state, reserved, edge } of rows) {
          const { identity, authentication } = kept;
          const options = { identity, authentication, writeFrom: reserved, crashedAt: edge };
          assert.equal(typeof server.importAssociation(state, address, options, now), 'number');
        }
      });
      assert.equal(get(without).responses[0]?.code, Code.Content);
      assert.equal(handshakes(without), 1);
      const moved = ipAddress('198.51.100.9', 4711);
      withId.moveClient(moved);
      withId.request('/a');
      const [datagram] = withId.network.sent.slice(-1).map((one) => one.datagram);
      const before = without.served.length;
      without.network.send(moved, serverAddress, datagram as Uint8Array, without.now);
      without.run(1000);
      assert.equal(without.served.length, before + 1);
    });
  }

  test('an observation of a device goes on to be refused, not to be lost silently, over a restart', () => {
    const pair = new KeptPair({ handler: () => ({ code: Code.Content, payload: '1', observe: true }) });
    const observed = pair.request('/a', { observe: true });
    pair.runUntil(() => observed.responses.length > 0);
    pair.crashServer();
    // The server does not know the observer any more; the association is the same, so a new registration is one message.
    const again = pair.request('/a', { observe: true });
    assert.ok(pair.runUntil(() => again.responses.length > 0));
    assert.equal(handshakes(pair), 1);
  });

  test('nothing leaves while reservations cannot be stored, and all of it when they can', () => {
    const pair = new KeptPair({ handler: () => ({ code: Code.Content, payload: 'x' }) });
    get(pair);
    pair.isStuck = true;
    for (let i = 0; i < 80; i++) {
      pair.request('/a');
      pair.run(100);
    }
    const [stored] = [...pair.stored.values()];
    const highest = Math.max(
      ...numbersUsed(pair, serverAddress.key).map((number) => Number(number.slice(2))),
    );
    assert.ok(highest < (stored?.reserved ?? 0), `${highest} of ${stored?.reserved}`);
    pair.isStuck = false;
    pair.settle();
    const last = pair.request('/a');
    assert.ok(pair.runUntil(() => last.final));
    assert.equal(handshakes(pair), 1);
  });

  test('an association that could not be stored at all is like any other', () => {
    const pair = new KeptPair();
    pair.isStuck = true;
    get(pair);
    const [keep] = pair.events.flatMap(({ output }) => (output.kind === 'keep-association' ? [output] : []));
    assert.ok(keep !== undefined);
    pair.command('server', (server, now) => server.stopKeeping(keep.association, now));
    for (let i = 0; i < 100; i++) assert.equal(get(pair).responses.length, 1);
  });

  test('one whose reservation failed while it is needed ends, and the device shakes hands again', () => {
    const pair = new KeptPair();
    get(pair);
    pair.isStuck = true;
    for (let i = 0; i < 64; i++) {
      pair.request('/a');
      pair.run(100);
    }
    const [association] = [...pair.stored.keys()];
    pair.command('server', (server, now) => server.storingFailed(association as number, now));
    pair.isStuck = false;
    pair.run(10);
    assert.equal(get(pair).responses[0]?.code, Code.Content);
    assert.equal(handshakes(pair), 2);
  });
});
