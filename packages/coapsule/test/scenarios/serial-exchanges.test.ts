/**
 * Requests on serial lines, in virtual time: plain and secured, slow and noisy, unplugged, and with what devices print.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { transmissionParameters } from '../../src/core/coap/transmission-parameters.ts';
import { concatBytes, equalBytes } from '../../src/core/foundation/bytes.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import type { FramedLine, FramedLineOptions } from '../../src/testing/framed-line.ts';
import { Pair, type PairOptions, type PairRequest } from '../../src/testing/pair.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import { wireTimeMs } from '../../src/testing/simulated-line.ts';

const body = new SeededRandom(11).fill(new Uint8Array(8192));
const long = process.env['COAPSULE_LONG'] === '1';

/** A pair on a line, whose server stores what it is sent and gives it back. */
function pairOnLine(
  line: Omit<FramedLineOptions, 'seed'>,
  options: PairOptions = {},
): Pair & { readonly line: FramedLine } {
  let stored = body;
  const pair = new Pair({
    line,
    handler: ({ code, payload }) => {
      if (code === Code.Get) return { code: Code.Content, payload: stored };
      stored = payload;
      return { code: Code.Changed };
    },
    ...options,
  });
  assert.ok(pair.line !== undefined);
  return pair as Pair & { readonly line: FramedLine };
}

function retransmitted(pair: Pair): number {
  return [pair.client, pair.server].reduce(
    (sum, endpoint) => sum + (endpoint.layerCounters().messages['retransmitted'] ?? 0),
    0,
  );
}

/** Puts 8 KB and gets them back. */
function exchangeBodies(pair: Pair, withinMs = 600_000): void {
  const put = pair.request('/store', { code: Code.Put, payload: body.toReversed() });
  assert.ok(
    pair.runUntil(() => put.final || put.error !== undefined, withinMs),
    'PUT ends',
  );
  assert.equal(put.responses.at(-1)?.code, Code.Changed, JSON.stringify(put.error));
  const got = pair.request('/store');
  assert.ok(
    pair.runUntil(() => got.final || got.error !== undefined, withinMs),
    'GET ends',
  );
  assert.deepEqual(got.responses.at(-1)?.payload, body.toReversed());
}

describe('bodies of 8 KB on a serial line', () => {
  for (const security of ['none', 'dtls'] as const) {
    for (const baudRate of [1200, 9600, 115_200, 921_600]) {
      it(`${baudRate} baud, ${security}: both ways in blocks of 512, nothing sent twice`, (test) => {
        const pair = pairOnLine({ conditions: { baudRate } }, { security });
        exchangeBodies(pair);
        assert.equal(retransmitted(pair), 0);
        const { a, b } = pair.line.ends;
        // MTU 1024 less all overheads leaves blocks of 512 (RFC 7959 §2.2).
        assert.ok(a.counters.largestPacket <= 1024 && a.counters.largestPacket > 512);
        assert.deepEqual([a.counters.lost, b.counters.lost, a.counters.refused], [{}, {}, 0]);
        const bytes = a.counters.bytesSent + b.counters.bytesSent;
        test.diagnostic(
          `${bytes} bytes for 16384, ${(wireTimeMs(bytes, baudRate) / 1000).toFixed(1)} s on the wire`,
        );
      });
    }
  }

  it('many requests at once wait for the line without being sent twice', () => {
    const pair = pairOnLine(
      { conditions: { baudRate: 9600 } },
      {
        client: { transmission: { nstart: 16 } },
        handler: () => ({ code: Code.Content, payload: body.subarray(0, 500) }),
      },
    );
    const requests = Array.from({ length: 16 }, () => pair.request('/a', { payload: body.subarray(0, 400) }));
    assert.ok(pair.runUntil(() => requests.every(({ final }) => final)));
    assert.equal(retransmitted(pair), 0);
  });

  it('a fast line does not wait needlessly: a request that was lost goes again after ACK_TIMEOUT and the time of two packets', () => {
    const transmission = { ackRandomFactor: 1 };
    const pair = pairOnLine({ conditions: { baudRate: 115_200 } }, { client: { transmission } });
    const { ackTimeoutMs } = transmissionParameters(transmission);
    const request = pair.request('/a');
    pair.line.unplug();
    pair.line.line.plug();
    const lostAt = pair.now;
    assert.ok(pair.runUntil(() => retransmitted(pair) === 1));
    const waitedMs = pair.now - lostAt;
    assert.ok(waitedMs <= ackTimeoutMs + wireTimeMs(2048, 115_200), `${waitedMs} ms`);
    assert.ok(pair.runUntil(() => request.final));
  });
});

describe('a line that changes and loses bytes', () => {
  for (const security of ['none', 'dtls'] as const) {
    it(`${security}: bodies arrive as they were sent, whatever the noise`, () => {
      for (let seed = 1; seed <= (long ? 200 : 20); seed++) {
        const pair = pairOnLine(
          { conditions: { noiseRate: 2e-5, dropRate: seed % 2 === 0 ? 2e-5 : 0 } },
          { security, seed },
        );
        exchangeBodies(pair);
      }
    });
  }

  it('what a device prints between frames is told, and costs no packet', () => {
    const pair = pairOnLine({}, { security: 'dtls' });
    for (let i = 0; i < 20; i++) {
      pair.line.write('b', encodeUtf8(`I (${i}) wifi: state: init -> auth\r\n`), pair.now);
      const got = pair.request('/a');
      assert.ok(pair.runUntil(() => got.final));
    }
    assert.equal(retransmitted(pair), 0);
    const texts = pair.line.events.filter(({ end, event }) => end === 'a' && event.kind === 'text');
    assert.equal(texts.length, 20);
  });

  it('a megabyte of random bytes, frames with wrong check sequences and one without end: the session lives', () => {
    const pair = pairOnLine({ conditions: { baudRate: 921_600 } }, { security: 'dtls' });
    exchangeBodies(pair);
    const random = new SeededRandom(5);
    const hostile = [
      random.fill(new Uint8Array(2 ** 20)),
      concatBytes(...Array.from({ length: 100 }, () => Uint8Array.of(0xc0, 0xa9, 0x40, 1, 2, 3, 4, 5, 0xc0))),
      concatBytes(Uint8Array.of(0xc0, 0xa9), new Uint8Array(100_000).fill(0x40)),
    ];
    for (const bytes of hostile) {
      pair.line.write('a', bytes, pair.now);
      pair.line.write('b', bytes, pair.now);
    }
    pair.run(20_000);
    const connected = (): number => pair.events.filter(({ output }) => output.kind === 'connected').length;
    const before = connected();
    exchangeBodies(pair);
    assert.equal(connected(), before, 'a new handshake');
    const { lost, bufferPeak } = pair.line.ends.b.counters;
    assert.ok(
      (lost.crc ?? 0) >= 100 && (lost.overrun ?? 0) >= 1 && (lost.noise ?? 0) > 1000,
      JSON.stringify(lost),
    );
    assert.ok(bufferPeak <= 2048);
  });
});

describe('a line that is unplugged', () => {
  for (const security of ['none', 'dtls'] as const) {
    for (const outageMs of [100, 3000, 15_000, 40_000]) {
      it(`${security}: a transfer goes on within 5 s after ${outageMs / 1000} s without the line`, () => {
        const pair = pairOnLine({ conditions: { baudRate: 9600 } }, { security });
        const put = pair.request('/store', { code: Code.Put, payload: body });
        pair.run(4000);
        assert.ok(!put.final);
        const received = pair.line.ends.b.counters.packetsReceived;
        assert.ok(received > 2);
        pair.line.unplug();
        pair.run(outageMs);
        assert.equal(pair.line.ends.b.counters.packetsReceived, received);
        pair.plugLine();
        assert.ok(pair.runUntil(() => pair.line.ends.b.counters.packetsReceived > received + 1, 5000));
        assert.ok(pair.runUntil(() => put.final));
        const got = pair.request('/store');
        assert.ok(pair.runUntil(() => got.final));
        assert.deepEqual(got.responses.at(-1)?.payload, body);
        // What was acknowledged before is not asked for again, and the association is the same.
        const connected = pair.events.filter(({ output }) => output.kind === 'connected');
        assert.equal(connected.length, security === 'dtls' ? 2 : 0);
      });
    }
  }

  it('a handshake that it was pulled out of goes on within 5 s, however long it was away', () => {
    for (const outageMs of [100, 3000, 15_000, 50_000]) {
      for (const afterMs of [0, 50, 150, 300, 450]) {
        const handler = () => ({ code: Code.Content, payload: '22.5' });
        const pair = pairOnLine({ conditions: { baudRate: 9600 } }, { security: 'dtls', handler });
        const got = pair.request('/a');
        pair.run(afterMs);
        pair.line.unplug();
        pair.run(outageMs);
        assert.ok(!got.final);
        pair.plugLine();
        assert.ok(
          pair.runUntil(() => got.final, 5000),
          `${outageMs} ms, pulled out after ${afterMs} ms`,
        );
      }
    }
  });

  it('a server that lost its power with the line gets a new handshake within 5 s, and the request goes on', () => {
    for (const when of ['idle', 'under way'] as const) {
      const handler = () => ({ code: Code.Content, payload: '22.5' });
      const pair = pairOnLine({ conditions: { baudRate: 115_200 } }, { security: 'dtls', handler });
      const first = pair.request('/a');
      assert.ok(pair.runUntil(() => first.final));
      let got: PairRequest | undefined;
      if (when === 'under way') got = pair.request('/a');
      pair.line.unplug();
      pair.restart('server');
      pair.run(8000);
      pair.plugLine();
      const plugged = pair.now;
      if (when === 'idle') {
        pair.run(3000);
        got = pair.request('/a');
      }
      assert.ok(
        pair.runUntil(() => got?.final === true, 5000),
        `${when}: ${JSON.stringify(got?.error)}`,
      );
      assert.ok(pair.now - plugged < 5000, when);
      const failed = pair.events.filter(({ output }) => output.kind === 'request-failed');
      assert.deepEqual(failed, []);
    }
  });

  it('what went before the other end had its line too goes again as soon as that asks, and there is no new handshake', () => {
    for (const laterMs of [600, 1200, 1900]) {
      const handler = () => ({ code: Code.Content, payload: '22.5' });
      const pair = pairOnLine({ conditions: { baudRate: 115_200 } }, { security: 'dtls', handler });
      const first = pair.request('/a');
      assert.ok(pair.runUntil(() => first.final));
      pair.line.unplug();
      const got = pair.request('/a');
      pair.run(3000);
      pair.command('client', (endpoint, now) => endpoint.linkRestored(now));
      pair.run(laterMs);
      assert.ok(!got.final);
      pair.line.line.plug();
      pair.command('server', (endpoint, now) => endpoint.linkRestored(now));
      assert.ok(
        pair.runUntil(() => got.final, 200),
        `${laterMs} ms later`,
      );
      pair.run(10_000);
      assert.equal(pair.events.filter(({ output }) => output.kind === 'connected').length, 2);
    }
  });

  it('one that kept its association is asked once by each end, and there is no new handshake', () => {
    const pair = pairOnLine({ conditions: { baudRate: 9600 } }, { security: 'dtls' });
    const first = pair.request('/a');
    assert.ok(pair.runUntil(() => first.final));
    pair.line.unplug();
    pair.run(8000);
    const sent = pair.line.ends.a.counters.packetsSent;
    pair.plugLine();
    pair.run(60_000);
    // A question, and the answer to that of the other end.
    assert.equal(pair.line.ends.a.counters.packetsSent, sent + 2);
    assert.equal(pair.events.filter(({ output }) => output.kind === 'connected').length, 2);
  });

  it('a client that begins before the server is there connects when it appears (A23)', () => {
    const pair = pairOnLine({}, { security: 'dtls' });
    pair.line.unplug();
    const got = pair.request('/a');
    pair.run(20_000);
    assert.ok(!got.final && got.error === undefined);
    pair.line.line.plug();
    assert.ok(pair.runUntil(() => got.final, 60_000));
  });
});

describe('a secured line', () => {
  it('shows nothing of paths and payloads, and passes no plain CoAP', () => {
    const secret = encodeUtf8('22.5 degrees');
    const pair = pairOnLine(
      { options: { secured: true } },
      { security: 'dtls', handler: () => ({ code: Code.Content, payload: secret }) },
    );
    const got = pair.request('/temperature');
    assert.ok(pair.runUntil(() => got.final));
    const wire = concatBytes(...pair.line.written.map(({ bytes }) => bytes));
    for (const text of [secret, encodeUtf8('temperature')]) assert.ok(!includes(wire, text));
    const plain = pairOnLine({ options: { secured: true } });
    plain.request('/temperature');
    plain.run(100_000);
    assert.equal(plain.line.written.length, 0);
    assert.ok(plain.line.ends.a.counters.refused > 0);
    // The same search finds it where it is.
    const open = pairOnLine({});
    open.request('/temperature');
    open.run(1000);
    assert.ok(
      includes(concatBytes(...open.line.written.map(({ bytes }) => bytes)), encodeUtf8('temperature')),
    );
  });
});

function includes(haystack: Uint8Array, needle: Uint8Array): boolean {
  for (let i = 0; i + needle.length <= haystack.length; i++) {
    if (equalBytes(haystack.subarray(i, i + needle.length), needle)) return true;
  }
  return false;
}

describe('an observed body of 2 KB on a serial line (requirement I17)', () => {
  const state = (seed: number): Uint8Array => new SeededRandom(seed).fill(new Uint8Array(2048));
  for (const security of ['none', 'dtls'] as const) {
    for (const [baudRate, mtu] of [
      [9600, 1024],
      [115_200, 256],
    ] as const) {
      /** A pair whose client observes a state and has the first one. */
      const observedState = () => {
        let current = state(1);
        const pair = pairOnLine(
          { conditions: { baudRate }, options: { mtu } },
          { security, handler: () => ({ code: Code.Content, payload: current, observe: true }) },
        );
        const observed = pair.request('/state', { observe: true });
        assert.ok(pair.runUntil(() => observed.responses.length > 0, 600_000));
        const change = (seed: number): void => {
          current = state(seed);
          pair.notify('/state');
        };
        return { pair, observed, change };
      };

      it(`${baudRate} baud, MTU ${mtu}, ${security}: each change comes whole, once, and nothing is sent twice`, () => {
        const { pair, observed, change } = observedState();
        for (let seed = 2; seed <= 5; seed++) {
          change(seed);
          pair.run(20_000);
        }
        assert.deepEqual(
          observed.responses.map(({ payload }) =>
            [1, 2, 3, 4, 5].find((seed) => equalBytes(payload, state(seed))),
          ),
          [1, 2, 3, 4, 5],
        );
        assert.equal(retransmitted(pair), 0);
        const { a, b } = pair.line.ends;
        assert.deepEqual([a.counters.lost, b.counters.lost], [{}, {}]);
        assert.ok(Math.max(a.counters.largestPacket, b.counters.largestPacket) <= mtu);
      });

      it(`${baudRate} baud, MTU ${mtu}, ${security}: with changes faster than the line the last one comes whole`, () => {
        const { pair, observed, change } = observedState();
        for (let seed = 2; seed <= 30; seed++) {
          change(seed);
          pair.run(700);
        }
        pair.run(60_000);
        assert.ok(equalBytes(observed.responses.at(-1)?.payload ?? body, state(30)));
      });
    }
  }
});
