/** What the HTTP endpoint does for others: events of other servers, templates, pages of other origins, renewal, and limits. */
import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { content, OptionNumber, Server } from 'coapsule';
import { parseTokens } from '../../src/cli/http-options.ts';
import type { GatewayOptions } from '../../src/gateway/gateway-options.ts';
import type { HttpOptions } from '../../src/http/http-options.ts';
import { parseUriTemplate, type UriTemplate } from '../../src/http/uri-template.ts';
import { issueAuthority, issueCertificate } from '../../src/keys/issue-certificate.ts';
import { startTestGateway } from './test-gateway.ts';

const token = 'a-token-of-a-panel';
const authorization = `Bearer ${token}`;
const anyPort = { host: '127.0.0.1', port: 0 } as const;

async function startHttp(
  t: TestContext,
  http: Partial<HttpOptions> = {},
  options: Partial<GatewayOptions> = {},
) {
  const tokens = parseTokens(`panel ${token} GET:/cloud/*`, 'tokens');
  const gateway = await startTestGateway(t, {
    proxy: {
      targets: [{ uri: 'coap://127.0.0.1:*' }, { uri: 'http://127.0.0.1:*' }],
      networks: ['127.0.0.1'],
      dangerouslyForEveryone: false,
    },
    ...options,
    http: { address: anyPort, tokens, tls: undefined, ...http },
  });
  const place = gateway.gateway.endpoints.http ?? assert.fail();
  const ask = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`http://${place}${path}`, init);
  return { ...gateway, place, ask, tokens };
}

/** A CoAP server with a lamp whose state can be changed. */
async function startLamp(t: TestContext) {
  const lamp = { state: 'off', uri: '', observers: (): number => server.observers().length, change };
  const server = new Server()
    .resource('/lamp', { get: () => content(lamp.state), observable: true })
    .resource('/plain', { get: () => content(lamp.state, { maxAgeSeconds: 7 }) });
  function change(state: string): void {
    lamp.state = state;
    server.notify('/lamp');
  }
  const { uri } = await server.listen('coap://127.0.0.1:0');
  lamp.uri = uri;
  t.after(() => server.close());
  return lamp;
}

/** Events of a stream, one after the other. */
async function* events(response: Response): AsyncGenerator<Record<string, string>> {
  let text = '';
  for await (const part of response.body ?? assert.fail('no body')) {
    text += new TextDecoder().decode(part);
    for (;;) {
      const end = text.indexOf('\n\n');
      if (end < 0) break;
      const lines = text.slice(0, end).split('\n');
      text = text.slice(end + 2);
      yield Object.fromEntries(lines.map((line) => line.split(': ', 2) as [string, string]));
    }
  }
}

const eventStream = { accept: 'text/event-stream', authorization };

test('states of a resource of another server come as events, by /hc/ and by a path of the gateway; its observation ends with the streams', async (t) => {
  const lamp = await startLamp(t);
  const { ask } = await startHttp(t, {}, { upstreams: [{ path: '/cloud', uri: lamp.uri, client: {} }] });
  for (const path of [`/hc/${lamp.uri}/lamp`, '/coap/cloud/lamp']) {
    lamp.change('off');
    const caller = new AbortController();
    const response = await ask(path, { headers: eventStream, signal: caller.signal });
    assert.equal(response.status, 200);
    const seen: string[] = [];
    for await (const { data = '' } of events(response)) {
      seen.push(data);
      if (seen.length === 1) lamp.change('on');
      else if (seen.length === 2) lamp.change('dimmed');
      else break;
    }
    assert.deepEqual(seen, ['off', 'on', 'dimmed'], path);
    caller.abort();
  }
});

test('of a server that cannot be observed there is one event, and when to come back', async (t) => {
  const lamp = await startLamp(t);
  const { ask } = await startHttp(t);
  const response = await ask(`/hc/${lamp.uri}/plain`, { headers: eventStream });
  const seen: Record<string, string>[] = [];
  for await (const event of events(response)) seen.push(event);
  const [first] = seen;
  assert.deepEqual([seen.length, first?.['data']], [1, 'off']);
  const retry = Number(first?.['retry']);
  assert.ok(retry >= 5000 && retry <= 7000, String(retry));
});

test('a token for an EventSource can be bound to one path', async (t) => {
  const lamp = await startLamp(t);
  const { ask } = await startHttp(t);
  const path = `/hc/${lamp.uri}/plain`;
  const issue = async (): Promise<string> => {
    const issued = await ask(`/event-token?path=${encodeURIComponent(path)}`, {
      method: 'POST',
      headers: { authorization },
    });
    const { token: once } = (await issued.json()) as { token: string };
    return once;
  };
  const accept = { accept: 'text/event-stream' };
  const other = await ask(`/hc/${lamp.uri}/lamp?access_token=${await issue()}`, { headers: accept });
  assert.equal(other.status, 401);
  const own = await ask(`${path}?access_token=${await issue()}`, { headers: accept });
  assert.equal(own.status, 200);
});

test('§5.4, §5.5: other forms of URIs are found by clients that look for them, and lead to the same', async (t) => {
  const lamp = await startLamp(t);
  const templates = ['?target_uri={+tu}', '?s={+s}&hp={+hp}&p={+p}'].map(
    (text) => parseUriTemplate(text) as UriTemplate,
  );
  const { ask } = await startHttp(t, { templates });
  const links = await ask('/.well-known/core?rt=core.hc');
  assert.equal(links.headers.get('content-type'), 'application/link-format');
  assert.match(
    await links.text(),
    /^<\/hc\/>;rt="core\.hc",<\/hc\/>;rt="core\.hc";hct="\?target_uri=\{\+tu\}"/,
  );
  const { host } = new URL(lamp.uri.replace('coap', 'http'));
  for (const path of [
    `/hc/${lamp.uri}/lamp`,
    `/hc/?target_uri=${lamp.uri}/lamp`,
    `/hc/?target_uri=${encodeURIComponent(`${lamp.uri}/lamp`)}`,
    `/hc/?s=coap&hp=${host}&p=/lamp`,
  ]) {
    const response = await ask(path, { headers: { authorization } });
    assert.equal(await response.text(), 'off', path);
  }
});

test('§5.5: clients of CoAP find it too, from each worker, where the endpoint has a name that they can use', async (t) => {
  const proxy = { targets: [{ uri: 'coap://*' }], networks: [], dangerouslyForEveryone: false };
  const http = { address: { host: '127.0.0.1', port: 0 }, tokens: [], tls: undefined };
  const named = {
    ...http,
    names: ['gateway.example'],
    templates: [parseUriTemplate('?u={+tu}') as UriTemplate],
  };
  const { gateway, coap, client } = await startTestGateway(t, { proxy, http: named, workers: 2 });
  const origin = `http://gateway.example:${gateway.endpoints.http?.split(':').at(-1)}`;
  // Several clients: they reach both workers.
  for (let count = 0; count < 6; count++) {
    const links = await client().discover(coap, { query: ['rt=core.hc'] });
    assert.deepEqual(links, [
      ...[[], [['hct', '?u={+tu}']]].map((more) => ({
        target: '/hc/',
        attributes: [['anchor', origin], ['rt', 'core.hc'], ...more],
      })),
    ]);
  }
  const local = await startTestGateway(t, { proxy, http });
  assert.deepEqual(await local.client().discover(local.coap, { query: ['rt=core.hc'] }), []);
});

test('pages of other origins may read nothing, unless an option names them', async (t) => {
  const asked = async (http: Partial<HttpOptions>, origin: string): Promise<string | null> => {
    const { ask } = await startHttp(t, http);
    return (await ask('/health', { headers: { origin } })).headers.get('access-control-allow-origin');
  };
  assert.equal(await asked({}, 'https://panel.example'), null);
  assert.equal(
    await asked({ cors: ['https://panel.example'] }, 'https://panel.example'),
    'https://panel.example',
  );
  assert.equal(await asked({ cors: ['https://panel.example'] }, 'https://other.example'), null);
  const { ask } = await startHttp(t, { cors: ['https://panel.example'] });
  const preflight = await ask('/coap/light', {
    method: 'OPTIONS',
    headers: { origin: 'https://panel.example', 'access-control-request-method': 'PUT' },
  });
  assert.equal(preflight.status, 204);
  assert.match(preflight.headers.get('access-control-allow-methods') ?? '', /PUT/);
});

test('a request that the gateway has sent to itself does not go round: 5.08 for who asked by CoAP', async (t) => {
  const key = 'MySecret16ByteK!';
  const psks = [{ identity: 'sensor-7', key: new TextEncoder().encode(key) }];
  const { client, coaps, place } = await startHttp(t, {}, { psks });
  const options = [{ number: OptionNumber.ProxyUri, value: `http://${place}/health` }];
  const response = await client('sensor-7', key).get(coaps, { options });
  assert.equal(response.codeText, '5.08');
  assert.match(response.text(), /^gateway-[0-9a-f]{8}$/);
});

test('a certificate and tokens that are renewed count at once', async (t) => {
  const days = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 86_400_000) };
  const { certificatePem, privateKeyPem } = await issueAuthority('CA', { ...days, type: 'p256' });
  const authority = {
    certificate: new X509Certificate(certificatePem),
    privateKey: createPrivateKey(privateKeyPem),
  };
  const issued = async (commonName: string) => {
    const subject = { role: 'server', commonName, names: ['localhost'], type: 'p256' } as const;
    const made = await issueCertificate(authority, subject, days);
    return { certificate: made.certificatePem, privateKey: made.privateKeyPem };
  };
  const first = await issued('first');
  const { gateway, place } = await startHttp(t, { tls: first });
  const shown = async (): Promise<string | undefined> => {
    const [host = '', port] = place.split(':');
    const socket = connectTls({ host, port: Number(port), servername: 'localhost', ca: certificatePem });
    await once(socket, 'secureConnect');
    const { subject } = socket.getPeerCertificate();
    socket.destroy();
    return String(subject.CN);
  };
  assert.equal(await shown(), 'first');
  // An encrypted key, as the endpoints of CoAP take it.
  const second = await issued('second');
  const encrypted = createPrivateKey(second.privateKey).export({
    ...{ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'of the key' },
  });
  await gateway.reconfigure({
    httpSecrets: {
      tls: { certificate: second.certificate, privateKey: String(encrypted), passphrase: 'of the key' },
      tokens: [],
    },
  });
  assert.equal(await shown(), 'second');
});

/** What a connection answers to these bytes, until it ends. */
async function raw(place: string, bytes: string): Promise<string> {
  const [host, port] = place.split(':');
  const socket: Socket = connect(Number(port), host);
  socket.end(bytes);
  return Buffer.concat(await socket.toArray()).toString();
}

test('§10.2: a request whose length can be read in two ways is refused, and what stands behind it is none', async (t) => {
  const { place } = await startHttp(t);
  const smuggled = 'POST /coap/light HTTP/1.1\r\nHost: localhost\r\n';
  for (const headers of [
    'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n',
    'Content-Length: 5\r\nContent-Length: 6\r\n',
    'Transfer-Encoding: chunked, identity\r\n',
    'Content-Length: 5\r\nX: a\r\n b\r\nBad Header: x\r\n',
  ]) {
    const answer = await raw(
      place,
      `${smuggled}${headers}\r\n0\r\n\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    );
    assert.match(answer, /^HTTP\/1\.1 400 /, headers);
    assert.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1, headers);
  }
});

test('§10.2: a body above 1 MiB is 413, also in chunks', async (t) => {
  const { place } = await startHttp(t);
  const [host, port] = place.split(':');
  const asking = request({ host, port, path: '/coap/light', method: 'POST' });
  asking.on('error', () => {});
  const answered = once(asking, 'response');
  for (let sent = 0; sent < 20; sent++) asking.write(Buffer.alloc(64 * 1024));
  asking.end();
  const [response] = await answered;
  assert.equal(response.statusCode, 413);
  response.resume();
});
