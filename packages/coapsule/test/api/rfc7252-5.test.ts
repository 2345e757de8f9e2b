/**
 * RFC 7252 §5.5 to §5.10 and §7.2.1, RFC 6690 §4.1 and RFC 8132 with a server and a client: methods, codes, options.
 */

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import {
  ApiMisuseError,
  Client,
  Code,
  changed,
  content,
  created,
  deleted,
  encodeLinkFormat,
  expectPreconditions,
  failure,
  OptionNumber,
  type Request,
  RequestFailure,
  type RequestOptions,
  type Resource,
  type Response,
  Server,
} from '../../src/index.ts';

const errors: unknown[] = [];
let object: Record<string, unknown> = {};
let version = 1;
const etag = (): Uint8Array => Uint8Array.of(0xe7, version);
const items = new Map<string, string>();
const seen: Request[] = [];

/** A document that is patched (RFC 8132 §3): JSON Patch is 51, JSON Merge Patch 52. */
const document: Resource = {
  conditional: true,
  maxBodyBytes: 200,
  get: () => content(JSON.stringify(object), { contentFormat: 50, etag: etag(), maxAgeSeconds: 5 }),
  fetch: (request) => {
    if (request.contentFormat !== 50)
      return failure(Code.UnsupportedContentFormat, 'a list of names in JSON');
    const names = parsed(request) as string[];
    if (!Array.isArray(names)) return failure(Code.UnprocessableEntity, 'not a list');
    return content(JSON.stringify(names.map((name) => object[name])), { contentFormat: 50, etag: etag() });
  },
  patch: (request) => patch(request, true),
  ipatch: (request) => patch(request, false),
};

function parsed(request: Request): unknown {
  try {
    return JSON.parse(request.text());
  } catch {
    throw new RequestFailure(Code.BadRequest, 'not JSON');
  }
}

function patch(request: Request, mayAdd: boolean) {
  expectPreconditions(request, { exists: true, etag: etag() });
  if (request.contentFormat === 52) object = { ...object, ...(parsed(request) as object) };
  else if (request.contentFormat === 51) {
    for (const { op, path, value } of parsed(request) as { op: string; path: string; value: unknown }[]) {
      if (op === 'add' && !mayAdd) throw new RequestFailure(Code.BadRequest, 'Patch format not idempotent');
      if (op === 'add') {
        const [name = '', index] = path.split('/');
        const list = object[name];
        if (!Array.isArray(list)) throw new RequestFailure(Code.Conflict, `${name} is no list`);
        object = { ...object, [name]: list.toSpliced(Number(index), 0, value) };
      } else if (op === 'replace') object = { ...object, [path]: value };
      else throw new RequestFailure(Code.UnprocessableEntity, `there is no ${op}`);
    }
  } else return failure(Code.UnsupportedContentFormat, '51 or 52');
  version++;
  return changed();
}

const collection: Resource = {
  conditional: true,
  get: ({ path }) => (items.has(path) ? content(items.get(path) as string) : failure(Code.NotFound)),
  put: (request) => {
    const exists = items.has(request.path);
    expectPreconditions(request, { exists });
    items.set(request.path, request.text());
    return exists ? changed() : created();
  },
  delete: ({ path }) => {
    items.delete(path);
    return deleted();
  },
};

const server = new Server({ onError: (error) => errors.push(error) })
  .use((request, next) => {
    seen.push(request);
    return next();
  })
  .resource('/object', document)
  .resource('/items/*', collection)
  .resource('/dots', { post: () => created('/a/../b') })
  .resource('/reserved', {
    post: () => ({ ...created('/a/b'), options: [{ number: 128, value: 'x' }] }),
  })
  .resource('/broken', {
    get: () => {
      throw new Error('the ADC does not answer');
    },
  })
  .resource('/cbor', {
    put: ({ contentFormat }) =>
      contentFormat === 60 ? changed() : failure(Code.UnsupportedContentFormat, 'CBOR (60) only'),
    attributes: { rt: 'store core.c', if: 'sensor actuator', ct: [60, 112], sz: 64, title: 'Kept, as CBOR' },
  })
  .resource('/cbor/light', {
    get: () => content('1'),
    observable: true,
    attributes: { rt: 'light-lux', ct: 0 },
  });
const { port } = await server.listen('coap://127.0.0.1:0');
const base = `coap://127.0.0.1:${port}`;
const client = new Client();
after(async () => {
  await client.close();
  await server.close();
});

const option = (number: number, value: Uint8Array | string = new Uint8Array()): RequestOptions => ({
  options: [{ number, value }],
});
const code = async (response: Promise<Response>): Promise<string> => (await response).codeText;

describe('RFC 7252 §5.5.2: diagnostic payload', () => {
  test('an error has a text in UTF-8 without a Content-Format, that says what happened', async () => {
    const response = await client.get(`${base}/nowhere`);
    assert.deepEqual([response.contentFormat, response.text()], [undefined, 'there is no /nowhere']);
  });
});

describe('RFC 7252 §5.5: payloads', () => {
  test('a client MUST NOT send one with GET or DELETE: it is refused before anything is sent', async () => {
    for (const method of ['GET', 'DELETE'] as const) {
      await assert.rejects(
        client.request(method, `${base}/items/a`, { payload: 'x' }),
        (error) => error instanceof ApiMisuseError && error.message.startsWith(`${method} has no payload`),
      );
    }
    assert.equal(await code(client.delete(`${base}/items/none`, { payload: '' })), '2.02');
  });
});

describe('options of a request that cannot be', () => {
  const wrong: readonly [string, unknown, RegExp][] = [
    ['an option without a value', { options: [{ number: 60 }] }, /options\[0\] has no value/],
    ['noResponse: true', { noResponse: true }, /noResponse is true; expected/],
    ['noResponse: [7]', { noResponse: [7] }, /noResponse is \[7\]; expected/],
    ['an ETag as text', { etag: 'abc' }, /etag is string; expected/],
    ['an empty ETag', { etag: new Uint8Array() }, /etag is 0 bytes; expected a Uint8Array of 1 to 8 bytes/],
    ['an If-Match of 9 bytes', { ifMatch: [new Uint8Array(9)] }, /ifMatch is 9 bytes/],
  ];
  for (const [name, options, message] of wrong) {
    test(`${name} is refused with what was expected`, async () => {
      await assert.rejects(
        client.get(`${base}/items/a`, options as RequestOptions),
        (error) => error instanceof ApiMisuseError && message.test(error.message),
      );
    });
  }
});

describe('what a server is told by mistake', () => {
  test('a change of a path without a resource, or that nobody can observe, is refused', () => {
    assert.throws(() => server.notify('/typo'), /notify\('\/typo'\): there is no such resource/);
    assert.throws(() => server.notify('/cbor'), /notify\('\/cbor'\): it is not observable/);
    const host = server.host('door.example').resource('/lock', { observable: true });
    host.notify('/lock');
    assert.throws(() => host.notify('/lcok'), ApiMisuseError);
  });

  test('an attribute of a link that there is not is refused', () => {
    const resource = { attributes: { foo: 1 } } as Resource;
    assert.throws(
      () => server.resource('/foo', resource),
      /attributes of resource \/foo: there is no option 'foo'/,
    );
  });
});

describe('RFC 7252 §5.8: methods', () => {
  test('§5.8.1: GET of what is there is 2.05, of what is not 4.04', async () => {
    items.set('/items/a', 'A');
    assert.equal((await client.get(`${base}/items/a`)).text(), 'A');
    assert.equal(await code(client.get(`${base}/items/none`)), '4.04');
  });

  test('§5.8.3: PUT of what is not there is 2.01, of what is there 2.04, and GET gives the new state', async () => {
    assert.equal(await code(client.put(`${base}/items/b`, { payload: '1' })), '2.01');
    assert.equal(await code(client.put(`${base}/items/b`, { payload: '2' })), '2.04');
    assert.equal((await client.get(`${base}/items/b`)).text(), '2');
  });

  test('§5.8.4: DELETE is 2.02, also when there is nothing any more; then GET is 4.04', async () => {
    items.set('/items/c', 'C');
    assert.equal(await code(client.delete(`${base}/items/c`)), '2.02');
    assert.equal(await code(client.delete(`${base}/items/c`)), '2.02');
    assert.equal(await code(client.get(`${base}/items/c`)), '4.04');
  });

  test('J15: a method that a resource lacks, PATCH too, is 4.05 and not 5.01', async () => {
    for (const method of ['POST', 'PATCH', 'IPATCH', 'FETCH'] as const) {
      assert.equal(await code(client.request(method, `${base}/items/a`, { payload: 'x' })), '4.05', method);
    }
    assert.equal(await code(client.delete(`${base}/cbor/light`)), '4.05');
  });

  test('J14: a handler that fails is 5.00 without its reason, and the server lives', async () => {
    const response = await client.get(`${base}/broken`);
    assert.deepEqual([response.codeText, response.text()], ['5.00', 'the server failed']);
    assert.match(String(errors.pop()), /ADC/);
    assert.equal(await code(client.get(`${base}/cbor/light`)), '2.05');
  });
});

describe('RFC 7252 §5.9.1.3 and §5.10.6: ETag', () => {
  test('a GET with the ETag of the representation is 2.03 with that ETag, and MUST NOT have a payload', async () => {
    const response = await client.get(`${base}/object`, { etag: etag() });
    assert.equal(response.codeText, '2.03');
    assert.deepEqual([response.etag, response.payload.length, response.maxAgeSeconds], [etag(), 0, 5]);
    assert.equal(response.contentFormat, undefined);
  });

  test('one of several ETags is enough, and others mean 2.05', async () => {
    const wrong = { number: OptionNumber.ETag, value: Uint8Array.of(1) };
    const right = { number: OptionNumber.ETag, value: etag() };
    assert.equal(await code(client.get(`${base}/object`, { options: [wrong, right] })), '2.03');
    assert.equal(await code(client.get(`${base}/object`, { options: [wrong] })), '2.05');
    assert.equal(await code(client.get(`${base}/object`, { etag: [wrong.value, right.value] })), '2.03');
  });

  test('RFC 8132 §2.3.2: FETCH as GET', async () => {
    const fetch = { payload: '["a"]', contentFormat: 50 };
    assert.equal(
      await code(client.fetch(`${base}/object`, { ...fetch, ...option(OptionNumber.ETag, etag()) })),
      '2.03',
    );
    assert.equal(await code(client.fetch(`${base}/object`, fetch)), '2.05');
  });
});

describe('RFC 7252 §5.10', () => {
  test('§5.10.3, J13: a payload in a format that is not taken is 4.15, XML for a CBOR store', async () => {
    assert.equal(await code(client.put(`${base}/cbor`, { payload: '<a/>', contentFormat: 41 })), '4.15');
    assert.equal(
      await code(client.put(`${base}/cbor`, { payload: Uint8Array.of(1), contentFormat: 60 })),
      '2.04',
    );
  });

  test('§5.10.3: without a Content-Format none is assumed', async () => {
    await client.put(`${base}/items/d`, { payload: 'x' });
    assert.equal(seen.at(-1)?.contentFormat, undefined);
  });

  test('§5.10.4: a format that is not there is 4.06, and another error takes precedence', async () => {
    assert.equal(await code(client.get(`${base}/object`, { accept: 41 })), '4.06');
    assert.equal(await code(client.get(`${base}/object`, { accept: 50 })), '2.05');
    assert.equal(await code(client.get(`${base}/nowhere`, { accept: 41 })), '4.04');
  });

  test('§5.10.5: Max-Age is 60 seconds when it is not there', async () => {
    assert.equal((await client.get(`${base}/cbor/light`)).maxAgeSeconds, 60);
  });

  test('§5.10.7: "." and ".." are no segments of a location', async () => {
    assert.equal(await code(client.post(`${base}/dots`)), '5.00');
    assert.ok(errors.pop() instanceof ApiMisuseError);
  });

  test('§5.10.7: a location with an option of those that are reserved for it is not understood', async () => {
    const response = await client.post(`${base}/reserved`);
    assert.equal(response.codeText, '2.01');
    assert.equal(response.locationPath, undefined);
  });

  test('§5.10.8.1: If-Match is fulfilled by one of its ETags, an empty one by existence; 4.12 changes nothing', async () => {
    object = { a: 1 };
    const merge = (value: number, options: RequestOptions): Promise<string> =>
      code(
        client.patch(`${base}/object`, {
          payload: JSON.stringify({ a: value }),
          contentFormat: 52,
          ...options,
        }),
      );
    const old = etag();
    assert.equal(await merge(2, { ifMatch: old }), '2.04');
    assert.equal(await merge(3, option(OptionNumber.IfMatch, old)), '4.12');
    assert.deepEqual(object, { a: 2 });
    assert.equal(await merge(4, { ifMatch: new Uint8Array() }), '2.04');
    assert.equal(await merge(5, { ifMatch: [old, etag()] }), '2.04');
    assert.equal(
      await code(client.put(`${base}/items/new`, { payload: '1', ...option(OptionNumber.IfMatch) })),
      '4.12',
    );
    assert.equal(items.has('/items/new'), false);
  });

  test('§5.10.8.2: If-None-Match is fulfilled where there is nothing', async () => {
    const once = { payload: '1', ifNoneMatch: true };
    assert.equal(await code(client.put(`${base}/items/once`, once)), '2.01');
    assert.equal(await code(client.put(`${base}/items/once`, { ...once, payload: '2' })), '4.12');
    assert.equal(items.get('/items/once'), '1');
  });
});

describe('RFC 8132', () => {
  const ask = (method: 'PATCH' | 'IPATCH', payload: unknown, contentFormat = 51): Promise<Response> =>
    client.request(method, `${base}/object`, {
      payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
      contentFormat,
    });
  const start = (): void => {
    object = { 'x-coord': 256, 'y-coord': 45, foo: ['bar', 'baz'] };
  };

  test('§3.1: iPATCH with JSON Patch replaces a member', async () => {
    start();
    assert.equal(await code(ask('IPATCH', [{ op: 'replace', path: 'x-coord', value: 45 }])), '2.04');
    assert.deepEqual(object, { 'x-coord': 45, 'y-coord': 45, foo: ['bar', 'baz'] });
  });

  test('§3.1: the same with JSON Merge Patch', async () => {
    start();
    assert.equal(await code(ask('IPATCH', { 'x-coord': 45 }, 52)), '2.04');
    assert.deepEqual(object, { 'x-coord': 45, 'y-coord': 45, foo: ['bar', 'baz'] });
  });

  test('§3.1: a change that is not idempotent is 4.00 by iPATCH, with the reason, and carried out by PATCH', async () => {
    start();
    const add = [{ op: 'add', path: 'foo/1', value: 'bar' }];
    const refused = await ask('IPATCH', add);
    assert.deepEqual([refused.codeText, refused.diagnostic], ['4.00', 'Patch format not idempotent']);
    assert.deepEqual(object['foo'], ['bar', 'baz']);
    assert.equal(await code(ask('PATCH', add)), '2.04');
    assert.deepEqual(object['foo'], ['bar', 'bar', 'baz']);
  });

  test('§3.4: malformed 4.00, unsupported 4.15, unprocessable 4.22, conflicting 4.09, too large 4.13', async () => {
    start();
    assert.equal(await code(ask('PATCH', '[{')), '4.00');
    assert.equal(await code(ask('PATCH', '<a/>', 41)), '4.15');
    assert.equal(await code(ask('PATCH', [{ op: 'fly' }])), '4.22');
    const conflict = await ask('PATCH', [{ op: 'add', path: 'x-coord/0', value: 1 }]);
    assert.deepEqual([conflict.codeText, conflict.diagnostic], ['4.09', 'x-coord is no list']);
    assert.equal(await code(ask('PATCH', { long: 'x'.repeat(200) }, 52)), '4.13');
    assert.equal(await code(client.patch(`${base}/nowhere`, { payload: '{}', contentFormat: 52 })), '4.04');
    assert.deepEqual(object, { 'x-coord': 256, 'y-coord': 45, foo: ['bar', 'baz'] });
  });

  test('§2.2: FETCH: malformed 4.00, unsupported 4.15, unprocessable 4.22', async () => {
    start();
    const fetch = (payload: string, contentFormat = 50): Promise<string> =>
      code(client.fetch(`${base}/object`, { payload, contentFormat }));
    assert.equal(await fetch('['), '4.00');
    assert.equal(await fetch('<a/>', 41), '4.15');
    assert.equal(await fetch('{}'), '4.22');
    const found = await client.fetch(`${base}/object`, { payload: '["x-coord","foo"]', contentFormat: 50 });
    assert.equal(found.text(), '[256,["bar","baz"]]');
  });

  test('§2.3.1: a FETCH always has a Content-Format', async () => {
    await client.fetch(`${base}/object`, { payload: 'text' });
    assert.equal(seen.at(-1)?.contentFormat, 0);
    await client.fetch(`${base}/object`, { payload: Uint8Array.of(1) });
    assert.equal(seen.at(-1)?.contentFormat, 42);
    await client.fetch(`${base}/object`, {
      payload: '[]',
      options: [{ number: OptionNumber.ContentFormat, value: 50 }],
    });
    assert.equal(seen.at(-1)?.contentFormat, 50);
  });

  test('§4: what each method is called and numbered', () => {
    assert.deepEqual([Code.Fetch, Code.Patch, Code.IPatch], [5, 6, 7]);
    assert.deepEqual([Code.Conflict, Code.UnprocessableEntity], [0x89, 0x96]);
  });
});

describe('RFC 6690 §4.1: /.well-known/core', () => {
  const list = async (query = ''): Promise<string[]> => {
    const response = await client.get(`${base}/.well-known/core${query}`);
    assert.deepEqual([response.codeText, response.contentFormat], ['2.05', 40]);
    return [...response.text().matchAll(/<([^>]*)>/g)].map(([, target]) => target as string);
  };

  test('lists every resource that has a path of its own', async () => {
    assert.deepEqual(await list(), ['/object', '/dots', '/reserved', '/broken', '/cbor', '/cbor/light']);
  });

  for (const [query, targets] of [
    ['?rt=store', ['/cbor']],
    ['?rt=core.c', ['/cbor']],
    ['?rt=store%20core.c', []],
    ['?rt=core*', ['/cbor']],
    ['?rt=light*', ['/cbor/light']],
    ['?rt=*', ['/cbor', '/cbor/light']],
    ['?if=sensor', ['/cbor']],
    ['?if=act*', ['/cbor']],
    ['?href=/cbor', ['/cbor']],
    ['?href=/cbor*', ['/cbor', '/cbor/light']],
    ['?sz=64', ['/cbor']],
    ['?ct=112', ['/cbor']],
    ['?ct=11', []],
    ['?ct=1*', ['/cbor']],
    ['?ct=0', ['/cbor/light']],
    ['?title=Kept,%20as%20CBOR', ['/cbor']],
    ['?obs', ['/cbor/light']],
    ['?obs=*', ['/cbor/light']],
    ['?rt=STORE', []],
    ['?none=*', []],
    ['?rt=light*&href=/cbor*', ['/cbor/light']],
  ] as const) {
    test(`${query} gives ${targets.length === 0 ? 'nothing' : targets.join(' and ')}`, async () => {
      assert.deepEqual(await list(query), targets);
    });
  }

  test('RFC 7252 §7.2.1: ct is a list of numbers, quoted when there are several; obs has no value', async () => {
    const text = (await client.get(`${base}/.well-known/core?href=/cbor*`)).text();
    assert.equal(
      text,
      '</cbor>;rt="store core.c";if="sensor actuator";ct="60 112";sz=64;title="Kept, as CBOR",</cbor/light>;rt="light-lux";ct=0;obs',
    );
    const links = await client.discover(base, { query: ['href=/cbor*'] });
    assert.equal(encodeLinkFormat(links), text);
  });

  test('an Accept of something else than link format is 4.06', async () => {
    assert.equal(await code(client.get(`${base}/.well-known/core`, { accept: 50 })), '4.06');
  });
});
