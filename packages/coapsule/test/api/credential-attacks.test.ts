/**
 * Peers that try to be taken for somebody else, on real sockets with certificates that no CA would issue.
 */

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { judgePeer } from '../../src/api/peer-verification.ts';
import type { ClientSession } from '../../src/core/dtls/session/client-sessions.ts';
import { SessionsAsClient } from '../../src/core/dtls/session/peer-sessions.ts';
import { isDecodeFault } from '../../src/core/foundation/errors.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { decodeCertificate, trustAnchor } from '../../src/core/x509/certificate.ts';
import { ecdsaTwins } from '../../src/core/x509/ecdsa-twin.ts';
import { systemTrustAnchors } from '../../src/crypto/node-credentials.ts';
import {
  type AssociationEvent,
  Client,
  type ClientOptions,
  CoapsuleError,
  content,
  describeCertificates,
  type ListenOptions,
  Server,
} from '../../src/index.ts';
import { type Issued, issue, issueRoot, keyPair } from '../x509/certificate-factory.ts';

const root = issueRoot();
const device = issue({ subject: 'CN=sensor-7', issuer: root });
const localhost = issue({
  subject: 'CN=gateway',
  issuer: root,
  names: { dns: ['localhost', 'elsewhere.example'] },
});
const otherKey = keyPair().publicKey;
const enc = (text: string): Uint8Array => new TextEncoder().encode(text);

function certificate({ der, keyPem }: Issued): { chain: Uint8Array; privateKey: string } {
  return { chain: der, privateKey: keyPem };
}

interface Served {
  readonly port: number;
  readonly events: AssociationEvent[];
  get(options: ClientOptions, host?: string): Promise<string>;
  failure(options: ClientOptions): Promise<CoapsuleError>;
}

/** A server that says how it knows its client. */
async function serve(t: TestContext, options: ListenOptions): Promise<Served> {
  const events: AssociationEvent[] = [];
  const server = new Server();
  server.resource('/whoami', {
    get: ({ peer: { security } }) =>
      content(
        security.kind === 'none'
          ? 'none'
          : `${security.authentication.kind} '${security.identity}' ${security.context}`,
      ),
  });
  const { port } = await server.listen('coaps://127.0.0.1:0', {
    onAssociation: (event) => events.push(event),
    ...options,
  });
  t.after(() => server.close());
  const get = async (given: ClientOptions): Promise<string> => {
    await using client = new Client(given);
    return (await client.get(`coaps://localhost:${port}/whoami`)).text();
  };
  return {
    port,
    events,
    get,
    async failure(given) {
      const error = await get(given).then(
        (text) => assert.fail(`it was to fail, and got ${text}`),
        (reason: unknown) => reason,
      );
      assert.ok(error instanceof CoapsuleError, String(error));
      return error;
    },
  };
}

/** As if this CA were one of those that the system trusts. */
function addToSystem(t: TestContext, { der }: Issued): void {
  const anchor = trustAnchor(der);
  assert.ok('certificate' in anchor);
  const anchors = systemTrustAnchors() as (typeof anchor)[];
  anchors.push(anchor);
  t.after(() => anchors.splice(anchors.indexOf(anchor), 1));
}

test('a client with pinned keys takes no certificate of an authority of the system, with a certificate of its own neither', async (t) => {
  addToSystem(t, root);
  const impostor = await serve(t, { certificate: certificate(localhost) });
  const own = { certificate: certificate(device) };
  assert.equal(await impostor.get(own), "none '' undefined", 'without pins the system counts');
  for (const options of [{ peerPublicKeys: otherKey }, { ...own, peerPublicKeys: otherKey }]) {
    const error = await impostor.failure(options);
    assert.ok(error.handshake !== undefined, error.message);
  }
  // Both were asked for.
  assert.equal(
    await impostor.get({ ...own, peerPublicKeys: otherKey, trustAnchors: root.der }),
    "none '' undefined",
  );
});

test('what is shown without being asked for is refused, whoever vouches for it', async () => {
  const address = ipAddress('192.0.2.1', 5684);
  const policy = {
    trustAnchors: () => [],
    publicKeyOwner: () => ({ identity: 'anybody' }),
    denied: { has: () => false },
    verifyPeer: () => ({ identity: 'anybody' }),
    dangerouslySkip: true,
    now: Date.now,
  };
  const spki = new Uint8Array(otherKey.export({ format: 'der', type: 'spki' }));
  for (const peer of ['server', 'client'] as const) {
    for (const [credential, other] of [
      [{ kind: 'x509', chain: [device.der] }, 'raw-public-key'],
      [{ kind: 'raw-public-key', publicKey: spki }, 'x509'],
    ] as const) {
      const judged = (takes: readonly ('x509' | 'raw-public-key')[]) =>
        judgePeer(credential, { address, host: 'h', serverName: undefined }, { ...policy, peer, takes });
      const { verdict } = await judged([other]);
      assert.equal(verdict.accepted || verdict.cause, 'no-common-certificate-type');
      assert.ok((await judged([other, credential.kind])).verdict.accepted);
    }
  }
});

test('a client with nothing but an own raw public key knows no server, also not by the authorities of the system', async (t) => {
  addToSystem(t, root);
  const { failure, get } = await serve(t, { certificate: certificate(localhost) });
  const own = { rawPublicKey: { privateKey: keyPair().privateKey } };
  const error = await failure(own);
  assert.equal(error.code, 'ERR_CREDENTIALS');
  assert.match(
    `${error.message}\n${error.nextStep}`,
    /nothing to know .* by\n.*peerPublicKeys.*trustAnchors/,
  );
  assert.equal(await get({ ...own, trustAnchors: 'system' }), "none '' undefined");
});

test('a denied certificate stays out when its holder writes the signature of its CA in the other form', async (t) => {
  const decoded = decodeCertificate(device.der);
  assert.ok(!isDecodeFault(decoded));
  const forms = [device.der, ...ecdsaTwins(decoded)];
  assert.ok(forms.length > 1);
  const [known] = describeCertificates(device.der);
  const mutual = {
    certificate: certificate(localhost),
    clientCertificates: { trustAnchors: root.der },
  };
  const denying = await serve(t, { ...mutual, deniedCertificates: [known?.fingerprint as string] });
  for (const chain of forms) {
    await denying.failure({ trustAnchors: root.der, certificate: { chain, privateKey: device.keyPem } });
  }
  const causes = denying.events.map((event) => event.kind === 'handshake-failed' && event.failure.cause);
  assert.equal(causes.filter((cause) => cause === 'certificate-revoked').length, forms.length);
});

test('the deny list counts also with dangerouslySkipVerification, for what is shown beside the own certificate too', async (t) => {
  const ca = issue({ subject: 'CN=Sub', issuer: root, ca: true });
  const leaf = issue({ subject: 'CN=x', issuer: ca, names: { dns: ['localhost'] } });
  const { get, failure } = await serve(t, {
    certificate: { chain: [leaf.der, ca.der], privateKey: leaf.keyPem },
  });
  assert.equal(await get({ dangerouslySkipVerification: true }), "none '' undefined");
  for (const { der } of [leaf, ca]) {
    const [known] = describeCertificates(der);
    const error = await failure({
      dangerouslySkipVerification: true,
      deniedCertificates: [known?.fingerprint as string],
    });
    assert.equal(error.handshake?.cause, 'certificate-revoked');
  }
});

test('clients whose certificate has no name for a device do not share the empty one: the hook names them, or they stay out', async (t) => {
  const nameless = issue({ subject: 'O=Acme', issuer: root });
  const mutual = { certificate: certificate(localhost), clientCertificates: { trustAnchors: root.der } };
  const own = { trustAnchors: root.der, certificate: certificate(nameless) };
  for (const verifyPeer of [undefined, () => true, () => ({ identity: '' })]) {
    const { failure, events } = await serve(t, { ...mutual, ...(verifyPeer && { verifyPeer }) });
    await failure(own);
    const [event] = events;
    assert.ok(event?.kind === 'handshake-failed');
    assert.equal(event.failure.cause, 'peer-refused');
    assert.match(event.failure.detail, /O=Acme has no name for a device/);
  }
  const named = await serve(t, { ...mutual, verifyPeer: () => ({ identity: 'sensor-1', context: 1 }) });
  assert.equal(await named.get(own), "x509 'sensor-1' 1");
});

test('a client that proves nothing does not get the context of the device whose session id it offers', async (t) => {
  let key = enc('first key 16 byt');
  const asked: string[] = [];
  const { get, events } = await serve(t, {
    certificate: certificate(localhost),
    clientAuthentication: 'none',
    psk: {
      lookup: (identity) => {
        asked.push(identity);
        return { key, context: 'the rights of sensor-042' };
      },
    },
  });
  let sniffed: ClientSession | undefined;
  const remember = t.mock.method(SessionsAsClient.prototype, 'remember', (session: ClientSession) => {
    sniffed = session;
  });
  const pskSuite = 'TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256';
  const text = await get({
    psk: { identity: 'sensor-042', key },
    suites: [pskSuite],
    resumption: 'session-id',
  });
  assert.equal(text, "psk 'sensor-042' the rights of sensor-042");
  remember.mock.restore();
  assert.ok(sniffed !== undefined);
  key = enc('second key 16 by');
  // All that the attacker knows is the session id, which was in the clear.
  const { session, by } = sniffed;
  const offered = { by, session: { ...session, masterSecret: new Uint8Array(48), proof: { kind: 'none' } } };
  t.mock.method(SessionsAsClient.prototype, 'find', () => offered);
  const attack = await get({
    psk: { identity: 'nobody', key: enc('not a key') },
    trustAnchors: root.der,
    suites: [pskSuite, 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'],
    resumption: 'session-id',
  });
  assert.equal(attack, "none '' undefined");
  assert.deepEqual(asked, ['sensor-042', 'sensor-042'], 'the session was looked at');
  assert.equal(events.filter(({ kind }) => kind === 'connected').length, 2);
});

test('a listener with pre-shared keys and a certificate has to say who may come without a key', async (t) => {
  await using server = new Server();
  const psk = { lookup: new Map([['sensor-042', enc('MySecret16ByteK!')]]) };
  for (const own of [
    { certificate: certificate(localhost) },
    { rawPublicKey: { privateKey: keyPair().privateKey } },
    { serverNames: { 'a.example': { certificate: certificate(localhost) } } },
  ]) {
    await assert.rejects(server.listen('coaps://127.0.0.1:0', { psk, ...own }), {
      code: 'ERR_API_MISUSE',
      message:
        /who may come without a pre-shared key\? Give clientCertificates or clientPublicKeys .* 'none'/,
    });
  }
  const open = await serve(t, { psk, certificate: certificate(localhost), clientAuthentication: 'none' });
  assert.equal(await open.get({ trustAnchors: root.der }), "none '' undefined");
  const closed = await serve(t, {
    psk,
    certificate: certificate(localhost),
    clientCertificates: { trustAnchors: root.der },
  });
  await closed.failure({ trustAnchors: root.der });
});

test('each host of a client has an association of its own, whatever serverName is', async (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { port, events } = await serve(t, { rawPublicKey: { privateKey } });
  const asked: string[] = [];
  await using client = new Client({
    serverName: 'elsewhere.example',
    peerPublicKeys: ({ host }) => {
      asked.push(host);
      return host === 'localhost' ? [publicKey] : [otherKey];
    },
  });
  assert.ok((await client.get(`coaps://localhost:${port}/whoami`)).ok);
  await assert.rejects(client.get(`coaps://127.0.0.1:${port}/whoami`), { code: 'ERR_HANDSHAKE' });
  assert.deepEqual(asked, ['localhost', '127.0.0.1']);
  assert.equal(events.filter(({ kind }) => kind === 'connected').length, 1);
});

test('CAs without a path to a trust anchor do not hold up the event loop with their name constraints', async (t) => {
  const names = (name: string): string[] => Array<string>(250).fill(name);
  const keys = keyPair();
  const issuers = [1, 2, 3, 4].map((serialNumber) =>
    issue({
      subject: 'CN=X',
      keys,
      ca: true,
      serialNumber,
      keyIdentifiers: false,
      nameConstraints: { permitted: { uri: names('b') }, excluded: { uri: names('b') } },
    }),
  );
  const leaf = issue({
    subject: 'CN=x',
    issuer: issuers[0] as Issued,
    keyIdentifiers: false,
    names: { uri: names('a://a') },
  });
  const { failure, events } = await serve(t, {
    certificate: certificate(localhost),
    clientCertificates: { trustAnchors: root.der },
  });
  const before = process.cpuUsage();
  await failure({
    trustAnchors: root.der,
    certificate: { chain: [leaf.der, ...issuers.map(({ der }) => der)], privateKey: leaf.keyPem },
  });
  const { user, system } = process.cpuUsage(before);
  const failed = events.find((event) => event.kind === 'handshake-failed');
  assert.equal(failed?.failure.cause, 'unknown-ca');
  assert.ok(
    user + system < 500_000,
    `${user + system} µs for both sides; it was 360 ms for one look at the path`,
  );
});
