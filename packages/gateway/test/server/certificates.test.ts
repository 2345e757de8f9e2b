import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { issueAuthority, issueCertificate } from '../../src/keys/issue-certificate.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { CoapsuleProcess, coapsule } from './gateway-process.ts';

/** A folder, and `coapsule` commands that must end well. */
function scene(t: TestContext) {
  const folder = temporaryFolder(t);
  const at = (name: string): string => join(folder, name);
  const done = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await coapsule(t, ...args);
    assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
    return `${stdout}${stderr}`;
  };
  const serve = async (...args: string[]): Promise<{ gateway: CoapsuleProcess; port: string }> => {
    const gateway = new CoapsuleProcess(t, [
      'serve',
      '-v',
      ...['--data', at('data'), '--coap', 'off', '--coaps', '127.0.0.1:0'],
      ...args,
    ]);
    const [, port = ''] = await gateway.waitFor('stdout', /^ready .*"coaps":"127\.0\.0\.1:(\d+)"/m);
    return { gateway, port };
  };
  return { at, done, serve, data: ['--data', at('data')] };
}

test('certificates from nothing to a stored reading in a few commands, each with its own files', async (t) => {
  const { at, done, serve, data } = scene(t);
  const ca = ['--ca', at('ca.pem')];
  await done('keys', 'ca', '--out', at('ca'));
  await done('keys', 'cert', 'localhost', '--server', ...ca, '--out', at('localhost'));
  await done('keys', 'cert', 'sensor-7', ...ca, '--out', at('sensor-7'), '--days', '400');
  await done('device', 'add', 'sensor-7', '--cert', at('sensor-7.pem'), ...data);
  const credentials = ['--cert', at('localhost.pem'), '--private-key', at('localhost.key'), ...ca];
  await done('serve', '--check', ...credentials, ...data, '--coap', 'off', '--coaps', '127.0.0.1:0');
  const { gateway, port } = await serve(...credentials);
  const uri = `coaps://localhost:${port}/sensors/sensor-7/temp`;
  const own = ['-c', at('sensor-7.pem'), '-j', at('sensor-7.key'), '-C', at('ca.pem')];
  const told = await done('put', uri, '-e', '21.9', '-v', ...own);
  assert.match(
    told,
    /established: TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, .*certificate of CN=localhost until \d{4}/,
  );
  assert.match(told, /38 bytes sent, 29 received more in each record/);
  const { payload, peer } = JSON.parse(await done('get', uri, '--json', ...own));
  assert.deepEqual(
    [payload, peer.authentication, peer.identity, peer.certificateSubject, peer.recordOverhead],
    ['21.9', 'x509', 'localhost', 'CN=localhost', { sent: 38, received: 29 }],
  );
  assert.ok(Date.parse(peer.certificateExpiresAt) > Date.now());
  await gateway.waitFor('stderr', /as sensor-7 \(x509, /);

  const untrusted = await coapsule(t, 'get', uri, ...own.slice(0, 4));
  assert.equal(untrusted.code, 7);
  assert.match(untrusted.stderr, /coapsule CA.*not among the trust anchors\n.*-C FILE/);
  const list = await done('device', 'list', ...data);
  assert.match(list, /^sensor-7\t.*\tcert until \d{4}-\d\d-\d\d$/m);
  const shown = JSON.parse(await done('device', 'show', 'sensor-7', '--json', ...data));
  assert.equal(shown.credential, 'cert');
  assert.match(shown.fingerprint, /^sha256:[0-9a-f]{64}$/);
  assert.ok(Date.parse(shown.expires) > Date.now() + 390 * 24 * 3600 * 1000);
  assert.match(await done('device', 'show', 'sensor-7', ...data), /^cert {5}sha256:[0-9a-f]{64}$/m);
});

for (const [heading, count] of [
  ['Certificates in five commands', 6],
  ['Raw public keys', 5],
] as const) {
  test(`the commands of the README work as they stand there: ${heading}`, async (t) => {
    const readme = readFileSync(join(import.meta.dirname, '../../../../README.md'), 'utf8');
    const begin = readme.indexOf(`## ${heading}`);
    const section = readme.slice(begin, readme.indexOf('\n## ', begin + 1));
    const commands = [...section.matchAll(/^npx coapsule (.*?)(?: +#.*)?$/gm)].map(([, args = '']) =>
      args.split(' '),
    );
    assert.equal(commands.length, count);
    const { at } = scene(t);
    let port = '5684';
    for (const args of commands) {
      // Files are named as if one stood in their folder.
      const here = args.map((arg) => (/\.(?:pem|key|pub)$/.test(arg) ? at(arg) : arg));
      if (args[0] === 'keys')
        here.push('--out', at(args[2] ?? 'ca'), ...(args[1] === 'cert' ? ['--ca', at('ca.pem')] : []));
      if (args[0] === 'device' || args[0] === 'serve') here.push('--data', at('data'));
      if (args[0] === 'serve') {
        const gateway = new CoapsuleProcess(t, [...here, '--coap', 'off', '--coaps', '127.0.0.1:0']);
        port = (await gateway.waitFor('stdout', /^ready .*"coaps":"127\.0\.0\.1:(\d+)"/m))[1] ?? '';
        continue;
      }
      const ended = await coapsule(t, ...here.map((arg) => arg.replace('localhost/', `localhost:${port}/`)));
      assert.equal(ended.code, 0, `${args.join(' ')}: ${ended.stderr}`);
    }
  });
}

test('serve starts with an encrypted key and its passphrase, and without it names the option', async (t) => {
  const { at, serve, data } = scene(t);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const secret = { cipher: 'aes-256-cbc', passphrase: 'open sesame' };
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem', ...secret });
  writeFileSync(at('gateway.key'), pem, { mode: 0o600 });
  writeFileSync(at('passphrase'), 'open sesame\n', { mode: 0o600 });
  const { gateway } = await serve('--private-key', at('gateway.key'), '--passphrase-file', at('passphrase'));
  await gateway.waitFor('stderr', /raw public key of this gateway is sha256:/);
  const ended = await coapsule(t, 'serve', '--check', '--private-key', at('gateway.key'), ...data);
  assert.equal(ended.code, 1);
  assert.match(ended.stderr, /--private-key .*gateway\.key: the key is encrypted; .*--passphrase-file FILE/);
});

test('raw public keys: the gateway shows its fingerprint, the device is added by file, and a second device cannot have the same', async (t) => {
  const { at, done, serve, data } = scene(t);
  await done('keys', 'rpk', 'gateway', '--out', at('gateway'));
  await done('keys', 'rpk', 'sensor-8', '--out', at('sensor-8'));
  await done('device', 'add', 'sensor-8', '--rpk', at('sensor-8.pub'), ...data);
  const taken = await coapsule(t, 'device', 'add', 'other', '--rpk', at('sensor-8.pub'), ...data);
  assert.equal(taken.code, 1);
  assert.match(taken.stderr, /the device sensor-8 has this raw public key/);
  const { gateway, port } = await serve('--private-key', at('gateway.key'));
  const [, fingerprint = ''] = await gateway.waitFor(
    'stderr',
    /raw public key of this gateway is (sha256:[0-9a-f]{64})/,
  );
  const uri = `coaps://127.0.0.1:${port}/sensors/sensor-8/temp`;
  const own = ['-M', at('sensor-8.key')];
  await done('put', uri, '-e', '1', ...own, '--peer-rpk', at('gateway.pub'));
  await done('put', uri, '-e', '2', ...own, '--peer-rpk', fingerprint);
  const mistaken = await coapsule(t, 'put', uri, '-e', '3', ...own, '--peer-rpk', at('sensor-8.pub'));
  assert.equal(mistaken.code, 7);
  assert.match(mistaken.stderr, /raw public key sha256:.* is not known here\n.*--peer-rpk/);
  assert.match(await done('device', 'list', ...data), /^sensor-8\t.*\trpk$/m);
});

test('device add refuses a certificate of another name, and names the command that would do', async (t) => {
  const { at, done, data } = scene(t);
  await done('keys', 'ca', '--out', at('ca'));
  await done('keys', 'cert', 'sensor-7', '--ca', at('ca.pem'), '--out', at('sensor-7'));
  const refused = await coapsule(t, 'device', 'add', 'sensor-9', '--cert', at('sensor-7.pem'), ...data);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /names the device sensor-7, not sensor-9\n.*device add sensor-7 --cert/);
  const short = await coapsule(t, 'device', 'add', 'sensor-7', '--rpk', 'sha256:abcd', ...data);
  assert.match(short.stderr, /--rpk sha256:abcd: a fingerprint is .*64 hexadecimal digits, here are 4/);
  const wrong = await coapsule(t, 'device', 'add', 'sensor-7', '--cert', at('sensor-7.key'), ...data);
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /--cert .*sensor-7\.key: it holds a private key, not a certificate\n.*\.pem/);
});

test('serve refuses a key that does not fit its certificate before it listens', async (t) => {
  const { at, done, data } = scene(t);
  await done('keys', 'ca', '--out', at('ca'));
  await done('keys', 'cert', 'localhost', '--server', '--ca', at('ca.pem'), '--out', at('localhost'));
  const ended = await coapsule(
    t,
    'serve',
    ...['--cert', at('localhost.pem'), '--private-key', at('ca.key'), ...data],
  );
  assert.equal(ended.code, 1);
  assert.match(ended.stderr, /--private-key .*ca\.key is not the key of CN=localhost/);
});

test('serve refuses a certificate for clients, tells of a --ca that is no authority, and --check of an expired certificate', async (t) => {
  const { at, done, data } = scene(t);
  const day = 24 * 3600 * 1000;
  const validity = (from: number, to: number) => ({
    notBefore: new Date(Date.now() + from * day),
    notAfter: new Date(Date.now() + to * day),
  });
  const ca = await issueAuthority('CA', { ...validity(-9, 90), type: 'p256' });
  const issuer = {
    certificate: new X509Certificate(ca.certificatePem),
    privateKey: createPrivateKey(ca.privateKeyPem),
  };
  const write = async (name: string, role: 'server' | 'device', from: number, to: number): Promise<void> => {
    const subject = { role, commonName: name, names: [name], type: 'p256' } as const;
    const issued = await issueCertificate(issuer, subject, validity(from, to));
    writeFileSync(at(`${name}.pem`), issued.certificatePem);
    writeFileSync(at(`${name}.key`), issued.privateKeyPem, { mode: 0o600 });
  };
  await write('client', 'device', -1, 60);
  await write('ended', 'server', -5, -1);
  await write('good', 'server', -1, 60);
  await write('early', 'device', 5, 60);
  const check = (name: string, ...args: string[]) =>
    coapsule(
      t,
      ...['serve', '--check', '--coap', 'off', '--coaps', '127.0.0.1:0', ...data],
      ...['--cert', at(`${name}.pem`), '--private-key', at(`${name}.key`), ...args],
    );
  const client = await check('client');
  assert.equal(client.code, 1);
  assert.match(client.stderr, /client\.pem: .*CN=client is not for servers .*\n.*keys cert NAME --server/);
  const ended = await check('ended');
  assert.equal(ended.code, 1);
  assert.match(ended.stderr, /CN=ended expired on .*: no client takes it now\n.*renew it/);
  const pinned = await check('good', '--ca', at('client.pem'));
  assert.equal(pinned.code, 0);
  assert.match(pinned.stderr, /warning: --ca .*client\.pem: CN=client is no authority/);
  assert.match(
    await done('device', 'add', 'early', '--cert', at('early.pem'), ...data),
    /warning: the certificate of early is not valid before .*: until then it is refused/,
  );
});
