/** Requests from within the process of a server (`Server.request`), and being told of changes (`Server.watch`). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ApiMisuseError,
  Client,
  Code,
  changed,
  content,
  expectPreconditions,
  failure,
  type PeerInfo,
  type Request,
  RequestFailure,
  reverseProxy,
  Server,
} from '../../src/index.ts';

test('a resource answers as it answers a client, middleware and all', async (t) => {
  const server = new Server({ onError: () => {} })
    .use(async (request, next) => {
      if (request.query.includes('stop')) return failure(Code.Forbidden, 'stopped');
      return next();
    })
    .resource('/echo/*', {
      post: (request) =>
        changed(`${request.path}?${request.query.join('&')} ${request.contentFormat} ${request.text()}`),
      get: () => content('22.5', { etag: Uint8Array.of(7), maxAgeSeconds: 5 }),
      maxBodyBytes: 100,
    })
    .resource('/broken', {
      get: () => {
        throw new Error('sensor gone');
      },
      put: () => {
        throw new RequestFailure(Code.Conflict, 'not now');
      },
    })
    .resource('/conditional', {
      put: (request) => {
        expectPreconditions(request, { exists: false });
        return changed();
      },
      conditional: true,
    });
  const { port } = await server.listen('coap://127.0.0.1:0');
  t.after(() => server.close());
  await using client = new Client();
  const asks: readonly (readonly [Parameters<Client['request']>[0], string, object])[] = [
    ['POST', '/echo/a%2Fb?x=1&y', { payload: 'hello', contentFormat: 'text/plain' }],
    ['GET', '/echo/a', {}],
    ['GET', '/echo/a', { etag: Uint8Array.of(7) }],
    ['GET', '/echo/a', { accept: 50 }],
    ['GET', '/echo/a?stop', {}],
    ['DELETE', '/echo/a', {}],
    ['GET', '/nothing', {}],
    ['GET', '/broken', {}],
    ['PUT', '/broken', { payload: 'x' }],
    ['PUT', '/conditional', { payload: 'x', ifMatch: new Uint8Array() }],
    ['POST', '/echo/large', { payload: 'x'.repeat(101) }],
    ['GET', '/.well-known/core', {}],
  ];
  for (const [method, path, options] of asks) {
    const [local, remote] = [
      await server.request(method, path, options),
      await client.request(method, `coap://127.0.0.1:${port}${path}`, options),
    ];
    const name = `${method} ${path}`;
    assert.equal(local.codeText, remote.codeText, name);
    assert.deepEqual([local.contentFormat, local.etag], [remote.contentFormat, remote.etag], name);
    if (local.ok) assert.deepEqual(local.payload, remote.payload, name);
  }
});

test('a handler sees the peer that the caller gives, as the same object', async () => {
  const requests: Request[] = [];
  const server = new Server().resource('/a', {
    get: (request) => {
      requests.push(request);
      return content('');
    },
  });
  const peer: PeerInfo = {
    address: { key: 'bridge', host: 'bridge', port: 0 },
    transport: 'local',
    security: { kind: 'none' },
  };
  await server.request('GET', '/a', { peer });
  await server.request('GET', '/a');
  const [given, own] = requests as [Request, Request];
  assert.equal(given.peer, peer);
  assert.deepEqual([own.peer.transport, own.peer.security.kind, own.scheme], ['local', 'none', 'coap']);
  await assert.rejects(own.ask('GET', '/'), ApiMisuseError);
});

test('a body that is read as it is sent comes whole, and is closed', async () => {
  let closed = 0;
  const whole = new Uint8Array(200_000).map((_, index) => index);
  const server = new Server()
    .resource('/stream', {
      get: () =>
        content({
          length: whole.length,
          read: (offset, length) => whole.subarray(offset, offset + Math.min(length, 1000)),
          close: () => {
            closed++;
          },
        }),
    })
    .resource('/upload', {
      post: async (request) => {
        let length = 0;
        for await (const part of request.body) length += part.length;
        return changed(String(length));
      },
      streamRequestBody: true,
    });
  assert.deepEqual((await server.request('GET', '/stream')).payload, whole);
  assert.equal(closed, 1);
  assert.equal((await server.request('POST', '/upload', { payload: whole })).text(), '200000');
});

test('who watches is told of every change that observers are told of', () => {
  const server = new Server().resource('/a/*', { get: () => content(''), observable: true });
  const paths: string[] = [];
  const end = server.watch((path) => paths.push(path));
  server.notify('/a/1');
  end();
  server.notify('/a/2');
  assert.deepEqual(paths, ['/a/1']);
});

test('what cannot be a path or option is told', async () => {
  const server = new Server();
  await assert.rejects(server.request('GET', 'a'), ApiMisuseError);
  await assert.rejects(server.request('GET', '/a', { observe: true } as object), ApiMisuseError);
});

test('an observer within the process is told of changes at a server behind it, and when there is nothing more to tell', async (t) => {
  let state = 'off';
  const origin = new Server().resource('/lamp', { get: () => content(state), observable: true });
  const { uri } = await origin.listen('coap://127.0.0.1:0');
  t.after(() => origin.close());
  const server = new Server()
    .resource('/far/*', reverseProxy({ below: '/far', to: uri }))
    .resource('/near', { get: () => content('1') });
  t.after(() => server.close());
  const ended = new AbortController();
  let changes = Promise.withResolvers<void>();
  let overs = 0;
  const observer = { changed: () => changes.resolve(), over: () => overs++, ended: ended.signal };
  assert.equal((await server.request('GET', '/far/lamp', { observer })).text(), 'off');
  for (const next of ['on', 'dimmed']) {
    changes = Promise.withResolvers();
    state = next;
    origin.notify('/lamp');
    await changes.promise;
    assert.equal((await server.request('GET', '/far/lamp', { observer })).text(), next);
  }
  assert.equal(overs, 0);
  assert.equal(
    (await server.request('GET', '/far/none', { observer: { ...observer, ended: AbortSignal.abort() } })).ok,
    false,
  );
  assert.equal(overs, 1);
  // The registration there ends with the observer.
  assert.equal(origin.observers().length, 1);
  ended.abort();
  while (origin.observers().length > 0) await new Promise((resolve) => setImmediate(resolve));
});

test('the first request of an observer within the process is its own; those behind it are refreshes', async () => {
  const seen: [boolean, boolean][] = [];
  const server = new Server().resource('/lamp', {
    get: ({ observe, isRefresh }) => {
      seen.push([observe, isRefresh]);
      return content('on');
    },
    observable: true,
  });
  const observer = { changed: () => {}, over: () => {}, ended: new AbortController().signal };
  await server.request('GET', '/lamp');
  await server.request('GET', '/lamp', { observer });
  await server.request('GET', '/lamp', { observer });
  assert.deepEqual(seen, [
    [false, false],
    [true, false],
    [true, true],
  ]);
});
