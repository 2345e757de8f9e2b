/**
 * The OSCORE layer: what waits for the store and what becomes of it, answers to refused requests, requests that are
 * protected again. Two layers face to face, with a store between that answers when a test says so.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code } from '../../../src/core/coap/code.ts';
import { OptionNumber } from '../../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../../src/core/coap/option-set.ts';
import { ApiMisuseError } from '../../../src/core/foundation/errors.ts';
import { after, type Instant, instant } from '../../../src/core/foundation/instant.ts';
import { ClientRederivation } from '../../../src/core/oscore/client-rederivation.ts';
import { ContextTable } from '../../../src/core/oscore/context-lookup.ts';
import { wrapId } from '../../../src/core/oscore/id-nonces.ts';
import {
  OscoreLayer,
  type OscoreOutput,
  type PendingRequest,
} from '../../../src/core/oscore/oscore-layer.ts';
import { encodeOscoreOption } from '../../../src/core/oscore/oscore-option.ts';
import {
  type ClientSecurity,
  FixedContext,
  type ServerSecurity,
} from '../../../src/core/oscore/peer-security.ts';
import type { OscoreContent } from '../../../src/core/oscore/plaintext.ts';
import type { ServerBinding } from '../../../src/core/oscore/request-binding.ts';
import type { ContextKeeping } from '../../../src/core/oscore/security-context.ts';
import { ServerRederivation } from '../../../src/core/oscore/server-rederivation.ts';
import { refusalResponse } from '../../../src/core/oscore/verify-request.ts';
import {
  clientParameters,
  content,
  contentResponse,
  ends,
  getRequest,
  mirrored,
  plain,
  restarted,
  sources,
} from './contexts.ts';

const noon = instant(0);

type Output = OscoreOutput<string, string>;
type Of<Kind extends Output['kind']> = Extract<Output, { kind: Kind }>;

/** One end: a layer, and all that it has said. */
class End {
  readonly layer: OscoreLayer<string, string>;

  constructor(clients: readonly ServerSecurity[] = []) {
    const table = new ContextTable();
    for (const client of clients) table.add(client);
    this.layer = new OscoreLayer(table);
  }

  drain(): Output[] {
    const outputs: Output[] = [];
    for (let output = this.layer.poll(); output !== undefined; output = this.layer.poll())
      outputs.push(output);
    return outputs;
  }

  /** Everything until nothing is left to store. */
  settle(): Output[] {
    const outputs = this.drain();
    const more = outputs.filter((output) => output.kind === 'store');
    for (const { store } of more) this.layer.stored(store);
    return more.length === 0 ? outputs : [...outputs, ...this.settle()];
  }

  /** The one output of a kind. */
  one<Kind extends Output['kind']>(kind: Kind, outputs = this.settle()): Of<Kind> {
    const found = outputs.filter((output): output is Of<Kind> => output.kind === kind);
    assert.equal(
      found.length,
      1,
      `${found.length} of ${kind} in ${outputs.map((output) => output.kind).join()}`,
    );
    return found[0] as Of<Kind>;
  }

  /** A protected response, which may have had to wait. */
  respond(binding: ServerBinding): OscoreContent {
    return this.layer.sendResponse(binding, contentResponse, 'd') ?? this.one('send-response').message;
  }

  /** A protected request. */
  send(security: ClientSecurity, request = getRequest): Of<'send-request'> {
    this.layer.sendRequest(security, request, 'r');
    return this.one('send-request');
  }
}

function fixedEnds(keeping: ContextKeeping = {}): {
  client: End;
  server: End;
  atClient: FixedContext;
  atServer: FixedContext;
} {
  const contexts = ends({}, keeping);
  const [atClient, atServer] = [new FixedContext(contexts.client), new FixedContext(contexts.server)];
  return { client: new End(), server: new End([atServer]), atClient, atServer };
}

test('a request and its response, over both layers', () => {
  const { client, server, atClient, atServer } = fixedEnds();
  const { message, pending } = client.send(atClient);
  assert.equal(pending.dispatch, 'r');
  server.layer.receiveRequest(message, 'a', noon);
  const { request, arrival, security, binding } = server.one('request');
  assert.equal(arrival, 'a');
  assert.equal(security, atServer);
  assert.deepEqual(plain(request), plain(getRequest));
  const outcome = client.layer.receiveResponse(pending, server.respond(binding));
  assert.ok(outcome.kind === 'verified' && outcome.final);
  assert.deepEqual(plain(outcome.response), plain(contentResponse));
  assert.equal(client.layer.counters.requestsProtected, 1);
  assert.equal(client.layer.counters.responsesVerified, 1);
  assert.equal(server.layer.counters.requestsVerified, 1);
  assert.equal(server.layer.counters.responsesProtected, 1);
});

describe('the store', () => {
  test('nothing is sent before its number is stored; what waits goes on in order', () => {
    const { client, atClient } = fixedEnds({ senderBatch: 2 });
    for (const name of ['a', 'b', 'c']) client.layer.sendRequest(atClient, content(Code.Get, [], name), name);
    const first = client.drain();
    assert.deepEqual(
      first.map(({ kind }) => kind),
      ['store'],
    );
    assert.equal(client.layer.waiting, 3);
    client.layer.stored((first[0] as Of<'store'>).store);
    const rest = client.drain();
    const names = (outputs: Output[]): string[] =>
      outputs.map((output) => (output.kind === 'send-request' ? output.pending.dispatch : output.kind));
    assert.deepEqual(names(rest), ['a', 'store', 'b']);
    assert.equal(client.layer.waiting, 1);
    client.layer.stored((rest[1] as Of<'store'>).store);
    assert.deepEqual(names(client.drain()), ['c', 'store'], 'and more is asked for ahead of need');
  });

  test('no request is delivered before its edge is stored', () => {
    const { client, server, atClient } = fixedEnds();
    const { message } = client.send(atClient);
    server.layer.receiveRequest(message, 'a', noon);
    const [store, ...others] = server.drain();
    assert.ok(store?.kind === 'store');
    assert.equal(others.length, 0);
    // A copy meanwhile is a replay: it was received, though not delivered.
    server.layer.receiveRequest(message, 'copy', noon);
    assert.equal(server.one('refused', server.drain()).fault, 'replay');
    server.layer.stored(store.store);
    assert.equal(server.one('request', server.drain()).arrival, 'a');
  });

  test('if the store fails, requests are answered 5.03 and not delivered, and the next one tries again', () => {
    const { client, server, atClient } = fixedEnds();
    const [first, second] = [client.send(atClient), client.send(atClient)];
    server.layer.receiveRequest(first.message, 'first', noon);
    server.layer.storeFailed(server.one('store', server.drain()).store);
    const failed = server.drain();
    assert.deepEqual(
      failed.map(({ kind }) => kind),
      ['answer'],
    );
    const answer = failed[0] as Of<'answer'>;
    assert.equal(answer.message.code, Code.ServiceUnavailable);
    assert.equal(
      answer.message.options.has(OptionNumber.Oscore),
      false,
      'no number is reserved to say it with',
    );
    assert.equal(client.layer.receiveResponse(first.pending, answer.message).kind, 'unprotected');
    assert.equal(server.layer.counters.storesFailed, 1);

    server.layer.receiveRequest(second.message, 'second', noon);
    assert.equal(server.one('request').arrival, 'second');
  });

  test('if the store fails while numbers are left, the 5.03 is protected with one of them', () => {
    const { client, server, atClient, atServer } = fixedEnds({ recipientStep: 1 });
    atServer.context.stored({ senderEdge: 10, recipientEdge: 0 });
    const { message, pending } = client.send(atClient);
    server.layer.receiveRequest(message, 'a', noon);
    const { store, record } = server.one('store', server.drain());
    assert.deepEqual(record, { senderEdge: 10, recipientEdge: 1 });
    server.layer.storeFailed(store);
    const outcome = client.layer.receiveResponse(pending, server.one('answer', server.drain()).message);
    assert.ok(outcome.kind === 'verified');
    assert.equal(outcome.response.code, Code.ServiceUnavailable);
  });

  test('if the store fails, own requests are not sent and use no number', () => {
    const { client, atClient } = fixedEnds();
    client.layer.sendRequest(atClient, getRequest, 'r');
    client.layer.storeFailed(client.one('store', client.drain()).store);
    assert.equal(client.one('unsendable', client.drain()).reason, 'store-failed');
    assert.equal(atClient.context.nextSequenceNumber, 0);
    assert.equal(client.layer.counters.unsendable, 1);
    client.send(atClient);
  });

  test('while numbers are left, a store that hangs stops nothing', () => {
    const { client, atClient } = fixedEnds({ senderBatch: 10 });
    client.send(atClient);
    for (let number = 1; number < 10; number++) client.layer.sendRequest(atClient, getRequest, 'r');
    const outputs = client.drain();
    assert.equal(outputs.filter(({ kind }) => kind === 'send-request').length, 9);
    assert.equal(outputs.filter(({ kind }) => kind === 'store').length, 1, 'asked for once');
  });

  test('what waits for a store that hangs is bounded', () => {
    const { client, atClient } = fixedEnds();
    for (let number = 0; number < 300; number++)
      client.layer.sendRequest(atClient, getRequest, String(number));
    const outputs = client.drain();
    assert.equal(client.layer.waiting, 256);
    assert.equal(
      outputs.filter((output) => output.kind === 'unsendable' && output.reason === 'too-many-waiting').length,
      44,
    );
  });

  test('an answer of the store that nobody asked for changes nothing', () => {
    const { client, atClient } = fixedEnds();
    client.layer.stored(5);
    client.layer.storeFailed(5);
    assert.equal(client.layer.counters.storesFailed, 0);
    assert.equal(client.send(atClient).kind, 'send-request');
  });

  test('every request is delivered once or answered, whatever the store does', () => {
    for (let seed = 0; seed < 32; seed++) {
      const { client, server, atClient } = fixedEnds({ recipientStep: 3, senderBatch: 3 });
      const messages = Array.from({ length: 20 }, () => client.send(atClient).message);
      const ended: string[] = [];
      let turn = seed;
      const take = (): void => {
        for (const output of server.drain()) {
          if (output.kind === 'request' || output.kind === 'answer') ended.push(output.arrival);
          if (output.kind !== 'store') continue;
          turn = (turn * 7 + 3) % 32;
          if (turn % 4 === 0) server.layer.storeFailed(output.store);
          else server.layer.stored(output.store);
          take();
        }
      };
      for (const [index, message] of messages.entries()) {
        server.layer.receiveRequest(message, String(index), noon);
        if (index % (1 + (seed % 5)) === 0) take();
      }
      take();
      assert.deepEqual(
        ended.sort((a, b) => Number(a) - Number(b)),
        messages.map((_, index) => String(index)),
      );
      assert.equal(server.layer.waiting, 0);
    }
  });
});

describe('refusals', () => {
  test('a refused request is answered without protection, counted and told', () => {
    const { client, server, atClient } = fixedEnds();
    const { message } = client.send(atClient);
    const stranger = client.send(new FixedContext(ends({ senderId: Uint8Array.of(9) }).client)).message;
    const cases: [OscoreContent, string][] = [
      [{ ...message, payload: new Uint8Array(0) }, 'malformed'],
      [stranger, 'context-not-found'],
      [{ ...message, payload: new Uint8Array(20) }, 'decryption-failed'],
    ];
    for (const [bad, fault] of cases) {
      server.layer.receiveRequest(bad, 'a', noon);
      const outputs = server.drain();
      assert.equal(server.one('refused', outputs).fault, fault);
      const { message: answer } = server.one('answer', outputs);
      assert.deepEqual(plain(answer), plain(refusalResponse(fault as 'malformed')));
    }
    assert.deepEqual(server.layer.counters.refused, {
      malformed: 1,
      'context-not-found': 1,
      replay: 0,
      'decryption-failed': 1,
      'too-many-runs': 0,
    });
  });

  test('an end that is a client only knows no context', () => {
    const { client, atClient } = fixedEnds();
    client.layer.receiveRequest(client.send(atClient).message, 'a', noon);
    assert.equal(client.one('refused').fault, 'context-not-found');
  });

  test('a request that cannot be protected throws, and nothing is remembered', () => {
    const { client, atClient } = fixedEnds();
    const twice = content(Code.Post, [[OptionNumber.Oscore, Uint8Array.of()]]);
    assert.throws(() => client.layer.sendRequest(atClient, twice, 'r'), ApiMisuseError);
    assert.deepEqual(client.drain(), []);
  });

  test('a response without an OSCORE option is not taken for the answer, whatever it says', () => {
    const { client, atClient } = fixedEnds();
    const { pending } = client.send(atClient);
    for (const answer of [contentResponse, content(Code.GatewayTimeout), refusalResponse('replay')]) {
      assert.equal(client.layer.receiveResponse(pending, answer).kind, 'unprotected');
    }
    assert.equal(client.layer.counters.unprotectedResponses, 3);
  });

  test('a damaged response is discarded and counted', () => {
    const { client, server, atClient } = fixedEnds();
    const { pending, message } = client.send(atClient);
    server.layer.receiveRequest(message, 'a', noon);
    const answer = server.respond(server.one('request').binding);
    const outcome = client.layer.receiveResponse(pending, { ...answer, payload: new Uint8Array(30) });
    assert.ok(outcome.kind === 'discarded' && outcome.fault === 'decryption-failed');
    assert.equal(client.layer.counters.discarded['decryption-failed'], 1);
  });

  test('a closed context sends nothing', () => {
    const { client, server, atClient, atServer } = fixedEnds();
    server.layer.receiveRequest(client.send(atClient).message, 'a', noon);
    const { binding } = server.one('request');
    atClient.context.close();
    atServer.context.close();
    client.layer.sendRequest(atClient, getRequest, 'r');
    server.layer.sendResponse(binding, contentResponse, 'd');
    assert.equal(client.one('unsendable').reason, 'closed');
    assert.equal(server.one('unsendable').reason, 'closed');
  });
});

describe('after a restart', () => {
  test('Appendix B.1.2: one request more, with the Echo', () => {
    const { client, server: before, atClient, atServer } = fixedEnds();
    before.layer.receiveRequest(client.send(atClient).message, 'a', noon);
    before.settle();
    const again = new FixedContext(restarted('server', atServer.context.recordToStore));
    const server = new End([again]);
    const { pending, message } = client.send(atClient);
    server.layer.receiveRequest(message, 'b', noon);
    const { message: challenge } = server.one('answer');
    const outcome = client.layer.receiveResponse(pending, challenge);
    assert.ok(outcome.kind === 'verified');
    const echo = outcome.response.options.first(OptionNumber.Echo) as Uint8Array;
    const options = OptionSet.from(getRequest.options.entries()).add(OptionNumber.Echo, echo);
    server.layer.receiveRequest(client.send(atClient, { ...getRequest, options }).message, 'c', noon);
    assert.deepEqual(plain(server.one('request').request), plain(getRequest));
    assert.equal(server.layer.counters.challenged, 1);
  });

  const { idContext: _, ...fixed } = { idContext: undefined, ...clientParameters };

  /** Exchanges between the layers until the request has its response; how many there were. */
  function run(client: End, server: End, security: ClientSecurity): number {
    let { pending, message } = client.send(security) as {
      pending: PendingRequest<string>;
      message: OscoreContent;
    };
    for (let exchanges = 1; exchanges < 10; exchanges++) {
      server.layer.receiveRequest(message, 'a', noon);
      const outputs = server.settle();
      const request = outputs.find((output) => output.kind === 'request');
      let answer: OscoreContent;
      if (request === undefined) answer = server.one('answer', outputs).message;
      else {
        answer = server.respond(request.binding as ServerBinding);
      }
      const outcome = client.layer.receiveResponse(pending, answer);
      if (outcome.kind === 'verified') return exchanges;
      assert.equal(outcome.kind, 'repeated');
      ({ pending, message } = client.one('send-request'));
    }
    throw new Error('no end');
  }

  test('Appendix B.2: the request is protected again by itself, and the context is stored before request #2', () => {
    const client = new End();
    const atClient = new ClientRederivation(sources(1), fixed, undefined);
    const server = new End([new ServerRederivation(sources(2), mirrored(fixed), undefined)]);
    assert.equal(run(client, server, atClient), 2);
    assert.equal(run(client, server, atClient), 1);
    assert.equal(client.layer.counters.repeated, 1);
    assert.equal(server.layer.counters.rederived, 1);
    assert.equal(server.layer.counters.requestsVerified, 2);

    // The server loses everything: the hint that is not protected brings the ID, and that a new run.
    const empty = new End([new ServerRederivation(sources(3), mirrored(fixed), undefined)]);
    assert.equal(run(client, empty, atClient), 3);
    assert.equal(run(client, empty, atClient), 1);
  });

  test('Appendix B.2: a server that took the kid for another context is told the ID, and then asked for a new run', () => {
    const client = new End();
    const atClient = new ClientRederivation(sources(1), fixed, undefined);
    run(client, new End([new ServerRederivation(sources(2), mirrored(fixed), undefined)]), atClient);
    assert.equal(atClient.state, 'established');
    const { pending } = client.send(atClient);
    for (const state of ['proving', 'asking']) {
      const outcome = client.layer.receiveResponse(pending, refusalResponse('decryption-failed'));
      assert.equal(outcome.kind, 'repeated');
      client.settle();
      assert.equal(atClient.state, state);
    }
  });

  test('a context that there is no other for is not tried again after "Decryption failed"', () => {
    const client = new End();
    const { pending } = client.send(new FixedContext(ends({ idContext: Uint8Array.of(1) }).client));
    const outcome = client.layer.receiveResponse(pending, refusalResponse('decryption-failed'));
    assert.equal(outcome.kind, 'unprotected');
  });

  test('§5.1: with two contexts of one kid and too many to try, the client tells its ID Context', () => {
    const all = Array.from({ length: 10 }, (_, number) => ends({ idContext: Uint8Array.of(number) }));
    const server = new End(all.map((pair) => new FixedContext(pair.server)));
    const client = new End();
    const atClient = new FixedContext((all[4] as (typeof all)[number]).client);
    assert.equal(run(client, server, atClient), 2);
    assert.equal(run(client, server, atClient), 1);
  });

  test('a request is protected again a few times only', () => {
    const client = new End();
    const atClient = new ClientRederivation(sources(1), fixed, undefined);
    const { pending } = client.send(atClient);
    const outcomes = Array.from({ length: 6 }, () => {
      const outcome = client.layer.receiveResponse(pending, refusalResponse('context-not-found'));
      client.settle();
      return outcome.kind;
    });
    assert.deepEqual(outcomes, [...Array<string>(4).fill('repeated'), 'unprotected', 'unprotected']);
  });
});

describe('strangers who begin runs of Appendix B.2', () => {
  const { idContext: _, ...fixed } = { idContext: undefined, ...clientParameters };

  /** A request that looks like a request #1 of this client. */
  function forged(kid: Uint8Array, round: number): OscoreContent {
    const kidContext = wrapId(Uint8Array.of(round >> 8, round & 255, 1, 2, 3, 4, 5, 6));
    const option = encodeOscoreOption({ kid, kidContext, partialIv: Uint8Array.of(0) });
    return { ...content(Code.Post, [[OptionNumber.Oscore, option]]), payload: new Uint8Array(20) };
  }

  test('cost a bounded number of derivations a second; more are answered 5.03, and a context that is there is served', () => {
    const servers = Array.from({ length: 12 }, (_, index) => {
      const parameters = { ...mirrored(fixed), recipientId: Uint8Array.of(0x70, index) };
      return new ServerRederivation(sources(index), parameters, undefined);
    });
    const server = new End(servers);
    const client = new End();
    const atClient = new ClientRederivation(
      sources(99),
      { ...fixed, senderId: Uint8Array.of(0x70, 0) },
      undefined,
    );
    const ask = (now: Instant): { fault: string | undefined; code: number | undefined } => {
      let { pending, message } = client.send(atClient) as {
        pending: PendingRequest<string>;
        message: OscoreContent;
      };
      for (;;) {
        server.layer.receiveRequest(message, 'a', now);
        const outputs = server.settle();
        const request = outputs.find((output) => output.kind === 'request');
        if (request !== undefined) return { fault: undefined, code: undefined };
        const refused = outputs.find((output) => output.kind === 'refused');
        const answer = server.one('answer', outputs).message;
        if (refused !== undefined) return { fault: refused.fault, code: answer.code };
        assert.equal(client.layer.receiveResponse(pending, answer).kind, 'repeated');
        ({ pending, message } = client.one('send-request'));
      }
    };
    assert.equal(ask(noon).fault, undefined, 'the run takes two derivations');
    const flood = (index: number, count: number, now: Instant): number => {
      const before = server.layer.counters.refused['context-not-found'];
      for (let round = 0; round < count; round++) {
        server.layer.receiveRequest(forged(Uint8Array.of(0x70, index), round), 'x', now);
        server.settle();
      }
      return server.layer.counters.refused['context-not-found'] - before;
    };
    assert.equal(flood(0, 100, noon), 30, 'one client: 32 at once');
    assert.equal(ask(noon).fault, undefined, 'its context is there, and needs none');
    let all = 32;
    for (let index = 1; index < servers.length; index++) all += flood(index, 100, noon);
    assert.equal(all, 256, 'all clients');
    const stranger = new ClientRederivation(
      sources(98),
      { ...fixed, senderId: Uint8Array.of(0x70, 11) },
      undefined,
    );
    const { message } = client.send(stranger);
    server.layer.receiveRequest(message, 'a', noon);
    const outputs = server.settle();
    assert.equal(server.one('refused', outputs).fault, 'too-many-runs');
    assert.equal(server.one('answer', outputs).message.code, Code.ServiceUnavailable);
    server.layer.receiveRequest(message, 'a', after(noon, 1_000));
    assert.equal(server.one('run-begun').kind, 'run-begun', 'a second later there is room again');
  });
});
