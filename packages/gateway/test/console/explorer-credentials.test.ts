/** Credentials of the explorer: each kind in a real exchange, by name and typed in, wrong ones explained, and no key comes out again. */
import assert from 'node:assert/strict';
import {
  createPrivateKey,
  generateKeyPairSync,
  type KeyPairKeyObjectResult,
  randomBytes,
  X509Certificate,
} from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  content,
  type ListenOptions,
  OscoreContext,
  OscoreContexts,
  type OscoreState,
  type OscoreStore,
  type Request,
  Server,
} from 'coapsule';
import { newOscorePair } from '../../src/cli/keys-oscore.ts';
import { formatOscoreConf } from '../../src/cli/oscore-conf.ts';
import type {
  CredentialNames,
  ExplorerEvents,
  ExplorerResult,
  NamedCredentialView,
} from '../../src/console/api-types.ts';
import { type Issuer, issueAuthority, issueCertificate } from '../../src/keys/issue-certificate.ts';
import { type Browser, eventsOf, problemOf, startTestConsole } from './console-fixture.ts';

const keyHex = Buffer.from('MySecret16ByteK!').toString('hex');
const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 86_400_000) };

const newKey = (): KeyPairKeyObjectResult => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pem = (pair: KeyPairKeyObjectResult, which: 'publicKey' | 'privateKey'): string =>
  pair[which].export({ format: 'pem', type: which === 'publicKey' ? 'spki' : 'pkcs8' }).toString();

/** Says as whom it was asked. */
function whoever({ peer }: Request): string {
  const { security, oscore } = peer;
  const dtls = security.kind === 'dtls' ? `${security.authentication.kind} ${security.identity}` : 'no dtls';
  return oscore === undefined ? dtls : `${dtls}, oscore ${String(oscore.context)}`;
}

async function server(
  t: TestContext,
  scheme: 'coap' | 'coaps',
  options: ListenOptions,
): Promise<{ readonly uri: string; readonly server: Server }> {
  let state = 0;
  const made = new Server().resource('/who', { get: (request) => content(whoever(request)) });
  made.resource('/state', { get: () => content(String(state++)), observable: true });
  t.after(() => made.close());
  const { port } = await made.listen(`${scheme}://127.0.0.1:0`, options);
  return { uri: `${scheme}://127.0.0.1:${port}/who`, server: made };
}

const ask = (user: Browser, body: object): Promise<ExplorerResult> =>
  user.json<ExplorerResult>('POST', '/api/explorer/request', { method: 'GET', timeoutSeconds: 10, ...body });
const said = ({ response, problem }: ExplorerResult): string =>
  response === null
    ? (problem?.message ?? '')
    : `${response.code} ${Buffer.from(response.payloadHex, 'hex')}`;

/** All that the gateway has written or said must be without these. */
function expectNowhere(folder: string, secrets: readonly string[], answers: readonly unknown[]): void {
  const said = JSON.stringify(answers);
  for (const secret of secrets) assert.ok(!said.includes(secret), 'no answer has a key');
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    let bytes: Buffer;
    try {
      bytes = readFileSync(join(folder, name));
    } catch {
      continue;
    }
    for (const secret of secrets) {
      assert.ok(!bytes.includes(secret), `${name} has a key`);
      if (/^[0-9a-f]+$/.test(secret)) assert.ok(!bytes.includes(Buffer.from(secret, 'hex')), name);
    }
  }
}

/** The end of a server, with numbers in memory. */
async function serverEnd(
  parameters: Parameters<typeof OscoreContext.open>[0],
  name: string,
): Promise<OscoreContext> {
  let state: OscoreState | undefined;
  const store: OscoreStore = {
    load: async () => state,
    save: async (kept) => {
      state = kept;
    },
  };
  return OscoreContext.open({ ...parameters, store, firstUse: true, context: name });
}

async function issued(): Promise<{
  readonly authorityPem: string;
  device(name: string): ReturnType<typeof issueCertificate>;
  server(): ReturnType<typeof issueCertificate>;
}> {
  const authority = await issueAuthority('Test authority', { type: 'p256', ...validity });
  const issuer: Issuer = {
    certificate: new X509Certificate(authority.certificatePem),
    privateKey: createPrivateKey(authority.privateKeyPem),
  };
  const issue = (role: 'device' | 'server', commonName: string, names: readonly string[]) =>
    issueCertificate(issuer, { role, commonName, names, type: 'p256' }, validity);
  return {
    authorityPem: authority.certificatePem,
    device: (name) => issue('device', name, []),
    server: () => issue('server', 'server', ['127.0.0.1']),
  };
}

test('a pre-shared key has a name: it makes a handshake, for whom and where it may, and a wrong one is explained', async (t) => {
  const { uri } = await server(t, 'coaps', {
    psk: {
      lookup: (identity) =>
        Buffer.from(identity).toString() === 'lab' ? Buffer.from(keyHex, 'hex') : undefined,
    },
  });
  const started = await startTestConsole(t);
  const user = await started.admin();
  const kept = await user.json<NamedCredentialView>('POST', '/api/explorer/credentials', {
    name: 'lab',
    proof: { kind: 'psk', identity: 'lab', keyHex },
    target: 'coaps://127.0.0.1:*/*',
  });
  assert.deepEqual(
    [kept.proof, kept.oscore, kept.about, kept.target, kept.forOperators],
    ['psk', false, 'identity lab', 'coaps://127.0.0.1:*/*', false],
  );
  const lab = { uri, credential: { kind: 'named', name: 'lab' } };
  const done = await ask(user, lab);
  assert.equal(said(done), '2.05 psk lab');
  assert.ok(done.ladder.some(({ kind, text }) => kind === 'handshake' && text.includes('ClientHello')));
  assert.match(done.commands[0]?.command ?? '', /-u lab --psk-file keys\.psk/);

  await user.json('POST', '/api/explorer/credentials', {
    name: 'wrong',
    proof: { kind: 'psk', identity: 'lab', keyHex: '00'.repeat(16) },
    forOperators: true,
  });
  const wrong = await ask(user, { uri, credential: { kind: 'named', name: 'wrong' } });
  assert.match(said(wrong), /identity unknown or key wrong/);
  assert.match(wrong.problem?.nextStep ?? '', /^check identity and key of the credential/);
  assert.doesNotMatch(wrong.problem?.nextStep ?? '', / -[a-z]/, 'no option of the command line');

  const elsewhere = await user.ask('POST', '/api/explorer/request', {
    ...{ ...lab, method: 'GET', uri: 'coaps://192.0.2.1/who' },
  });
  assert.equal(elsewhere.status, 403);
  assert.match((await problemOf(elsewhere)).message, /the credential lab is for coaps:\/\/127\.0\.0\.1:\*/);
  const plain = await ask(user, {
    ...lab,
    uri: (await server(t, 'coap', {})).uri,
  });
  assert.equal(said(plain), '2.05 no dtls');
  assert.match(plain.ladder[0]?.text ?? '', /credential is not used: coap is not secured, coaps is/);

  const operator = await started.as('operate');
  const { named } = await operator.json<CredentialNames>('GET', '/api/explorer/credentials');
  assert.deepEqual(
    named.map(({ name }) => name),
    ['wrong'],
  );
  const refused = await operator.ask('POST', '/api/explorer/request', { ...lab, method: 'GET' });
  assert.equal(refused.status, 404, 'who may not use it does not learn that it is there');
  for (const [method, path] of [
    ['POST', '/api/explorer/credentials'],
    ['DELETE', '/api/explorer/credentials/wrong'],
  ] as const) {
    const answer = await operator.ask(method, path, method === 'POST' ? { name: 'x' } : undefined);
    assert.equal(answer.status, 403);
  }
  const taken = await user.ask('POST', '/api/explorer/credentials', {
    name: 'lab',
    proof: { kind: 'psk', identity: 'lab', keyHex },
  });
  assert.equal(taken.status, 409);

  const all = await user.json<CredentialNames>('GET', '/api/explorer/credentials');
  expectNowhere(started.folder, [keyHex, 'MySecret16ByteK!'], [kept, done, wrong, plain, all]);
  const changes = readFileSync(join(started.folder, 'audit-changes.ndjson'), 'utf8');
  assert.match(
    changes,
    /"event":"explorer-credential-added","how":"console","user":"\(link\)","credential":"lab"/,
  );
  const uses = readFileSync(join(started.folder, 'audit-console.ndjson'), 'utf8');
  assert.match(uses, /"request":"GET","uri":"coaps:\/\/127\.0\.0\.1:\d+\/who","as":"lab"/);

  assert.equal((await user.ask('DELETE', '/api/explorer/credentials/lab')).status, 204);
  const gone = await user.ask('POST', '/api/explorer/request', { ...lab, method: 'GET' });
  assert.match((await problemOf(gone)).message, /no credential of the name lab/);
});

test('a raw public key has a name; a key that the server does not know, and a server with another key, are explained', async (t) => {
  const [own, stranger, gateway] = [newKey(), newKey(), newKey()];
  const { uri } = await server(t, 'coaps', {
    rawPublicKey: { privateKey: pem(gateway, 'privateKey') },
    clientPublicKeys: new Map([['tester', pem(own, 'publicKey')]]),
  });
  const started = await startTestConsole(t);
  const user = await started.admin();
  const proof = (privateKey: KeyPairKeyObjectResult, known: KeyPairKeyObjectResult) => ({
    kind: 'rpk' as const,
    ...{ privateKeyPem: pem(privateKey, 'privateKey'), serverKey: pem(known, 'publicKey') },
  });
  const kept = await user.json<NamedCredentialView>('POST', '/api/explorer/credentials', {
    name: 'raw',
    proof: proof(own, gateway),
  });
  assert.match(kept.about, /^sha256:[0-9a-f]{64}$/);
  const done = await ask(user, { uri, credential: { kind: 'named', name: 'raw' } });
  assert.equal(said(done), '2.05 raw-public-key tester');
  assert.match(done.commands[0]?.command ?? '', /-M client-rpk\.pem/);
  const unknown = await ask(user, { uri, credential: proof(stranger, gateway) });
  assert.match(said(unknown), /handshake with coaps:\/\/127\.0\.0\.1:\d+ failed/);
  assert.match(unknown.problem?.nextStep ?? '', /public key|credential/);
  const other = await ask(user, { uri, credential: proof(own, stranger) });
  assert.match(said(other), /sha256:|public key/);
  assert.match(other.problem?.nextStep ?? '', /public key of the server/);
  for (const { problem } of [unknown, other]) assert.doesNotMatch(problem?.nextStep ?? '', / --?[a-zA-Z]/);
  const secret = pem(own, 'privateKey').split('\n')[1] ?? assert.fail();
  expectNowhere(started.folder, [secret], [kept, done, unknown, other]);
});

test('a certificate has a name; one that the server does not trust, and a server that is not trusted, are explained', async (t) => {
  const [ours, others] = [await issued(), await issued()];
  const [serverCertificate, device, foreign] = [
    await ours.server(),
    await ours.device('tester'),
    await others.device('tester'),
  ];
  const { uri } = await server(t, 'coaps', {
    certificate: {
      chain: serverCertificate.certificatePem,
      privateKey: serverCertificate.privateKeyPem,
    },
    clientCertificates: { trustAnchors: ours.authorityPem },
    clientAuthentication: 'required',
  });
  const started = await startTestConsole(t);
  const user = await started.admin();
  const proof = (certificate: typeof device, authorityPem: string) => ({
    kind: 'x509' as const,
    ...{ certificatePem: certificate.certificatePem, privateKeyPem: certificate.privateKeyPem, authorityPem },
  });
  const kept = await user.json<NamedCredentialView>('POST', '/api/explorer/credentials', {
    name: 'certified',
    proof: proof(device, ours.authorityPem),
  });
  assert.match(kept.about, /^CN=tester, until \d{4}-/);
  const done = await ask(user, { uri, credential: { kind: 'named', name: 'certified' } });
  assert.equal(said(done), '2.05 x509 tester');
  assert.match(done.commands[0]?.command ?? '', /-c client\.pem -j client\.key -C ca\.pem/);
  const untrusted = await ask(user, { uri, credential: proof(foreign, ours.authorityPem) });
  assert.match(said(untrusted), /handshake with .* failed/);
  assert.match(untrusted.problem?.nextStep ?? '', /trust the authority of this certificate/);
  const stranger = await ask(user, { uri, credential: proof(device, others.authorityPem) });
  assert.match(said(stranger), /handshake with .* failed/);
  assert.match(
    stranger.problem?.nextStep ?? '',
    /give the authority that issued the certificate of the server/,
  );
  const none = await ask(user, { uri, credential: { kind: 'x509', authorityPem: ours.authorityPem } });
  assert.match(none.problem?.nextStep ?? '', /certificate/);
  for (const { problem } of [untrusted, stranger, none])
    assert.doesNotMatch(problem?.nextStep ?? '', / --?[a-zA-Z] /);
  const secret = device.privateKeyPem.split('\n')[1] ?? assert.fail();
  expectNowhere(started.folder, [secret], [kept, done, untrusted, stranger, none]);
});

test('an OSCORE context has a name, alone and besides DTLS; it uses no number twice, and a wrong one is explained', async (t) => {
  const pair = newOscorePair(randomBytes);
  const contexts = new OscoreContexts([await serverEnd(pair.server, 'lab')]);
  const { uri, server: plain } = await server(t, 'coap', { oscore: contexts });
  const secured = await server(t, 'coaps', {
    psk: { lookup: () => Buffer.from(keyHex, 'hex') },
    oscore: contexts,
  });
  const started = await startTestConsole(t);
  const user = await started.admin();
  const contextText = formatOscoreConf(pair.device, 'of a test');
  const kept = await user.json<NamedCredentialView>('POST', '/api/explorer/credentials', {
    name: 'inner',
    oscore: { contextText, firstNumber: 0 },
  });
  assert.deepEqual([kept.proof, kept.oscore], [null, true]);
  assert.match(kept.about, /^Sender ID [0-9a-f]{6}, Recipient ID 01$/);
  const inner = { kind: 'named', name: 'inner' };
  const first = await ask(user, { uri, credential: inner });
  assert.equal(said(first), '2.05 no dtls, oscore lab');
  const [sent] = first.ladder.filter(({ kind }) => kind === 'sent');
  assert.ok(
    sent?.fields.some(({ name }) => name === 'OSCORE'),
    sent?.text,
  );
  assert.ok(!Buffer.from(sent?.bytesHex ?? '', 'hex').includes('who'), 'the path is inside');
  assert.match(first.commands[0]?.command ?? '', /--oscore client\.oscore$/);
  // At once: they have one context between them.
  const many = await Promise.all(Array.from({ length: 6 }, () => ask(user, { uri, credential: inner })));
  assert.deepEqual(
    many.map(said),
    Array.from({ length: 6 }, () => '2.05 no dtls, oscore lab'),
  );

  const stream = await user.ask('POST', '/api/explorer/observe', {
    ...{ uri: uri.replace('/who', '/state'), method: 'GET', credential: inner },
  });
  const events = eventsOf(stream);
  const next = async () => (await events.next()).value ?? assert.fail('the stream is over');
  assert.equal((await next()).event, 'response');
  plain.notify('/state');
  const notified = await next();
  assert.equal(notified.event, 'notification');
  assert.equal((notified.data as ExplorerEvents['notification']).response.code, '2.05');
  await events.return(undefined);

  // The same context under another name, after the first is gone: its numbers go on.
  assert.equal((await user.ask('DELETE', '/api/explorer/credentials/inner')).status, 204);
  await user.json('POST', '/api/explorer/credentials', {
    name: 'both',
    proof: { kind: 'psk', identity: 'lab', keyHex },
    oscore: { contextText, firstNumber: 0 },
  });
  const both = await ask(user, { uri: secured.uri, credential: { kind: 'named', name: 'both' } });
  assert.equal(said(both), '2.05 psk lab, oscore lab');
  // And typed in, for one request.
  const typed = await ask(user, { uri, oscore: { contextText, firstNumber: 0 } });
  assert.equal(said(typed), '2.05 no dtls, oscore lab');

  const stranger = newOscorePair(randomBytes);
  const unknown = await ask(user, {
    uri,
    oscore: { contextText: formatOscoreConf(stranger.device, ''), firstNumber: 0 },
  });
  assert.match(said(unknown), /4\.01 Security context not found/);
  assert.match(unknown.problem?.nextStep ?? '', /no context with this Sender ID/);
  const wrongSecret = { ...pair.device, masterSecret: new Uint8Array(randomBytes(16)) };
  const wrong = await ask(user, {
    uri,
    oscore: { contextText: formatOscoreConf(wrongSecret, ''), firstNumber: 100_000 },
  });
  assert.match(said(wrong), /4\.00 Decryption failed/);
  assert.match(wrong.problem?.nextStep ?? '', /compare Master Secret, Master Salt/);
  const replayed = await ask(user, {
    uri,
    oscore: { contextText: formatOscoreConf(wrongSecret, ''), firstNumber: 0 },
  });
  assert.match(said(replayed), /4\.00 Decryption failed/, 'its numbers are known by now, and go on');
  for (const [oscore, reason] of [
    [
      { contextText: 'master_secret,hex,"zz"', firstNumber: 0 },
      /line 1: the value of master_secret is not hex/,
    ],
    [
      { contextText: `# In use: keep the .sequence file with this one.\n${contextText}`, firstNumber: 0 },
      /in use, and the first number is 0/,
    ],
    [{ contextText, firstNumber: 2 ** 40 }, /numbers end at 2\^40/],
  ] as const) {
    const refused = await user.ask('POST', '/api/explorer/request', { uri, method: 'GET', oscore });
    assert.equal(refused.status, 400);
    assert.match((await problemOf(refused)).message, reason);
  }
  const twice = await user.ask('POST', '/api/explorer/request', {
    ...{ uri, method: 'GET', credential: { kind: 'named', name: 'both' } },
    oscore: { contextText, firstNumber: 0 },
  });
  assert.match((await problemOf(twice)).message, /two OSCORE contexts/);
  const secret = Buffer.from(pair.device.masterSecret).toString('hex');
  expectNowhere(started.folder, [secret], [kept, first, many, both, typed, unknown, wrong]);
});
