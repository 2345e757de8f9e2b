/**
 * What a peer on a reliable transport cannot have: time without end, all the connections, all the memory.
 *
 * In virtual time, with the transport played by hand.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { SignalingCode } from '../../src/core/coap/signaling.ts';
import { decodeStreamMessage, encodeStreamMessage } from '../../src/core/coap/stream-codec.ts';
import type { StreamConfigInput } from '../../src/core/endpoint/stream-config.ts';
import { StreamEndpoint } from '../../src/core/endpoint/stream-endpoint.ts';
import type { ConnectionId, StreamOutput } from '../../src/core/endpoint/stream-outputs.ts';
import { noBytes } from '../../src/core/foundation/bytes.ts';
import { isDecodeFault } from '../../src/core/foundation/errors.ts';
import { after, instant } from '../../src/core/foundation/instant.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { StreamPair } from './stream-pair.ts';

/** A server whose transports are played by the test. */
class PlayedTransports {
  readonly clock: VirtualClock = new VirtualClock();
  readonly server: StreamEndpoint;
  readonly outputs: StreamOutput[] = [];

  constructor(config: StreamConfigInput) {
    this.server = new StreamEndpoint({
      config: { role: 'server', trace: true, ...config },
      random: new SeededRandom(1),
    });
  }

  /** A connection from this host, with the CSM of its peer. */
  connect(host: string, port: number): ConnectionId {
    const connection = this.server.accept(ipAddress(host, port), this.clock.now);
    this.say(connection, encode(SignalingCode.Csm));
    return connection;
  }

  say(connection: ConnectionId, bytes: Uint8Array): void {
    this.server.handle({ kind: 'received', connection, bytes }, this.clock.now);
    this.#drain();
  }

  tell(kind: 'blocked' | 'progress' | 'drained', connection: ConnectionId): void {
    this.server.handle({ kind, connection }, this.clock.now);
    this.#drain();
  }

  /** Lets time pass, with every timer on the way. */
  pass(ms: number): void {
    const end = after(this.clock.now, ms);
    for (;;) {
      const next = this.server.nextTimeout();
      if (next === undefined || next > end) break;
      if (next > this.clock.now) this.clock.advanceTo(next);
      this.server.handleTimeout(this.clock.now);
      this.#drain();
    }
    this.clock.advanceTo(end);
  }

  /** How each connection ended, by its id. */
  get ends(): readonly (readonly [ConnectionId, string])[] {
    return this.outputs.flatMap((output) =>
      output.kind === 'connection-ended' ? [[output.peer.connection, output.end.cause] as const] : [],
    );
  }

  /** What was traced of ends. */
  get tracedEnds(): readonly string[] {
    return this.outputs.flatMap((output) =>
      output.kind === 'trace' && output.event.kind === 'connection-ended'
        ? [`${output.event.address.key} ${output.event.cause}: ${output.event.detail}`]
        : [],
    );
  }

  /** Codes that were sent on a connection. */
  sent(connection: ConnectionId): readonly Code[] {
    return this.outputs.flatMap((output) => {
      if (output.kind !== 'transmit' || output.connection !== connection) return [];
      const message = decodeStreamMessage(output.bytes, 'tcp');
      return isDecodeFault(message) ? [] : [message.code];
    });
  }

  #drain(): void {
    for (let output = this.server.poll(); output !== undefined; output = this.server.poll())
      this.outputs.push(output);
  }
}

function encode(code: Code, payload: Uint8Array = noBytes): Uint8Array {
  return encodeStreamMessage({ code, token: noBytes, options: new OptionSet(), payload }, 'tcp');
}

const get = encode(Code.Get);

suite('a peer that never reads', () => {
  test('its connection ends when its transport took nothing for 60 s: counted, traced, and its memory is free', () => {
    const played = new PlayedTransports({});
    const connection = played.connect('192.0.2.1', 1000);
    played.say(connection, get);
    played.tell('blocked', connection);
    played.pass(59_999);
    assert.deepEqual(played.ends, []);
    played.pass(1);
    assert.deepEqual(played.ends, [[connection, 'stalled']]);
    assert.equal(played.server.counters.tooSlow, 1);
    assert.deepEqual(played.tracedEnds, ['192.0.2.1:1000 stalled: the peer took nothing for 60 s']);
    assert.deepEqual(played.server.load, { connections: 0, pendingBytes: 0 });
    // The transport is told to close, and no Abort is put behind what the peer does not read.
    assert.ok(played.outputs.some((output) => output.kind === 'close' && output.connection === connection));
    assert.deepEqual(played.sent(connection), [SignalingCode.Csm]);
  });

  test('one that takes a little now and then is slow, and stays; one that has taken all is not waited for at all', () => {
    const played = new PlayedTransports({ connection: { stallTimeoutMs: 10_000 } });
    const connection = played.connect('192.0.2.1', 1000);
    played.tell('blocked', connection);
    for (let i = 0; i < 20; i++) {
      played.pass(9000);
      played.tell('progress', connection);
    }
    played.pass(9000);
    played.tell('drained', connection);
    played.pass(3_600_000);
    assert.deepEqual(played.ends, []);
    played.tell('progress', connection); // that of a transport which is not full means nothing
    played.pass(3_600_000);
    assert.deepEqual(played.ends, []);
    played.tell('blocked', connection);
    played.pass(10_000);
    assert.deepEqual(played.ends, [[connection, 'stalled']]);
  });

  test('while it is full nothing is read, and the silence of a peer that reads slowly is no fault', () => {
    const played = new PlayedTransports({
      connection: {
        stallTimeoutMs: 10_000,
        messageTimeoutMs: 5000,
        pongTimeoutMs: 2000,
        keepAliveMs: 3000,
        idleTimeoutMs: 20_000,
      },
    });
    const connection = played.connect('192.0.2.1', 1000);
    played.say(connection, encode(Code.Put, new Uint8Array(100)).slice(0, 50));
    played.pass(3000);
    assert.equal(played.sent(connection).at(-1), SignalingCode.Ping);
    played.tell('blocked', connection);
    for (let i = 0; i < 10; i++) {
      played.pass(9000);
      played.tell('progress', connection);
    }
    assert.deepEqual(played.ends, []);
    played.tell('drained', connection);
    played.pass(1999);
    assert.deepEqual(played.ends, [], 'the times begin anew');
    played.pass(1);
    assert.deepEqual(played.ends, [[connection, 'pong-timeout']]);
  });

  test('others are served meanwhile', () => {
    const played = new PlayedTransports({});
    const stalled = played.connect('192.0.2.1', 1000);
    const other = played.connect('192.0.2.2', 1000);
    played.tell('blocked', stalled);
    for (let i = 0; i < 7; i++) {
      played.pass(10_000);
      played.say(other, encode(SignalingCode.Ping));
    }
    assert.deepEqual(played.ends, [[stalled, 'stalled']]);
    assert.equal(played.sent(other).filter((code) => code === SignalingCode.Pong).length, 7);
  });
});

suite('a server that never reads', () => {
  test('a request that may be carried out twice goes to another connection, another fails and says that it was sent', () => {
    const pair = new StreamPair({ handler: () => undefined });
    pair.answer(pair.ping());
    const get = pair.request('/a');
    const post = pair.request('/b', { code: Code.Post });
    pair.run(50);
    const [link] = pair.links;
    assert.ok(link);
    pair.command('client', (client, now) => client.handle({ kind: 'blocked', connection: link.client }, now));
    pair.run(60_000);
    assert.deepEqual(pair.ends('client'), ['stalled']);
    assert.deepEqual(post.error, {
      kind: 'connection-ended',
      end: { cause: 'stalled', detail: 'the peer took nothing for 60 s' },
      wasSent: true,
    });
    assert.ok(pair.runUntil(() => pair.served.length === 3));
    pair.respond(pair.served[2]?.exchange ?? 0, { code: Code.Content, payload: 'x' });
    assert.equal(pair.answer(get).code, Code.Content);
  });
});

suite('the connections of a listener', () => {
  test('one host cannot keep others out: of the host with most connections the one silent longest ends', () => {
    const played = new PlayedTransports({ maxConnections: 4 });
    const greedy = [1, 2, 3].map((port) => {
      played.pass(1000);
      return played.connect('192.0.2.66', port);
    });
    played.connect('192.0.2.1', 1);
    played.pass(1000);
    played.say(greedy[0] as ConnectionId, encode(SignalingCode.Ping));
    const newcomer = played.connect('192.0.2.2', 1);
    assert.deepEqual(played.ends, [[greedy[1], 'no-room']]);
    assert.equal(played.sent(greedy[1] as ConnectionId).at(-1), SignalingCode.Abort, 'it is told why');
    assert.equal(played.server.load.connections, 4);
    played.say(newcomer, get);
    assert.ok(
      played.outputs.some((output) => output.kind === 'request' && output.peer.connection === newcomer),
    );
    assert.equal(played.server.counters.noRoom, 1);
  });

  test('one with a request under way outlives those without', () => {
    const played = new PlayedTransports({ maxConnections: 2 });
    const busy = played.connect('192.0.2.1', 1);
    played.say(busy, get);
    played.pass(1000);
    const idle = played.connect('192.0.2.1', 2);
    played.pass(1000);
    played.connect('192.0.2.1', 3);
    assert.deepEqual(played.ends, [[idle, 'no-room']]);
  });

  test('100,000 connections that come and say nothing leave as many as there is room for, and all end in time', () => {
    const played = new PlayedTransports({ maxConnections: 100, trace: false });
    for (let i = 0; i < 100_000; i++) {
      played.server.accept(ipAddress(`192.0.2.${i % 200}`, 1024 + (i >> 8)), played.clock.now);
      for (let output = played.server.poll(); output !== undefined; output = played.server.poll());
    }
    assert.equal(played.server.load.connections, 100);
    played.pass(10_000);
    assert.equal(played.server.load.connections, 0, 'no CSM came');
  });
});

suite('unfinished messages of a listener', () => {
  /** The first `length` bytes of a message of 10,000. */
  const begun = (length: number): Uint8Array => encode(Code.Put, new Uint8Array(10_000)).subarray(0, length);

  test('have a bound together: the one that began first ends, and is told why', () => {
    const played = new PlayedTransports({ totalPendingBytes: 20_000 });
    const [first, second, third] = [1, 2, 3].map((port) => played.connect('192.0.2.1', port)) as [
      ConnectionId,
      ConnectionId,
      ConnectionId,
    ];
    played.say(first, begun(9000).slice());
    played.say(second, begun(9000).slice());
    assert.equal(played.server.load.pendingBytes, 18_000);
    played.say(third, begun(5000).slice());
    assert.deepEqual(played.ends, [[first, 'no-room']]);
    assert.equal(played.sent(first).at(-1), SignalingCode.Abort);
    assert.equal(played.server.load.pendingBytes, 14_000);
  });

  test('a message that is complete holds nothing any more', () => {
    const played = new PlayedTransports({ totalPendingBytes: 20_000 });
    const connection = played.connect('192.0.2.1', 1);
    const whole = encode(Code.Put, new Uint8Array(10_000));
    played.say(connection, whole.slice(0, 9000));
    played.say(connection, whole.slice(9000));
    assert.equal(played.server.load.pendingBytes, 0);
    assert.ok(played.outputs.some(({ kind }) => kind === 'request'));
  });

  test('10,000 connections with a message each hold no more than the bound', () => {
    const played = new PlayedTransports({
      totalPendingBytes: 1_000_000,
      maxConnections: 10_000,
      trace: false,
    });
    const csm = encode(SignalingCode.Csm);
    for (let i = 0; i < 10_000; i++) {
      const connection = played.server.accept(ipAddress(`192.0.${i >> 8}.${i & 255}`, 1), instant(0));
      played.server.handle({ kind: 'received', connection, bytes: csm.slice() }, instant(0));
      played.server.handle({ kind: 'received', connection, bytes: begun(8000).slice() }, instant(0));
      for (let output = played.server.poll(); output !== undefined; output = played.server.poll());
      assert.ok(played.server.load.pendingBytes <= 1_000_000);
    }
    assert.equal(played.server.load.connections, 125);
  });
});
