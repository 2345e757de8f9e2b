/**
 * OSCORE between two endpoints (RFC 8613): requests, blocks and observations over lossy links, restarts, stores that fail,
 * inside DTLS, on a serial line; and what an eavesdropper sees.
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { decodeMessage } from '../../src/core/coap/message-codec.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { isDecodeFault } from '../../src/core/foundation/errors.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { ClientRederivation } from '../../src/core/oscore/client-rederivation.ts';
import { ContextTable } from '../../src/core/oscore/context-lookup.ts';
import { FixedContext } from '../../src/core/oscore/peer-security.ts';
import {
  type ContextKeeping,
  type ContextRecord,
  type SecurityContext,
  unusedContext,
} from '../../src/core/oscore/security-context.ts';
import { ServerRederivation } from '../../src/core/oscore/server-rederivation.ts';
import {
  clientAddress,
  Pair,
  type PairOptions,
  type PairRequest,
  serverAddress,
} from '../../src/testing/pair.ts';
import { clientParameters, ends, mirrored, restarted, sources } from '../unit/oscore/contexts.ts';

/** A pair with one context; what its stores hold survives a restart. */
class ProtectedPair {
  readonly pair: Pair;
  client: FixedContext;
  readonly records: Record<'client' | 'server', ContextRecord> = {
    client: unusedContext,
    server: unusedContext,
  };
  /** Whether the store of a side works; `later`: it takes until `pair.finishStoring`. */
  readonly works: Record<'client' | 'server', boolean | 'later'> = { client: true, server: true };
  /** What happens while a record is on its way to the store. */
  beforeStoring: (side: 'client' | 'server') => void = () => {};
  readonly #keeping: ContextKeeping;
  #starts = 0;

  constructor(options: PairOptions = {}, keeping: ContextKeeping = {}) {
    this.#keeping = keeping;
    this.client = this.#context('client');
    this.pair = new Pair({
      oscore: () => {
        const table = new ContextTable();
        table.add(this.#context('server'));
        return table;
      },
      storeContext: (side, _context, record) => {
        this.beforeStoring(side);
        if (this.works[side] !== false) this.records[side] = record;
        return this.works[side];
      },
      ...options,
    });
  }

  get(path: string, request: Parameters<Pair['request']>[1] = {}): PairRequest {
    return this.pair.request(path, { oscore: this.client, ...request });
  }

  /** A request until it has its response, or failed. */
  done(path: string, request: Parameters<Pair['request']>[1] = {}): PairRequest {
    const asked = this.get(path, request);
    assert.ok(
      this.pair.runUntil(() => asked.final || asked.error !== undefined),
      'no end',
    );
    return asked;
  }

  restart(side: 'client' | 'server'): void {
    if (side === 'client') this.client = this.#context('client');
    this.pair.restart(side);
  }

  #context(side: 'client' | 'server'): FixedContext {
    return new FixedContext(restarted(side, this.records[side], this.#keeping, ++this.#starts));
  }
}

function text(request: PairRequest): string {
  assert.equal(request.error, undefined, JSON.stringify(request.error));
  return new TextDecoder().decode(request.responses.at(-1)?.payload);
}

function sentText({ network }: Pair): string {
  return network.sent.map(({ datagram }) => Buffer.from(datagram).toString('latin1')).join();
}

const body = new TextEncoder().encode('ABCDEFGHIJKLMNOPQRSTUVWXYZ'.repeat(316));

test('a request and its response: the handler knows who asks, and the wire shows neither path nor payload', () => {
  const stage = new ProtectedPair({ handler: () => ({ code: Code.Content, payload: 'very warm' }) });
  const asked = stage.done('/temperature');
  assert.equal(text(asked), 'very warm');
  const { peer, request } = stage.pair.served[0] as (typeof stage.pair.served)[number];
  assert.ok(peer.oscore?.security instanceof FixedContext);
  assert.equal(request.options.text(OptionNumber.UriPath), 'temperature');
  assert.equal(request.options.has(OptionNumber.Oscore), false);
  assert.doesNotMatch(sentText(stage.pair), /temperature|warm/);
  const codes = stage.pair.network.sent.map(({ datagram }) => datagram[1]);
  assert.deepEqual(codes, [Code.Post, Code.Changed]);
  assert.equal(
    stage.pair.client.protectedExchanges + stage.pair.server.protectedExchanges,
    0,
    'nothing is kept',
  );
});

test('methods, options and error codes come through', () => {
  const stage = new ProtectedPair({
    handler: ({ code, payload }) =>
      code === Code.Delete
        ? { code: Code.NotFound, payload: 'no such thing' }
        : { code: Code.Changed, payload: `${payload.length} bytes` },
  });
  const put = stage.done('/a', { code: Code.Put, payload: new TextEncoder().encode('12345') });
  assert.equal(text(put), '5 bytes');
  const gone = stage.done('/a', { code: Code.Delete });
  assert.equal(gone.responses[0]?.code, Code.NotFound);
  assert.equal(text(gone), 'no such thing');
});

test('plain requests are served beside, as another peer', () => {
  const stage = new ProtectedPair();
  const plain = stage.pair.request('/a');
  stage.done('/b');
  assert.equal(text(plain), '22.5');
  const [first, second] = stage.pair.served;
  assert.equal(first?.peer.oscore, undefined);
  assert.notEqual(second?.peer.key, first?.peer.key);
});

test('an endpoint without contexts answers 4.02: the option is critical', () => {
  const pair = new Pair();
  const asked = pair.request('/a', {
    oscore: new FixedContext(ends({}, { dangerouslyVolatile: true }).client),
  });
  assert.ok(pair.runUntil(() => asked.error !== undefined));
  assert.ok(asked.error?.kind === 'exchange');
  assert.equal(asked.error.failure, 'unprotected-response');
  assert.match(asked.error.detail as string, /4\.02/);
});

test('an unknown context ends the request with what the server said', () => {
  const stage = new ProtectedPair();
  const stranger = ends({ senderId: Uint8Array.of(9) }, { dangerouslyVolatile: true });
  const asked = stage.done('/a', { oscore: new FixedContext(stranger.client) });
  assert.ok(asked.error?.kind === 'exchange');
  assert.equal(asked.error.detail, 'an answer without OSCORE: 4.01 Security context not found');
  assert.equal(stage.pair.served.length, 0);
});

describe('loss', () => {
  test('a request whose answer is lost gets it again, and the handler runs once', () => {
    for (const code of [Code.Get, Code.Post]) {
      const stage = new ProtectedPair();
      const asked = stage.get('/a', { code });
      let lost = false;
      stage.pair.network.hook = ({ from }) => {
        if (from.key !== serverAddress.key || lost) return undefined;
        lost = true;
        return { kind: 'drop' };
      };
      assert.ok(stage.pair.runUntil(() => asked.final));
      assert.ok(lost);
      assert.equal(text(asked), '22.5');
      assert.equal(stage.pair.served.length, 1, 'also of a safe method: a copy would be a replay');
      assert.equal(stage.pair.server.oscoreCounters.refused.replay, 0);
    }
  });

  test('a client that asks often is never refused for the answers that are kept for its copies', () => {
    const stage = new ProtectedPair({ conditions: { delayMs: 5 }, keepRecords: false });
    const begun = stage.pair.clock.now;
    for (let number = 0; number < 3_000; number++) {
      const asked = stage.done('/a', { code: Code.Post });
      assert.equal(asked.responses[0]?.code, Code.Content, `request ${number}`);
    }
    assert.ok(stage.pair.clock.now - begun < 247_000, 'within EXCHANGE_LIFETIME');
    const { evicted = 0, overloaded } = stage.pair.server.layerCounters().messages;
    assert.deepEqual([overloaded, evicted > 0], [0, true]);
  });

  test('a third of all datagrams lost, doubled and out of order: every request has its response and runs once', () => {
    const stage = new ProtectedPair({
      seed: 7,
      conditions: { lossRate: 0.3, duplicateRate: 0.3, delayMs: 50, jitterMs: 200 },
    });
    const asked = Array.from({ length: 40 }, (_, number) => stage.get(`/r/${number}`, { code: Code.Post }));
    stage.pair.runUntil(() => asked.every(({ final, error }) => final || error !== undefined), 10_000_000);
    const answered = asked.filter(({ final }) => final);
    assert.ok(answered.length > 30, `${answered.length} of 40`);
    const paths = stage.pair.served.map(({ request }) => request.options.texts(OptionNumber.UriPath)[1]);
    assert.equal(new Set(paths).size, paths.length, 'none twice');
  });
});

describe('bodies in Inner blocks', () => {
  const options: PairOptions = {
    handler: ({ code, payload }) =>
      code === Code.Put
        ? { code: Code.Changed, payload: `${payload.length}` }
        : { code: Code.Content, payload: body },
  };

  test('8 KB in both directions', () => {
    const stage = new ProtectedPair(options);
    assert.equal(text(stage.done('/big', { code: Code.Put, payload: body })), String(body.length));
    assert.deepEqual(stage.done('/big').responses[0]?.payload, body);
    assert.ok(stage.pair.network.sent.every(({ datagram }) => datagram.length < 1_232));
    for (const { datagram } of stage.pair.network.sent) {
      const message = decodeMessage(datagram);
      assert.ok(!isDecodeFault(message));
      assert.equal(
        message.options.has(OptionNumber.Block1) || message.options.has(OptionNumber.Block2),
        false,
      );
    }
    assert.equal(stage.pair.client.protectedExchanges, 0);
  });

  test('8 KB over a lossy link', () => {
    const stage = new ProtectedPair({ ...options, seed: 3, conditions: { lossRate: 0.2, delayMs: 20 } });
    assert.equal(text(stage.done('/big', { code: Code.Put, payload: body })), String(body.length));
    assert.deepEqual(stage.done('/big').responses[0]?.payload, body);
  });

  test('a client that OSCORE vouches for gets full blocks at once; a plain one gets what fits', () => {
    const stage = new ProtectedPair(options);
    const first = (request: PairRequest): number => {
      stage.pair.runUntil(() => request.final);
      return stage.pair.network.sent.find(({ from }) => from.key === serverAddress.key)?.datagram.length ?? 0;
    };
    assert.ok(first(stage.get('/big')) > 512);
    const plain = new Pair(options);
    const asked = plain.request('/big');
    plain.runUntil(() => asked.final);
    const [answer] = plain.network.sent.filter(({ from }) => from.key === serverAddress.key);
    assert.ok((answer?.datagram.length ?? 0) < 200);
  });

  test('Q-Block under OSCORE is refused as an option that is not understood', () => {
    const stage = new ProtectedPair(options);
    const asked = stage.done('/big', { options: new OptionSet().add(OptionNumber.QBlock2, 6) });
    assert.equal(asked.responses[0]?.code, Code.BadOption);
  });
});

describe('observations', () => {
  /** A server whose resource counts up. */
  function counting(options: PairOptions = {}): { stage: ProtectedPair; next(): void } {
    let value = 0;
    const stage = new ProtectedPair({
      handler: ({ observe, refresh }) => ({
        code: Code.Content,
        payload: String(value),
        observe: observe === 'register' || refresh,
      }),
      ...options,
    });
    return {
      stage,
      next: () => {
        value++;
        stage.pair.notify('/count');
      },
    };
  }

  const values = ({ responses }: PairRequest): string[] =>
    responses.map(({ payload }) => new TextDecoder().decode(payload));

  test('notifications come in order, protected, with Outer Codes FETCH and 2.05', () => {
    const { stage, next } = counting();
    const asked = stage.get('/count', { observe: true });
    stage.pair.runUntil(() => asked.responses.length === 1);
    for (let wanted = 2; wanted <= 6; wanted++) {
      next();
      assert.ok(stage.pair.runUntil(() => asked.responses.length === wanted));
    }
    assert.deepEqual(values(asked), ['0', '1', '2', '3', '4', '5']);
    const codes = new Set(stage.pair.network.sent.map(({ datagram }) => datagram[1]));
    assert.deepEqual([...codes].filter((code) => code !== 0).sort(), [Code.Fetch, Code.Content].sort());
    assert.equal(asked.error, undefined);
  });

  test('a notification that comes late is dropped and acknowledged, and the observation goes on', () => {
    const { stage, next } = counting();
    const asked = stage.get('/count', { observe: true });
    stage.pair.runUntil(() => asked.responses.length === 1);
    next();
    stage.pair.runUntil(() => asked.responses.length === 2);
    const old = stage.pair.network.sent.findLast(({ from }) => from.key === serverAddress.key);
    next();
    stage.pair.runUntil(() => asked.responses.length === 3);
    // The same notification with another Message ID, as a copy on the way would not have.
    const copy = (old as { datagram: Uint8Array }).datagram.slice();
    copy[2] = (copy[2] as number) ^ 0x55;
    stage.pair.command('client', (client, now) =>
      client.handle({ address: serverAddress, datagram: copy }, now),
    );
    assert.equal(stage.pair.client.oscoreCounters.discarded['stale-notification'], 1);
    next();
    assert.ok(stage.pair.runUntil(() => asked.responses.length === 4));
    assert.deepEqual(values(asked), ['0', '1', '2', '3']);
  });

  test('the client registers again, with a new Partial IV, when nothing has come for longer than Max-Age', () => {
    const { stage } = counting();
    const asked = stage.get('/count', { observe: true });
    stage.pair.runUntil(() => asked.responses.length === 1);
    assert.ok(stage.pair.runUntil(() => asked.responses.length === 2));
    assert.equal(stage.pair.served.length, 2);
    assert.equal(stage.pair.server.oscoreCounters.refused.replay, 0);
    assert.equal(asked.error, undefined);
  });

  test('a forged notification ends nothing', () => {
    const { stage, next } = counting();
    const asked = stage.get('/count', { observe: true });
    stage.pair.runUntil(() => asked.responses.length === 1);
    next();
    stage.pair.runUntil(() => asked.responses.length === 2);
    const last = stage.pair.network.sent.findLast(({ from }) => from.key === serverAddress.key);
    const forged = (last as { datagram: Uint8Array }).datagram.slice();
    forged[forged.length - 1] = (forged[forged.length - 1] as number) ^ 1;
    forged[2] = (forged[2] as number) ^ 0x55;
    const before = stage.pair.network.sent.length;
    stage.pair.command('client', (client, now) =>
      client.handle({ address: serverAddress, datagram: forged }, now),
    );
    // No Reset, which would end it at the server.
    assert.ok(
      stage.pair.network.sent.slice(before).every(({ datagram }) => ((datagram[0] as number) >> 4) % 4 !== 3),
    );
    next();
    assert.ok(stage.pair.runUntil(() => asked.responses.length === 3));
  });

  test("an observation is cancelled with the server's knowledge, and nothing is kept of it", () => {
    const { stage, next } = counting();
    const asked = stage.get('/count', { observe: true });
    stage.pair.runUntil(() => asked.responses.length === 1);
    next();
    stage.pair.runUntil(() => asked.responses.length === 2);
    stage.pair.command('client', (client, now) => client.cancel(asked.id, now));
    assert.ok(stage.pair.runUntil(() => asked.error !== undefined));
    assert.deepEqual(stage.pair.server.activeObservations(), []);
    stage.pair.run(300_000);
    assert.equal(stage.pair.client.protectedExchanges, 0);
    assert.equal(stage.pair.server.protectedExchanges, 0);
  });

  test('over a link that loses and reorders, the last state arrives and no older one after it', () => {
    const { stage, next } = counting({ seed: 5, conditions: { lossRate: 0.2, delayMs: 20, jitterMs: 400 } });
    const asked = stage.get('/count', { observe: true });
    stage.pair.runUntil(() => asked.responses.length === 1);
    for (let round = 0; round < 20; round++) {
      next();
      stage.pair.run(300);
    }
    stage.pair.run(300_000);
    const seen = values(asked).map(Number);
    assert.deepEqual(
      seen,
      [...seen].sort((a, b) => a - b),
    );
    assert.equal(seen.at(-1), 20);
  });
});

describe('restarts', () => {
  test('a client that restarts goes on at once, with numbers above all before', () => {
    const stage = new ProtectedPair();
    stage.done('/a');
    for (let restart = 0; restart < 5; restart++) {
      stage.restart('client');
      const before = stage.pair.network.sent.length;
      assert.equal(text(stage.done('/a')), '22.5');
      assert.equal(stage.pair.network.sent.length - before, 2);
    }
    assert.equal(stage.pair.server.oscoreCounters.refused.replay, 0);
  });

  test('a server that restarts goes on after at most one exchange more, and carries out no request twice', () => {
    const stage = new ProtectedPair();
    const carriedOut = (): string[] =>
      stage.pair.served.map(({ request }) => request.options.texts(OptionNumber.UriPath)[0] as string);
    for (let restart = 0; restart < 10; restart++) {
      const before = stage.pair.network.sent.length;
      assert.equal(text(stage.done(`/${restart}`, { code: Code.Post })), '22.5');
      assert.ok(stage.pair.network.sent.length - before <= 4);
      stage.restart('server');
      // An attacker sends all that was ever recorded, from elsewhere.
      const recorded = stage.pair.network.sent.filter(({ to }) => to.key === serverAddress.key);
      const elsewhere = ipAddress('198.51.100.7', 7);
      for (const { datagram } of recorded) {
        stage.pair.command('server', (server, now) =>
          server.handle({ address: elsewhere, datagram: datagram.slice() }, now),
        );
      }
    }
    assert.deepEqual(carriedOut(), ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
  });

  test('recorded requests in any number keep no client from a server that has just restarted', () => {
    for (const { freshBy, asks } of [
      { freshBy: 'an Echo', asks: 0 },
      { freshBy: 'its number', asks: 100 },
    ]) {
      const stage = new ProtectedPair();
      for (let number = 0; number < 600; number++) stage.done('/old', { code: Code.Post });
      const recorded = stage.pair.network.sent.filter(({ to }) => to.key === serverAddress.key);
      stage.restart('server');
      // Numbers that nobody has received are above the edge that the server has stored.
      for (let number = 0; number < asks; number++) stage.client.context.takeSequenceNumber();
      stage.works.server = 'later';
      for (const [index, { datagram }] of recorded.entries()) {
        const address = ipAddress('198.51.100.7', 1_024 + index);
        stage.pair.command('server', (server, now) =>
          server.handle({ address, datagram: datagram.slice() }, now),
        );
      }
      const asked = stage.get('/new', { code: Code.Post });
      stage.pair.step();
      stage.works.server = true;
      stage.pair.finishStoring();
      assert.ok(stage.pair.runUntil(() => asked.final || asked.error !== undefined));
      assert.equal(asked.error, undefined, freshBy);
      assert.equal(text(asked), '22.5');
      const paths = stage.pair.served.map(({ request }) => request.options.texts(OptionNumber.UriPath)[0]);
      assert.deepEqual([paths.length, paths.at(-1)], [601, 'new']);
      const { challenged, passedOver } = stage.pair.server.oscoreCounters;
      assert.ok(passedOver >= 600 - 128 && challenged >= 128, `${challenged} and ${passedOver}`);
    }
  });

  test('both restart, and contexts are derived anew from random IDs (Appendix B.2)', () => {
    const { idContext: _, ...fixed } = { idContext: undefined, ...clientParameters };
    const server = new ServerRederivation(sources(2), mirrored(fixed), undefined);
    const stored: (readonly [string, SecurityContext])[] = [];
    const pair = new Pair({
      oscore: () => {
        const table = new ContextTable();
        table.add(server);
        return table;
      },
      storeContext: (side, context) => {
        stored.push([side, context]);
        return true;
      },
    });
    let client = new ClientRederivation(sources(1), fixed, undefined);
    for (let life = 0; life < 3; life++) {
      for (const exchanges of [2, 1]) {
        const before = pair.network.sent.length;
        const asked = pair.request('/a', { oscore: client });
        assert.ok(pair.runUntil(() => asked.final));
        assert.equal(text(asked), '22.5');
        assert.equal(pair.network.sent.length - before, 2 * exchanges);
      }
      client = new ClientRederivation(sources(10 + life), fixed, undefined);
    }
    assert.equal(pair.served.length, 6);
    assert.ok(stored.length >= 6);
  });

  test('a request #2 completes its run for 247 seconds, and then not any more (Appendix B.2.1)', () => {
    const served = (waitMs: number): number[] => {
      const { idContext: _, ...fixed } = { idContext: undefined, ...clientParameters };
      const table = new ContextTable();
      table.add(new ServerRederivation(sources(2), mirrored(fixed), undefined));
      const pair = new Pair({ oscore: () => table });
      const sent: Uint8Array[] = [];
      pair.network.hook = ({ from, datagram }) => {
        if (from.key !== clientAddress.key) return undefined;
        sent.push(datagram.slice());
        return sent.length === 1 ? undefined : { kind: 'drop' };
      };
      pair.request('/a', { oscore: new ClientRederivation(sources(1), fixed, undefined) });
      assert.ok(pair.runUntil(() => sent.length === 2));
      pair.run(waitMs);
      const second = sent[1] as Uint8Array;
      pair.command('server', (server, now) =>
        server.handle({ address: clientAddress, datagram: second.slice() }, now),
      );
      return [pair.served.length, pair.server.oscoreCounters.rederived];
    };
    assert.deepEqual(served(240_000), [1, 1]);
    // It begins another run, as any request with an ID that the server does not know.
    assert.deepEqual(served(248_000), [0, 2]);
  });
});

test('a server that asks for time under OSCORE is left alone until then (RFC 7252 §5.9.3.4)', () => {
  let busy = true;
  const stage = new ProtectedPair({
    handler: () =>
      busy
        ? { code: Code.ServiceUnavailable, options: new OptionSet().add(OptionNumber.MaxAge, 10) }
        : { code: Code.Content, payload: 'here' },
  });
  assert.equal(stage.done('/a').responses[0]?.code, Code.ServiceUnavailable);
  busy = false;
  const before = stage.pair.network.sent.length;
  const early = stage.done('/b');
  assert.ok(early.error?.kind === 'back-off');
  assert.ok(early.error.retryAfterMs > 9_000 && early.error.retryAfterMs <= 10_000);
  assert.equal(stage.pair.network.sent.length, before);
  stage.pair.run(10_000);
  assert.equal(text(stage.done('/b')), 'here');
});

describe('stores that fail', () => {
  test('the client sends nothing that could repeat a number, says why, and goes on when the store works again', () => {
    const stage = new ProtectedPair({}, { senderBatch: 3 });
    stage.done('/a');
    stage.works.client = false;
    const asked = Array.from({ length: 5 }, () => stage.done('/a'));
    const errors = asked.map(({ error }) => (error?.kind === 'exchange' ? error.failure : 'none'));
    assert.ok(errors.includes('cannot-protect'));
    assert.match(
      JSON.stringify(asked.find(({ error }) => error !== undefined)?.error),
      /could not be stored: a number might be used twice/,
    );
    stage.works.client = true;
    assert.equal(text(stage.done('/a')), '22.5');
    const datagrams = stage.pair.network.sent.filter(({ to }) => to.key === serverAddress.key);
    assert.equal(
      new Set(datagrams.map(({ datagram }) => Buffer.from(datagram.subarray(8)).toString('hex'))).size,
      datagrams.length,
    );
  });

  test('the server carries out nothing that it could be made to carry out again, and serves plain requests', () => {
    const stage = new ProtectedPair({}, { recipientStep: 1 });
    stage.works.server = false;
    const asked = stage.done('/a', { code: Code.Post });
    assert.equal(stage.pair.served.length, 0);
    assert.ok(asked.error?.kind === 'exchange');
    assert.match(asked.error.detail as string, /5\.03/);
    const plain = stage.pair.request('/a');
    assert.ok(stage.pair.runUntil(() => plain.final));
    stage.works.server = true;
    assert.equal(text(stage.done('/a', { code: Code.Post })), '22.5');
  });
});

describe('notifications that cannot be protected', () => {
  /** An observer whose client acknowledges nothing, and the Confirmable notification that went last. */
  function observed(): { stage: ProtectedPair; asked: PairRequest; next(): void; values(): string[] } {
    let value = 0;
    const stage = new ProtectedPair(
      {
        handler: () => ({ code: Code.Content, payload: String(value), observe: true }),
        server: { requestResponse: { notificationType: 'CON' } },
      },
      { senderBatch: 1 },
    );
    const asked = stage.get('/count', { observe: true });
    assert.ok(stage.pair.runUntil(() => asked.responses.length === 1));
    return {
      stage,
      asked,
      next: () => {
        value++;
        stage.pair.notify('/count');
      },
      values: () => asked.responses.map(({ payload }) => new TextDecoder().decode(payload)),
    };
  }

  const unanswered: Pair['network']['hook'] = ({ from }) =>
    from.key === clientAddress.key ? { kind: 'drop' } : undefined;

  const outstanding = ({ pair }: ProtectedPair): unknown =>
    pair.server.layerCounters().messages['outstanding'];

  test('while the store fails the observer stays, and is told the state when it works again', () => {
    const { stage, next, values } = observed();
    stage.works.server = false;
    for (let i = 1; i <= 5; i++) {
      next();
      stage.pair.run(1000);
    }
    assert.ok(stage.pair.server.oscoreCounters.unsendable > 0);
    assert.equal(stage.pair.server.activeObservations().length, 1);
    stage.works.server = true;
    stage.pair.run(60_000);
    assert.equal(values().at(-1), '5');
  });

  test('one in the place of another that was due: nothing is held for it', () => {
    const { stage, next, values } = observed();
    stage.pair.network.hook = unanswered;
    stage.works.server = false;
    next();
    stage.pair.run(500);
    assert.equal(outstanding(stage), 1);
    next();
    stage.pair.run(5_000);
    assert.ok(stage.pair.server.oscoreCounters.unsendable > 0);
    assert.equal(outstanding(stage), 0);
    stage.pair.network.hook = undefined;
    stage.works.server = true;
    stage.pair.run(60_000);
    assert.equal(values().at(-1), '2');
  });

  test('one that waits for the store while the other is acknowledged goes by itself', () => {
    const { stage, next, values } = observed();
    stage.pair.network.hook = unanswered;
    // So that the next one finds no number, and has to wait.
    stage.works.server = false;
    next();
    stage.pair.run(500);
    stage.works.server = true;
    next();
    const last = stage.pair.network.sent.findLast(({ from }) => from.key === serverAddress.key);
    const { datagram } = last as { datagram: Uint8Array };
    let acknowledged = 0;
    stage.beforeStoring = (side) => {
      if (side === 'client' || acknowledged++ > 0) return;
      const acknowledgement = Uint8Array.of(0x60, 0, datagram[2] as number, datagram[3] as number);
      stage.pair.server.handle({ address: clientAddress, datagram: acknowledgement }, stage.pair.now);
    };
    stage.pair.run(5_000);
    assert.ok(acknowledged > 0);
    assert.equal(values().at(-1), '2');
    assert.equal(stage.pair.server.layerCounters().messages['renewed'], 0);
  });
});

test('an observation that ends while its last notification waits for the store leaves nothing behind', () => {
  let isThere = true;
  const stage = new ProtectedPair(
    { handler: () => ({ code: isThere ? Code.Content : Code.NotFound, payload: 'x', observe: isThere }) },
    // Each notification finds no number, and waits.
    { senderBatch: 1 },
  );
  for (let round = 0; round < 5; round++) {
    isThere = true;
    const asked = stage.get('/count', { observe: true });
    assert.ok(stage.pair.runUntil(() => asked.responses.length === 1));
    isThere = false;
    stage.pair.notify('/count');
    assert.ok(stage.pair.runUntil(() => asked.final));
  }
  stage.pair.run(300_000);
  const { client, server } = stage.pair;
  assert.deepEqual([client.openExchanges, server.openExchanges, server.protectedExchanges], [0, 0, 0]);
});

for (const type of ['CON', 'NON'] as const) {
  test(`the last notification of an observation, which waits for a store that takes long, goes when it is done, ${type}`, () => {
    let isThere = true;
    const stage = new ProtectedPair(
      {
        handler: () => ({ code: isThere ? Code.Content : Code.NotFound, payload: 'x', observe: isThere }),
        server: { requestResponse: { notificationType: type } },
      },
      { senderBatch: 1 },
    );
    const { pair } = stage;
    for (let round = 0; round < 5; round++) {
      isThere = true;
      stage.works.server = true;
      const asked = stage.get('/count', { observe: true });
      assert.ok(pair.runUntil(() => asked.responses.length === 1));
      stage.works.server = 'later';
      // These take the numbers that are left; the last one has to wait.
      const { oscoreCounters } = pair.server;
      let { waited } = oscoreCounters;
      do {
        pair.notify('/count');
        pair.run(3_000);
      } while (oscoreCounters.waited === waited);
      pair.finishStoring();
      pair.run(3_000);
      ({ waited } = oscoreCounters);
      isThere = false;
      pair.notify('/count');
      pair.run(3_000);
      assert.equal(oscoreCounters.waited, waited + 1);
      assert.equal(asked.final, false);
      pair.finishStoring();
      assert.ok(pair.runUntil(() => asked.final));
      assert.equal(asked.responses.at(-1)?.code, Code.NotFound);
    }
    stage.works.server = true;
    pair.finishStoring();
    pair.run(300_000);
    const { client, server } = pair;
    assert.deepEqual([client.openExchanges, server.openExchanges, server.protectedExchanges], [0, 0, 0]);
  });
}

test('a peer under OSCORE that was forgotten, as there are too many, is not answered in the open', () => {
  const stage = new ProtectedPair({ server: { maxPlainPeers: 1 }, handler: () => undefined });
  const asked = stage.get('/a', { type: 'NON', timeoutMs: 1_000 });
  stage.pair.runUntil(() => stage.pair.served.length === 1);
  // Another address, the same context: the first peer goes.
  stage.pair.moveClient(ipAddress('192.0.2.77', 7));
  stage.get('/b', { type: 'NON', timeoutMs: 1_000 });
  stage.pair.runUntil(() => stage.pair.served.length === 2);
  const before = stage.pair.network.sent.length;
  stage.pair.respond(stage.pair.served[0]?.exchange as number, { code: Code.Content, payload: 'secret' });
  assert.doesNotMatch(sentText(stage.pair), /secret/);
  assert.equal(stage.pair.network.sent.length, before);
  assert.equal(asked.responses.length, 0);
});

describe('elsewhere', () => {
  test('inside DTLS', () => {
    const stage = new ProtectedPair({ security: 'dtls' });
    assert.equal(text(stage.done('/a')), '22.5');
    const { peer } = stage.pair.served[0] as (typeof stage.pair.served)[number];
    assert.ok(peer.oscore?.via.association !== undefined, 'the handler sees both');
    const plain = stage.pair.request('/b');
    assert.ok(stage.pair.runUntil(() => plain.final));
    assert.equal(text(plain), '22.5');
  });

  test('on a serial line: request, 8 KB and an observation', () => {
    const stage = new ProtectedPair({
      line: {},
      handler: ({ observe, refresh }) => ({
        code: Code.Content,
        payload: body,
        observe: observe === 'register' || refresh,
      }),
    });
    assert.deepEqual(stage.done('/big').responses[0]?.payload, body);
    const asked = stage.get('/big', { observe: true });
    assert.ok(stage.pair.runUntil(() => asked.responses.length === 1));
    stage.pair.notify('/big');
    assert.ok(stage.pair.runUntil(() => asked.responses.length === 2));
  });
});
