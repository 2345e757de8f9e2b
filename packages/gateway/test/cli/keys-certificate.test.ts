import assert from 'node:assert/strict';
import { createHash, createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { describeCertificates } from 'coapsule';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { run } from './recorded-environment.ts';

const dayMs = 24 * 60 * 60 * 1000;

/** A folder with an authority, and a way to run `coapsule keys` in it. */
async function authority(t: TestContext, ...options: string[]) {
  const folder = temporaryFolder(t);
  const at = (name: string): string => join(folder, name);
  const keys = async (kind: string, id: string, ...more: string[]) =>
    run(['keys', kind, id, ...(more.includes('--out') ? [] : ['--out', at(id)]), ...more]);
  const made = await keys('ca', 'ca', ...options);
  assert.equal(made.exitCode, 0, made.stderr);
  const certificate = (name: string): X509Certificate => new X509Certificate(readFileSync(at(`${name}.pem`)));
  return { folder, at, keys, certificate, made };
}

for (const type of ['p256', 'p384', 'ed25519']) {
  test(`an authority of ${type} signs certificates of servers and devices, for their role alone`, async (t) => {
    const { keys, certificate, at } = await authority(t, '--type', type);
    const options = ['--ca', at('ca.pem'), '--type', type];
    for (const args of [
      ['localhost', '--server', '--name', '127.0.0.1', '--name', '::1', ...options],
      ['sensor-7', ...options],
    ]) {
      const { exitCode, stderr } = await keys('cert', args[0] as string, ...args.slice(1));
      assert.equal(exitCode, 0, stderr);
    }
    const ca = certificate('ca');
    assert.equal(ca.ca, true);
    const server = certificate('localhost');
    const device = certificate('sensor-7');
    for (const issued of [server, device]) {
      assert.equal(issued.checkIssued(ca) && issued.verify(ca.publicKey), true);
      assert.equal(issued.ca, false);
    }
    assert.deepEqual(server.keyUsage, ['1.3.6.1.5.5.7.3.1']);
    assert.deepEqual(device.keyUsage, ['1.3.6.1.5.5.7.3.2']);
    assert.equal(server.checkHost('localhost'), 'localhost');
    assert.equal(server.checkIP('::1'), '::1');
    assert.equal(device.subject, 'CN=sensor-7');
    assert.equal(device.subjectAltName, undefined);
    assert.equal(device.checkPrivateKey(createPrivateKey(readFileSync(at('sensor-7.key')))), true);
  });
}

test('a key is for its owner alone, a certificate for everybody', async (t) => {
  const { at } = await authority(t);
  assert.equal(statSync(at('ca.key')).mode & 0o777, 0o600);
  assert.equal(statSync(at('ca.pem')).mode & 0o044, 0o044);
});

test('files that are there stay unless --force says otherwise, and then nothing at all is written', async (t) => {
  const { keys, at, folder } = await authority(t);
  writeFileSync(at('sensor-7.key'), 'precious', { mode: 0o644 });
  const refused = await keys('cert', 'sensor-7', '--ca', at('ca.pem'));
  assert.equal(refused.exitCode, 1);
  assert.match(refused.stderr, /sensor-7\.key is there already; nothing was written\n.*--force/);
  assert.deepEqual(readdirSync(folder).sort(), ['ca.key', 'ca.pem', 'sensor-7.key']);
  assert.equal(readFileSync(at('sensor-7.key'), 'utf8'), 'precious');
  const forced = await keys('cert', 'sensor-7', '--ca', at('ca.pem'), '--force');
  assert.equal(forced.exitCode, 0);
  assert.equal(statSync(at('sensor-7.key')).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(folder).sort(), ['ca.key', 'ca.pem', 'sensor-7.key', 'sensor-7.pem']);
});

test('each command says what it made and which command comes next', async (t) => {
  const { keys, at, made } = await authority(t);
  assert.match(made.stderr, /ca\.pem is the certificate of ca \(until \d{4}-.*\), .*ca\.key its key/);
  assert.match(made.stderr, /^next: coapsule keys cert localhost --server --ca .*ca\.pem$/m);
  const server = await keys('cert', 'localhost', '--server', '--ca', at('ca.pem'));
  assert.match(server.stderr, /certificate of the server localhost for localhost/);
  assert.match(
    server.stderr,
    /^next: coapsule serve --cert .*localhost\.pem --private-key .*localhost\.key/m,
  );
  const device = await keys('cert', 'sensor-7', '--ca', at('ca.pem'));
  assert.match(device.stderr, /^next: coapsule device add sensor-7 --cert .*sensor-7\.pem$/m);
});

test('a certificate never outlives its authority, and a warning says so', async (t) => {
  const { keys, at, certificate } = await authority(t, '--days', '10');
  const { stderr } = await keys('cert', 'sensor-7', '--ca', at('ca.pem'), '--days', '20');
  assert.match(stderr, /warning: the certificate ends with its authority/);
  assert.equal(certificate('sensor-7').validTo, certificate('ca').validTo);
  const days = (Date.parse(certificate('ca').validTo) - Date.parse(certificate('ca').validFrom)) / dayMs;
  assert.ok(days > 10 && days < 10.1);
});

test('what is not an authority signs nothing, and a missing one names the command that makes it', async (t) => {
  const { keys, at } = await authority(t);
  await keys('cert', 'sensor-7', '--ca', at('ca.pem'));
  const cases: [string[], RegExp][] = [
    [['--ca', at('none.pem')], /there is no authority .*none\.pem\n.*coapsule keys ca/],
    [['--ca', at('sensor-7.pem')], /is no authority: it may not issue certificates/],
    [['--ca', at('ca.pem'), '--ca-key', at('sensor-7.key')], /is not the key of/],
    [['--ca', at('ca.pem'), '--ca-key', at('none.key')], /there is no key .*none\.key/],
    [['--ca', at('ca.key')], /is not a certificate/],
  ];
  for (const [options, expected] of cases) {
    const { exitCode, stderr } = await keys('cert', 'other', ...options);
    assert.equal(exitCode, 1);
    assert.match(stderr, expected);
  }
});

test('a device with DNS names has its id as the first of them, since that is what it is known by', async (t) => {
  const { keys, at, certificate } = await authority(t);
  const { exitCode } = await keys('cert', 'sensor-7', '--ca', at('ca.pem'), '--name', 'a.example');
  assert.equal(exitCode, 0);
  assert.equal(certificate('sensor-7').subjectAltName, 'DNS:sensor-7, DNS:a.example');
  assert.equal(describeCertificates(certificate('sensor-7'))[0]?.identity, 'sensor-7');
  const refused = await keys('cert', 'Sensor #8', '--ca', at('ca.pem'), '--name', 'a.example');
  assert.equal(refused.exitCode, 64);
  await keys('cert', 'Sensor #8', '--ca', at('ca.pem'), '--out', at('eight'));
  assert.equal(describeCertificates(certificate('eight'))[0]?.identity, 'Sensor #8');
});

test('names that cannot be in a certificate are refused', async (t) => {
  const { keys, at } = await authority(t);
  for (const [id, ...options] of [
    ['a b', '--server'],
    ['host', '--server', '--name', 'white space'],
    ['x'.repeat(65)],
    ['a/b'],
  ] as const) {
    const { exitCode } = await keys('cert', id, '--ca', at('ca.pem'), ...options, '--out', at('x'));
    assert.equal(exitCode, 64, id);
  }
});

test('keys rpk writes a key pair for its owner and a public key to give away, and prints its fingerprint', async (t) => {
  const folder = temporaryFolder(t);
  const { exitCode, stdout, stderr } = await run([
    'keys',
    'rpk',
    'sensor-7',
    '--out',
    join(folder, 'sensor-7'),
  ]);
  assert.equal(exitCode, 0);
  const pair = readFileSync(join(folder, 'sensor-7.key'), 'utf8');
  assert.match(pair, /BEGIN PRIVATE KEY[\s\S]*BEGIN PUBLIC KEY/);
  assert.equal(statSync(join(folder, 'sensor-7.key')).mode & 0o777, 0o600);
  const spki = createPublicKey(readFileSync(join(folder, 'sensor-7.pub'))).export({
    type: 'spki',
    format: 'der',
  });
  assert.deepEqual(createPublicKey(createPrivateKey(pair)).export({ type: 'spki', format: 'der' }), spki);
  const fingerprint = createHash('sha256').update(spki).digest('hex');
  assert.equal(stdout, `public-key   ${spki.toString('base64')}\nfingerprint  sha256:${fingerprint}\n`);
  assert.match(stderr, /^next: coapsule device add sensor-7 --rpk .*sensor-7\.pub +# for a device$/m);
  assert.match(stderr, /^next: coapsule serve --private-key .*sensor-7\.key +# for the gateway itself$/m);
});
