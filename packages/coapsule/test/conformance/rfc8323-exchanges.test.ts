/**
 * RFC 8323 §3.3, §3.4, §5.4, §5.5 and §7 with requests on them: exchanges, custody, release, observations.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { SignalingCode, SignalingOption } from '../../src/core/coap/signaling.ts';
import { noBytes, toHex } from '../../src/core/foundation/bytes.ts';
import { decodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { StreamPair, type StreamPairRequest } from '../scenarios/stream-pair.ts';
import { message } from '../unit/connection/harness.ts';

const { Csm, Ping, Pong, Release, Abort } = SignalingCode;
const textOf = (request: StreamPairRequest): (string | undefined)[] =>
  request.responses.map(({ payload }) => decodeUtf8(payload));

/** A pair whose connection is open and idle. */
function connected(options: ConstructorParameters<typeof StreamPair>[0] = {}): StreamPair {
  const pair = new StreamPair(options);
  pair.answer(pair.ping());
  pair.wire.length = 0;
  return pair;
}

for (const framing of ['tcp', 'websocket'] as const) {
  suite(`RFC 8323 §3.3, §4.3: exchanges over ${framing}`, () => {
    test('a request is answered, without a type and without a Message ID', () => {
      const pair = new StreamPair({ framing });
      const response = pair.answer(pair.request('/temperature'));
      assert.equal(response.code, Code.Content);
      assert.equal(pair.served[0]?.request.messageId, undefined);
      assert.deepEqual(pair.codes('client'), [Csm, Code.Get]);
      assert.deepEqual(pair.codes('server'), [Csm, Code.Content]);
    });

    test('many requests without waiting, answered in any order: the token tells which is which', () => {
      const pair = connected({ framing, handler: () => undefined });
      const requests = Array.from({ length: 20 }, (_, i) => pair.request(`/${i}`));
      assert.ok(pair.runUntil(() => pair.served.length === 20));
      for (const { exchange, request } of [...pair.served].reverse()) {
        pair.respond(exchange, {
          code: Code.Content,
          payload: request.options.text(OptionNumber.UriPath) ?? '',
        });
      }
      for (const [i, request] of requests.entries()) {
        assert.equal(decodeUtf8(pair.answer(request).payload), String(i));
      }
      const tokens = pair.wire
        .filter(({ from }) => from === 'client')
        .map(({ message: { token } }) => toHex(token));
      assert.equal(new Set(tokens).size, 20);
    });

    test('one connection serves all requests to an address', () => {
      const pair = connected({ framing });
      for (let i = 0; i < 5; i++) pair.answer(pair.request('/a'));
      assert.equal(pair.links.length, 1);
    });
  });
}

suite('RFC 8323 §3.3: who serves no requests', () => {
  test('MUST return an error response for all requests of the other side: 5.01', () => {
    const pair = connected();
    pair.inject('server', message(Code.Get, [[11, 'a']], { token: '99' }));
    pair.run(100);
    const answer = pair.wire.find(({ from }) => from === 'client')?.message;
    assert.equal(answer?.code, Code.NotImplemented);
    assert.equal(toHex(answer?.token ?? noBytes), '99');
    assert.equal(pair.client.counters.notServed, 1);
  });

  test('a critical option that is not known is answered 4.02, as in a Confirmable message', () => {
    const pair = connected();
    pair.inject(
      'client',
      message(
        Code.Get,
        [
          [11, 'a'],
          [9, 'x'],
        ],
        { token: '98' },
      ),
    );
    pair.run(100);
    assert.deepEqual(pair.codes('server'), [Code.BadOption]);
  });
});

suite('RFC 8323 §3.4: connection health', () => {
  test('a request whose connection breaks fails with the cause; an idempotent one is sent once more', () => {
    const pair = connected({ handler: () => undefined });
    const post = pair.request('/a', { code: Code.Post });
    const put = pair.request('/b', { code: Code.Put });
    assert.ok(pair.runUntil(() => pair.served.length === 2));
    pair.breakLink();
    assert.deepEqual(post.error, {
      kind: 'connection-ended',
      end: { cause: 'transport-failed', detail: 'ECONNRESET' },
      wasSent: true,
    });
    assert.ok(pair.runUntil(() => pair.served.length === 3));
    pair.respond(pair.served[2]?.exchange ?? 0, { code: Code.Changed });
    assert.equal(pair.answer(put).code, Code.Changed);
  });

  test('once more means once: the second connection that breaks fails the request', () => {
    const pair = connected({ handler: () => undefined });
    const get = pair.request('/a');
    for (const count of [1, 2]) {
      assert.ok(pair.runUntil(() => pair.served.length === count));
      pair.breakLink();
    }
    assert.equal(get.error?.kind, 'connection-ended');
  });

  test('a connection that cannot be opened fails what waits for it, and the next request tries again', () => {
    const pair = new StreamPair();
    pair.isRefusing = true;
    const first = pair.request('/a');
    assert.ok(pair.runUntil(() => first.error !== undefined));
    assert.deepEqual(first.error, {
      kind: 'connection-ended',
      end: { cause: 'not-opened', detail: 'ECONNREFUSED' },
      wasSent: false,
    });
    pair.isRefusing = false;
    assert.equal(pair.answer(pair.request('/a')).code, Code.Content);
  });

  test('observation state goes with its connection, on both sides', () => {
    const pair = connected({ handler: () => ({ code: Code.Content, payload: 'x', observe: true }) });
    const observation = pair.request('/a', { observe: true });
    assert.ok(pair.runUntil(() => observation.responses.length === 1));
    assert.equal(pair.server.activeObservations().length, 1);
    pair.breakLink();
    assert.equal(observation.error?.kind, 'connection-ended');
    assert.equal(pair.client.activeObservations().length, 0);
    assert.equal(pair.server.activeObservations().length, 0);
  });
});

suite('RFC 8323 §5.4: Ping over a connection in use', () => {
  test('a ping is answered with a Pong, and opens the connection when there is none', () => {
    const pair = new StreamPair();
    const ping = pair.ping();
    pair.answer(ping);
    assert.ok(ping.isPong);
    assert.deepEqual(pair.codes('client'), [Csm, Ping]);
    assert.deepEqual(pair.codes('server'), [Csm, Pong]);
  });

  test('§5.4.1: a Ping with Custody is answered when the requests before it are', () => {
    const pair = connected({ handler: () => undefined });
    pair.request('/slow');
    pair.run(50);
    pair.inject('client', message(Ping, [[SignalingOption.Custody, noBytes]], { token: '07' }));
    pair.request('/later');
    pair.run(1000);
    assert.ok(!pair.codes('server').includes(Pong));
    pair.respond(pair.served[0]?.exchange ?? 0, { code: Code.Content });
    assert.deepEqual(pair.codes('server'), [Code.Content, Pong], 'the later request is not waited for');
  });

  test('§5.4.1: with nothing under way a Ping with Custody is answered at once', () => {
    const pair = connected();
    pair.inject('client', message(Ping, [[SignalingOption.Custody, noBytes]], { token: '07' }));
    pair.run(20);
    const [pong] = pair.wire.filter(({ from }) => from === 'server');
    assert.equal(pong?.message.code, Pong);
    assert.ok(pong?.message.options.has(SignalingOption.Custody));
  });

  test('a server that does not answer a Ping loses its connection, and what is under way fails', () => {
    const pair = connected({ handler: () => undefined, client: { connection: { keepAliveMs: 5000 } } });
    const request = pair.request('/a', { code: Code.Post });
    pair.run(1000);
    pair.isStalled = true;
    pair.run(60_000);
    assert.equal(request.error?.kind === 'connection-ended' && request.error.end.cause, 'pong-timeout');
  });
});

suite('RFC 8323 §5.5: Release with requests under way', () => {
  const release = message(Release, [], { payload: 'maintenance' });

  test('the peer SHOULD answer what came before the Release, then close', () => {
    const pair = connected({ handler: () => undefined });
    const request = pair.request('/a');
    pair.run(50);
    pair.inject('client', release);
    pair.run(1000);
    assert.deepEqual(pair.ends('server'), []);
    pair.respond(pair.served[0]?.exchange ?? 0, { code: Code.Content, payload: 'done' });
    assert.equal(decodeUtf8(pair.answer(request).payload), 'done');
    assert.deepEqual(pair.ends('server'), ['released']);
  });

  test('it does not wait longer than its patience', () => {
    const pair = connected({ handler: () => undefined });
    pair.request('/a', { code: Code.Post });
    pair.run(50);
    pair.inject('client', release);
    pair.run(4000);
    assert.deepEqual(pair.ends('server'), []);
    pair.run(2000);
    assert.deepEqual(pair.ends('server'), ['released']);
  });

  test('a client waits for the responses it still expects, and makes new requests on another connection', () => {
    const pair = connected({ handler: () => undefined });
    const before = pair.request('/a', { code: Code.Post });
    pair.run(50);
    pair.command('server', (server, now) => server.releaseAll(now));
    pair.run(50);
    const afterwards = pair.request('/b');
    pair.run(100);
    assert.equal(pair.links.length, 2);
    for (const { exchange } of pair.served) pair.respond(exchange, { code: Code.Content });
    assert.equal(pair.answer(before).code, Code.Content);
    assert.equal(pair.answer(afterwards).code, Code.Content);
    pair.run(100);
    assert.equal(pair.links.length, 1, 'the released one is closed by the client');
  });

  test('Hold-Off: the client does not connect again for so long, and says so', () => {
    const pair = connected();
    pair.command('server', (server, now) =>
      server.releaseAll(now, { alternativeAddresses: [], holdOffSeconds: 60, diagnostic: 'restarting' }),
    );
    pair.run(100);
    assert.equal(pair.links.length, 0);
    const early = pair.request('/a');
    assert.deepEqual(early.error, {
      kind: 'connection-ended',
      end: { cause: 'released', detail: 'the server asked not to be connected to for another 60 s' },
      wasSent: false,
    });
    pair.run(60_000);
    assert.equal(pair.answer(pair.request('/a')).code, Code.Content);
  });

  test('an observation has no end to wait for: the connection is closed, and it fails', () => {
    const pair = connected({ handler: () => ({ code: Code.Content, payload: 'x', observe: true }) });
    const observation = pair.request('/a', { observe: true });
    pair.run(100);
    pair.command('server', (server, now) => server.releaseAll(now));
    pair.run(100);
    assert.equal(observation.error?.kind === 'connection-ended' && observation.error.end.cause, 'released');
  });
});

suite('RFC 8323 §5.6: Abort with requests under way', () => {
  test('an Abort fails what is under way with its diagnostic text', () => {
    const pair = connected({ handler: () => undefined });
    const request = pair.request('/a', { code: Code.Post });
    pair.run(50);
    pair.inject('server', message(Abort, [], { payload: 'out of memory' }));
    assert.ok(pair.runUntil(() => request.error !== undefined));
    assert.deepEqual(request.error, {
      kind: 'connection-ended',
      end: { cause: 'aborted', detail: 'out of memory' },
      wasSent: true,
    });
  });

  test('what may be carried out twice is sent once more, on another connection', () => {
    const pair = connected({ handler: () => undefined });
    const request = pair.request('/a', { code: Code.Put });
    pair.run(50);
    pair.inject('server', message(Abort, [], { payload: 'shutting down' }));
    assert.ok(pair.runUntil(() => pair.served.length === 2));
    assert.notEqual(pair.served[0]?.peer.connection, pair.served[1]?.peer.connection);
    pair.respond(pair.served[1]?.exchange ?? 0, { code: Code.Changed });
    assert.equal(pair.answer(request).code, Code.Changed);
  });
});

suite('RFC 8323 §7: observing over reliable transports', () => {
  /** An observed resource with a value. */
  function observed(options: ConstructorParameters<typeof StreamPair>[0] = {}) {
    let value = 0;
    const pair = connected({
      handler: ({ observe, refresh }) => ({
        code: Code.Content,
        payload: String(value),
        ...(observe === 'register' || refresh ? { observe: true } : {}),
      }),
      ...options,
    });
    const observation = pair.request('/a', { observe: true });
    pair.run(50);
    const set = (next: number): void => {
      value = next;
      pair.notify('/a');
    };
    return { pair, observation, set };
  }

  test('notifications come at once, one for each state', () => {
    const { pair, observation, set } = observed();
    for (const next of [1, 2, 3]) {
      set(next);
      pair.run(20);
    }
    assert.deepEqual(textOf(observation), ['0', '1', '2', '3']);
  });

  test('§7.1: the value of Observe MUST be ignored on reception: empty, lower, the same', () => {
    const { pair, observation } = observed();
    const registration = pair.wire.find(({ message: { code } }) => code === Code.Get);
    const token = toHex(registration?.message.token ?? noBytes);
    for (const [i, observe] of [noBytes, Uint8Array.of(5), Uint8Array.of(4), noBytes].entries()) {
      pair.inject('server', message(Code.Content, [[6, observe]], { token, payload: `n${i}` }));
    }
    pair.run(50);
    assert.deepEqual(textOf(observation), ['0', 'n0', 'n1', 'n2', 'n3']);
  });

  test('§7.2: nothing is acknowledged, and a notification with an unknown token is dropped', () => {
    const { pair } = observed();
    pair.wire.length = 0;
    pair.inject('server', message(Code.Content, [[6, noBytes]], { token: 'ffff' }));
    pair.run(50);
    assert.deepEqual(pair.codes('client'), []);
    assert.equal(pair.client.counters.unmatchedResponses, 1);
  });

  test('§7.3: a quiet observation is checked by one Ping, not by a new registration', () => {
    const { pair, observation } = observed();
    pair.request('/b', { observe: true });
    pair.run(50);
    pair.wire.length = 0;
    pair.run(76_000);
    const codes = pair.codes('client');
    assert.ok(codes.length > 0 && codes.every((code) => code === Ping), JSON.stringify(codes));
    assert.equal(observation.error, undefined);
  });

  test('§7.3: when the Ping is not answered, the observation fails with its connection', () => {
    const { pair, observation } = observed();
    pair.isStalled = true;
    pair.run(110_000);
    assert.equal(
      observation.error?.kind === 'connection-ended' && observation.error.end.cause,
      'pong-timeout',
    );
  });

  test('§7.4: a client MUST deregister with its token and Observe 1', () => {
    const { pair, observation, set } = observed();
    const registration = pair.wire.find(({ message: { code } }) => code === Code.Get)?.message;
    pair.wire.length = 0;
    pair.command('client', (client, now) => client.cancel(observation.id, now));
    const [deregistration] = pair.wire;
    assert.equal(deregistration?.message.code, Code.Get);
    assert.equal(deregistration?.message.options.uint(OptionNumber.Observe), 1);
    assert.deepEqual(deregistration?.message.token, registration?.token);
    pair.run(50);
    assert.equal(pair.server.activeObservations().length, 0);
    set(9);
    pair.run(50);
    assert.deepEqual(textOf(observation), ['0']);
    assert.equal(pair.client.activeObservations().length, 0);
  });

  test('§7.4: a notification that was on its way when we deregistered is not the answer to that', () => {
    const { pair, observation, set } = observed();
    pair.command('client', (client, now) => client.cancel(observation.id, now));
    set(1);
    pair.run(100);
    assert.equal(pair.client.counters.unmatchedResponses, 0);
    assert.deepEqual(observation.error, { kind: 'exchange', failure: 'cancelled' });
  });

  test('§7.4: all entries of a client MUST be removed when its connection is closed', () => {
    const { pair } = observed();
    pair.request('/b', { observe: true });
    pair.run(50);
    assert.equal(pair.server.activeObservations().length, 2);
    pair.command('client', (client, now) => client.releaseAll(now));
    pair.run(50);
    assert.equal(pair.server.activeObservations().length, 0);
  });

  test('a client that does not read gets the latest state when it reads again, not all of them', () => {
    const { pair, observation, set } = observed();
    pair.stall();
    for (let next = 1; next <= 1000; next++) {
      set(next);
      pair.run(10);
    }
    pair.resume();
    pair.run(100);
    const texts = textOf(observation);
    assert.equal(texts.at(-1), '1000');
    assert.ok(texts.length <= 4, texts.join());
  });
});

suite('bodies in blocks over a connection', () => {
  const body = Uint8Array.from({ length: 8192 }, (_, i) => i * 7);

  test('8 KB up and down, with a peer of base values', () => {
    let stored: Uint8Array = noBytes;
    const pair = connected({
      handler: ({ code, payload }) => {
        if (code === Code.Get) return { code: Code.Content, payload: stored };
        stored = payload;
        return { code: Code.Changed };
      },
    });
    pair.inject('server', message(Csm, [[SignalingOption.MaxMessageSize, 1152]]));
    pair.inject('client', message(Csm, [[SignalingOption.MaxMessageSize, 1152]]));
    pair.run(50);
    assert.equal(pair.answer(pair.request('/x', { code: Code.Put, payload: body })).code, Code.Changed);
    assert.deepEqual(stored, body);
    assert.deepEqual(pair.answer(pair.request('/x')).payload, body);
    assert.ok(pair.wire.every(({ message: { bytes } }) => bytes.length <= 1152));
  });

  test('§5.3.1: a peer that takes less than the base value gets smaller blocks', () => {
    const pair = connected({ handler: () => ({ code: Code.Content, payload: body }) });
    pair.inject('client', message(Csm, [[SignalingOption.MaxMessageSize, 300]]));
    pair.run(50);
    pair.wire.length = 0;
    assert.deepEqual(pair.answer(pair.request('/x')).payload, body);
    for (const {
      from,
      message: { bytes },
    } of pair.wire)
      assert.ok(from === 'client' || bytes.length <= 300);
  });

  test('a request whose options are larger than the peer takes fails, and says what it takes', () => {
    const pair = connected();
    pair.inject('server', message(Csm, [[SignalingOption.MaxMessageSize, 50]]));
    pair.run(50);
    const request = pair.request('/a', {
      options: new OptionSet().add(OptionNumber.UriQuery, 'x'.repeat(100)),
    });
    assert.deepEqual(request.error, {
      kind: 'exchange',
      failure: 'message-too-large',
      detail: 'the peer takes messages of at most 50 bytes',
    });
  });

  test('a response that is larger than the peer takes becomes 5.00', () => {
    const options = new OptionSet().add(OptionNumber.LocationQuery, 'x'.repeat(200));
    const pair = connected({ handler: () => ({ code: Code.Created, options }) });
    pair.inject('client', message(Csm, [[SignalingOption.MaxMessageSize, 100]]));
    pair.run(50);
    assert.equal(pair.answer(pair.request('/x', { code: Code.Post })).code, Code.InternalServerError);
  });
});
