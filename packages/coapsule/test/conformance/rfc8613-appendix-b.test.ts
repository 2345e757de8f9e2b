/**
 * RFC 8613 Appendix B: a Replay Window that was lost (B.1.2), and contexts derived from random IDs (B.2), both roles.
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { concatBytes, equalBytes, toHex } from '../../src/core/foundation/bytes.ts';
import { isDecodeFault } from '../../src/core/foundation/errors.ts';
import { ClientRederivation } from '../../src/core/oscore/client-rederivation.ts';
import { deriveSecurityContext } from '../../src/core/oscore/derive-context.ts';
import { decodeOscoreOption } from '../../src/core/oscore/oscore-option.ts';
import { deriveNonce } from '../../src/core/oscore/partial-iv.ts';
import type { ServerVerdict } from '../../src/core/oscore/peer-security.ts';
import { type OscoreContent, openCiphertext } from '../../src/core/oscore/plaintext.ts';
import { protectRequest } from '../../src/core/oscore/protect-request.ts';
import type { ClientBinding, ServerBinding } from '../../src/core/oscore/request-binding.ts';
import type { ContextRecord, SecurityContext } from '../../src/core/oscore/security-context.ts';
import { type FixedParameters, ServerRederivation } from '../../src/core/oscore/server-rederivation.ts';
import { type RequestVerdict, readRequestHeader } from '../../src/core/oscore/verify-request.ts';
import { verifyResponse } from '../../src/core/oscore/verify-response.ts';
import {
  clientParameters,
  content,
  contentResponse,
  ends,
  getRequest,
  mirrored,
  plain,
  protectedRequest,
  protectedResponse,
  restarted,
  sources,
  verdictOf,
} from '../unit/oscore/contexts.ts';

/** A request with the Echo that was asked for. */
function withEcho(request: OscoreContent, echo: Uint8Array): OscoreContent {
  return { ...request, options: OptionSet.from(request.options.entries()).add(OptionNumber.Echo, echo) };
}

function delivered(context: SecurityContext, verdict: RequestVerdict | ServerVerdict): ServerBinding {
  if (verdict.kind === 'store-first') context.stored(verdict.record);
  else assert.equal(verdict.kind, 'verified');
  return (verdict as { binding: ServerBinding }).binding;
}

describe('Appendix B.1.2: the Replay Window is lost', () => {
  /** A server that has delivered `count` requests and crashed, the client that goes on, and all that was sent. */
  function crashed(count: number): {
    client: SecurityContext;
    server: SecurityContext;
    sent: OscoreContent[];
  } {
    const { client, server } = ends({}, { senderBatch: 1000 });
    let record: ContextRecord = { senderEdge: 0, recipientEdge: 0 };
    const sent = Array.from({ length: count }, () => {
      const { message } = protectedRequest(client);
      const verdict = verdictOf(server, message);
      if (verdict.kind === 'store-first') record = verdict.record;
      delivered(server, verdict);
      return message;
    });
    return { client, server: restarted('server', { ...record, senderEdge: 100 }), sent };
  }

  test('the first request is answered 4.01 with only an Echo option and the own Partial IV, and is not delivered', () => {
    const { client, server } = crashed(3);
    const { message, binding } = protectedRequest(client);
    const verdict = verdictOf(server, message);
    assert.ok(verdict.kind === 'challenged');
    assert.equal(verdict.answer.code, Code.Unauthorized);
    assert.deepEqual(
      [...verdict.answer.options.entries()].map(({ number }) => number),
      [OptionNumber.Echo],
    );
    assert.equal(verdict.answer.payload.length, 0);
    const answer = protectedResponse(verdict.binding, verdict.answer);
    const option = decodeOscoreOption(answer.options.first(OptionNumber.Oscore) as Uint8Array);
    assert.ok(!isDecodeFault(option));
    // The server MUST use its Partial IV and MUST include it.
    assert.deepEqual(option.partialIv, Uint8Array.of(100));
    const response = verifyResponse(binding, answer);
    assert.ok(response.kind === 'verified');
    assert.equal(response.response.code, Code.Unauthorized);
    assert.equal(response.response.options.first(OptionNumber.Echo)?.length, 8);
  });

  test('a second request with the Echo is delivered without it, and its Partial IV is the lower limit of the window', () => {
    const { client, server, sent } = crashed(3);
    const first = protectedRequest(client);
    const challenge = verdictOf(server, first.message);
    assert.ok(challenge.kind === 'challenged');
    const [before, second, after] = [
      protectedRequest(client).message,
      protectedRequest(client, withEcho(getRequest, server.echo)).message,
      protectedRequest(client).message,
    ];
    const verdict = verdictOf(server, second);
    assert.ok(verdict.kind === 'verified', 'its number is below the stored edge');
    assert.deepEqual(plain(verdict.request), plain(getRequest));
    for (const old of [...sent, first.message, before, second]) {
      const replay = verdictOf(server, old);
      assert.ok(replay.kind === 'refused' && replay.fault === 'replay');
    }
    assert.equal(verdictOf(server, after).kind, 'verified');
  });

  test('replayed requests are challenged again and again and never delivered, each with another nonce', () => {
    const { server, sent } = crashed(20);
    const nonces = new Set<string>();
    for (const message of [...sent, ...sent]) {
      const verdict = verdictOf(server, message);
      assert.ok(verdict.kind === 'challenged');
      assert.deepEqual(verdict.answer.options.first(OptionNumber.Echo), server.echo);
      const answer = protectedResponse(verdict.binding, verdict.answer);
      nonces.add(toHex(answer.options.first(OptionNumber.Oscore) as Uint8Array));
    }
    assert.equal(nonces.size, 40);
  });

  test('a wrong Echo, or one of the process before, is challenged', () => {
    const { client, server } = crashed(3);
    const old = server.echo;
    const again = restarted('server', server.recordToStore, {}, 4);
    assert.equal(equalBytes(old, again.echo), false);
    for (const echo of [old, old.subarray(1), new Uint8Array(8), new Uint8Array(40)]) {
      const { message } = protectedRequest(client, withEcho(getRequest, echo));
      assert.equal(verdictOf(again, message).kind, 'challenged');
    }
  });

  test('a Partial IV above the stored edge is fresh by construction: no Echo is asked for', () => {
    const { client, server } = crashed(3);
    for (let number = 3; number < 32; number++) protectedRequest(client);
    const { message } = protectedRequest(client);
    const verdict = verdictOf(server, message);
    assert.ok(verdict.kind === 'store-first');
    assert.equal(verdict.record.recipientEdge, 64);
  });

  test('after a clean end no Echo is needed', () => {
    const { client, server } = ends();
    delivered(server, verdictOf(server, protectedRequest(client).message));
    const again = restarted('server', server.close());
    assert.equal(verdictOf(again, protectedRequest(client).message).kind, 'store-first');
  });

  test('a server that has delivered nothing yet needs no Echo', () => {
    const { client } = ends();
    const server = restarted('server', { senderEdge: 100, recipientEdge: 0 });
    assert.equal(verdictOf(server, protectedRequest(client).message).kind, 'store-first');
  });

  test('a forged request is not challenged: the challenge costs a number', () => {
    const { client, server } = crashed(3);
    const { message } = protectedRequest(client);
    const before = server.nextSequenceNumber;
    const verdict = verdictOf(server, { ...message, payload: new Uint8Array(20) });
    assert.ok(verdict.kind === 'refused' && verdict.fault === 'decryption-failed');
    assert.equal(server.nextSequenceNumber, before);
  });
});

describe('Appendix B.2: contexts derived from random IDs', () => {
  const { idContext: _, ...fixed } = { idContext: undefined, ...clientParameters };
  const atServer: FixedParameters = mirrored(fixed);

  /** What a store holds: the ID Context with its record. */
  interface Stored {
    readonly idContext: Uint8Array;
    readonly record: ContextRecord;
  }

  /** Both ends, each with what its store holds; what must be stored is stored at once. */
  class Run {
    client: ClientRederivation;
    server: ServerRederivation;
    clientStore: Stored | undefined;
    serverStore: Stored | undefined;
    /** Requests that reached the application. */
    carriedOut = 0;
    #seed = 10;

    constructor(before: { client?: Stored; server?: Stored } = {}) {
      this.clientStore = before.client;
      this.serverStore = before.server;
      this.client = this.newClient();
      this.server = this.newServer();
    }

    newClient(): ClientRederivation {
      this.client = new ClientRederivation(sources(this.#seed++), fixed, this.#made(fixed, this.clientStore));
      return this.client;
    }

    newServer(): ServerRederivation {
      this.server = new ServerRederivation(
        sources(this.#seed++),
        atServer,
        this.#made(atServer, this.serverStore),
      );
      return this.server;
    }

    #made(parameters: FixedParameters, stored: Stored | undefined): SecurityContext | undefined {
      if (stored === undefined) return undefined;
      const { idContext, record } = stored;
      return deriveSecurityContext(sources(this.#seed++), { ...parameters, idContext }, record);
    }

    /** A protected request, and what a retry would be verified with. */
    ask(request: OscoreContent = getRequest): { message: OscoreContent; binding: ClientBinding } {
      const { context, kidContext } = this.client.forRequest();
      const outcome = protectRequest(context, request, kidContext);
      if (outcome.kind === 'protected') return outcome;
      assert.ok(outcome.kind === 'store-first');
      this.clientStore = { idContext: context.idContext as Uint8Array, record: outcome.record };
      context.stored(outcome.record);
      return this.ask(request);
    }

    verdict(message: OscoreContent): ServerVerdict {
      const header = readRequestHeader(message);
      assert.ok(header.kind === 'header');
      return this.server.verifyRequest(message, header, () => true);
    }

    /** The server's answer; `undefined` when it is not protected. */
    answer(message: OscoreContent): OscoreContent | undefined {
      const verdict = this.verdict(message);
      switch (verdict.kind) {
        case 'refused':
          return undefined;
        case 'rederive':
          return protectedResponse(verdict.binding, verdict.answer, verdict.kidContext);
        case 'challenged':
          return protectedResponse(verdict.binding, verdict.answer);
        case 'store-first':
          verdict.binding.context.stored(verdict.record);
          this.serverStore = {
            idContext: verdict.binding.context.idContext as Uint8Array,
            record: verdict.record,
          };
          break;
      }
      this.carriedOut += 1;
      return protectedResponse(verdict.binding);
    }

    /** One request until its response; the number of exchanges it took. */
    exchange(): number {
      for (let exchanges = 1; exchanges < 6; exchanges++) {
        const { message, binding } = this.ask();
        const answer = this.answer(message);
        if (answer === undefined) {
          this.client.contextNotFound(binding.context);
          continue;
        }
        const verdict = this.client.verifyResponse(binding, answer);
        if (verdict.kind === 'repeat') continue;
        assert.ok(verdict.kind === 'verified', JSON.stringify(verdict));
        if (verdict.response.code === Code.Content) return exchanges;
        const echo = verdict.response.options.first(OptionNumber.Echo) as Uint8Array;
        const again = this.ask(withEcho(getRequest, echo));
        const response = this.client.verifyResponse(
          again.binding,
          this.answer(again.message) as OscoreContent,
        );
        assert.equal(response.kind, 'verified');
        return exchanges + 1;
      }
      throw new Error('the run does not end');
    }
  }

  function idOf({ options }: OscoreContent): string | undefined {
    const option = decodeOscoreOption(options.first(OptionNumber.Oscore) as Uint8Array);
    assert.ok(!isDecodeFault(option));
    return option.kidContext && toHex(option.kidContext);
  }

  test('Figure 14: R1, R2 || R1, R2 || R3, each as kid context in a CBOR byte string', () => {
    const run = new Run();
    assert.equal(run.client.state, 'none');
    // 1. Protect with ID Context = R1.
    const first = run.ask();
    assert.equal(run.client.state, 'asking');
    const r1 = first.binding.context.idContext as Uint8Array;
    assert.equal(r1.length, 8);
    assert.equal(idOf(first.message), `48${toHex(r1)}`);
    // 2. The server sends a 4.01 protected with the second context, containing R2.
    const challenge = run.answer(first.message) as OscoreContent;
    const r2 = (idOf(challenge) as string).slice(2);
    assert.equal(idOf(challenge), `50${r2}`);
    assert.equal(run.carriedOut, 0);
    // 3. A request protected with R2 || R3.
    assert.deepEqual(run.client.verifyResponse(first.binding, challenge), { kind: 'repeat' });
    assert.equal(run.client.state, 'proving');
    const second = run.ask();
    const id3 = second.binding.context.idContext as Uint8Array;
    assert.equal(toHex(id3.subarray(0, 16)), r2);
    assert.equal(id3.length, 24);
    assert.equal(idOf(second.message), `5818${toHex(id3)}`);
    // 4. The server verifies it and carries it out; 5. the client verifies the response.
    const response = run.answer(second.message) as OscoreContent;
    assert.equal(run.carriedOut, 1);
    assert.equal(idOf(response), undefined);
    const verdict = run.client.verifyResponse(second.binding, response);
    assert.ok(verdict.kind === 'verified');
    assert.deepEqual(plain(verdict.response), plain(contentResponse));
    assert.equal(run.client.state, 'established');
    assert.deepEqual(run.server.current?.idContext, id3);
    // From now on the kid context is left out.
    const next = run.ask();
    assert.equal(idOf(next.message), undefined);
    assert.ok(
      run.client.verifyResponse(next.binding, run.answer(next.message) as OscoreContent).kind === 'verified',
    );
  });

  test('the first request takes two exchanges, all others one', () => {
    const run = new Run();
    assert.deepEqual([run.exchange(), run.exchange(), run.exchange()], [2, 1, 1]);
    assert.equal(run.carriedOut, 3);
  });

  test('a client that has lost its context runs the protocol, and the new context replaces the old one', () => {
    const run = new Run();
    run.exchange();
    const before = run.server.current as SecurityContext;
    run.clientStore = undefined;
    run.newClient();
    assert.equal(run.exchange(), 2);
    assert.notEqual(run.server.current, before);
    assert.equal(before.closed, true);
    assert.equal(run.exchange(), 1);
  });

  test('a server that has lost its context begins the run with what the client sends', () => {
    const run = new Run();
    run.exchange();
    run.serverStore = undefined;
    run.newServer();
    // Without a kid context nothing is found; with it, the server answers with R2 to the ID that it does not know.
    assert.equal(run.exchange(), 3);
    assert.equal(run.exchange(), 1);
    assert.equal(run.carriedOut, 3);
  });

  test('a restart of either side with its store goes on with the same context', () => {
    const run = new Run();
    run.exchange();
    const id = run.server.current?.idContext;
    run.newClient();
    assert.equal(run.exchange(), 1, 'the number of the client is above the stored edge');
    run.newServer();
    assert.ok(run.exchange() <= 2, 'at most one Echo exchange');
    assert.deepEqual(run.server.current?.idContext, id);
  });

  test('a crash of the server at any step: the run begins again and ends', () => {
    for (const step of ['request #1', 'response #1', 'request #2'] as const) {
      const run = new Run();
      const first = run.ask();
      if (step === 'request #1') run.newServer();
      const challenge = run.answer(first.message) as OscoreContent;
      assert.equal(run.client.verifyResponse(first.binding, challenge).kind, 'repeat');
      if (step === 'response #1') run.newServer();
      const second = run.ask();
      if (step === 'request #2') {
        // Verified, but the process ends before the record is stored: not carried out.
        assert.equal(run.verdict(second.message).kind, 'store-first');
        run.newServer();
      }
      const carriedOut = run.carriedOut;
      const answer = run.answer(second.message) as OscoreContent;
      const verdict = run.client.verifyResponse(second.binding, answer);
      assert.equal(verdict.kind, step === 'request #1' ? 'verified' : 'repeat');
      if (verdict.kind === 'repeat') assert.equal(run.carriedOut, carriedOut);
      assert.ok(run.exchange() <= 2);
    }
  });

  test('the server MUST NOT accept replayed request #2 messages, before or after a restart', () => {
    const run = new Run();
    const first = run.ask();
    run.client.verifyResponse(first.binding, run.answer(first.message) as OscoreContent);
    const second = run.ask();
    run.answer(second.message);
    assert.equal(run.carriedOut, 1);
    const replay = run.verdict(second.message);
    assert.ok(replay.kind === 'refused' && replay.fault === 'replay');
    run.newServer();
    assert.equal(run.verdict(second.message).kind, 'challenged');
    run.serverStore = undefined;
    run.newServer();
    assert.equal(run.verdict(second.message).kind, 'rederive');
    assert.equal(run.carriedOut, 1);
  });

  test('R2 is never reused: replays of request #1 get another one each, and none is carried out', () => {
    const run = new Run();
    const { message } = run.ask();
    const all = new Set(Array.from({ length: 50 }, () => idOf(run.answer(message) as OscoreContent)));
    assert.equal(all.size, 50);
    assert.equal(run.carriedOut, 0);
  });

  test('an R2 is known until a run is completed or expires, and for this client only', () => {
    for (const end of ['completed', 'expired', 'another client'] as const) {
      const run = new Run();
      const first = run.ask();
      const r2 = (idOf(run.answer(first.message) as OscoreContent) as string).slice(2);
      if (end === 'completed') run.exchange();
      if (end === 'expired') run.server.expireRuns();
      if (end === 'another client') run.newServer();
      const carriedOut = run.carriedOut;
      const idContext = concatBytes(Buffer.from(r2, 'hex'), new Uint8Array(8));
      const third = deriveSecurityContext(
        sources(),
        { ...fixed, idContext },
        { senderEdge: 0, recipientEdge: 0 },
      );
      const kidContext = concatBytes(Uint8Array.of(0x58, idContext.length), idContext);
      const { message } = protectedRequest(third, getRequest, kidContext);
      assert.equal(run.verdict(message).kind, 'rederive', end);
      assert.equal(run.carriedOut, carriedOut);
    }
  });

  test('several requests before the first response end under one context', () => {
    const run = new Run();
    const asked = [run.ask(), run.ask(), run.ask()];
    const answers = asked.map(({ message }) => run.answer(message) as OscoreContent);
    for (const [index, { binding }] of asked.entries()) {
      assert.equal(run.client.verifyResponse(binding, answers[index] as OscoreContent).kind, 'repeat');
    }
    const again = asked.map(() => run.ask());
    assert.equal(new Set(again.map(({ binding }) => binding.context)).size, 1);
    for (const { message, binding } of again) {
      assert.equal(run.client.verifyResponse(binding, run.answer(message) as OscoreContent).kind, 'verified');
    }
    assert.equal(run.carriedOut, 3);
  });

  test('if verification fails in any step, the endpoint stops processing that message', () => {
    const run = new Run();
    const first = run.ask();
    const damaged = (message: OscoreContent): OscoreContent => ({ ...message, payload: new Uint8Array(30) });
    const noRequest = run.verdict(damaged(first.message));
    assert.ok(noRequest.kind === 'refused' && noRequest.fault === 'context-not-found');
    const challenge = run.answer(first.message) as OscoreContent;
    assert.equal(run.client.verifyResponse(first.binding, damaged(challenge)).kind, 'discarded');
    assert.equal(run.client.state, 'asking');
    assert.equal(run.client.verifyResponse(first.binding, challenge).kind, 'repeat');
    const second = run.ask();
    const forged = run.verdict(damaged(second.message));
    assert.ok(forged.kind === 'refused' && forged.fault === 'decryption-failed');
    const response = run.answer(second.message) as OscoreContent;
    assert.equal(run.client.verifyResponse(second.binding, damaged(response)).kind, 'discarded');
    assert.equal(run.client.state, 'proving');
    assert.equal(run.client.verifyResponse(second.binding, response).kind, 'verified');
  });

  test('a response #1 to another request does not verify', () => {
    const run = new Run();
    const [one, two] = [run.ask(), run.ask()];
    const challenge = run.answer(one.message) as OscoreContent;
    assert.equal(run.client.verifyResponse(two.binding, challenge).kind, 'discarded');
  });

  test('§8.3: response #1 takes the nonce that request #1 had, under the keys of the second context', () => {
    const run = new Run();
    const { message, binding } = run.ask();
    const verdict = run.verdict(message);
    assert.ok(verdict.kind === 'rederive');
    const { options, payload } = protectedResponse(verdict.binding, verdict.answer, verdict.kidContext);
    const header = decodeOscoreOption(options.first(OptionNumber.Oscore) as Uint8Array);
    assert.ok(!isDecodeFault(header));
    assert.equal(header.partialIv, undefined);
    const { commonIv } = binding.context;
    const second = verdict.binding.context;
    assert.notDeepEqual(second.commonIv, commonIv);
    const opened = openCiphertext(
      {
        aead: second.aead,
        key: second.senderKey,
        nonce: deriveNonce(commonIv, binding.request.kid, binding.request.partialIv),
        additionalData: binding.additionalData,
      },
      payload,
    );
    assert.ok(opened !== undefined && !isDecodeFault(opened));
    assert.equal(opened.code, Code.Unauthorized);
  });

  test('a kid context that is no CBOR byte string begins no run', () => {
    const run = new Run();
    const { context } = run.client.forRequest();
    for (const kidContext of ['', '40', '01', '6161', '4801', '580401020304', '59ffff', 'f6']) {
      const { message } = protectedRequest(context, getRequest, Buffer.from(kidContext, 'hex'));
      const verdict = run.verdict(message);
      assert.ok(verdict.kind === 'refused' && verdict.fault === 'context-not-found', kidContext);
    }
  });

  test('an unprotected "context not found" for an older context changes nothing', () => {
    const run = new Run();
    const first = run.ask();
    run.exchange();
    run.client.contextNotFound(first.binding.context);
    assert.equal(run.client.state, 'established');
    const { context } = run.client.forRequest();
    run.client.contextNotFound(context);
    assert.equal(run.client.state, 'proving', 'the kid context is told first');
    assert.equal(run.exchange(), 1);
    assert.equal(run.client.state, 'established');
  });

  test('a kid context in a response that is no 4.01, or to a request without one, is discarded', () => {
    const run = new Run();
    const { message, binding } = run.ask();
    const verdict = run.verdict(message);
    assert.ok(verdict.kind === 'rederive');
    const wrong = protectedResponse(verdict.binding, content(Code.Content, [], 'x'), verdict.kidContext);
    const taken = run.client.verifyResponse(binding, wrong);
    assert.ok(taken.kind === 'discarded' && taken.fault === 'malformed');
    const { client } = ends();
    const plainOne = protectedRequest(client);
    const other = run.client.verifyResponse(plainOne.binding, wrong);
    assert.ok(other.kind === 'discarded' && other.fault === 'malformed');
  });
});
