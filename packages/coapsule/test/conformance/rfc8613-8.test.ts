/**
 * RFC 8613 §8: the steps of verifying, and the errors that they end with.
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { ApiMisuseError } from '../../src/core/foundation/errors.ts';
import { ContextTable } from '../../src/core/oscore/context-lookup.ts';
import { encodeOscoreOption } from '../../src/core/oscore/oscore-option.ts';
import { FixedContext } from '../../src/core/oscore/peer-security.ts';
import { type OscoreContent, Plaintext, sealPlaintext } from '../../src/core/oscore/plaintext.ts';
import type { SecurityContext } from '../../src/core/oscore/security-context.ts';
import {
  type RequestFault,
  type RequestHeader,
  type RequestVerdict,
  readRequestHeader,
  refusalResponse,
  verifyRequest,
} from '../../src/core/oscore/verify-request.ts';
import { verifyResponse } from '../../src/core/oscore/verify-response.ts';
import {
  content,
  contentResponse,
  ends,
  getRequest,
  plain,
  protectedRequest,
  protectedResponse,
  verdictOf,
  verifiedRequest,
} from '../unit/oscore/contexts.ts';

function faultOf(verdict: RequestVerdict): RequestFault {
  assert.ok(verdict.kind === 'refused', verdict.kind);
  return verdict.fault;
}

/** The contexts of those whose request it may be. */
function contextsOf(table: ContextTable, { kid, kidContext }: RequestHeader): SecurityContext[] {
  return table.candidates(kid, kidContext).map((client) => (client as FixedContext).context);
}

/** A request of `client` whose plaintext is not what `protectRequest` would write. */
function craftedRequest(client: SecurityContext, inner: OscoreContent): OscoreContent {
  const { message, binding } = protectedRequest(client);
  const payload = sealPlaintext(
    {
      aead: client.aead,
      key: client.senderKey,
      nonce: binding.requestNonce,
      additionalData: binding.additionalData,
    },
    new Plaintext(client.aead, inner.code, inner.options, inner.payload),
  );
  return { ...message, payload };
}

describe('§8.2: the errors of a server', () => {
  const answers: [fault: RequestFault, code: number, diagnostic: string][] = [
    ['malformed', Code.BadOption, 'Failed to decode COSE'],
    ['context-not-found', Code.Unauthorized, 'Security context not found'],
    ['replay', Code.Unauthorized, 'Replay detected'],
    ['decryption-failed', Code.BadRequest, 'Decryption failed'],
  ];
  for (const [fault, code, diagnostic] of answers) {
    test(`${fault} is answered with code ${code}, "${diagnostic}" and Max-Age 0, without an OSCORE option`, () => {
      const answer = refusalResponse(fault);
      assert.equal(answer.code, code);
      assert.equal(new TextDecoder().decode(answer.payload), diagnostic);
      assert.deepEqual(
        [...answer.options.entries()].map(({ number }) => number),
        [OptionNumber.MaxAge],
      );
      assert.equal(answer.options.uint(OptionNumber.MaxAge), 0);
    });
  }

  test('step 2: a kid that nobody knows is "context not found"', () => {
    const { client, server } = ends({ senderId: Uint8Array.of(9) });
    const table = new ContextTable();
    const fixed = new FixedContext(server);
    const { message } = protectedRequest(client);
    const header = readRequestHeader(message);
    assert.ok(header.kind === 'header');
    const find = (): RequestVerdict => verifyRequest(message, header, contextsOf(table, header));
    assert.equal(faultOf(find()), 'context-not-found');
    table.add(fixed);
    assert.equal(find().kind, 'store-first');
    assert.equal(faultOf(find()), 'replay');
    table.remove(fixed);
    assert.equal(faultOf(find()), 'context-not-found');
  });

  test('step 3: the replay is found before anything is decrypted', () => {
    const { client, server } = ends();
    const { message } = protectedRequest(client);
    verifiedRequest(server, message);
    const damaged = { ...message, payload: new Uint8Array(message.payload.length) };
    assert.equal(faultOf(verdictOf(server, damaged)), 'replay');
  });

  test('step 6: if decryption fails, the server MUST stop, and the Replay Window is as it was', () => {
    const { client, server } = ends();
    const { message } = protectedRequest(client);
    const before = server.recordToStore;
    for (let byte = 0; byte < message.payload.length; byte++) {
      const payload = message.payload.slice();
      payload[byte] = (payload[byte] as number) ^ 0x80;
      assert.equal(faultOf(verdictOf(server, { ...message, payload })), 'decryption-failed');
    }
    for (let length = 1; length < message.payload.length; length++) {
      const payload = message.payload.subarray(0, length);
      assert.equal(faultOf(verdictOf(server, { ...message, payload })), 'decryption-failed');
    }
    assert.deepEqual(server.recordToStore, before);
    assert.equal(server.window.edge, 0);
    assert.equal(verifiedRequest(server, message).request.code, Code.Get);
  });

  test('the received message is not changed by decrypting it', () => {
    const { client, server } = ends();
    const { message } = protectedRequest(client);
    const payload = message.payload.slice();
    verifiedRequest(server, message);
    assert.deepEqual(message.payload, payload);
  });

  const insides: [name: string, inner: OscoreContent][] = [
    ['a response code', content(Code.Content, [], 'x')],
    ['an Empty message', content(Code.Empty)],
    ['a signaling code', content(0xe1)],
    ['an OSCORE option', content(Code.Get, [[OptionNumber.Oscore, Uint8Array.of()]], 'x')],
  ];
  for (const [name, inner] of insides) {
    test(`${name} inside is refused, and its number is used up`, () => {
      const { client, server } = ends();
      const message = craftedRequest(client, inner);
      assert.equal(faultOf(verdictOf(server, message)), 'malformed');
      assert.equal(faultOf(verdictOf(server, message)), 'replay');
    });
  }

  test('a plaintext that is no message is refused, and its number is used up', () => {
    const { client, server } = ends();
    const { message, binding } = protectedRequest(client);
    const plaintext = Uint8Array.of(Code.Get, 0xff);
    const payload = new Uint8Array(plaintext.length + 8);
    payload.set(plaintext);
    client.senderKey.seal(binding.requestNonce, binding.additionalData, payload, 0, plaintext.length);
    assert.equal(faultOf(verdictOf(server, { ...message, payload })), 'malformed');
    assert.equal(faultOf(verdictOf(server, message)), 'replay');
  });

  test('step 7: the OSCORE option is removed', () => {
    const { client, server } = ends();
    const { request } = verifiedRequest(server, protectedRequest(client).message);
    assert.deepEqual(plain(request), plain(getRequest));
  });
});

describe('§3.3, §5.1: which context', () => {
  test('if there is a kid context, the context with that ID Context SHALL be used', () => {
    const [one, two] = [Uint8Array.of(1), Uint8Array.of(2)].map((idContext) => ends({ idContext }));
    const none = ends();
    assert.ok(one && two);
    const table = new ContextTable();
    for (const context of [one.server, two.server, none.server]) table.add(new FixedContext(context));
    const find = (message: OscoreContent): SecurityContext | RequestFault => {
      const header = readRequestHeader(message);
      assert.ok(header.kind === 'header');
      const verdict = verifyRequest(message, header, contextsOf(table, header));
      return verdict.kind === 'refused' ? verdict.fault : verdict.binding.context;
    };
    // With a kid context, and without one: then all that have the kid are tried.
    for (const { client, server } of [one, two]) {
      assert.equal(find(protectedRequest(client, getRequest, client.idContext).message), server);
      assert.equal(find(protectedRequest(client).message), server);
    }
    assert.equal(find(protectedRequest(none.client).message), none.server);
    const wrong = protectedRequest(one.client, getRequest, Uint8Array.of(2)).message;
    assert.equal(find(wrong), 'decryption-failed');
    assert.equal(
      find(protectedRequest(one.client, getRequest, Uint8Array.of(3)).message),
      'context-not-found',
    );
  });

  test('a replay under one of the contexts is told as such', () => {
    const [one, two] = [Uint8Array.of(1), Uint8Array.of(2)].map((idContext) => ends({ idContext }));
    assert.ok(one && two);
    const { message } = protectedRequest(one.client);
    const header = readRequestHeader(message);
    assert.ok(header.kind === 'header');
    const contexts = [one.server, two.server];
    assert.equal(verifyRequest(message, header, contexts).kind, 'store-first');
    assert.equal(faultOf(verifyRequest(message, header, contexts)), 'replay');
    assert.equal(faultOf(verifyRequest(message, header, contexts.reverse())), 'replay');
  });

  test('a client is there once, and what would cost too many trials is not tried', () => {
    const table = new ContextTable();
    const all = Array.from(
      { length: 9 },
      (_, number) => new FixedContext(ends({ idContext: Uint8Array.of(number) }).server),
    );
    const [first, last] = [all[0], all[8]] as [FixedContext, FixedContext];
    for (const client of all.slice(0, 8)) table.add(client);
    assert.throws(() => table.add(first), ApiMisuseError);
    const kid = Uint8Array.of();
    assert.equal(table.candidates(kid, undefined).length, 8);
    table.add(last);
    assert.equal(table.candidates(kid, undefined).length, 0);
    assert.deepEqual(table.candidates(kid, Uint8Array.of(8)), [last]);
    assert.equal(table.remove(first), true);
    assert.equal(table.remove(first), false);
    assert.equal(table.candidates(kid, undefined).length, 8);
  });

  test('§5.1: a client tells its ID Context when it is told that none was found', () => {
    const { client } = ends({ idContext: Uint8Array.of(7) });
    const fixed = new FixedContext(client);
    assert.equal(fixed.forRequest().kidContext, undefined);
    assert.equal(fixed.contextNotFound(), true);
    assert.deepEqual(fixed.forRequest().kidContext, Uint8Array.of(7));
    assert.equal(fixed.contextNotFound(), false);
    assert.equal(new FixedContext(ends().client).contextNotFound(), false);
  });
});

describe('§8.3: protecting the response', () => {
  test('step 4: with an own Partial IV it MUST be in the message, with the nonce of the request it MUST NOT', () => {
    const { client, server } = ends();
    const { binding } = verifiedRequest(server, protectedRequest(client).message);
    const values = [1, 2].map(() => protectedResponse(binding).options.first(OptionNumber.Oscore));
    assert.deepEqual(values, [Uint8Array.of(), Uint8Array.of(1, 0)]);
  });

  test('errors of CoAP processing are protected as well as successes', () => {
    const { client, server } = ends();
    for (const code of [Code.NotFound, Code.MethodNotAllowed, Code.InternalServerError, Code.Valid]) {
      const { message, binding } = protectedRequest(client);
      const { binding: asked } = verifiedRequest(server, message);
      const answer = protectedResponse(asked, content(code, [], 'reason'));
      assert.equal(answer.code, Code.Changed);
      const verdict = verifyResponse(binding, answer);
      assert.ok(verdict.kind === 'verified');
      assert.equal(verdict.response.code, code);
    }
  });
});

describe('§8.4: verifying the response', () => {
  test('step 8: whatever does not verify is discarded, and the true response is taken after it', () => {
    const { client, server } = ends();
    const { message, binding } = protectedRequest(client);
    const { binding: asked } = verifiedRequest(server, message);
    const answer = protectedResponse(asked);
    for (let byte = 0; byte < answer.payload.length; byte++) {
      const payload = answer.payload.slice();
      payload[byte] = (payload[byte] as number) ^ 1;
      const verdict = verifyResponse(binding, { ...answer, payload });
      assert.ok(verdict.kind === 'discarded' && verdict.fault === 'decryption-failed');
    }
    for (const value of [Uint8Array.of(0), Uint8Array.of(0x20), Uint8Array.of(1)]) {
      const options = OptionSet.from(answer.options.entries()).set(OptionNumber.Oscore, value);
      const verdict = verifyResponse(binding, { ...answer, options });
      assert.ok(verdict.kind === 'discarded' && verdict.fault === 'malformed');
    }
    const verdict = verifyResponse(binding, answer);
    assert.ok(verdict.kind === 'verified');
    assert.deepEqual(plain(verdict.response), plain(contentResponse));
  });

  test('§4.1.3.5.2: a response with Inner Observe to a request without it is not processed', () => {
    for (const request of [getRequest, content(Code.Get, [[OptionNumber.Observe, 1]])]) {
      const { client, server } = ends();
      const { message, binding } = protectedRequest(client, request);
      const { binding: asked } = verifiedRequest(server, message);
      const sent = protectedResponse(asked, content(Code.Content, [[OptionNumber.Observe, 1]]));
      const verdict = verifyResponse(binding, sent);
      assert.ok(verdict.kind === 'discarded' && verdict.fault === 'unexpected-notification');
    }
  });

  test('a response to a registration without Inner Observe is verified as any other', () => {
    const { client, server } = ends();
    const { message, binding } = protectedRequest(client, content(Code.Get, [[OptionNumber.Observe, 0]]));
    const { binding: asked } = verifiedRequest(server, message);
    const answer = protectedResponse(asked);
    const options = OptionSet.from(answer.options.entries()).add(OptionNumber.Observe, 5);
    const verdict = verifyResponse(binding, { ...answer, options });
    assert.ok(verdict.kind === 'verified' && verdict.final);
    assert.equal(verdict.response.options.has(OptionNumber.Observe), false);
  });

  test('a request inside a response, and an OSCORE option, are malformed', () => {
    const { client, server } = ends();
    const insides = [content(Code.Get), content(Code.Content, [[OptionNumber.Oscore, Uint8Array.of()]], 'x')];
    for (const inner of insides) {
      const { message, binding } = protectedRequest(client);
      verifiedRequest(server, message);
      const payload = sealPlaintext(
        {
          aead: server.aead,
          key: server.senderKey,
          nonce: binding.requestNonce,
          additionalData: binding.additionalData,
        },
        new Plaintext(server.aead, inner.code, inner.options, inner.payload),
      );
      const outer = content(Code.Changed, [[OptionNumber.Oscore, encodeOscoreOption({})]]);
      const verdict = verifyResponse(binding, { ...outer, payload });
      assert.ok(verdict.kind === 'discarded' && verdict.fault === 'malformed');
    }
  });
});
