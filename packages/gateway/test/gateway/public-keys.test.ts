import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { Client, type ClientOptions, CoapsuleError, describeCertificates, describePublicKey } from 'coapsule';
import { defaultRules, ruleText } from '../../src/access/rule.ts';
import { issueAuthority, issueCertificate } from '../../src/keys/issue-certificate.ts';
import type { GatewayCredentials } from '../../src/server/serve-credentials.ts';
import { openDatabase } from '../../src/store/database.ts';
import { type DeviceCredential, DeviceTable } from '../../src/store/device-table.ts';
import { startTestGateway, type TestGateway } from './test-gateway.ts';

const dayMs = 24 * 60 * 60 * 1000;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const validity = (days: number) => ({
  notBefore: new Date(Date.now() - dayMs),
  notAfter: new Date(Date.now() + days * dayMs),
});
const ca = await issueAuthority('CA', { ...validity(90), type: 'p256' });
const authority = {
  certificate: new X509Certificate(ca.certificatePem),
  privateKey: createPrivateKey(ca.privateKeyPem),
};
const issue = async (role: 'server' | 'device', commonName: string, days = 60) => {
  const names = role === 'server' ? ['localhost', '127.0.0.1'] : [];
  const issued = await issueCertificate(authority, { role, commonName, names, type: 'p256' }, validity(days));
  return { chain: issued.certificatePem, privateKey: issued.privateKeyPem };
};
const serverCertificate = await issue('server', 'localhost');
const deviceCertificate = await issue('device', 'pki-7');
const deviceKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' });

const credentials: GatewayCredentials = {
  certificate: serverCertificate,
  rawPublicKey: { privateKey: serverCertificate.privateKey },
  authorities: bytes(ca.certificatePem),
};

const pinned = (chain: string): DeviceCredential => {
  const [{ fingerprint, notAfter } = { fingerprint: '', notAfter: new Date(0) }] =
    describeCertificates(chain);
  return { kind: 'cert', fingerprint, expiresAtMs: notAfter.getTime() };
};
const rpk: DeviceCredential = {
  kind: 'rpk',
  fingerprint: describePublicKey(deviceKeys.publicKey).fingerprint,
};

/** A gateway, its devices, and clients of any kind. */
async function start(
  t: TestContext,
  given: Partial<GatewayCredentials> = {},
  devices: readonly (readonly [id: string, credential: DeviceCredential])[] = [],
): Promise<
  TestGateway & {
    with(options: ClientOptions): Client;
    change(work: (table: DeviceTable) => void): void;
  }
> {
  const gateway = await startTestGateway(t, { credentials: { ...credentials, ...given }, demo: true });
  const change = (work: (table: DeviceTable) => void): void => {
    const opened = openDatabase(gateway.folder, { create: false, asGateway: false });
    work(new DeviceTable(opened));
    opened.close();
  };
  change((table) => {
    for (const [id, credential] of devices) {
      table.add({ id, credential, rules: defaultRules(id).map(ruleText), addedAtMs: 1 });
    }
  });
  const clients: Client[] = [];
  t.after(() => Promise.all(clients.map((client) => client.close())));
  return {
    ...gateway,
    change,
    with(options) {
      const client = new Client(options);
      clients.push(client);
      return client;
    },
  };
}

const withCertificate: ClientOptions = { certificate: deviceCertificate, trustAnchors: ca.certificatePem };
const withRawKey: ClientOptions = {
  rawPublicKey: { privateKey: deviceKeys.privateKey },
  peerPublicKeys: createPublicKey(serverCertificate.privateKey),
};

test('devices with a key, a raw public key and a certificate write side by side, each where it may', async (t) => {
  const gateway = await start(t, {}, [
    ['psk-7', { kind: 'psk', key: bytes('a key of 16 bytes') }],
    ['raw-7', rpk],
    ['pki-7', pinned(deviceCertificate.chain)],
  ]);
  const { coaps } = gateway;
  const clients = {
    'psk-7': gateway.client('psk-7', 'a key of 16 bytes'),
    'raw-7': gateway.with(withRawKey),
    'pki-7': gateway.with(withCertificate),
  };
  for (const [id, client] of Object.entries(clients)) {
    assert.equal((await client.put(`${coaps}/sensors/${id}/t`, { payload: '1' })).codeText, '2.01', id);
    assert.equal((await client.put(`${coaps}/sensors/other/t`, { payload: '1' })).codeText, '4.03', id);
  }
  const lines = gateway.log.lines.join('\n');
  assert.match(lines, /as raw-7 \(raw-public-key, TLS_ECDHE_ECDSA/);
  assert.match(lines, /as pki-7 \(x509, TLS_ECDHE_ECDSA/);
});

test('a certificate of the right authority that was not added is refused, and the log says how to add it', async (t) => {
  const gateway = await start(t, {}, [['pki-8', pinned((await issue('device', 'pki-8')).chain)]]);
  for (const certificate of [deviceCertificate, await issue('device', 'pki-8')]) {
    const client = gateway.with({ ...withCertificate, certificate });
    await assert.rejects(client.get(`${gateway.coaps}/hello`), CoapsuleError);
  }
  await gateway.log.waitFor(
    /no device here has the certificate .*CN=pki-7 \(sha256:.*coapsule device add pki-7 --cert FILE/,
  );
  await gateway.log.waitFor(
    /no device here has the certificate .*CN=pki-8 .*"device rotate" if pki-8 is there/,
  );
  await gateway.log.waitFor(
    /failed: peer-refused: no device here has the certificate of CN=pki-7; add the certificate with "coapsule device add"/,
  );
});

test('a raw public key that nobody has is refused, and the log has the command that adds it', async (t) => {
  const gateway = await start(t);
  await assert.rejects(gateway.with(withRawKey).get(`${gateway.coaps}/hello`), CoapsuleError);
  await gateway.log.waitFor(new RegExp(`device add ID --rpk ${rpk.fingerprint}`));
});

test('a removed or changed device with a certificate or raw public key is disconnected, also when it resumes', async (t) => {
  const gateway = await start(t, {}, [
    ['raw-7', rpk],
    ['pki-7', pinned(deviceCertificate.chain)],
  ]);
  const raw = gateway.with(withRawKey);
  const pki = gateway.with(withCertificate);
  for (const client of [raw, pki]) {
    assert.equal((await client.get(`${gateway.coaps}/hello`)).ok, true);
  }
  gateway.change((table) => {
    table.remove('raw-7');
    table.rotate('pki-7', { kind: 'psk', key: bytes('a key of 16 bytes') }, 2);
  });
  for (let ended = 0; ended < 2; ) {
    ended = gateway.log.lines.filter((line) => /ended: local/.test(line)).length;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  for (const client of [raw, pki]) {
    await assert.rejects(client.get(`${gateway.coaps}/hello`), CoapsuleError);
  }
});

test('with an authority a client has to prove itself; without one it may be nobody, who may do what everybody may', async (t) => {
  const strict = await start(t);
  const stranger: ClientOptions = { trustAnchors: ca.certificatePem };
  await assert.rejects(strict.with(stranger).get(`${strict.coaps}/hello`), CoapsuleError);
  await strict.log.waitFor(/client-certificate-missing/);
  const open = await start(t, { authorities: undefined }, [['raw-7', rpk]]);
  const nobody = open.with(stranger);
  assert.equal((await nobody.get(`${open.coaps}/hello`)).codeText, '2.05');
  assert.equal((await nobody.put(`${open.coaps}/sensors/a`, { payload: '1' })).codeText, '4.01');
  await open.log.waitFor(/GET \/hello 2\.05 Content from .* secured, as nobody/);
  const known = open.with(withRawKey);
  assert.equal((await known.put(`${open.coaps}/sensors/raw-7`, { payload: '1' })).codeText, '2.01');
});

test('a gateway with a raw public key alone serves devices with a raw public key', async (t) => {
  const gateway = await start(t, { certificate: undefined, authorities: undefined }, [['raw-7', rpk]]);
  assert.equal((await gateway.with(withRawKey).get(`${gateway.coaps}/hello`)).ok, true);
});

test('certificates that end within 30 days are warned about: own ones, and those of devices', async (t) => {
  const soon = await issue('device', 'pki-9', 20);
  const gateway = await start(
    t,
    {
      certificate: await issue('server', 'localhost', 10),
      authorities: bytes(ca.certificatePem),
    },
    [['pki-9', pinned(soon.chain)]],
  );
  await gateway.log.waitFor(
    /certificate of CN=localhost, which this gateway shows, expires on .* in 9 days: renew it/,
  );
  const client = gateway.with({ ...withCertificate, certificate: soon });
  assert.equal((await client.get(`${gateway.coaps}/hello`)).ok, true);
  await gateway.log.waitFor(/certificate of pki-9, or of its authority, expires on .* in 19 days/);
});
