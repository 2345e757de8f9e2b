/** By which names the HTTP endpoint may be asked: a page whose name is made to lead here is none of them. */
import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { CommandFailure } from '../../src/cli/command-failure.ts';
import { httpOptions } from '../../src/cli/http-options.ts';
import { HostNames, hostName } from '../../src/http/host-names.ts';
import { HttpEndpoint } from '../../src/http/http-endpoint.ts';
import type { TelemetryApiParts } from '../../src/http/telemetry-api.ts';
import { issueAuthority, issueCertificate } from '../../src/keys/issue-certificate.ts';

const loopbackNames = [
  'localhost',
  'LOCALHOST:8080',
  'panel.localhost',
  '127.0.0.1:8080',
  '127.9.9.9',
  '[::1]:8080',
];

test('loopback names are ours wherever the endpoint is bound, names of others never', () => {
  for (const boundHost of ['127.0.0.1', '::1', 'localhost', '0.0.0.0', '::', '10.0.0.5', 'gateway.example']) {
    const names = new HostNames({ boundHost });
    for (const header of [...loopbackNames, undefined])
      assert.ok(names.isOurs(header), `${boundHost} ${header}`);
    for (const header of [
      'attacker.example',
      'localhost.attacker.example',
      'notlocalhost',
      '127.0.0.1.attacker.example',
      '',
    ])
      assert.ok(!names.isOurs(header), `${boundHost} ${header}`);
  }
});

test('the address that the endpoint is bound to is ours, and every address where it is bound to all', () => {
  const one = new HostNames({ boundHost: '10.0.0.5' });
  assert.deepEqual(
    ['10.0.0.5:8080', '10.0.0.6:8080', '[fd00::5]'].map((host) => one.isOurs(host)),
    [true, false, false],
  );
  const six = new HostNames({ boundHost: 'fd00:0::5' });
  assert.deepEqual(
    ['[fd00::5]:8080', '[FD00::0:5]', '10.0.0.5'].map((host) => six.isOurs(host)),
    [true, true, false],
  );
  for (const boundHost of ['0.0.0.0', '::'])
    assert.deepEqual(
      ['10.0.0.6', '[fd00::5]:1', 'gateway.example'].map((host) => new HostNames({ boundHost }).isOurs(host)),
      [true, true, false],
    );
  assert.ok(new HostNames({ boundHost: 'Gateway.example' }).isOurs('gateway.example.:8080'));
});

test('names that the operator gives are ours, whatever their case and port, and those below them are not', () => {
  const names = new HostNames({ boundHost: '::', names: ['gateway.example'] });
  for (const header of ['gateway.example', 'Gateway.Example:443', 'gateway.example.'])
    assert.ok(names.isOurs(header), header);
  for (const header of [
    'x.gateway.example',
    'gateway.example@attacker.example',
    'gateway.example/',
    'a b',
    'gateway.example:x',
    '[::1',
    'fd00::5',
  ])
    assert.ok(!names.isOurs(header), header);
});

test('names of the certificate are ours', async () => {
  const now = Date.now();
  const days = { notBefore: new Date(now - 1000), notAfter: new Date(now + 86_400_000) };
  const ca = await issueAuthority('CA', { ...days, type: 'p256' });
  const { certificatePem: certificate } = await issueCertificate(
    { certificate: new X509Certificate(ca.certificatePem), privateKey: createPrivateKey(ca.privateKeyPem) },
    { role: 'server', commonName: 'x', names: ['gateway.example', '*.plant.example'], type: 'p256' },
    days,
  );
  const names = new HostNames({ boundHost: '::', certificate });
  assert.deepEqual(
    ['gateway.example', 'a.plant.example:8443', 'plant.example', 'attacker.example'].map((host) =>
      names.isOurs(host),
    ),
    [true, true, false, false],
  );
});

test('what --http-name takes is a name alone, and it is compared as hosts are', () => {
  const given = (httpName: readonly string[]) =>
    httpOptions({ http: { host: '127.0.0.1', port: 0 }, httpName })?.names;
  assert.deepEqual(given(['Gateway.Example', '10.0.0.5', '[FD00:0::5]', 'müller.example']), [
    'gateway.example',
    '10.0.0.5',
    '[fd00::5]',
    'xn--mller-kva.example',
  ]);
  for (const text of ['http://gateway.example', 'gateway.example:8080', 'a/b', '', 'a b', 'fd00::5'])
    assert.throws(() => given([text]), CommandFailure, text);
  assert.throws(() => httpOptions({ http: 'off', httpName: ['a'] }), /--http-name is for the http endpoint/);
  assert.equal(hostName('a@b'), undefined);
});

test('a request by a foreign name is 421 on every path, before its credentials are looked at, and says what to do', async (t) => {
  let requests = 0;
  const endpoint = await HttpEndpoint.open({
    options: {
      address: { host: '127.0.0.1', port: 0 },
      tokens: [],
      tls: undefined,
      names: ['gateway.example'],
    },
    server: {
      request: () => {
        requests++;
        return Promise.reject(new Error('nobody asks'));
      },
      watch: () => () => {},
    },
    log: { verbosity: 0, error: () => {}, warning: () => {}, detail: () => {} },
    telemetry: {} as TelemetryApiParts,
    name: 'gateway-1',
  });
  t.after(() => endpoint.close());
  const port = Number(endpoint.address.split(':')[1]);
  const ask = async (path: string, host: string): Promise<string> => {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    let answer = '';
    for await (const chunk of socket) answer += chunk;
    return answer;
  };
  for (const path of [
    '/coap/light',
    '/hc/coap://a/b',
    '/api/peers',
    '/health',
    '/.well-known/core',
    '/nothing',
  ]) {
    const answer = await ask(path, `attacker.example:${port}`);
    assert.match(answer, /^HTTP\/1\.1 421 /, path);
    for (const header of ['x-content-type-options: nosniff', 'cache-control: no-store'])
      assert.ok(answer.toLowerCase().includes(`${header}\r\n`), `${path}: ${header}`);
    assert.match(answer, /not called attacker\.example:\d+: start the gateway with --http-name NAME/, path);
  }
  assert.equal(requests, 0);
  for (const host of [`127.0.0.1:${port}`, 'localhost', 'gateway.example'])
    assert.match(await ask('/health', host), /^HTTP\/1\.1 200 /, host);
  assert.match(await ask('/nothing', 'localhost'), /^HTTP\/1\.1 404 .*nosniff/s);
});
