/**
 * A request whose handler returns its response, and no promise, is answered in the turn in which it came; without a socket.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SuppliedBody } from '../../src/api/body-input.ts';
import { noSecurity } from '../../src/api/peer-info.ts';
import type { Request } from '../../src/api/request.ts';
import { RequestDispatch } from '../../src/api/request-dispatch.ts';
import { RequestServing } from '../../src/api/request-serving.ts';
import { Code } from '../../src/core/coap/code.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import type { OutgoingResponse } from '../../src/core/endpoint/endpoint.ts';
import { noBytes } from '../../src/core/foundation/bytes.ts';
import { instant } from '../../src/core/foundation/instant.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { content, failure, type Middleware, RequestFailure, type Resource } from '../../src/index.ts';

const peer = { address: ipAddress('192.0.2.1', 5683), transport: 'udp', security: noSecurity } as const;

/** A server with one resource, `/a`, and a listener without a socket. */
function served(resource: Resource, middleware: readonly Middleware[] = []) {
  const errors: unknown[] = [];
  const answers: { readonly exchange: number; readonly response: OutgoingResponse }[] = [];
  const dispatch = new RequestDispatch((error) => errors.push(error));
  dispatch.resources.add('/a', resource);
  for (const one of middleware) dispatch.use(one);
  const commands = {
    respond: (exchange: number, response: OutgoingResponse) => void answers.push({ exchange, response }),
    continueRequestBody: () => {},
    notifyObserver: () => {},
  };
  const runner = {
    closed: false,
    run: (command: (endpoint: typeof commands, now: ReturnType<typeof instant>) => void) =>
      command(commands, instant(0)),
  };
  const serving = new RequestServing(runner, {
    ...{
      handler: dispatch,
      keeper: undefined,
      link: undefined,
      hasDuplicates: true,
      askBack: () => assert.fail(),
    },
  });
  const ask = (exchange: number, code: Code = Code.Get, observe?: 'register'): void => {
    const options = new OptionSet().add(OptionNumber.UriPath, 'a');
    const incoming = {
      ...{ code, options, payload: noBytes, token: noBytes, messageId: 1, confirmable: true, refresh: false },
      ...(observe && { observe }),
    };
    serving.serve(exchange, incoming, peer, undefined);
  };
  return { ask, answers, errors, serving };
}

test('a handler that returns its response is answered in the same turn', () => {
  const { ask, answers } = served({ get: () => content('22.5') });
  ask(1);
  assert.deepEqual(
    answers.map(({ exchange, response }) => [exchange, response.code, response.payload, response.keepAnswer]),
    [[1, Code.Content, encodeUtf8('22.5'), false]],
  );
  assert.equal(answers[0]?.response.options.uint(OptionNumber.ContentFormat), 0);
});

test('a handler that throws is answered in the same turn, with its failure or 5.00', () => {
  const { ask, answers, errors } = served({
    get: () => {
      throw new RequestFailure(Code.Conflict, 'not now');
    },
    put: () => {
      throw new Error('broken');
    },
  });
  ask(1);
  ask(2, Code.Put);
  assert.deepEqual(
    answers.map(({ response }) => [response.code, response.keepAnswer]),
    [
      [Code.Conflict, false],
      [Code.InternalServerError, true],
    ],
  );
  assert.deepEqual(errors.map(String), ['Error: broken']);
});

test('a handler that returns a promise is answered when that is settled, and waited for until then', async () => {
  const { ask, answers, serving } = served({ get: async () => content('22.5') });
  ask(1);
  assert.equal(answers.length, 0);
  await serving.settled();
  assert.deepEqual(
    answers.map(({ response }) => response.code),
    [Code.Content],
  );
});

test('the signal of a request fires when nobody waits any more, also when it is asked for only then', async () => {
  const requests: Request[] = [];
  const { ask, serving } = served({
    get: (request) => {
      requests.push(request);
      return new Promise(() => {});
    },
  });
  ask(1);
  ask(2);
  const [first, second] = requests;
  const early = first?.signal;
  assert.equal(early?.aborted, false);
  serving.running.ended(1);
  serving.running.ended(2);
  assert.equal(early.aborted, true);
  assert.equal(first?.signal, early);
  assert.equal(second?.signal.aborted, true);
});

test('the signal of a request that was answered does not fire', () => {
  let signal: AbortSignal | undefined;
  const { ask, serving } = served({
    get: (request) => {
      signal = request.signal;
      return content('22.5');
    },
  });
  ask(1);
  serving.running.ended(1);
  assert.equal(signal?.aborted, false);
});

test('the end of an observation fires for a handler that answers at once', () => {
  let ended: AbortSignal | undefined;
  const { ask, serving, answers } = served({
    observable: true,
    get: (request) => {
      ended = request.observer?.ended;
      return content('22.5');
    },
  });
  ask(1, Code.Get, 'register');
  assert.equal(answers[0]?.response.observe, true);
  assert.equal(ended?.aborted, false);
  serving.running.ended(1);
  assert.equal(ended?.aborted, true);
});

test('middleware that answers without a promise is answered in the same turn, around it one that waits is not', async () => {
  const order: string[] = [];
  const outer: Middleware = async (_request, next) => {
    const response = await next();
    order.push('outer');
    return response;
  };
  const inner: Middleware = () => failure(Code.Forbidden, 'never');
  const alone = served({ get: () => content('22.5') }, [inner]);
  alone.ask(1);
  assert.equal(alone.answers[0]?.response.code, Code.Forbidden);
  const both = served({ get: () => content('22.5') }, [outer, inner]);
  both.ask(1);
  assert.equal(both.answers.length, 0);
  await both.serving.settled();
  assert.equal(both.answers[0]?.response.code, Code.Forbidden);
  assert.deepEqual(order, ['outer']);
});

test('what a handler throws is for the middleware that awaits next(), which may be called once', async () => {
  const seen: string[] = [];
  const catching: Middleware = async (_request, next) => {
    try {
      return await next();
    } catch (error) {
      seen.push(String(error));
      return content('caught');
    }
  };
  const twice: Middleware = async (_request, next) => {
    await next();
    return next();
  };
  const handler: Resource = {
    get: () => {
      throw new Error('broken');
    },
    put: () => content('done'),
  };
  const caught = served(handler, [catching]);
  caught.ask(1);
  await caught.serving.settled();
  assert.equal(caught.answers[0]?.response.code, Code.Content);
  assert.deepEqual(seen, ['Error: broken']);
  const again = served(handler, [twice]);
  again.ask(1, Code.Put);
  await again.serving.settled();
  assert.equal(again.answers[0]?.response.code, Code.InternalServerError);
  assert.match(String(again.errors[0]), /next\(\) twice/);
});

test('a generator that was begun before cannot be sent: 5.00, and not no answer', async () => {
  const parts = (function* () {
    yield 'a';
  })();
  const { ask, answers, errors } = served({ get: () => content(parts) });
  ask(1);
  const body = answers[0]?.response.body;
  assert.ok(body instanceof SuppliedBody);
  await body.read(0, 16);
  ask(2);
  assert.equal(answers[1]?.response.code, Code.InternalServerError);
  assert.match(String(errors[0]), /was read before/);
});

test('an answer with another content format has its own options', () => {
  const { ask, answers } = served({
    get: () => content('{}', { contentFormat: 'application/json' }),
    fetch: () => content(Uint8Array.of(1)),
    put: () => content('22.5', { maxAgeSeconds: 5 }),
  });
  ask(1);
  ask(2, Code.Fetch);
  ask(3, Code.Put);
  ask(4);
  assert.deepEqual(
    answers.map(({ response: { options } }) => [
      options.uint(OptionNumber.ContentFormat),
      options.uint(OptionNumber.MaxAge),
    ]),
    [
      [50, undefined],
      [undefined, undefined],
      [0, 5],
      [50, undefined],
    ],
  );
});

test('what has a `then` and is no promise is awaited like one, of a handler and of a middleware', async () => {
  /** As an ORM returns it: what its `then` returns is nothing. */
  const thenable = (payload: string): Promise<ReturnType<typeof content>> => {
    const then = (resolve: (response: ReturnType<typeof content>) => void): void => {
      resolve(content(payload));
    };
    return { then } as unknown as Promise<ReturnType<typeof content>>;
  };
  for (const { ask, answers, errors, serving } of [
    served({ get: () => thenable('22.5') }),
    served({ get: () => content('not asked') }, [() => thenable('22.5')]),
  ]) {
    ask(1);
    await serving.settled();
    assert.deepEqual(errors, []);
    assert.deepEqual(
      answers.map(({ response }) => [response.code, response.payload]),
      [[Code.Content, encodeUtf8('22.5')]],
    );
  }
});
