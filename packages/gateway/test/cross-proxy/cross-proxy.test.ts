/** Requests of CoAP to HTTP servers through the gateway, as forward- and as reverse-proxy (RFC 7252 §10.1). */
import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { type TestContext, test } from 'node:test';
import { type Client, OptionNumber, type Response } from 'coapsule';
import type { HttpCredentials } from '../../src/cross-proxy/http-upstream.ts';
import type { GatewayOptions } from '../../src/gateway/gateway-options.ts';
import { issueAuthority, issueCertificate } from '../../src/keys/issue-certificate.ts';
import { startTestGateway } from '../gateway/test-gateway.ts';

const key = 'MySecret16ByteK!';
const psks = [{ identity: 'sensor-7', key: new TextEncoder().encode(key) }];

/** An HTTP server of this process; its requests in the order in which they came. */
class Upstream {
  readonly requests: {
    readonly method: string;
    readonly url: string;
    readonly headers: IncomingMessage['headers'];
    readonly body: string;
  }[] = [];
  uri = '';

  static async listen(
    t: TestContext,
    answer: (request: IncomingMessage, body: string, response: ServerResponse) => void,
    tls?: { readonly key: string; readonly cert: string; readonly ca: string },
  ): Promise<Upstream> {
    const upstream = new Upstream();
    const listener: RequestListener = (request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const body = Buffer.concat(parts).toString();
        const { method = '', url = '', headers } = request;
        upstream.requests.push({ method, url, headers, body });
        answer(request, body, response);
      });
    };
    const server =
      tls === undefined
        ? createHttpServer(listener)
        : createHttpsServer({ ...tls, requestCert: true, rejectUnauthorized: true }, listener);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    upstream.uri = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return upstream;
  }
}

/** A server that answers each connection with these bytes, whatever it is asked. */
async function rawServer(t: TestContext, reply: (socket: Socket) => void): Promise<string> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => reply(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function startProxy(t: TestContext, options: Partial<GatewayOptions> = {}, http?: HttpCredentials) {
  const gateway = await startTestGateway(t, {
    psks,
    proxy: {
      targets: [
        { uri: 'http://127.0.0.1:*', ...(http && { http }) },
        { uri: 'https://127.0.0.1:*', ...(http && { http }) },
        { uri: 'coap://127.0.0.1:*' },
      ],
      networks: ['127.0.0.1'],
      dangerouslyForEveryone: false,
    },
    ...options,
  });
  const client = gateway.client('sensor-7', key);
  const ask = (
    method: 'GET' | 'PUT' | 'POST' | 'DELETE',
    target: string,
    more: Parameters<Client['request']>[2] = {},
  ): Promise<Response> =>
    client.request(method, gateway.coaps, {
      ...more,
      options: [{ number: OptionNumber.ProxyUri, value: target }, ...(more.options ?? [])],
    });
  return { ...gateway, ask };
}

test('a device reads an HTTP resource with Accept, Max-Age and ETag, and what it has is validated', async (t) => {
  const upstream = await Upstream.listen(t, (request, _body, response) => {
    response.setHeader('etag', '"a-tag-of-more-than-8-bytes"');
    response.setHeader('cache-control', 'max-age=30');
    response.setHeader('age', '10');
    if (request.headers['if-none-match'] === '"a-tag-of-more-than-8-bytes"')
      return response.writeHead(304).end();
    return response.setHeader('content-type', 'application/json').end('{"t":21.5}');
  });
  const { ask } = await startProxy(t);
  const read = await ask('GET', `${upstream.uri}/weather?city=Ulm`, { accept: 50 });
  assert.deepEqual(
    [read.codeText, read.text(), read.contentFormat, read.options.uint(OptionNumber.MaxAge)],
    ['2.05', '{"t":21.5}', 50, 20],
  );
  const [asked] = upstream.requests;
  assert.deepEqual(
    [asked?.method, asked?.url, asked?.headers.accept],
    ['GET', '/weather?city=Ulm', 'application/json'],
  );
  assert.equal(asked?.headers['accept-encoding'], 'identity');
  assert.match(asked?.headers.via ?? '', /^1\.1 gateway-[0-9a-f]{8}$/);
  const again = await ask('GET', `${upstream.uri}/weather?city=Ulm`, { etag: [read.etag as Uint8Array] });
  assert.deepEqual([again.codeText, again.etag], ['2.03', read.etag]);
});

test('it writes, creates and deletes, with conditions, and learns where something was created', async (t) => {
  const upstream = await Upstream.listen(t, (request, _body, response) => {
    if (request.method === 'POST') return response.writeHead(201, { location: '/things/7?v=1' }).end();
    if (request.headers['if-none-match'] === '*') return response.writeHead(412).end();
    return response.writeHead(request.method === 'DELETE' ? 404 : 204).end();
  });
  const { ask } = await startProxy(t);
  const put = await ask('PUT', `${upstream.uri}/a`, { payload: '22.5', contentFormat: 'text/plain' });
  assert.equal(put.codeText, '2.04');
  const [first] = upstream.requests;
  assert.deepEqual(
    [first?.body, first?.headers['content-type'], first?.headers['content-length']],
    ['22.5', 'text/plain; charset=utf-8', '4'],
  );
  assert.equal((await ask('PUT', `${upstream.uri}/a`, { payload: 'x', ifNoneMatch: true })).codeText, '4.12');
  const created = await ask('POST', `${upstream.uri}/things`, { payload: 'x' });
  assert.deepEqual([created.codeText, created.locationPath], ['2.01', '/things/7']);
  assert.equal((await ask('DELETE', `${upstream.uri}/a`)).codeText, '2.02');
});

test('a body of 1 MB comes in blocks as it is read, and one of 200 KB goes the other way', async (t) => {
  const large = Buffer.alloc(1_000_000, 'abcdefghijklmnopqrstuvwxyz');
  const upstream = await Upstream.listen(t, (request, body, response) => {
    response.setHeader('content-type', 'application/octet-stream');
    if (request.method === 'GET') return response.end(large);
    return response.setHeader('content-type', 'text/plain').end(String(body.length));
  });
  const { ask } = await startProxy(t);
  assert.ok(Buffer.from((await ask('GET', `${upstream.uri}/large`)).payload).equals(large));
  const put = await ask('PUT', `${upstream.uri}/large`, { payload: large.subarray(0, 200_000) });
  assert.deepEqual([put.codeText, put.text()], ['2.04', '200000']);
  assert.equal(upstream.requests[1]?.headers['transfer-encoding'], 'chunked');
});

test('a dead server is 5.04, one that sends garbage or half a body 5.02, and all of it is told in the log', async (t) => {
  const { ask, log, gateway } = await startProxy(t);
  const dead = createTcpServer().listen(0, '127.0.0.1');
  await once(dead, 'listening');
  const { port } = dead.address() as AddressInfo;
  dead.close();
  assert.equal((await ask('GET', `http://127.0.0.1:${port}/`)).codeText, '5.04');
  const garbage = await rawServer(t, (socket) => socket.end('SSH-2.0-OpenSSH_9.2p1\r\n'));
  assert.equal((await ask('GET', `${garbage}/`)).codeText, '5.02');
  const hangsUp = await rawServer(t, (socket) => socket.destroy());
  assert.equal((await ask('GET', `${hangsUp}/`)).codeText, '5.02');
  const short = await rawServer(t, (socket) =>
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'),
  );
  assert.equal((await ask('GET', `${short}/`)).codeText, '5.02');
  const smuggled = await rawServer(t, (socket) =>
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
  );
  assert.equal((await ask('GET', `${smuggled}/`)).codeText, '5.02');
  const noTls = await rawServer(t, (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'));
  assert.equal((await ask('GET', `${noTls.replace('http:', 'https:')}/`)).codeText, '5.02');
  const failed = { cached: 0, validated: 0, observed: 0, forwarded: 0, failed: 6 };
  assert.deepEqual(gateway.proxyCounts, failed);
  assert.ok(
    log.lines.some((line) => /^http:\/\/127\.0\.0\.1:\d+ cannot be asked: .*ECONNREFUSED/.test(line)),
  );
});

test('a compressed body and a redirect are 5.02: nothing is asked elsewhere', async (t) => {
  const elsewhere = await Upstream.listen(t, (_request, _body, response) => response.end('secret'));
  const upstream = await Upstream.listen(t, (request, _body, response) =>
    request.url === '/moved'
      ? response.writeHead(302, { location: `${elsewhere.uri}/` }).end()
      : response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
  );
  const { ask } = await startProxy(t);
  assert.equal((await ask('GET', `${upstream.uri}/moved`)).codeText, '5.02');
  assert.equal((await ask('GET', `${upstream.uri}/zipped`)).codeText, '5.02');
  assert.equal(elsewhere.requests.length, 0);
});

test('what is not named, not public or off is 5.05, and who is nobody gets 4.01', async (t) => {
  const upstream = await Upstream.listen(t, (_request, _body, response) => response.end('x'));
  const named = (uri: string, networks: string[] = []): Partial<GatewayOptions> => ({
    proxy: { targets: [{ uri }], networks, dangerouslyForEveryone: false },
  });
  const closed = await startProxy(t, named('http://*:*'));
  for (const host of ['169.254.169.254', '[::ffff:169.254.169.254]', '2852039166', '127.0.0.1', 'localhost'])
    assert.equal((await closed.ask('GET', `http://${host}/latest`)).codeText, '5.05', host);
  assert.equal((await closed.ask('GET', `${upstream.uri}/`)).codeText, '5.05');
  const other = await startProxy(t, named('http://api.example', ['127.0.0.1']));
  assert.equal((await other.ask('GET', `${upstream.uri}/`)).codeText, '5.05');
  const coapOnly = await startProxy(t, named('coap://127.0.0.1:*', ['127.0.0.1']));
  assert.equal((await coapOnly.ask('GET', `${upstream.uri}/`)).codeText, '5.05');
  const none = await startProxy(t, { proxy: undefined });
  assert.equal((await none.ask('GET', `${upstream.uri}/`)).codeText, '5.05');
  const { client, coap } = await startProxy(t);
  const options = [{ number: OptionNumber.ProxyUri, value: `${upstream.uri}/` }];
  assert.equal((await client().get(coap, { options })).codeText, '4.01');
  assert.equal(upstream.requests.length, 0);
});

test('what names the gateway itself is its own, where it is a proxy for HTTP alone too', async (t) => {
  const { client, coaps } = await startProxy(t, {
    proxy: { targets: [{ uri: 'http://api.example' }], networks: [], dangerouslyForEveryone: false },
  });
  const port = coaps.split(':').at(-1);
  const options = [
    { number: OptionNumber.ProxyUri, value: `coaps://${hostname()}:${port}/.well-known/core` },
  ];
  assert.equal((await client('sensor-7', key).get(coaps, { options })).codeText, '2.05');
});

test('one connection serves many requests, one after the other', async (t) => {
  const upstream = await Upstream.listen(t, (request, _body, response) =>
    response.setHeader('content-type', 'text/plain').end(String(request.socket.remotePort)),
  );
  const { ask } = await startProxy(t);
  const ports = new Set<string>();
  for (let n = 0; n < 20; n++) ports.add((await ask('GET', `${upstream.uri}/${n}`)).text());
  assert.equal(ports.size, 1);
});

test('a request that has no hop left is 5.08 with the name of this proxy', async (t) => {
  const upstream = await Upstream.listen(t, (_request, _body, response) => response.writeHead(508).end());
  const { ask } = await startProxy(t);
  const last = { options: [{ number: OptionNumber.HopLimit, value: 1 }] };
  const exhausted = await ask('GET', `${upstream.uri}/`, last);
  assert.deepEqual([exhausted.codeText, upstream.requests.length], ['5.08', 0]);
  assert.match(exhausted.text(), /^gateway-/);
  assert.equal((await ask('GET', `${upstream.uri}/`)).codeText, '5.08');
});

test('it proves itself with a bearer token, and with a certificate where the server wants one', async (t) => {
  const upstream = await Upstream.listen(t, (request, _body, response) =>
    response.writeHead(request.headers.authorization === 'Bearer the-token-of-it' ? 200 : 401).end(),
  );
  const { ask } = await startProxy(t, {}, { authorization: 'Bearer the-token-of-it' });
  assert.equal((await ask('GET', `${upstream.uri}/`)).codeText, '2.05');
  const days = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 86_400_000) };
  const { certificatePem: ca, privateKeyPem: caKey } = await issueAuthority('CA', { ...days, type: 'p256' });
  const authority = { certificate: new X509Certificate(ca), privateKey: createPrivateKey(caKey) };
  const own = await issueCertificate(
    authority,
    { role: 'server', commonName: '127.0.0.1', names: ['127.0.0.1'], type: 'p256' },
    days,
  );
  const gateway = await issueCertificate(
    authority,
    { role: 'device', commonName: 'gateway', names: [], type: 'p256' },
    days,
  );
  const identity = { certificate: gateway.certificatePem, privateKey: gateway.privateKeyPem };
  const secured = await Upstream.listen(t, (_request, _body, response) => response.end('ok'), {
    key: own.privateKeyPem,
    cert: own.certificatePem,
    ca,
  });
  const proven = await startProxy(t, {}, { ...identity, authorities: ca });
  assert.equal((await proven.ask('GET', `${secured.uri}/`)).text(), 'ok');
  const unproven = await startProxy(t, {}, { authorities: ca });
  assert.equal((await unproven.ask('GET', `${secured.uri}/`)).codeText, '5.02');
  const untrusting = await startProxy(t, {}, identity);
  assert.equal((await untrusting.ask('GET', `${secured.uri}/`)).codeText, '5.02');
});

test('a path of the gateway can stand for one of an HTTP server, with the rules of devices', async (t) => {
  const upstream = await Upstream.listen(t, (request, _body, response) =>
    request.method === 'POST'
      ? response.writeHead(201, { location: '/v1/stations/9' }).end()
      : response.setHeader('content-type', 'text/plain').end(`at ${request.url}`),
  );
  const { client, coap, coaps, gateway } = await startTestGateway(t, {
    psks,
    access: {
      identities: new Map([['sensor-7', ['GET,POST:/weather/*']]]),
      groups: [],
      resources: [],
    },
    upstreams: [{ path: '/weather', uri: `${upstream.uri}/v1`, client: {} }],
  });
  const device = client('sensor-7', key);
  assert.equal((await device.get(`${coaps}/weather/ulm/now?u=C`)).text(), 'at /v1/ulm/now?u=C');
  const created = await device.post(`${coaps}/weather/stations`, { payload: 'x' });
  assert.equal(created.locationPath, '/weather/stations/9');
  assert.equal((await device.put(`${coaps}/weather/x`, { payload: 'x' })).codeText, '4.03');
  assert.equal((await client().get(`${coap}/weather/x`)).codeText, '4.01');
  await gateway.reconfigure({ psks, upstreams: [] });
  assert.equal((await device.get(`${coaps}/weather/x`)).codeText, '4.04');
});

test('an empty segment in front names no other server: what is behind a path of the gateway stays there', async (t) => {
  const elsewhere = await Upstream.listen(t, (_request, _body, response) => response.end('secret'));
  const upstream = await Upstream.listen(t, (request, _body, response) =>
    response.setHeader('content-type', 'text/plain').end(`at ${request.url}`),
  );
  const { client, coaps } = await startTestGateway(t, {
    psks,
    access: { identities: new Map([['sensor-7', ['GET:/weather/*']]]), groups: [], resources: [] },
    upstreams: [
      { path: '/weather', uri: upstream.uri, client: {}, http: { authorization: 'Bearer the-token-of-it' } },
    ],
  });
  const host = elsewhere.uri.replace('http://', '');
  const answer = await client('sensor-7', key).get(`${coaps}/weather//${host}/latest`);
  assert.equal(answer.text(), `at //${host}/latest`);
  assert.equal(elsewhere.requests.length, 0);
});
