import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import {
  defaultTransmissionParameters,
  exchangeLifetimeMs,
} from '../../src/core/coap/transmission-parameters.ts';
import { equalBytes, noBytes, toHex } from '../../src/core/foundation/bytes.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { decodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { Pair, serverAddress } from '../../src/testing/pair.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import { body, request, SpoofedSource, text } from './spoofed-source.ts';

const exchangeLifetime = exchangeLifetimeMs(defaultTransmissionParameters);
const long = process.env['COAPSULE_LONG'] === '1';
const links = text(
  Array.from({ length: 12 }, (_, i) => `</sensors/${i}>;rt="temperature";if="core.s";obs`).join(','),
);
const linkFormat = new OptionSet().set(OptionNumber.ContentFormat, 40);
const large = body(8192);

/** A server as a user may have one. */
function usualServer(): SpoofedSource {
  return new SpoofedSource(({ options }) => {
    const path = options.texts(OptionNumber.UriPath).join('/');
    if (path === '.well-known/core') return { payload: links, options: linkFormat };
    if (path === 'large' || path === 'o')
      return { payload: large, options: new OptionSet().set(OptionNumber.ContentFormat, 0) };
    if (path === 'obs') return { payload: text('tick'), observe: true };
    if (path === 'observed-large') return { payload: large, observe: true };
    if (path === 'slow') return undefined;
    return { code: Code.NotFound, payload: text(`there is no resource at /${path} on this server, sorry`) };
  });
}

function assertLimited(spoofed: SpoofedSource): void {
  assert.ok(spoofed.bytesIn > 0);
  assert.ok(spoofed.ratio <= 3, `${spoofed.bytesOut} bytes out for ${spoofed.bytesIn} in`);
}

for (const path of ['/.well-known/core', '/large', '/nothing/here']) {
  test(`C2: GET ${path} with a spoofed source draws at most three times its bytes over EXCHANGE_LIFETIME`, () => {
    for (const tokenLength of [0, 1, 2, 4, 8]) {
      const spoofed = usualServer();
      spoofed.send(request(path, { token: new Uint8Array(tokenLength).fill(0x5a) }));
      spoofed.pass(exchangeLifetime);
      assertLimited(spoofed);
      assert.ok(spoofed.received.length > 0, 'something is answered');
    }
  });
}

test('C2: so do its copies, and the same again with other Message IDs and tokens, for as long as it pleases', () => {
  const spoofed = usualServer();
  for (let i = 0; i < 200; i++) {
    const datagram = request('/large', { messageId: i, token: Uint8Array.of(i) });
    for (let copy = 0; copy < 3; copy++) spoofed.send(datagram);
    assertLimited(spoofed);
    spoofed.pass(1_000);
  }
  spoofed.pass(exchangeLifetime);
  assertLimited(spoofed);
});

test('C2: a request for a whole body in Q-Blocks draws no set of ten, nor does one for missing blocks', () => {
  const whole = new OptionSet().set(OptionNumber.QBlock2, Uint8Array.of(0x0e));
  const missing = new OptionSet().add(OptionNumber.QBlock2, Uint8Array.of(0x1e));
  for (const type of ['CON', 'NON'] as const) {
    const spoofed = usualServer();
    for (const [i, options] of [whole, missing, whole].entries()) {
      spoofed.send(request('/large', { type, messageId: i, token: Uint8Array.of(i), options }));
      spoofed.pass(20_000);
      assertLimited(spoofed);
    }
    assert.ok(spoofed.received.some(({ options }) => options.has(OptionNumber.Block2)));
    assert.ok(spoofed.received.every(({ options }) => !options.has(OptionNumber.QBlock2)));
  }
});

test('C2: a separate response, and its four retransmissions, count as well', () => {
  const spoofed = usualServer();
  spoofed.send(request('/slow', { token: Uint8Array.of(1, 2, 3, 4) }));
  spoofed.pass(1_000);
  assert.deepEqual(
    spoofed.received.map(({ type, code }) => [type, code]),
    [['ACK', Code.Empty]],
  );
  spoofed.respond(spoofed.asked[0]?.exchange as number, { payload: large });
  spoofed.pass(exchangeLifetime);
  assertLimited(spoofed);
  assert.ok(spoofed.received.some(({ type, code }) => type === 'CON' && code === Code.Content));
  assert.ok(spoofed.server.counters.overAmplificationLimit >= 1, 'retransmissions were left out');
});

test('C2: a registered observer that is not there gets no more notifications than its bytes are good for', () => {
  for (const path of ['/obs', '/observed-large']) {
    const spoofed = usualServer();
    const options = new OptionSet().set(OptionNumber.Observe, 0);
    spoofed.send(request(path, { options, token: Uint8Array.of(1, 2, 3, 4) }));
    for (let i = 0; i < 250; i++) {
      spoofed.notify(path);
      spoofed.pass(1_000);
      assertLimited(spoofed);
    }
    assert.equal(spoofed.server.activeObservations().length, 0, 'nobody was there: it is off the list');
  }
});

test('C2: Resets, pings, errors and 2.31 count as well, whatever is sent, in whatever order', () => {
  const random = new SeededRandom(5);
  const rounds = long ? 20_000 : 2_000;
  const spoofed = usualServer();
  const paths = ['/.well-known/core', '/large', '/obs', '/observed-large', '/slow', '/x', ''];
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.fraction() * list.length)] as T;
  for (let round = 0; round < rounds; round++) {
    const messageId = Math.floor(random.fraction() * 65_536);
    const token = random.fill(new Uint8Array(Math.floor(random.fraction() * 9)));
    const type = pick(['CON', 'NON'] as const);
    const options = new OptionSet();
    switch (Math.floor(random.fraction() * 9)) {
      case 0:
        spoofed.send(Uint8Array.of(0x40, 0, messageId >> 8, messageId & 255)); // a ping
        break;
      case 1:
        spoofed.send(random.fill(new Uint8Array(4 + Math.floor(random.fraction() * 20))));
        break;
      case 2: // the first of many blocks
        options.set(OptionNumber.Block1, Uint8Array.of(0x08));
        spoofed.send(request('/x', { type, messageId, token, options, code: Code.Put, payload: body(16) }));
        break;
      case 3: // a later block of a response
        options.set(OptionNumber.Block2, Uint8Array.of(0x16));
        spoofed.send(request('/large', { type, messageId, token, options }));
        break;
      case 4:
        spoofed.notify(pick(paths));
        break;
      case 5:
        options.set(OptionNumber.Observe, 0);
        spoofed.send(request(pick(paths), { type, messageId, token, options }));
        break;
      case 6: // Q-Blocks of a response, all or some
        options.add(OptionNumber.QBlock2, Uint8Array.of(pick([0x0e, 0x1e, 0x16, 0x00])));
        spoofed.send(request('/large', { type, messageId, token, options }));
        break;
      case 7: // one of many Q-Blocks
        options.set(OptionNumber.QBlock1, Uint8Array.of(pick([0x08, 0x18, 0xb8])));
        options.set(OptionNumber.Size1, 4096).set(OptionNumber.RequestTag, Uint8Array.of(round & 3));
        spoofed.send(request('/x', { type, messageId, token, options, code: Code.Put, payload: body(16) }));
        break;
      default:
        spoofed.send(request(pick(paths), { type, messageId, token }));
    }
    if (spoofed.bytesIn > 0) assertLimited(spoofed);
    spoofed.pass(random.fraction() * 3_000);
  }
  spoofed.pass(exchangeLifetime);
  assertLimited(spoofed);
});

test('guessed acknowledgements prove nothing: after eight wrong ones the right one does not either', () => {
  const spoofed = usualServer();
  const options = new OptionSet().set(OptionNumber.Observe, 0);
  spoofed.send(request('/obs', { options, token: Uint8Array.of(1, 2, 3, 4) }));
  const ping = spoofed.received.find(({ type, code }) => type === 'CON' && code === Code.Empty);
  assert.ok(ping, 'the observer is asked whether it is there');
  for (let i = 1; i <= 8; i++) {
    const guess = (ping.messageId + 1000 * i) % 65_536;
    spoofed.send(Uint8Array.of(0x60, 0, guess >> 8, guess & 255));
  }
  spoofed.send(Uint8Array.of(0x70, 0, ping.messageId >> 8, ping.messageId & 255));
  for (let i = 0; i < 40; i++) {
    spoofed.send(request('/large', { messageId: 100 + i }));
    assertLimited(spoofed);
  }
});

test('the Message ID of a separate response, whose acknowledgement proves an address, does not follow from others', () => {
  const spoofed = usualServer();
  const ids: number[] = [];
  for (let i = 0; i < 6; i++) {
    spoofed.send(request('/slow', { messageId: i, token: Uint8Array.of(1, 2, 3, i) }));
    spoofed.pass(1_000);
    spoofed.respond(spoofed.asked.at(-1)?.exchange as number, { payload: text('late') });
    const response = spoofed.received.at(-1);
    if (response?.type === 'CON' && response.code === Code.Content) ids.push(response.messageId);
    spoofed.pass(100_000);
  }
  assert.ok(ids.length >= 5, `${ids}`);
  assert.ok(
    ids.every((id, i) => i === 0 || Math.abs(id - (ids[i - 1] as number)) > 1),
    `${ids}`,
  );
});

test('one that is there gets everything as soon as it has acknowledged a separate response', () => {
  const there = usualServer();
  there.isThere = true;
  there.send(request('/slow', { token: Uint8Array.of(1, 2, 3, 4) }));
  there.pass(1_000);
  there.respond(there.asked[0]?.exchange as number, { payload: text('late') });
  there.pass(100);
  there.send(request('/large', { messageId: 2, token: Uint8Array.of(9) }));
  const last = there.received.at(-1);
  assert.equal(last?.code, Code.Content);
  assert.equal(last.payload.length, 1024);
});

test('a proof holds for ten minutes, and requests, which anybody could send, do not make it longer', () => {
  const there = usualServer();
  there.isThere = true;
  const options = new OptionSet().set(OptionNumber.Observe, 0);
  there.send(request('/obs', { options, token: Uint8Array.of(1, 2, 3, 4) }));
  there.pass(100);
  there.isThere = false;
  let messageId = 10;
  const blockLength = (): number | undefined => {
    there.send(request('/large', { messageId: messageId++, token: Uint8Array.of(messageId) }));
    return there.received.at(-1)?.payload.length;
  };
  for (let minute = 0; minute < 9; minute++) {
    assert.equal(blockLength(), 1024, `after ${minute} minutes`);
    there.pass(60_000);
  }
  there.pass(60_000);
  assert.ok((blockLength() ?? 0) < 1024, 'after ten minutes');
});

test('an observer that hears nothing for hours still gets the next notification, and proves itself by it', () => {
  let state = 'closed';
  const door = new SpoofedSource(({ options }) =>
    options.text(OptionNumber.UriPath) === 'door'
      ? { payload: text(state), observe: true }
      : { payload: large },
  );
  door.isThere = true;
  const options = new OptionSet().set(OptionNumber.Observe, 0);
  door.send(request('/door', { options, token: Uint8Array.of(1, 2, 3, 4) }));
  door.pass(3 * 3_600_000);
  state = 'open';
  door.notify('/door');
  assert.equal(decodeUtf8(door.received.at(-1)?.payload ?? noBytes), 'open');
  door.send(request('/large', { messageId: 2 }));
  assert.equal(door.received.at(-1)?.payload.length, 1024);
});

test('no Echo comes in a notification or a separate response: libcoap would put it into its acknowledgement', () => {
  for (const path of ['/obs', '/observed-large', '/slow']) {
    const there = usualServer();
    there.isThere = true;
    const options = new OptionSet().set(OptionNumber.Observe, 0);
    there.send(request(path, { options, token: Uint8Array.of(1, 2, 3, 4) }));
    there.pass(1_000);
    if (path === '/slow') there.respond(there.asked[0]?.exchange as number, { payload: large });
    for (let i = 0; i < 20; i++) {
      there.notify(path);
      there.pass(60_000);
    }
    const own = there.received.filter(({ type, code }) => type !== 'ACK' && code === Code.Content);
    assert.ok(own.length > 0, path);
    assert.ok(
      own.every((one) => !one.options.has(OptionNumber.Echo)),
      path,
    );
  }
});

test('an observer gets notifications however near its first response comes to what may go to it', () => {
  // Of all these lengths some leave less than the four bytes of a ping: nothing else of an observer brings others.
  const formats = [undefined, 50, 11_542].map((format) =>
    format === undefined ? new OptionSet() : new OptionSet().set(OptionNumber.ContentFormat, format),
  );
  for (const [type, options] of (['CON', 'NON'] as const).flatMap((one) =>
    formats.map((format) => [one, format] as const),
  )) {
    for (let length = 0; length < 64; length++) {
      let state = 0;
      const payload = (): string => `${state}`.padStart(length, 'x');
      const pair = new Pair({
        handler: () => ({ code: Code.Content, options, payload: payload(), observe: true }),
      });
      const observed = pair.request('/obs', { observe: true, type });
      pair.run(5_000);
      for (state = 1; state <= 2; state++) {
        pair.notify('/obs');
        pair.run(30_000);
        const latest = decodeUtf8(observed.responses.at(-1)?.payload ?? noBytes) ?? '';
        assert.equal(
          latest.at(-1),
          `${state}`,
          `${length} bytes, ${type}, ${[...options.entries()].length} options`,
        );
      }
    }
  }
});

test('an observer of a large resource gets each of its states', () => {
  let state = body(3_000);
  const pair = new Pair({ handler: () => ({ code: Code.Content, payload: state, observe: true }) });
  const observed = pair.request('/large', { observe: true });
  pair.run(5_000);
  for (let round = 1; round <= 5; round++) {
    state = state.map((byte) => byte + 1);
    pair.notify('/large');
    pair.run(30_000);
    assert.ok(equalBytes(observed.responses.at(-1)?.payload ?? noBytes, state), `round ${round}`);
  }
});

/** A resource that fits in no block with the bytes of the first request for it: its registration is answered 4.01 first. */
function pairWithRefusedRegistration(seed: number, lossRate: number): Pair {
  const options = new OptionSet()
    .set(OptionNumber.ETag, body(8))
    .set(OptionNumber.ContentFormat, 60)
    .set(OptionNumber.MaxAge, 3600);
  return new Pair({
    seed,
    conditions: { lossRate },
    handler: () => ({ code: Code.Content, options, payload: 'x'.repeat(120), observe: true }),
  });
}

test('a registration whose 4.01 is lost is answered 4.01 again, and its observation goes on', () => {
  const pair = pairWithRefusedRegistration(1, 0);
  const answers: number[] = [];
  pair.network.hook = ({ from, datagram }) => {
    const [, code] = datagram;
    if (from.key !== serverAddress.key || code === Code.Empty) return undefined;
    answers.push(code as number);
    return answers.length === 1 ? { kind: 'drop' } : undefined;
  };
  const observed = pair.request('/s', { observe: true });
  assert.ok(pair.runUntil(() => observed.responses.length > 0));
  assert.deepEqual(answers.slice(0, 2), [Code.Unauthorized, Code.Unauthorized]);
  pair.run(1_000);
  pair.notify('/s');
  pair.run(5_000);
  assert.equal(observed.final, false);
  assert.ok(observed.responses.length > 1);
});

test('at 10 % loss no registration is answered as a mere GET: no observation ends', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const pair = pairWithRefusedRegistration(seed, 0.1);
    const observed = pair.request('/s', { observe: true });
    pair.runUntil(() => observed.responses.length > 0 || observed.error !== undefined);
    assert.deepEqual([seed, observed.final, observed.error], [seed, false, undefined]);
  }
});

test('a client that knows no Echo and answers no ping fetches a large resource in blocks that fit', () => {
  const spoofed = usualServer();
  const parts: number[] = [];
  let more = true;
  for (let num = 0; more; num++) {
    const options = new OptionSet();
    if (num > 0) options.set(OptionNumber.Block2, (num << 4) % 2 ** 24);
    spoofed.send(request('/large', { messageId: num, token: Uint8Array.of(7, 7), options }));
    // The first answer waits for that to its ping, as long as an Empty ACK would.
    if (num === 0) spoofed.pass(500);
    const answers = spoofed.received.filter(
      ({ messageId, code }) => messageId === num && code !== Code.Empty,
    );
    const answer = answers.at(-1);
    assert.equal(answer?.code, Code.Content);
    parts.push(...answer.payload);
    more = ((answer.options.uint(OptionNumber.Block2) ?? 0) & 8) !== 0;
    assertLimited(spoofed);
  }
  assert.equal(toHex(Uint8Array.from(parts)), toHex(large));
});

test('a client that knows no Echo and answers pings fetches 8 KB in blocks of 1024: the first waits for the ping', () => {
  const there = usualServer();
  there.send(request('/large', { token: Uint8Array.of(1, 2, 3, 4) }));
  const [ping, ...others] = there.received;
  assert.deepEqual([ping?.type, ping?.code, others.length], ['CON', Code.Empty, 0], 'no answer yet');
  assertLimited(there);
  there.pass(200);
  const { messageId } = ping as { messageId: number };
  there.send(Uint8Array.of(0x70, 0, messageId >> 8, messageId & 255));
  there.isThere = true;
  const parts: number[] = [];
  for (let num = 0; num < 8; num++) {
    const options = new OptionSet().set(OptionNumber.Block2, num * 16 + 6);
    if (num > 0) there.send(request('/large', { messageId: 1 + num, token: Uint8Array.of(num), options }));
    const answer = there.received.at(-1);
    assert.deepEqual([answer?.type, answer?.code, answer?.messageId], ['ACK', Code.Content, 1 + num]);
    assert.equal(answer?.options.has(OptionNumber.Echo), false, 'it got all there is');
    parts.push(...(answer?.payload ?? []));
  }
  assert.equal(toHex(Uint8Array.from(parts)), toHex(large));
  assert.equal(there.asked.length, 1);
});

test('one that does not answer the ping gets its first block when its Empty ACK would be due, and the next at once', () => {
  const silent = usualServer();
  const get = request('/large', { token: Uint8Array.of(1, 2, 3, 4) });
  silent.send(get);
  silent.pass(300);
  silent.send(get);
  silent.pass(199);
  const answers = () => silent.received.filter(({ code }) => code !== Code.Empty);
  assert.equal(answers().length, 0);
  silent.pass(1);
  assert.deepEqual(
    answers().map(({ type, payload }) => [type, payload.length > 0]),
    [['ACK', true]],
    'one answer, to both copies',
  );
  silent.send(request('/large', { messageId: 2, token: Uint8Array.of(2) }));
  assert.equal(answers().length, 2, 'asked once, it is not waited for again');
  silent.pass(exchangeLifetime);
  assertLimited(silent);
  assert.equal(silent.server.nextTimeout(), undefined, 'nothing is left');
});

test('a response that waits is the answer: a second one to the same request comes too late', () => {
  const silent = usualServer();
  silent.send(request('/slow', { token: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) }));
  const { exchange } = silent.asked[0] as { exchange: number };
  silent.respond(exchange, { payload: large });
  silent.respond(exchange, { payload: text('another') });
  assert.equal(silent.server.layerCounters().exchanges['lateAnswers'], 1);
  silent.pass(500);
  const answer = silent.received.at(-1);
  assert.equal(toHex(answer?.payload ?? noBytes), toHex(large.subarray(0, answer?.payload.length)));
});

test('a client that knows no Echo proves itself with its second request, of ten bytes, and not by a retransmission', () => {
  const there = usualServer();
  const token = Uint8Array.of(1, 2, 3, 4);
  there.isThere = true;
  const block = (num: number, szx: number): OptionSet =>
    new OptionSet().set(OptionNumber.Block2, num * 16 + szx);
  there.send(request('/o', { token }));
  assert.deepEqual(
    there.received.map(({ type, code, payload }) => [type, code, payload.length]),
    [['ACK', Code.Content, 16]],
    'a block fits, and nothing is left for a ping',
  );
  assertLimited(there);
  there.pass(50);
  there.send(request('/o', { messageId: 2, token, options: block(1, 0) }));
  assert.deepEqual(
    there.received.slice(1).map(({ type, code }) => [type, code]),
    [
      ['ACK', Code.Content],
      ['CON', Code.Empty],
    ],
  );
  assert.ok(there.bytesOut <= 3 * (there.bytesIn - 4), 'without the answer to the ping');
  there.pass(50);
  there.send(request('/o', { messageId: 3, token, options: block(0, 6) }));
  assert.equal(there.received.at(-1)?.payload.length, 1024);
  const [first, second] = there.received;
  assert.deepEqual(first?.options.first(OptionNumber.ETag), second?.options.first(OptionNumber.ETag));
});

test('our client fetches 64 KiB from a server that does not know it with three more round trips than otherwise', () => {
  const payload = body(65_536);
  const datagrams = (limited: boolean): number => {
    const pair = new Pair({
      handler: () => ({ code: Code.Content, payload }),
      server: { dangerouslyUnlimitedAmplification: !limited },
    });
    const get = pair.request('/large');
    assert.ok(pair.runUntil(() => get.final));
    assert.ok(equalBytes(get.responses[0]?.payload ?? noBytes, payload));
    return pair.network.sent.length;
  };
  const without = datagrams(false);
  assert.equal(without, 128);
  // Three requests with their answers, a ping and its Reset.
  assert.ok(datagrams(true) <= without + 8, `${datagrams(true)}`);
});

test('an executed request is never answered 4.01: its copies bring the bytes for the answer', () => {
  let executed = 0;
  const location = new OptionSet();
  for (const segment of ['a'.repeat(60), 'b'.repeat(40)]) location.add(OptionNumber.LocationPath, segment);
  const spoofed = new SpoofedSource(() => {
    executed++;
    return { code: Code.Created, options: location };
  });
  const post = request('/jobs', { code: Code.Post, token: Uint8Array.of(1), payload: text('x') });
  for (let copy = 0; copy < 5; copy++) {
    spoofed.send(post);
    assertLimited(spoofed);
    spoofed.pass(2_000);
  }
  assert.equal(executed, 1);
  const answers = spoofed.received.filter(({ code }) => code !== Code.Empty);
  assert.ok(answers.length >= 1);
  assert.ok(answers.every(({ code }) => code === Code.Created));
});

test('a POST with a large answer costs a ping more than without a limit, whatever its size, the path and the handler', () => {
  const payload = body(2_500);
  for (const length of [0, 5, 200]) {
    for (const delayMs of [10, 300, 600]) {
      for (const thinksMs of [0, 700]) {
        const post = (limited: boolean): number => {
          const pair = new Pair({
            conditions: { delayMs },
            server: { dangerouslyUnlimitedAmplification: !limited },
            handler: (asked) =>
              thinksMs > 0 && asked.payload.length <= 200 ? undefined : { code: Code.Changed, payload },
          });
          const sent = pair.request('/s', { code: Code.Post, payload: body(length) });
          pair.run(delayMs + thinksMs);
          if (thinksMs > 0) pair.respond(pair.served[0]?.exchange as number, { code: Code.Changed, payload });
          assert.ok(pair.runUntil(() => sent.final || sent.error !== undefined));
          assert.ok(equalBytes(sent.responses[0]?.payload ?? noBytes, payload));
          assert.equal(pair.served.length, 1);
          return pair.network.sent.length;
        };
        // A ping and its Reset; two round trips of 1.2 s are longer than the client waits, so its request comes once more.
        const most = delayMs === 600 ? 4 : 2;
        assert.ok(
          post(true) <= post(false) + most,
          `${length} bytes, ${delayMs} ms away, answered after ${thinksMs} ms`,
        );
      }
    }
  }
});

test('C2: a POST in the name of another draws a ping, and at most three times its bytes; its copies bring the answer', () => {
  for (const payload of [noBytes, text('x'.repeat(40))]) {
    let executed = 0;
    const spoofed = new SpoofedSource(() => {
      executed++;
      return { code: Code.Changed, payload: large };
    });
    const post = request('/s', { code: Code.Post, token: Uint8Array.of(1, 2, 3, 4), payload });
    const answers = (): number => spoofed.received.filter(({ code }) => code !== Code.Empty).length;
    spoofed.send(post);
    spoofed.pass(1_499);
    assert.deepEqual(
      spoofed.received.map(({ type, code }) => [type, code]),
      [['CON', Code.Empty]],
    );
    spoofed.pass(1);
    assert.equal(answers(), payload.length === 0 ? 0 : 1, 'a block goes where there are bytes for it');
    assertLimited(spoofed);
    for (let copy = 1; copy <= 4; copy++) {
      spoofed.pass(2_000 * copy);
      spoofed.send(post);
      assertLimited(spoofed);
    }
    assert.ok(answers() > 0, 'whoever repeats the request is answered');
    spoofed.pass(exchangeLifetime);
    assertLimited(spoofed);
    assert.equal(executed, 1);
    assert.equal(spoofed.server.nextTimeout(), undefined, 'nothing is left');
  }
});

test('C2: a separate response waits for its ping for two seconds, and goes out as it may', () => {
  const spoofed = usualServer();
  spoofed.send(request('/slow', { token: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) }));
  spoofed.pass(1_000);
  spoofed.respond(spoofed.asked[0]?.exchange as number, { payload: large });
  const told = () => spoofed.received.map(({ type, code }) => [type, code]);
  const before = [
    ['ACK', Code.Empty],
    ['CON', Code.Empty],
  ];
  spoofed.pass(1_999);
  assert.deepEqual(told(), before);
  spoofed.pass(1);
  assert.deepEqual(told(), [...before, ['CON', Code.Content]]);
  spoofed.pass(exchangeLifetime);
  assertLimited(spoofed);
  assert.equal(spoofed.server.nextTimeout(), undefined, 'nothing is left');
});

test('a flood of spoofed addresses takes no proved peer its proof', () => {
  const count = long ? 1_000_000 : 100_000;
  const there = new SpoofedSource(
    ({ options }) =>
      options.text(OptionNumber.UriPath) === 'obs'
        ? { payload: text('tick'), observe: true }
        : { payload: large },
    { maxPlainPeers: 1_000 },
  );
  there.isThere = true;
  const options = new OptionSet().set(OptionNumber.Observe, 0);
  there.send(request('/obs', { options, token: Uint8Array.of(1, 2, 3, 4) }));
  there.isThere = false;
  const ping = Uint8Array.of(0x40, 0, 0, 1);
  for (let i = 0; i < count; i++) {
    there.send(ping, ipAddress(`10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`, 1 + (i >> 24)));
  }
  there.send(request('/large', { messageId: 2, token: Uint8Array.of(9) }));
  assert.equal(there.received.at(-1)?.payload.length, 1024);
});

test('pings to spoofed addresses are as many as there may be peers: the one that waits longest makes room', () => {
  const spoofed = new SpoofedSource(() => ({ payload: large }), { maxPlainPeers: 10 });
  const outstanding = (): unknown => spoofed.server.layerCounters().messages['outstanding'];
  const datagram = request('/large', { type: 'NON', token: Uint8Array.of(1, 2) });
  for (let i = 0; i < 200; i++) spoofed.send(datagram, ipAddress('10.0.0.1', 1000 + i));
  assert.equal(outstanding(), 10);
  // Who comes last and is there still proves it.
  spoofed.isThere = true;
  spoofed.send(datagram);
  assert.equal(outstanding(), 9);
  spoofed.send(request('/large', { messageId: 2 }));
  assert.equal(spoofed.received.at(-1)?.payload.length, 1024);
  spoofed.pass(exchangeLifetime);
  assert.equal(outstanding(), 0);
});

test('an address that was forgotten gets what its present datagram is good for', () => {
  const spoofed = new SpoofedSource(() => ({ payload: large }), { maxPlainPeers: 10 });
  for (let i = 0; i < 50; i++) spoofed.send(request('/large', { type: 'NON', messageId: i }));
  for (let i = 0; i < 20; i++) spoofed.send(Uint8Array.of(0x40, 0, 0, 1), ipAddress('10.0.0.1', 1000 + i));
  const before = spoofed.bytesOut;
  const datagram = request('/large', { type: 'NON', messageId: 99 });
  spoofed.send(datagram);
  assert.ok(spoofed.bytesOut - before <= 3 * datagram.length);
  assert.ok(spoofed.bytesOut > before);
});

test('nobody saves up: after a megabyte in the name of a victim, an answer is still at most 4 KiB', () => {
  const spoofed = usualServer();
  const junk = new Uint8Array(1_000).fill(0x40);
  for (let i = 0; i < 1_000; i++) spoofed.send(junk);
  const before = spoofed.bytesOut;
  for (let i = 0; i < 200; i++) spoofed.send(request('/large', { type: 'NON', messageId: i }));
  assert.ok(spoofed.bytesOut - before <= 4_096 + 3 * 200 * request('/large').length);
});

test('the limit can be switched off by an option that says it is dangerous', () => {
  const open = new SpoofedSource(() => ({ payload: large }), { dangerouslyUnlimitedAmplification: true });
  open.send(request('/large'));
  assert.equal(open.received[0]?.payload.length, 1024);
});

test('an endpoint without cryptography keeps the limit, and asks for no Echo', () => {
  const bare = new SpoofedSource(() => ({ payload: large }), {}, false);
  for (const path of ['/a', '/large', '/.well-known/core']) {
    bare.send(request(path, { token: Uint8Array.of(1, 2) }));
    assertLimited(bare);
  }
  bare.pass(exchangeLifetime);
  assertLimited(bare);
  assert.ok(bare.received.every(({ options }) => !options.has(OptionNumber.Echo)));
});
