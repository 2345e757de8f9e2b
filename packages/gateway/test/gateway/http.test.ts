/** The HTTP endpoint of the gateway (RFC 8075): its own resources, other servers, events, and who may what. */
import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { request as secureRequest } from 'node:https';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { changed, content, Server } from 'coapsule';
import { parseTokens } from '../../src/cli/http-options.ts';
import type { GatewayOptions } from '../../src/gateway/gateway-options.ts';
import { issueAuthority, issueCertificate } from '../../src/keys/issue-certificate.ts';
import { startTestGateway } from './test-gateway.ts';

const token = 'a-token-of-a-panel';

async function startHttp(
  t: TestContext,
  options: Partial<GatewayOptions> = {},
  rules = 'GET:/sensors/* PUT:/sensors/*',
) {
  const gateway = await startTestGateway(t, {
    ...options,
    http: {
      address: { host: '127.0.0.1', port: 0 },
      tokens: parseTokens(`panel ${token} ${rules}`, 'tokens'),
      tls: undefined,
    },
  });
  const base = `http://${gateway.gateway.endpoints.http}`;
  const ask = (path: string, init: RequestInit = {}): Promise<Response> => fetch(`${base}${path}`, init);
  const authorization = `Bearer ${token}`;
  return { ...gateway, base, ask, authorization };
}

test('own resources answer by HTTP as by CoAP: read, write, create, validate, delete', async (t) => {
  const { ask, coap, client } = await startHttp(t, { demo: true });
  const read = await ask('/coap/light');
  assert.deepEqual([read.status, read.headers.get('cache-control')?.startsWith('max-age=')], [200, true]);
  assert.equal(await read.text(), (await client().get(`${coap}/light`)).text());
  const written = await ask('/coap/light', {
    method: 'PUT',
    body: '{"status": false}',
    headers: { 'content-type': 'application/json' },
  });
  assert.equal(written.status, 204, await written.text());
  assert.match((await client().get(`${coap}/light`)).text(), /false/);
  const json = await ask('/coap/temperature', { headers: { accept: 'application/json' } });
  assert.equal(json.headers.get('content-type'), 'application/json');
  assert.equal((await ask('/coap/temperature', { headers: { accept: 'application/xml' } })).status, 406);
  assert.equal((await ask('/coap/nothing')).status, 404);
  assert.equal((await ask('/coap/temperature', { method: 'DELETE' })).status, 400);
  assert.equal((await ask('/coap/config', { method: 'HEAD' })).status, 200);
  const config = await ask('/coap/config');
  const etag = config.headers.get('etag') ?? assert.fail('there is no ETag');
  assert.equal((await ask('/coap/config', { headers: { 'if-none-match': etag } })).status, 304);
  assert.equal((await ask('/nothing')).status, 404);
  assert.equal((await ask('/health')).status, 200);
});

test('without a token only what is open to everyone can be had, with one what its rules say, with a wrong one nothing', async (t) => {
  const { ask, authorization } = await startHttp(t);
  const put = (headers: Record<string, string>, path = '/coap/sensors/a/t') =>
    ask(path, { method: 'PUT', body: '22.5', headers: { 'content-type': 'text/plain', ...headers } });
  assert.equal((await put({})).status, 403);
  assert.equal((await put({ authorization: 'Bearer not-the-right-token' })).status, 401);
  assert.equal((await put({ authorization: 'Basic cGFuZWw6eA==' })).status, 401);
  const created = await put({ authorization });
  assert.equal(created.status, 201);
  assert.equal(await (await ask('/coap/sensors/a/t', { headers: { authorization } })).text(), '22.5');
  assert.equal((await put({ authorization }, '/coap/sensor')).status, 403);
  assert.equal((await ask('/coap/sensors/a/t')).status, 403);
});

test('curl reaches a coaps device through /hc/, as far as the proxy may go there, and only who is known', async (t) => {
  const key = new TextEncoder().encode('key of the device');
  let state = 'off';
  const device = new Server().resource('/lamp', {
    get: (request) => content(`${state} ${request.query.join()}`, { maxAgeSeconds: 0 }),
    put: (request) => {
      state = request.text();
      return changed();
    },
  });
  t.after(() => device.close());
  const { port } = await device.listen('coaps://127.0.0.1:0', {
    psk: { lookup: new Map([['gateway', key]]) },
  });
  const uri = `coaps://127.0.0.1:${port}`;
  const { ask, authorization } = await startHttp(t, {
    proxy: {
      targets: [{ uri, client: { psk: { identity: 'gateway', key } } }],
      networks: ['127.0.0.0/8'],
      dangerouslyForEveryone: false,
    },
  });
  const headers = { authorization };
  assert.equal((await ask(`/hc/${uri}/lamp`, { method: 'PUT', body: 'on', headers })).status, 204);
  assert.equal(await (await ask(`/hc/${uri}/lamp?room=3`, { headers })).text(), 'on room=3');
  assert.equal((await ask(`/hc/${uri}/lamp`)).status, 403, 'nobody without a token');
  assert.equal(
    (await ask(`/hc/coap://127.0.0.1:${port}/lamp`, { headers })).status,
    502,
    'no server that the proxy was not told of',
  );
  assert.equal((await ask('/hc/127.0.0.1/lamp', { headers })).status, 400);
});

test('without a proxy other servers are not asked', async (t) => {
  const { ask, authorization } = await startHttp(t);
  assert.equal((await ask('/hc/coap://127.0.0.1/x', { headers: { authorization } })).status, 502);
});

test('a token for one path is good for it however its percent escapes are written, and for no other', async (t) => {
  const { ask, authorization } = await startHttp(t, { demo: true }, 'GET:/*');
  const issue = async (path: string): Promise<string> => {
    const response = await ask(`/event-token?path=${path}`, { method: 'POST', headers: { authorization } });
    return ((await response.json()) as { token: string }).token;
  };
  const status = async (path: string, token: string): Promise<number> => {
    const events = new AbortController();
    const { status: code } = await ask(`${path}?access_token=${token}`, {
      headers: { accept: 'text/event-stream' },
      signal: events.signal,
    });
    events.abort();
    return code;
  };
  for (const [given, path] of [
    ['/coap/sensors/a%20b', '/coap/sensors/a%20b'],
    ['%2Fcoap%2Fsensors%2Fa%2520b', '/coap/sensors/a%20b'],
    ['%2Fcoap%2Fsensors%2Fa+b', '/coap/sensors/a%20b'],
    ['/coap/sensors/%c3%a4', '/coap/sensors/%C3%A4'],
    ['/coap/sensors/a%2Fb', '/coap/sensors/a%2fb'],
    ['/coap/sensors/%61', '/coap/sensors/a'],
  ] as const)
    assert.notEqual(await status(path, await issue(given)), 401, given);
  for (const [given, path] of [
    ['/coap/sensors/a%2Fb', '/coap/sensors/a/b'],
    ['/coap/sensors/a', '/coap/sensors/b'],
    ['/coap/sensors/%zz', '/coap/sensors/a'],
  ] as const)
    assert.equal(await status(path, await issue(given)), 401, given);
});

test('an EventSource sees each state of a resource, with a token that counts once', async (t) => {
  const { ask, base, authorization, coaps, client } = await startHttp(t, {
    psks: [{ identity: 'a', key: new TextEncoder().encode('key of sensor a.') }],
  });
  const device = client('a', 'key of sensor a.');
  await device.put(`${coaps}/sensors/a`, { payload: '1' });
  const issued = await ask('/event-token', { method: 'POST', headers: { authorization } });
  const { token: once } = (await issued.json()) as { token: string };
  const events = new AbortController();
  const stream = await fetch(`${base}/coap/sensors/a?access_token=${once}`, {
    headers: { accept: 'text/event-stream' },
    signal: events.signal,
  });
  assert.deepEqual([stream.status, stream.headers.get('content-type')], [200, 'text/event-stream']);
  const reader = (stream.body ?? assert.fail()).pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const readUntil = async (wanted: string): Promise<void> => {
    while (!text.includes(wanted)) text += (await reader.read()).value ?? assert.fail('the stream has ended');
  };
  await readUntil('data: 1\n');
  await device.put(`${coaps}/sensors/a`, { payload: '2' });
  await readUntil('data: 2\n');
  assert.match(text, /^event: message\ndata: 1\nid: 0\n\nevent: message\ndata: 2\nid: 1\n\n$/);
  events.abort();
  assert.equal((await ask('/coap/sensors/a', { headers: { accept: 'text/event-stream' } })).status, 403);
  assert.equal((await ask('/event-token', { method: 'POST' })).status, 401);
  const again = (await (
    await ask('/event-token', { method: 'POST', headers: { authorization } })
  ).json()) as { token: string };
  assert.equal(
    (await ask(`/event-token?access_token=${again.token}`, { method: 'POST' })).status,
    401,
    'it cannot be renewed',
  );
  const write = { method: 'PUT', body: 'x', headers: { 'content-type': 'text/plain' } };
  assert.equal(
    (await ask(`/coap/sensors/a?access_token=${again.token}`, write)).status,
    403,
    'it is for reading events',
  );
});

/** Of two MiB: the answer comes before they are read, and `fetch` does not look at it then. */
async function statusOfLarge(url: string): Promise<number | undefined> {
  const sending = request(url, { method: 'PUT', headers: { 'content-length': 2 * 1024 * 1024 } });
  sending.on('error', () => {});
  sending.write('x'.repeat(1000));
  const [response] = (await once(sending, 'response')) as [IncomingMessage];
  sending.destroy();
  return response.statusCode;
}

test('bodies that are too large and URIs that CoAP cannot say are refused', async (t) => {
  const { ask, base, authorization } = await startHttp(t);
  const put = (path: string, body: string) =>
    ask(path, { method: 'PUT', body, headers: { authorization, 'content-type': 'text/plain' } });
  assert.equal(await statusOfLarge(`${base}/coap/sensors/a`), 413);
  assert.equal(
    (await put('/coap/sensors/a', 'x'.repeat(100_000))).status,
    413,
    'more than a reading may have',
  );
  assert.equal((await put(`/coap/sensors/${'x'.repeat(300)}`, '1')).status, 400);
  assert.equal(
    (
      await ask('/coap/sensors/a', {
        method: 'PUT',
        body: 'x',
        headers: { authorization, 'content-type': 'video/mp4' },
      })
    ).status,
    415,
  );
});

test('with TLS it shows the certificate that it was given, and nothing is to be had without', async (t) => {
  const days = { notBefore: new Date(Date.now() - 86_400_000), notAfter: new Date(Date.now() + 86_400_000) };
  const ca = await issueAuthority('CA', { ...days, type: 'p256' });
  const authority = {
    certificate: new X509Certificate(ca.certificatePem),
    privateKey: createPrivateKey(ca.privateKeyPem),
  };
  const subject = { role: 'server', commonName: 'localhost', names: ['localhost'], type: 'p256' } as const;
  const { certificatePem: certificate, privateKeyPem: privateKey } = await issueCertificate(
    authority,
    subject,
    days,
  );
  const { gateway } = await startTestGateway(t, {
    http: { address: { host: '127.0.0.1', port: 0 }, tokens: [], tls: { certificate, privateKey } },
  });
  const { port } = new URL(`http://${gateway.endpoints.http}`);
  const asking = secureRequest({
    host: '127.0.0.1',
    port,
    path: '/health',
    servername: 'localhost',
    ca: ca.certificatePem,
  });
  asking.end();
  const [response] = (await once(asking, 'response')) as [IncomingMessage];
  assert.equal(response.statusCode, 200);
  response.resume();
  await assert.rejects(fetch(`http://127.0.0.1:${port}/health`));
});

test('a file of tokens with what cannot be is refused, line and all, without the token', () => {
  const refuses = (text: string, cause: RegExp) =>
    assert.throws(
      () => parseTokens(text, 'tokens.txt'),
      (error: Error) => cause.test(error.message) && !error.message.includes('secret-secret-secret'),
    );
  refuses('panel short GET:/a', /tokens\.txt, line 1: the token has less than 16 characters/);
  refuses('# a comment\n\npanel secret-secret-secret FLY:/a', /line 3: .*"FLY" is no CoAP method/);
  refuses(
    'panel secret-secret-secret GET:/a\npanel other-secret-other GET:/a',
    /line 2: name or token is there already/,
  );
  refuses('panel', /line 1: the token is missing/);
  assert.deepEqual(parseTokens('', 'x'), []);
});

test('bodies of nobody that do not come leave room for those of who shows a token', async (t) => {
  const { ask, base, authorization } = await startHttp(t);
  const { hostname, port } = new URL(base);
  const slow = Array.from({ length: 33 }, () => connect(Number(port), hostname));
  t.after(() => {
    for (const socket of slow) socket.destroy();
  });
  const heard: string[] = [];
  for (const socket of slow) {
    // Who is told to go on is counted already.
    socket.write(
      'PUT /coap/sensors/a HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n',
    );
    const [first] = await once(socket, 'data');
    heard.push(String(first));
  }
  assert.ok(heard.every((text) => text.startsWith('HTTP/1.1 100 ')));
  const body = 'x';
  assert.equal((await ask('/coap/sensors/a', { method: 'PUT', body })).status, 503);
  const told = { method: 'PUT', body, headers: { authorization, 'content-type': 'text/plain' } };
  assert.equal((await ask('/coap/sensors/a', told)).status, 201);
});
