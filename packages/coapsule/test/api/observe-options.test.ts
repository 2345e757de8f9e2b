/**
 * What a server can be told about observations, through the public API over loopback sockets: how observers are notified,
 * and how many there may be.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, codeText } from '../../src/core/coap/code.ts';
import { decodeMessage, isDecodeFault } from '../../src/core/coap/message-codec.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { decodeUtf8 } from '../../src/core/foundation/utf8.ts';
import {
  type ApiMisuseError,
  Client,
  content,
  type Resource,
  Server,
  type ServerOptions,
} from '../../src/index.ts';

/** Each message on the wire of a server: direction, type, code, Observe value and text. */
function recorder(): {
  readonly lines: { way: string; type: string; code: string; observe: number | undefined; text: string }[];
  readonly options: ServerOptions;
} {
  const lines: ReturnType<typeof recorder>['lines'] = [];
  const options: ServerOptions = {
    capture: ({ direction, datagram }) => {
      const message = decodeMessage(datagram);
      if (isDecodeFault(message)) return;
      const { type, code } = message;
      const observe = message.options.uint(OptionNumber.Observe);
      const text = decodeUtf8(message.payload) ?? '';
      lines.push({ way: direction, type, code: code === Code.Get ? 'GET' : codeText(code), observe, text });
    },
  };
  return { lines, options };
}

/** A resource whose states come one after the other, as soon as the former has arrived. */
async function observeStates(resource: Partial<Resource>, states: readonly string[]) {
  const { lines, options } = recorder();
  let next = 0;
  await using server = new Server(options);
  server.resource('/temperature', {
    observable: true,
    get: () => content(states[next] ?? '', { maxAgeSeconds: 60 }),
    ...resource,
  });
  const { port } = await server.listen('coap://127.0.0.1:0', { dangerouslyUnlimitedAmplification: true });
  await using client = new Client();
  const seen: string[] = [];
  for await (const response of client.observe(`coap://127.0.0.1:${port}/temperature`)) {
    seen.push(response.text());
    if (seen.length === states.length) break;
    next++;
    server.notify('/temperature');
  }
  assert.deepEqual(seen, states);
  return lines;
}

test('requirement H09: Observe 0 registers; each notification is CON with a number one higher, and acknowledged', async () => {
  const lines = await observeStates({ notifications: 'confirmable' }, ['22.5°C', '23.1°C', '22.9°C']);
  const first = lines.find(({ code }) => code === '2.05')?.observe ?? Number.NaN;
  const told = lines.map(({ type, code, observe, text }) => [type, code, observe, text]);
  assert.deepEqual(told.slice(0, 5), [
    ['CON', 'GET', 0, ''],
    ['ACK', '2.05', first, '22.5°C'],
    ['CON', '2.05', first + 1, '23.1°C'],
    ['ACK', '0.00', undefined, ''],
    ['CON', '2.05', first + 2, '22.9°C'],
  ]);
});

test('by default the first notification is Confirmable, and the next ones are not', async () => {
  const lines = await observeStates({}, ['0', '1', '2', '3']);
  const types = lines.flatMap(({ code, type, observe }) =>
    code === '2.05' && observe !== undefined ? [type] : [],
  );
  assert.deepEqual(types.slice(0, 4), ['ACK', 'CON', 'NON', 'NON']);
});

for (const [limits, which] of [
  [{ perPeer: 2 }, 'of one client'],
  [{ perResource: 2 }, 'of one resource'],
  [{ total: 2 }, 'of all'],
] as const) {
  for (const scheme of ['coap', 'coap+tcp'] as const) {
    test(`observers.${Object.keys(limits)}: the third ${which} over ${scheme} is answered as a mere GET`, async () => {
      await using server = new Server({ observers: limits });
      server.resource('/state', { observable: true, get: () => content('on') });
      const { port } = await server.listen(`${scheme}://127.0.0.1:0`);
      await using client = new Client();
      const uri = `${scheme}://127.0.0.1:${port}/state`;
      const observations = [0, 1, 2].map(() => client.observe(uri));
      for (const [i, observation] of observations.entries()) {
        const { value } = await observation[Symbol.asyncIterator]().next();
        assert.equal(value?.observe !== undefined, i < 2);
      }
      assert.equal(server.observers().length, 2);
    });
  }
}

test('limits of a listener count before those of its server', async () => {
  await using server = new Server({ observers: { total: 0 } });
  server.resource('/state', { observable: true, get: () => content('on') });
  await using client = new Client();
  for (const [options, accepted] of [
    [{}, false],
    [{ observers: { total: 1 } }, true],
  ] as const) {
    const { port } = await server.listen('coap://127.0.0.1:0', options);
    const observation = client.observe(`coap://127.0.0.1:${port}/state`);
    const { value } = await observation[Symbol.asyncIterator]().next();
    assert.equal(value?.observe !== undefined, accepted);
  }
});

test('what cannot be is refused with the name of the option', async () => {
  const server = new Server();
  const refused = (pattern: RegExp) => (error: ApiMisuseError) => pattern.test(error.message);
  const get = () => content('on');
  const notifications = 'CON' as 'confirmable';
  assert.throws(
    () => server.resource('/a', { get, observable: true, notifications }),
    refused(/notifications is 'CON'; expected 'confirmable' or 'mixed'/),
  );
  assert.throws(
    () => server.resource('/a', { get, notifications: 'mixed' }),
    refused(/expected observable: true/),
  );
  for (const scheme of ['coap', 'coap+tcp']) {
    const uri = `${scheme}://127.0.0.1:0`;
    await assert.rejects(
      server.listen(uri, { observers: { perPeer: -1 } }),
      refused(/observers.perPeer is -1; expected a whole number of 0 or more/),
    );
    await assert.rejects(server.listen(uri, { observers: { perHost: 1 } as object }), refused(/perHost/));
  }
  await server.close();
});

test('an observation is ended by a request at once, or by the Reset of its next notification', async () => {
  for (const cancelBy of ['deregister', 'reset'] as const) {
    const { lines, options } = recorder();
    let state = 0;
    await using server = new Server(options);
    server.resource('/state', { observable: true, get: () => content(String(state)) });
    const { port } = await server.listen('coap://127.0.0.1:0', { dangerouslyUnlimitedAmplification: true });
    const ended = Promise.withResolvers<void>();
    await using client = new Client({
      trace: (event) => {
        if (event.kind !== 'message') return;
        const message = decodeMessage(event.bytes);
        if (isDecodeFault(message)) return;
        const isReset = event.direction === 'sent' && message.type === 'RST';
        const isDeregistered =
          event.direction === 'received' && state === 0 && !message.options.has(OptionNumber.Observe);
        if (isReset || isDeregistered) ended.resolve();
      },
    });
    for await (const response of client.observe(`coap://127.0.0.1:${port}/state`, { cancelBy })) {
      assert.equal(response.text(), '0');
      break;
    }
    if (cancelBy === 'reset') {
      state = 1;
      server.notify('/state');
    }
    await ended.promise;
    // The server has taken it before it answers this.
    await client.ping(`coap://127.0.0.1:${port}`);
    const before = lines.length;
    server.notify('/state');
    await client.ping(`coap://127.0.0.1:${port}`);
    const gets = lines.filter(({ code }) => code === 'GET').map(({ observe }) => observe);
    assert.deepEqual(gets, cancelBy === 'reset' ? [0] : [0, 1]);
    assert.equal(
      lines.slice(before).filter(({ code }) => code === '2.05').length,
      0,
      'nobody is told any more',
    );
  }
});
