/** OscoreObserver: messages of others are opened, whichever end a context was given from, and what does not fit is named. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decodeMessage } from '../../../src/core/coap/message-codec.ts';
import { OptionNumber } from '../../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../../src/core/coap/option-set.ts';
import { noBytes, toHex } from '../../../src/core/foundation/bytes.ts';
import { isDecodeFault } from '../../../src/core/foundation/errors.ts';
import { ClientRederivation } from '../../../src/core/oscore/client-rederivation.ts';
import type { ContextParameters } from '../../../src/core/oscore/derive-context.ts';
import { type ObservedMessage, OscoreObserver } from '../../../src/core/oscore/oscore-observer.ts';
import type { OscoreContent } from '../../../src/core/oscore/plaintext.ts';
import { ServerRederivation } from '../../../src/core/oscore/server-rederivation.ts';
import { readRequestHeader } from '../../../src/core/oscore/verify-request.ts';
import { hex, readVectors } from '../crypto/vector-files.ts';
import {
  clientParameters,
  contentResponse,
  ends,
  getRequest,
  mirrored,
  plain,
  protectedRequest,
  protectedResponse,
  sources,
  verifiedRequest,
} from './contexts.ts';

interface Vector {
  readonly id: string;
  readonly protected: string;
  readonly unprotected: string;
}

const { messages } = readVectors<{ readonly messages: readonly Vector[] }>('oscore/rfc8613-appendix-c.json');

function vector(id: string): { readonly message: OscoreContent; readonly original: OscoreContent } {
  const found = messages.find((one) => one.id === id);
  const message = decodeMessage(hex(found!.protected));
  const original = decodeMessage(hex(found!.unprotected));
  if (isDecodeFault(message) || isDecodeFault(original)) throw new Error(`${id} is no message`);
  return { message, original };
}

function opened(observed: ObservedMessage): Extract<ObservedMessage, { kind: 'opened' }> {
  assert.equal(observed.kind, 'opened', JSON.stringify(observed));
  return observed as Extract<ObservedMessage, { kind: 'opened' }>;
}

function observer(...parameters: readonly ContextParameters[]): OscoreObserver {
  return new OscoreObserver(
    sources(),
    parameters.map((one, index) => ({ name: `context ${index}`, parameters: one })),
  );
}

describe('RFC 8613 Appendix C', () => {
  for (const [end, parameters] of [
    ['client', clientParameters],
    ['server', mirrored(clientParameters)],
  ] as const) {
    test(`request C.4 and responses C.7 and C.8 with the context of the ${end}`, () => {
      const watching = observer(parameters);
      const request = opened(watching.observeRequest('a', 'server', vector('C.4').message));
      assert.deepEqual([request.context, request.sequenceNumber, request.isReplay], ['context 0', 20, false]);
      assert.equal(toHex(request.plaintext), '01b3747631');
      assert.deepEqual(plain(request.message), plain(vector('C.4').original));
      for (const [id, number] of [
        ['C.7', undefined],
        ['C.8', 0],
      ] as const) {
        const response = opened(watching.observeResponse('a', vector(id).message));
        assert.deepEqual(plain(response.message), plain(vector(id).original));
        assert.equal(response.sequenceNumber, number);
      }
      assert.deepEqual(watching.unused, []);
    });
  }

  test('C.5 and C.6 among several contexts: each is opened by its own', () => {
    const masterSecret = hex('0102030405060708090a0b0c0d0e0f10');
    const watching = observer(
      clientParameters,
      { masterSecret, senderId: Uint8Array.of(0), recipientId: Uint8Array.of(1) },
      { ...clientParameters, idContext: hex('37cbf3210017a2d3') },
    );
    assert.equal(opened(watching.observeRequest('5', 's', vector('C.5').message)).context, 'context 1');
    assert.equal(opened(watching.observeRequest('6', 's', vector('C.6').message)).context, 'context 2');
    assert.deepEqual(watching.unused, ['context 0']);
  });
});

describe('what does not fit is named', () => {
  const closed = (watching: OscoreObserver, message = vector('C.4').message): unknown => {
    const observed = watching.observeRequest('a', 'server', message);
    return observed.kind === 'closed' ? [observed.cause, observed.detail] : observed;
  };

  test('no context has the kid', () => {
    const other = { ...clientParameters, senderId: Uint8Array.of(7), recipientId: Uint8Array.of(8) };
    assert.deepEqual(closed(observer(other)), [
      'no-context',
      'no context that was given has the kid (empty)',
    ]);
  });

  test('one has it with another secret', () => {
    assert.deepEqual(closed(observer({ ...clientParameters, masterSalt: noBytes })), [
      'not-authentic',
      'context 0 has the kid (empty), and does not open it: another Master Secret or Salt, ID Context or algorithm',
    ]);
  });

  test('one has it with another ID Context', () => {
    assert.deepEqual(
      closed(observer({ ...clientParameters, idContext: Uint8Array.of(9) }), vector('C.6').message),
      [
        'no-context',
        'context 0 has the kid (empty), with another ID Context than the kid context 37cbf3210017a2d3',
      ],
    );
  });

  test('a response whose request was not seen', () => {
    const observed = observer(clientParameters).observeResponse('a', vector('C.7').message);
    assert.equal(observed.kind === 'closed' && observed.cause, 'no-request');
  });
});

test('a number that comes again to the same receiver is a replay, to another one it is not', () => {
  const { client } = ends();
  const watching = observer(clientParameters);
  const messages = Array.from({ length: 40 }, () => protectedRequest(client).message);
  for (const message of messages)
    assert.equal(opened(watching.observeRequest('a', 'one', message)).isReplay, false);
  const replays = [messages[39]!, messages[0]!].map(
    (message) => opened(watching.observeRequest('a', 'one', message)).isReplay,
  );
  assert.deepEqual(replays, [true, true], 'the last one, and one that is too old to tell');
  assert.equal(opened(watching.observeRequest('a', 'two', messages[0]!)).isReplay, false);
});

test('contexts that both ends derive anew are followed (Appendix B.2)', () => {
  const client = new ClientRederivation(sources(1), clientParameters, undefined);
  const server = new ServerRederivation(sources(2), mirrored(clientParameters), undefined);
  const watching = observer(clientParameters);
  const { context, kidContext } = client.forRequest();
  const first = protectedRequest(context, getRequest, kidContext);
  opened(watching.observeRequest('1', 's', first.message));
  const header = readRequestHeader(first.message);
  if (header.kind !== 'header') throw new Error(header.detail);
  const verdict = server.verifyRequest(first.message, header, () => true);
  if (verdict.kind !== 'rederive') throw new Error(verdict.kind);
  const answer = protectedResponse(verdict.binding, verdict.answer, verdict.kidContext);
  assert.equal(opened(watching.observeResponse('1', answer)).message.code, 129);
});

test('a window that is too wide is refused at the start, and not by the first message', () => {
  const given = (replayWindow: number) => [{ name: 'a', parameters: clientParameters, replayWindow }];
  assert.throws(() => new OscoreObserver(sources(), given(65_537)), /replay window is 65537/);
  const { client } = ends({}, { dangerouslyVolatile: true });
  const widest = new OscoreObserver(sources(), given(65_536));
  opened(widest.observeRequest('1', 'server', protectedRequest(client).message));
});

test('no bytes make it throw', () => {
  const { client, server } = ends();
  const request = protectedRequest(client);
  const answer = protectedResponse(verifiedRequest(server, request.message).binding, contentResponse);
  fc.assert(
    fc.property(
      fc.constantFrom(request.message, answer),
      fc.uint8Array({ maxLength: 40 }),
      fc.uint8Array({ maxLength: 40 }),
      fc.boolean(),
      (message, option, payload, isPayload) => {
        const watching = observer(clientParameters);
        watching.observeRequest('a', 's', request.message);
        const options = [...message.options.entries()].map(({ number, value }) => ({
          number,
          value: number === OptionNumber.Oscore && !isPayload ? option : value,
        }));
        const changed = {
          ...message,
          options: OptionSet.from(options),
          payload: isPayload ? payload : message.payload,
        };
        watching.observeRequest('b', 's', changed);
        watching.observeResponse('a', changed);
      },
    ),
    { numRuns: 500, seed: 8613 },
  );
});
