import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { Client, content, type Response, Server } from 'coapsule';
import { issueAuthority, issueCertificate } from '../../src/keys/issue-certificate.ts';
import { openDatabase } from '../../src/store/database.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { CoapsuleProcess, coapsule } from './gateway-process.ts';

const onWindows = process.platform === 'win32' && 'Windows has no SIGHUP';

function client(t: TestContext, identity: string, key: string, onConnected = (): void => {}): Client {
  const made = new Client({
    psk: { identity, key: new TextEncoder().encode(key) },
    transmission: { maxRetransmit: 1 },
    trace: ({ kind }) => {
      if (kind === 'connected') onConnected();
    },
  });
  t.after(() => made.close());
  return made;
}

/** A gateway by a file; `again` writes another file and has it read. */
async function gatewayBy(t: TestContext, first: string) {
  const folder = temporaryFolder(t);
  const file = join(folder, 'gateway.yaml');
  const write = (text: string): void =>
    writeFileSync(file, `data: store\nendpoints: { coap: "127.0.0.1:0", coaps: "127.0.0.1:0" }\n${text}`, {
      mode: 0o600,
    });
  write(first);
  const gateway = new CoapsuleProcess(t, ['serve', '--config', file]);
  const { coap, coaps } = await gateway.ready();
  let reads = 0;
  return {
    gateway,
    folder,
    coap: `coap://${coap}`,
    coaps: `coaps://${coaps}`,
    async again(text: string): Promise<string> {
      write(text);
      gateway.child.kill('SIGHUP');
      reads++;
      const line = '(?:configuration read again|configuration was not taken).*\\n';
      const [all] = await gateway.waitFor('stderr', new RegExp(`(?:[\\s\\S]*${line}){${reads}}`));
      return all;
    },
  };
}

const psk = (...entries: string[]): string =>
  `psk: { keys: [${entries.map((entry) => `{ identity: ${entry.split(':')[0]}, key: ${entry.split(':')[1]} }`).join(', ')}] }\n`;

test('SIGHUP brings keys, limits and the detail of the log, and associations whose key stays go on', {
  skip: onWindows,
}, async (t) => {
  const { gateway, folder, coaps, again } = await gatewayBy(
    t,
    psk('stays:0123456789abcdef', 'goes:0123456789abcdef'),
  );
  let handshakes = 0;
  const stays = client(t, 'stays', '0123456789abcdef', () => handshakes++);
  const goes = client(t, 'goes', '0123456789abcdef');
  assert.equal((await stays.put(`${coaps}/sensors/stays/a`, { payload: '1' })).codeText, '2.01');
  assert.equal((await goes.put(`${coaps}/sensors/goes`, { payload: '1' })).codeText, '2.01');

  const told = await again(
    `${psk('stays:0123456789abcdef', 'comes:0123456789abcdef')}limits: { maxPaths: 1 }\nlog: { verbosity: 1 }\ndemo: true\n`,
  );
  assert.match(
    told,
    /configuration read again: limits\.maxPaths, log\.verbosity, pre-shared keys \(1 added, 1 removed\)/,
  );
  assert.match(told, /changed, and counts after a restart only: demo\n/);
  assert.ok(!told.includes('0123456789abcdef'));

  assert.equal((await stays.get(`${coaps}/sensors/stays/a`)).text(), '1');
  // A client that was told to wait does (RFC 8516), so that another one asks for more paths.
  const putMore = (): Promise<Response> =>
    client(t, 'stays', '0123456789abcdef').put(`${coaps}/sensors/stays/b`, { payload: '1' });
  assert.equal((await putMore()).codeText, '4.29');
  assert.equal(handshakes, 1);
  const comes = client(t, 'comes', '0123456789abcdef');
  assert.equal((await comes.put(`${coaps}/sensors/comes`, { payload: '1' })).codeText, '2.01');
  await assert.rejects(goes.get(`${coaps}/sensors/goes`), /handshake|key|identity/i);
  await gateway.waitFor('stderr', /PUT \/sensors\/comes 2\.01 Created .* as comes/);

  assert.match(
    await again(psk('stays:0123456789abcdef', 'comes:0123456789abcdef')),
    /limits\.maxPaths, log\.verbosity\n/,
  );
  assert.equal((await putMore()).codeText, '2.01');
  assert.equal((await stays.get(`${coaps}/sensors/stays/a`)).text(), '1');
  assert.equal(handshakes, 1);
  assert.match(
    await again(psk('stays:0123456789abcdef', 'comes:0123456789abcdef')),
    /configuration read again: nothing else counts now/,
  );
  await again('limits: 3\n');
  assert.equal((await gateway.kill('SIGTERM')).code, 0);
  const audit = readFileSync(join(folder, 'store/audit-changes.ndjson'), 'utf8');
  assert.ok(!audit.includes('0123456789abcdef'));
  const changes = audit
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    changes.map(({ event }) => event),
    [
      'gateway-started',
      'configuration-read',
      'configuration-read',
      'configuration-read',
      'configuration-refused',
      'gateway-stopped',
    ],
  );
  assert.deepEqual(
    [changes[1].how, changes[1].changed, changes[1].keys, changes[1].waiting],
    ['SIGHUP', ['limits.maxPaths', 'log.verbosity'], { added: ['comes'], removed: ['goes'] }, ['demo']],
  );
  assert.match(changes[4].cause, /gateway\.yaml:3:9: limits: is 3; expected keys/);
});

test('SIGHUP brings rules of groups, and what paths demand', { skip: onWindows }, async (t) => {
  const keys = psk('nurse:0123456789abcdef');
  const { coap, coaps, again } = await gatewayBy(t, `demo: true\n${keys}`);
  const nurse = client(t, 'nurse', '0123456789abcdef');
  const plain = new Client();
  t.after(() => plain.close());
  const put = async (): Promise<string> =>
    (await nurse.put(`${coaps}/sensors/ward`, { payload: '1' })).codeText;
  assert.equal(await put(), '4.03');
  assert.equal((await plain.get(`${coap}/hello`)).codeText, '2.05');
  const told = await again(
    `demo: true\n${keys}access: { groups: { nurses: { members: [nurse], allow: ["PUT:/sensors/ward"] } }, resources: [{ path: /hello, requires: secured }] }\n`,
  );
  assert.match(told, /configuration read again: access\n/);
  assert.equal(await put(), '2.01');
  assert.equal((await plain.get(`${coap}/hello`)).codeText, '4.01');
});

test('a file with a fault changes nothing, and is told with its line', { skip: onWindows }, async (t) => {
  const { gateway, coaps, again } = await gatewayBy(t, psk('a:0123456789abcdef'));
  const one = client(t, 'a', '0123456789abcdef');
  assert.equal((await one.put(`${coaps}/sensors/a`, { payload: '1' })).codeText, '2.01');
  for (const [text, told] of [
    ['limits: { keep: -1 }\n', /was not taken, .*gateway\.yaml:3:17: limits\.keep: is -1/],
    ['psk: { file: none.psk }\n', /was not taken, .*none\.psk/],
    ['credentials: { privateKey: none.key }\n', /was not taken, .*none\.key/],
    [
      'reverseProxy: [{ path: /x, uri: "coap://h.example/", oscore: none.oscore }]\n',
      /was not taken, .*none\.oscore/,
    ],
    ['access: { groups: { g: { roles: [none] } } }\n', /was not taken, .*"none" is no role/],
    ['endpoints: {}\n', /was not taken, .*unique/],
  ] as const) {
    assert.match(await again(text), told);
    assert.equal((await one.put(`${coaps}/sensors/a`, { payload: '2' })).codeText, '2.04');
  }
  assert.match(await again(psk('a:fedcba9876543210')), /pre-shared keys \(1 changed\)/);
  const other = client(t, 'a', 'fedcba9876543210');
  assert.equal((await other.get(`${coaps}/sensors/a`)).text(), '2');
  assert.equal((await gateway.kill('SIGTERM')).code, 0);
});

test('SIGHUP adds other servers, takes them away, and leaves those that are the same alone', {
  skip: onWindows,
}, async (t) => {
  const upstream = new Server();
  t.after(() => upstream.close());
  upstream.resource('/api/*', { get: ({ path }) => content(path) });
  const { uri } = await upstream.listen('coap://127.0.0.1:0');
  const { folder, coaps, again } = await gatewayBy(t, 'demo: true\n');
  const device = new CoapsuleProcess(t, [
    ...['device', 'add', 'd', '--psk', '0123456789abcdef', '--allow', 'GET:/one/*', '--allow', 'GET:/two/*'],
    ...['--data', join(folder, 'store')],
  ]);
  assert.equal((await device.ended).code, 0);
  const asking = client(t, 'd', '0123456789abcdef');
  const answerOf = async (path: string) => {
    const response = await asking.get(`${coaps}${path}`);
    return response.codeText === '2.05' ? response.text() : response.codeText;
  };
  const rules = (...paths: string[]) =>
    `demo: true\nreverseProxy: [${paths.map((path) => `{ path: ${path}, uri: "${uri}/api" }`).join(', ')}]\n`;
  assert.equal(await answerOf('/one/x'), '4.04');
  assert.match(await again(rules('/one')), /configuration read again: reverseProxy\n/);
  assert.equal(await answerOf('/one/x'), '/api/x');
  await again(rules('/one', '/two'));
  assert.equal(await answerOf('/two/y'), '/api/y');
  assert.equal(await answerOf('/one/x'), '/api/x');
  await again(rules('/two'));
  assert.equal(await answerOf('/one/x'), '4.04');
  assert.equal(await answerOf('/two/y'), '/api/y');
});

test('SIGHUP reads tokens and the credentials for other servers again where the paths of their files stay, and says so', {
  skip: onWindows,
}, async (t) => {
  const upstream = new Server();
  t.after(() => upstream.close());
  const keyOf = (text: string): Uint8Array => new TextEncoder().encode(text);
  upstream.resource('/api/*', {
    get: ({ peer }) =>
      content(peer.security.kind === 'dtls' ? peer.security.identity : '', { maxAgeSeconds: 0 }),
  });
  const { uri } = await upstream.listen('coaps://127.0.0.1:0', {
    psk: { lookup: new Map(['old', 'new'].map((identity) => [identity, keyOf('sixteen bytes ..')])) },
  });
  const folder = temporaryFolder(t);
  const at = (name: string): string => join(folder, name);
  const write = (name: string, text: string): void => writeFileSync(at(name), text, { mode: 0o600 });
  const credentials = (identity: string): void =>
    write('credentials.json', JSON.stringify({ 'coaps://*': { identity, key: 'sixteen bytes ..' } }));
  const tokens = (token: string): void => write('tokens', `panel ${token} GET:/one/*\n`);
  credentials('old');
  tokens('the-token-before-');
  write(
    'gateway.yaml',
    `data: store
endpoints: { coap: "127.0.0.1:0", coaps: off, http: "127.0.0.1:0" }
http: { tokens: tokens }
proxy: { credentials: credentials.json }
reverseProxy: [{ path: /one, uri: "${uri}/api" }]
`,
  );
  const gateway = new CoapsuleProcess(t, ['serve', '--config', at('gateway.yaml')]);
  const [, json = ''] = await gateway.waitFor('stdout', /^ready (\{.*\})$/m);
  const ask = async (token: string): Promise<string> => {
    const response = await fetch(`http://${JSON.parse(json).http}/coap/one/x`, {
      headers: { authorization: `Bearer ${token}` },
    });
    return response.ok ? response.text() : String(response.status);
  };
  assert.equal(await ask('the-token-before-'), 'old');
  gateway.child.kill('SIGHUP');
  await gateway.waitFor('stderr', /configuration read again: nothing else counts now\n/);
  tokens('the-token-after--');
  gateway.child.kill('SIGHUP');
  await gateway.waitFor('stderr', /configuration read again: http\.tokens \(renewed files\)\n/);
  assert.equal(await ask('the-token-before-'), '401');
  assert.equal(await ask('the-token-after--'), 'old');
  credentials('new');
  gateway.child.kill('SIGHUP');
  await gateway.waitFor('stderr', /configuration read again: reverseProxy \(renewed files\)\n/);
  assert.equal(await ask('the-token-after--'), 'new');
  assert.equal((await gateway.kill('SIGTERM')).code, 0);
});

test('SIGHUP has a renewed certificate shown, and who is connected stays; a broken one changes nothing', {
  skip: onWindows,
}, async (t) => {
  const folder = temporaryFolder(t);
  const at = (name: string): string => join(folder, name);
  const now = Date.now();
  const validity = { notBefore: new Date(now - 3_600_000), notAfter: new Date(now + 90 * 86_400_000) };
  const ca = await issueAuthority('CA', { ...validity, type: 'p256' });
  const issuer = {
    certificate: new X509Certificate(ca.certificatePem),
    privateKey: createPrivateKey(ca.privateKeyPem),
  };
  const write = async (name: string, commonName: string, role: 'server' | 'device'): Promise<void> => {
    const subject = { role, commonName, names: [commonName], type: 'p256' } as const;
    const issued = await issueCertificate(issuer, subject, validity);
    writeFileSync(at(`${name}.pem`), issued.certificatePem);
    writeFileSync(at(`${name}.key`), issued.privateKeyPem, { mode: 0o600 });
  };
  writeFileSync(at('ca.pem'), ca.certificatePem);
  await write('gateway', 'old.example', 'server');
  await write('device', 'sensor-1', 'device');
  const added = await coapsule(
    t,
    ...['device', 'add', 'sensor-1', '--cert', at('device.pem'), '--data', at('store')],
  );
  assert.equal(added.code, 0, added.stderr);
  writeFileSync(
    at('gateway.yaml'),
    'data: store\nendpoints: { coap: off, coaps: "127.0.0.1:0", tls: "127.0.0.1:0" }\ncredentials: { certificate: gateway.pem, privateKey: gateway.key, authorities: ca.pem }\n',
  );
  const gateway = new CoapsuleProcess(t, ['serve', '--config', at('gateway.yaml')]);
  const [, json = ''] = await gateway.waitFor('stdout', /^ready (\{.*\})$/m);
  const { coaps, tls } = JSON.parse(json);
  const uris = [`coaps://${coaps}`, `coaps+tcp://${tls}`];
  const device = (serverName: string): Client => {
    const made = new Client({
      certificate: { chain: readFileSync(at('device.pem')), privateKey: readFileSync(at('device.key')) },
      trustAnchors: ca.certificatePem,
      serverName,
    });
    t.after(() => made.close());
    return made;
  };
  const put = async (asking: Client, uri = ''): Promise<string> =>
    (await asking.put(`${uri}/sensors/sensor-1`, { payload: '1' })).codeText;
  const early = device('old.example');
  for (const uri of uris) assert.match(await put(early, uri), /^2\.0[14]$/);

  await write('gateway', 'new.example', 'server');
  gateway.child.kill('SIGHUP');
  await gateway.waitFor('stderr', /configuration read again: credentials \(renewed files\)\n/);
  const late = device('new.example');
  for (const uri of uris) {
    assert.equal(await put(early, uri), '2.04');
    assert.equal(await put(late, uri), '2.04');
  }

  writeFileSync(at('gateway.key'), 'broken');
  gateway.child.kill('SIGHUP');
  await gateway.waitFor('stderr', /configuration was not taken, .*gateway\.key/);
  for (const uri of uris) assert.equal(await put(device('new.example'), uri), '2.04');
  assert.equal((await gateway.kill('SIGTERM')).code, 0);
});

test('SIGHUP while a gateway starts does not end it', { skip: onWindows }, async (t) => {
  const folder = temporaryFolder(t);
  const data = join(folder, 'store');
  openDatabase(data, { create: true, asGateway: true }).close();
  // Somebody writes: the store waits for that.
  const other = new DatabaseSync(join(data, 'coapsule.db'));
  other.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  const file = join(folder, 'gateway.yaml');
  writeFileSync(
    file,
    `data: store\nendpoints: { coap: "127.0.0.1:0", coaps: off }\nlog: { keylog: ${join(folder, 'keys')} }\n`,
  );
  const gateway = new CoapsuleProcess(t, ['serve', '--config', file]);
  await gateway.waitFor('stderr', /can decrypt all traffic/);
  gateway.child.kill('SIGHUP');
  other.close();
  await gateway.ready();
  gateway.child.kill('SIGHUP');
  await gateway.waitFor('stderr', /configuration read again/);
  assert.equal((await gateway.kill('SIGTERM')).code, 0);
});
