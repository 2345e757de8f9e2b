/** The explorer: requests to CoAP servers with what passed on the way, as whom, and within bounds. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyPairKeyObjectResult } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { changed, content, Server } from 'coapsule';
import { OptionNumber } from 'coapsule/message';
import type {
  CredentialNames,
  DeviceWithSecret,
  DiscoverResult,
  ExplorerEvents,
  ExplorerResult,
  PingResult,
} from '../../src/console/api-types.ts';
import { eventsOf, problemOf, startTestConsole } from './console-fixture.ts';

test('a request is answered with the response, its messages with their fields, and the same as commands', async (t) => {
  const { admin, coap } = await startTestConsole(t, { demo: true });
  const user = await admin();
  const result = await user.json<ExplorerResult>('POST', '/api/explorer/request', {
    uri: `${coap}/config`,
    method: 'GET',
    accept: 'application/json',
    options: [
      { option: 'Uri-Query', value: 'a=1' },
      { option: 2050, value: '0x0102' },
    ],
  });
  const { response, ladder, commands } = result;
  assert.deepEqual(
    [response?.code, response?.codeName, response?.contentFormatName],
    ['2.05', 'Content', 'application/json'],
  );
  assert.match(response?.explanation ?? '', /representation/);
  assert.ok(
    Buffer.from(response?.payloadHex ?? '', 'hex')
      .toString()
      .startsWith('{'),
  );
  assert.deepEqual(
    ladder.map(({ kind }) => kind),
    ['sent', 'received'],
  );
  const [sent] = ladder;
  assert.match(sent?.text ?? '', /^CON GET .* \/config\?a=1/);
  const path = sent?.fields.find(({ name }) => name === 'Uri-Path') ?? assert.fail();
  const bytes = Buffer.from(sent?.bytesHex ?? '', 'hex');
  assert.ok(bytes.subarray(path.start, path.end).toString('latin1').endsWith('config'));
  assert.deepEqual(
    commands.map(({ tool }) => tool),
    ['coapsule', 'coap-client', 'aiocoap-client', 'typescript'],
  );
  assert.equal(
    commands[0]?.command,
    `coapsule get '${coap}/config' -A 50 -O 15,0x613d31 -O 2050,0x0102`.replaceAll("'", ''),
  );
});

test('a device of the store can be spoken for by an admin alone; a wrong key is explained', async (t) => {
  const started = await startTestConsole(t);
  const user = await started.admin();
  const { secret } = await user.json<DeviceWithSecret>('POST', '/api/devices', {
    id: 'dev',
    credential: { kind: 'psk' },
  });
  assert.ok(secret?.kind === 'psk');
  const uri = `${started.coaps}/sensors/dev`;
  const put = { uri, method: 'PUT', payloadHex: '3232', contentFormat: 0 } as const;
  const asDevice = { ...put, credential: { kind: 'device', id: 'dev' } };
  const done = await user.json<ExplorerResult>('POST', '/api/explorer/request', asDevice);
  assert.equal(done.response?.code, '2.01');
  assert.ok(done.ladder.some(({ kind, text }) => kind === 'handshake' && text.includes('ClientHello')));
  assert.ok(!JSON.stringify(done).includes(secret.keyHex), 'commands have no key');

  const wrong = await user.json<ExplorerResult>('POST', '/api/explorer/request', {
    ...put,
    credential: { kind: 'psk', identity: 'dev', keyHex: '00'.repeat(16) },
    timeoutSeconds: 20,
  });
  assert.equal(wrong.response, null);
  assert.equal(wrong.problem?.code, 'peer-failed');
  assert.match(wrong.problem?.message ?? '', /identity unknown or key wrong/);
  assert.ok((wrong.problem?.nextStep ?? '') !== '');

  const operator = await started.as('operate');
  const refused = await operator.ask('POST', '/api/explorer/request', asDevice);
  assert.deepEqual([refused.status, (await problemOf(refused)).code], [403, 'forbidden']);
  const line = await operator.ask('POST', '/api/explorer/ping', { uri: 'coap+serial://ttyUSB0/' });
  assert.equal(line.status, 403, 'serial lines are of the machine');
  const audit = readFileSync(join(started.folder, 'audit-console.ndjson'), 'utf8');
  assert.match(audit, /"event":"request-sent","user":"\(link\)","request":"PUT",.*"as":"dev"/);
});

test('a server is found out: its resources, and whether it is there', async (t) => {
  const { admin, coap } = await startTestConsole(t, { demo: true });
  const user = await admin();
  const { links } = await user.json<DiscoverResult>('POST', '/api/explorer/discover', { uri: coap });
  assert.ok(links.some(({ target }) => target === '/light'));
  const pong = await user.json<PingResult>('POST', '/api/explorer/ping', { uri: coap });
  assert.ok((pong.roundTripMs ?? 0) > 0);
});

test('an observation is a stream: the first response whole, then each newest state, until nobody reads', async (t) => {
  let state = 0;
  const server = new Server().resource('/state', { get: () => content(String(state)), observable: true });
  t.after(() => server.close());
  const { port } = await server.listen('coap://127.0.0.1:0');
  const { admin } = await startTestConsole(t);
  const user = await admin();
  const reading = new AbortController();
  const stream = await user.ask(
    'POST',
    '/api/explorer/observe',
    { uri: `coap://127.0.0.1:${port}/state`, method: 'GET' },
    { signal: reading.signal },
  );
  const events = eventsOf(stream);
  const next = async () => (await events.next()).value ?? assert.fail('the stream is over');
  const first = await next();
  assert.equal(first.event, 'response');
  assert.equal((first.data as ExplorerEvents['response']).response?.payloadHex, '30');
  state = 1;
  server.notify('/state');
  const second = await next();
  assert.equal(second.event, 'notification');
  assert.equal((second.data as ExplorerEvents['notification']).response.payloadHex, '31');
  reading.abort();
});

test('a payload is cut at 1 MiB, a user has eight requests at a time, and a silent server takes no longer than was said', async (t) => {
  const hang = Promise.withResolvers<void>();
  const big = new Uint8Array(1024 * 1024 + 100).fill(0x61);
  const server = new Server()
    .resource('/big', { get: () => content(big), maxBodyBytes: 2 * big.length })
    .resource('/hang', {
      get: async () => {
        await hang.promise;
        return content('late');
      },
    });
  t.after(() => server.close());
  t.after(() => hang.resolve());
  const { port } = await server.listen('coap+tcp://127.0.0.1:0');
  const { admin } = await startTestConsole(t);
  const user = await admin();
  const uri = `coap+tcp://127.0.0.1:${port}`;
  const cut = await user.json<ExplorerResult>('POST', '/api/explorer/request', {
    uri: `${uri}/big`,
    method: 'GET',
  });
  assert.deepEqual(
    [cut.problem, cut.response?.isPayloadCut, cut.response?.payloadHex.length],
    [null, true, 2 * 1024 * 1024],
  );
  assert.ok(cut.ladder.length <= 500);
  const asked = Array.from({ length: 9 }, () =>
    user.ask('POST', '/api/explorer/request', { uri: `${uri}/hang`, method: 'GET', timeoutSeconds: 1 }),
  );
  const answers = await Promise.all(asked);
  const statuses = answers.map(({ status }) => status).sort();
  assert.deepEqual(statuses, [...new Array<number>(8).fill(200), 503]);
  const late = answers.find(({ status }) => status === 200) ?? assert.fail();
  const result = (await late.json()) as ExplorerResult;
  assert.match(result.problem?.message ?? '', /no answer|no response|time|second/i);
});

test('requests have the token, conditions, proxy and repetition that are asked for, and show what comes after the answer', async (t) => {
  const tags: string[] = [];
  let runs = 0;
  const server = new Server().resource('/state', {
    put: ({ options, token }) => {
      runs++;
      tags.push(Buffer.from(token).toString('hex'));
      for (const number of [OptionNumber.ETag, OptionNumber.UriHost, OptionNumber.Size1, 2050])
        for (const value of options.all(number)) tags.push(`${number}:${Buffer.from(value).toString('hex')}`);
      return changed();
    },
  });
  t.after(() => server.close());
  const { port } = await server.listen('coap://127.0.0.1:0');
  const { admin } = await startTestConsole(t);
  const user = await admin();
  const request = {
    ...{ uri: `coap://127.0.0.1:${port}/state`, method: 'PUT', payloadHex: '31', tokenHex: 'c0ffee' },
    ...{ duplicates: true, retransmits: false, listenSeconds: 0.3 },
    options: [
      { option: 'ETag', value: '0x01' },
      { option: 'etag', value: '0x0203' },
      { option: 'Uri-Host', value: 'other.example' },
      { option: 'Size1', value: '1' },
      { option: 2050, value: '0x07' },
    ],
  };
  const result = await user.json<ExplorerResult>('POST', '/api/explorer/request', request);
  assert.equal(result.response?.code, '2.04', JSON.stringify(result));
  assert.deepEqual(tags, [
    ...['c0ffee', `${OptionNumber.ETag}:01`, `${OptionNumber.ETag}:0203`],
    ...[`${OptionNumber.UriHost}:${Buffer.from('other.example').toString('hex')}`],
    ...[`${OptionNumber.Size1}:01`, '2050:07'],
  ]);
  assert.equal(runs, 1, 'the server takes the two as one message (RFC 7252 §4.5)');
  // The second acknowledgement belongs to nothing, and is shown.
  assert.deepEqual(
    result.ladder.map(({ kind }) => kind),
    ['sent', 'received', 'received', 'note'],
  );
  assert.deepEqual(
    result.commands
      .find(({ tool }) => tool === 'aiocoap-client')
      ?.notes.filter((note) => note.includes('c0ffee')),
    ['The token c0ffee is left out.'],
  );
  const named = await user.ask('POST', '/api/explorer/request', {
    ...{ ...request, uri: `coap://localhost:${port}/state` },
  });
  assert.match((await problemOf(named)).message, /is Uri-Host already/);

  const silent = await openSilentPort();
  t.after(() => silent.close());
  const once = await user.json<ExplorerResult>('POST', '/api/explorer/request', {
    ...{ uri: `coap://127.0.0.1:${silent.port}/`, method: 'GET', retransmits: false, timeoutSeconds: 4 },
  });
  assert.equal(once.response, null);
  assert.deepEqual(
    once.ladder.map(({ kind }) => kind).filter((kind) => kind !== 'note'),
    ['sent'],
  );
  const proxied = await user.json<ExplorerResult>('POST', '/api/explorer/request', {
    ...{ uri: 'coap://far.example/x', method: 'GET' },
    proxy: { uri: `coap://127.0.0.1:${port}`, form: 'Proxy-Scheme' },
  });
  assert.equal(proxied.response?.code, '5.05', 'this server is no proxy');
  assert.ok(proxied.ladder[0]?.fields.some(({ name }) => name === 'Proxy-Scheme'));
});

test('options by name go as they are, also those that the client otherwise sees to: blocks by number, Observe, unknown ones', async (t) => {
  const { admin, coap } = await startTestConsole(t, { demo: true });
  const user = await admin();
  const ask = async (path: string, option: string | number, value: string) =>
    user.json<ExplorerResult>('POST', '/api/explorer/request', {
      ...{ uri: coap + path, method: 'GET', options: [{ option, value }] },
    });
  const block = await ask('/large', 'Block2', '2/64');
  // The letters A to Z over and over, from the 128th on.
  assert.equal(
    Buffer.from(block.response?.payloadHex ?? '', 'hex')
      .toString()
      .slice(0, 3),
    'YZA',
  );
  assert.equal(block.response?.payloadHex.length, 128);
  assert.match(block.ladder[0]?.text ?? '', /Block2 2\/last\/64/);
  assert.match((await ask('/light', 'Observe', '1')).ladder[0]?.text ?? '', /Observe 1/);
  assert.equal((await ask('/config', 65_001, '0x01')).response?.code, '4.02');
  const put = await user.json<ExplorerResult>('POST', '/api/explorer/request', {
    ...{ uri: `${coap}/store/x`, method: 'PUT', payloadHex: '00'.repeat(16) },
    options: [{ option: 'Block1', value: '0/16/more' }],
  });
  assert.equal(put.response?.code, '2.31');
  const refused = await user.ask('POST', '/api/explorer/request', {
    ...{ uri: coap, method: 'GET', options: [{ option: 'Block2', value: '1/48' }] },
  });
  assert.match(
    (await problemOf(refused)).message,
    /Block2 is "1\/48": a block has a number below 2\^20 and 16, 32/,
  );
});

test('an observation that is to end by a Reset is there for its next notification', {
  timeout: 30_000,
}, async (t) => {
  let state = 0;
  const server = new Server().resource('/state', { get: () => content(String(state)), observable: true });
  t.after(() => server.close());
  const { port } = await server.listen('coap://127.0.0.1:0');
  const { admin } = await startTestConsole(t);
  const user = await admin();
  const reading = new AbortController();
  const stream = await user.ask(
    'POST',
    '/api/explorer/observe',
    { uri: `coap://127.0.0.1:${port}/state`, method: 'GET', cancelBy: 'RST' },
    { signal: reading.signal },
  );
  const events = eventsOf(stream);
  await events.next();
  reading.abort();
  await assert.rejects(Promise.resolve(events.next()));
  // Each is reset once the explorer has learnt that nobody reads any more.
  const telling = setInterval(() => {
    state++;
    server.notify('/state');
  }, 20);
  t.after(() => clearInterval(telling));
  while (server.observers().length > 0) await new Promise(setImmediate);
});

test('servers are asked with a raw public key, a certificate, and as the proxy that the gateway is', async (t) => {
  const keys = new Map<string, KeyPairKeyObjectResult>();
  for (const name of ['own', 'server']) keys.set(name, generateKeyPairSync('ec', { namedCurve: 'P-256' }));
  const pem = (name: string, which: 'publicKey' | 'privateKey'): string => {
    const key = keys.get(name)?.[which] ?? assert.fail();
    return key.export({ format: 'pem', type: which === 'publicKey' ? 'spki' : 'pkcs8' }).toString();
  };
  const server = new Server().resource('/who', {
    get: ({ peer }) => content(peer.security.kind === 'dtls' ? peer.security.identity : 'nobody'),
  });
  t.after(() => server.close());
  const { port } = await server.listen('coaps://127.0.0.1:0', {
    rawPublicKey: { privateKey: pem('server', 'privateKey') },
    clientPublicKeys: new Map([['sensor-7', pem('own', 'publicKey')]]),
  });
  const proxyClient = {
    rawPublicKey: { privateKey: pem('own', 'privateKey') },
    peerPublicKeys: pem('server', 'publicKey'),
  };
  const started = await startTestConsole(t, {
    proxy: {
      targets: [{ uri: 'coaps://127.0.0.1:*', client: proxyClient }],
      networks: [],
      dangerouslyForEveryone: false,
    },
  });
  const user = await started.admin();
  const uri = `coaps://127.0.0.1:${port}/who`;
  const rpk = {
    kind: 'rpk',
    privateKeyPem: pem('own', 'privateKey'),
    serverKey: pem('server', 'publicKey'),
  };
  for (const credential of [rpk, { kind: 'proxy', pattern: 'coaps://127.0.0.1:*' }]) {
    const result = await user.json<ExplorerResult>('POST', '/api/explorer/request', {
      ...{ uri, method: 'GET', credential },
    });
    assert.equal(
      Buffer.from(result.response?.payloadHex ?? '', 'hex').toString(),
      'sensor-7',
      JSON.stringify(result.problem),
    );
  }
  const { credentials } = await user.json<CredentialNames>('GET', '/api/explorer/credentials');
  assert.deepEqual(credentials, [{ id: 'coaps://127.0.0.1:*', kind: 'proxy' }]);
  for (const [credential, reason] of [
    [{ ...rpk, privateKeyPem: 'no key' }, /privateKey/],
    [{ kind: 'x509', authorityPem: 'no authority' }, /trustAnchors|certificate/i],
    [{ kind: 'x509', authorityPem: 'system', certificatePem: 'x' }, /go together/],
    [{ kind: 'proxy', pattern: 'coaps://other' }, /no credential for this pattern/],
  ] as const) {
    const refused = await user.ask('POST', '/api/explorer/request', { uri, method: 'GET', credential });
    const { message } = await problemOf(refused);
    assert.match(message, reason);
  }
  const operator = await started.as('operate');
  const forbidden = await operator.ask('POST', '/api/explorer/request', {
    ...{ uri, method: 'GET', credential: { kind: 'proxy', pattern: 'coaps://127.0.0.1:*' } },
  });
  assert.equal(forbidden.status, 403);
});

/** A port that takes datagrams and answers none. */
async function openSilentPort(): Promise<{ readonly port: number; close(): void }> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return { port: socket.address().port, close: () => socket.close() };
}
