/** Certificates and public keys on the deny list: nobody gets in with them, and associations that are there end. */
import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Client, type ClientOptions, describeCertificates, describePublicKey } from 'coapsule';
import { defaultRules, ruleText } from '../../src/access/rule.ts';
import { publicKeyCredentials } from '../../src/gateway/gateway-listeners.ts';
import { issueAuthority, issueCertificate } from '../../src/keys/issue-certificate.ts';
import { lineLog } from '../../src/server/log.ts';
import { openDatabase } from '../../src/store/database.ts';
import { type DeviceCredential, DeviceTable } from '../../src/store/device-table.ts';
import { PreviousTable } from '../../src/store/previous-table.ts';
import { run } from '../cli/recorded-environment.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { startTestGateway, type TestGateway } from './test-gateway.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const dayMs = 86_400_000;
const validity = { notBefore: new Date(Date.now() - dayMs), notAfter: new Date(Date.now() + 60 * dayMs) };
const ca = await issueAuthority('CA', { ...validity, type: 'p256' });
const authority = {
  certificate: new X509Certificate(ca.certificatePem),
  privateKey: createPrivateKey(ca.privateKeyPem),
};
const issue = async (role: 'server' | 'device', commonName: string) => {
  const names = role === 'server' ? ['localhost', '127.0.0.1'] : [];
  const issued = await issueCertificate(authority, { role, commonName, names, type: 'p256' }, validity);
  return { chain: issued.certificatePem, privateKey: issued.privateKeyPem };
};
const [server, one, two] = [
  await issue('server', 'localhost'),
  await issue('device', 'pki-1'),
  await issue('device', 'pki-2'),
];
const rawKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pinned = (chain: string): DeviceCredential => ({
  kind: 'cert',
  fingerprint: describeCertificates(chain)[0]?.fingerprint ?? '',
  expiresAtMs: validity.notAfter.getTime(),
});
const devices: readonly (readonly [string, DeviceCredential])[] = [
  ['psk-1', { kind: 'psk', key: bytes('a key of 16 bytes') }],
  ['raw-1', { kind: 'rpk', fingerprint: describePublicKey(rawKeys.publicKey).fingerprint }],
  ['pki-1', pinned(one.chain)],
  ['pki-2', pinned(two.chain)],
];
const credentials = {
  certificate: server,
  rawPublicKey: { privateKey: server.privateKey },
  authorities: bytes(ca.certificatePem),
};

interface Fleet {
  readonly gateway: TestGateway;
  /** Writes as a device: how long the handshake took, undefined without one; or `refused`. */
  put(id: string): Promise<number | undefined | 'refused'>;
  /** The device has lost its association. */
  restart(id: string): Promise<void>;
  device(...args: string[]): Promise<string>;
  at(name: string): string;
}

/** A gateway with one device of each kind, all of them connected. */
async function fleet(t: TestContext): Promise<Fleet> {
  const folder = temporaryFolder(t);
  const opened = openDatabase(folder, { create: true, asGateway: false });
  const table = new DeviceTable(opened);
  for (const [id, credential] of devices)
    table.add({ id, credential, rules: defaultRules(id).map(ruleText), addedAtMs: 1 });
  opened.close();
  const gateway = await startTestGateway(t, { dataFolder: folder, credentials });
  const options: Readonly<Record<string, ClientOptions>> = {
    'psk-1': { psk: { identity: 'psk-1', key: bytes('a key of 16 bytes') } },
    'raw-1': {
      rawPublicKey: { privateKey: rawKeys.privateKey },
      peerPublicKeys: createPublicKey(server.privateKey),
    },
    'pki-1': { certificate: one, trustAnchors: ca.certificatePem },
    'pki-2': { certificate: two, trustAnchors: ca.certificatePem },
  };
  const clients = new Map(Object.entries(options).map(([id, given]) => [id, new Client(given)]));
  const restart = async (id: string): Promise<void> => {
    const before = clients.get(id);
    clients.set(id, new Client(options[id] ?? {}));
    await before?.close();
  };
  t.after(() => Promise.all([...clients.values()].map((client) => client.close())));
  const put = async (id: string): Promise<number | undefined | 'refused'> => {
    // One that was ended hears of it by an alert; then it makes a new handshake.
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        const response = await clients.get(id)?.put(`${gateway.coaps}/sensors/${id}`, { payload: '1' });
        return response?.handshakeMs;
      } catch (error) {
        if ((error as { code?: string }).code !== 'ERR_ASSOCIATION_CLOSED') return 'refused';
      }
    }
    return 'refused';
  };
  for (const [id] of devices) assert.equal(typeof (await put(id)), 'number', id);
  const device = async (...args: string[]): Promise<string> => {
    const { exitCode, stdout, stderr } = await run(['device', ...args, '--data', folder]);
    assert.equal(exitCode, 0, stderr);
    return `${stdout}${stderr}`;
  };
  return { gateway, put, restart, device, at: (name) => join(folder, name) };
}

test('a raw public key that is denied ends its association and lets nobody in, until it is taken off the list', async (t) => {
  const { gateway, put, device } = await fleet(t);
  const { fingerprint } = describePublicKey(rawKeys.publicKey);
  assert.match(await device('deny', fingerprint, '--note', 'lost'), /the associations of 1 device end/);
  await gateway.log.waitFor(/secured association with \S+ ended: local/);
  assert.equal(await put('raw-1'), 'refused');
  await gateway.log.waitFor(new RegExp(`a handshake was refused: ${fingerprint} is on the deny list`));
  for (const id of ['psk-1', 'pki-1', 'pki-2']) assert.equal(await put(id), undefined, `${id} goes on`);
  assert.match(await device('denied'), new RegExp(`^${fingerprint}\\t\\d{4}-\\d\\d-\\d\\d\\tlost\\n`));
  assert.match(await device('deny', fingerprint), /is denied already/);
  await device('undeny', fingerprint);
  assert.equal(typeof (await put('raw-1')), 'number');
});

test('a certificate file denies its key, so a renewed certificate with that key too; others go on', async (t) => {
  const { gateway, put, device, at } = await fleet(t);
  writeFileSync(at('pki-1.pem'), one.chain);
  assert.match(
    await device('deny', at('pki-1.pem')),
    /all certificates with the key of CN=pki-1 .* 1 device end/,
  );
  await gateway.log.waitFor(/secured association with \S+ ended: local/);
  assert.equal(await put('pki-1'), 'refused');
  for (const id of ['psk-1', 'raw-1', 'pki-2']) assert.equal(await put(id), undefined, `${id} goes on`);
  const audit = readFileSync(at('audit-changes.ndjson'), 'utf8');
  assert.match(audit, /"event":"credential-denied","how":"coapsule device deny","fingerprint":"sha256:/);
});

test('a former certificate denies its key, and the association of the present one with that key ends', async (t) => {
  const { gateway, put, device, at } = await fleet(t);
  writeFileSync(at('pki-1.pem'), one.chain);
  const opened = openDatabase(gateway.folder, { create: false, asGateway: false });
  // What the device shows was known by another certificate of its key before.
  const present = describeCertificates(one.chain)[0]?.fingerprint ?? '';
  const renewed = `sha256:${'7'.repeat(64)}`;
  opened.database.prepare('UPDATE device SET fingerprint = ? WHERE fingerprint = ?').run(renewed, present);
  new PreviousTable(opened).put('pki-1', {
    credential: { kind: 'cert', fingerprint: present, expiresAtMs: undefined },
    ...{ keyVersion: 0, untilMs: Date.now() + dayMs, endsWithUse: false },
  });
  const version = (): number | undefined => new DeviceTable(opened).find('pki-1')?.keyVersion;
  const before = version();
  await device('deny', at('pki-1.pem'));
  assert.equal(version(), (before ?? 0) + 1);
  assert.equal(new DeviceTable(opened).find('pki-1')?.previous, undefined);
  opened.close();
  await gateway.log.waitFor(/secured association with \S+ ended: local/);
  assert.equal(await put('pki-1'), 'refused');
});

test('an authority that is denied ends the associations of all devices with certificates, over a restart too', async (t) => {
  const { gateway, put, restart, device, at } = await fleet(t);
  await gateway.gateway.close();
  writeFileSync(at('ca.pem'), ca.certificatePem);
  assert.match(await device('deny', at('ca.pem')), /the associations of 2 devices end/);
  const { port } = new URL(gateway.coaps.replace('coaps:', 'http:'));
  const again = await startTestGateway(t, {
    ...{ dataFolder: at('.'), credentials, coaps: { host: '127.0.0.1', port: Number(port) } },
  });
  await again.log.waitFor(/2 of 4 secured associations go on without a handshake/);
  for (const id of ['pki-1', 'pki-2']) {
    await restart(id);
    assert.equal(await put(id), 'refused', id);
  }
  for (const id of ['psk-1', 'raw-1']) assert.equal(await put(id), undefined, `${id} goes on`);
});

test('what is denied while its owner is looked up does not get in', async () => {
  let denied = false;
  const owner = (): Promise<{ identity: string; context: 'store:1 1' }> => {
    denied = true;
    return Promise.resolve({ identity: 'pki-1', context: 'store:1 1' });
  };
  const directory = { ownerOfKey: owner, ownerOfCertificate: owner };
  const store = { denied: ([first]: readonly string[]) => Promise.resolve(denied ? first : undefined) };
  const options = { credentials, log: lineLog(() => {}, 0), clock: () => 0 };
  const { clientPublicKeys, verifyPeer } = publicKeyCredentials(directory, store, options);
  assert.ok(typeof clientPublicKeys === 'function');
  const publicKey = describePublicKey(rawKeys.publicKey);
  assert.equal(await clientPublicKeys(publicKey), undefined);
  denied = false;
  const [certificate] = describeCertificates(one.chain);
  const chain = [new X509Certificate(one.chain).raw];
  assert.equal(await verifyPeer?.({ publicKey, certificate, chain } as never), false);
});

test('a device cannot be added with what is denied', async (t) => {
  const folder = temporaryFolder(t);
  const at = (name: string): string => join(folder, name);
  const { fingerprint } = describePublicKey(rawKeys.publicKey);
  const device = (...args: string[]) => run(['device', ...args, '--data', at('data')]);
  await device('add', 'other');
  assert.equal((await device('deny', fingerprint)).exitCode, 0);
  const added = await device('add', 'raw-1', '--rpk', fingerprint);
  assert.equal(added.exitCode, 1);
  assert.match(added.stderr, /is on the deny list, so raw-1 could not get in with it/);
  const unknown = await device('undeny', `sha256:${'0'.repeat(64)}`);
  assert.deepEqual([unknown.exitCode, /is not denied/.test(unknown.stderr)], [1, true]);
});
