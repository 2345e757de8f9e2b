/**
 * What changed while nobody listened counts when kept associations come back.
 */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  type AssociationStore,
  Client,
  type ClientOptions,
  content,
  describeCertificates,
  type KeptAssociation,
  type ListenOptions,
  type ResumableAssociation,
  Server,
} from '../../src/index.ts';
import { issue, issueRoot, keyPair } from '../x509/certificate-factory.ts';

const root = issueRoot();
const device = issue({ subject: 'CN=sensor-7', issuer: root });
const localhost = issue({ subject: 'CN=gateway', issuer: root, names: { dns: ['localhost'] } });
const deviceKeys = keyPair();
const key = new TextEncoder().encode('MySecret16ByteK!');
const fingerprint = describeCertificates(device.der)[0]?.fingerprint as string;

const clients: Readonly<Record<string, ClientOptions>> = {
  'sensor-7': { trustAnchors: root.der, certificate: { chain: device.der, privateKey: device.keyPem } },
  'sensor-8': { trustAnchors: root.der, rawPublicKey: { privateKey: deviceKeys.privateKey } },
  'sensor-9': { psk: { identity: 'sensor-9', key } },
};

const listen: ListenOptions = {
  certificate: { chain: localhost.der, privateKey: localhost.keyPem },
  clientCertificates: { trustAnchors: root.der },
  clientPublicKeys: new Map([['sensor-8', deviceKeys.publicKey]]),
  psk: { lookup: () => ({ key, context: 'a context' }) },
};

/** What one process left, for any number of next ones. */
class LeftAssociations implements AssociationStore {
  readonly kept = new Map<string, ResumableAssociation>();
  changes: Partial<ResumableAssociation> = {};

  async resume(): Promise<readonly ResumableAssociation[]> {
    return [...this.kept.values()].map((one) => ({ ...one, ...this.changes }));
  }
  async add(one: KeptAssociation): Promise<void> {
    this.kept.set(one.name, { ...one, writeFrom: one.reserved, reserved: one.reserved + 64, exact: false });
  }
  async remove(name: string): Promise<void> {
    this.kept.delete(name);
  }
  async reserve(): Promise<void> {}
  async setEdge(): Promise<void> {}
  async suspend(): Promise<void> {}
  async rememberRequest(): Promise<undefined> {}
  async setAnswer(): Promise<void> {}
}

/** Lets the three devices in once. */
async function left(): Promise<LeftAssociations> {
  const store = new LeftAssociations();
  await using server = new Server();
  server.resource('/a', { get: () => content('1') });
  const { port } = await server.listen('coaps://127.0.0.1:0', { ...listen, associationStore: store });
  const made = Object.values(clients).map((options) => new Client(options));
  await Promise.all(made.map((client) => client.get(`coaps://localhost:${port}/a`)));
  const kept = new Map(store.kept);
  // Their close_notify must not take them out of what the next process finds.
  await Promise.all(made.map((client) => client.close()));
  await server.close();
  for (const [name, one] of kept) store.kept.set(name, one);
  return store;
}

/** Identity and context of those that a listener takes over; the others are to be removed from the store. */
async function takenOver(
  t: TestContext,
  store: LeftAssociations,
  options: Partial<ListenOptions> = {},
): Promise<string[]> {
  const errors: unknown[] = [];
  const server = new Server({ onError: (error) => errors.push(error) });
  t.after(() => server.close());
  const next = new LeftAssociations();
  for (const [name, one] of store.kept) next.kept.set(name, one);
  next.changes = store.changes;
  const listener = await server.listen('coaps://127.0.0.1:0', {
    ...listen,
    ...options,
    associationStore: next,
  });
  const peers = listener.peers();
  assert.equal(next.kept.size, peers.length);
  assert.ok(
    errors.every((error) => /^the look-up/.test((error as Error).message)),
    String(errors),
  );
  return peers.map((peer) => (peer.kind === 'dtls' ? `${peer.identity} ${peer.context}` : 'none')).sort();
}

test('a kept association comes back when its peer would be let in, and not otherwise', async (t) => {
  const store = await left();
  const all = ['sensor-7 undefined', 'sensor-8 undefined', 'sensor-9 a context'];
  assert.deepEqual(await takenOver(t, store), all);

  await t.test('a certificate that is denied now', async () => {
    assert.deepEqual(await takenOver(t, store, { deniedCertificates: [fingerprint] }), all.slice(1));
  });
  await t.test('a raw public key of nobody, or of somebody else', async () => {
    for (const clientPublicKeys of [() => undefined, () => ({ identity: 'sensor-1' })]) {
      assert.deepEqual(await takenOver(t, store, { clientPublicKeys }), [all[0], all[2]]);
    }
  });
  await t.test('an identity without a key', async () => {
    assert.deepEqual(await takenOver(t, store, { psk: { lookup: new Map() } }), all.slice(0, 2));
  });
  await t.test('a look-up that fails', async () => {
    const lookup = (): never => {
      throw new Error('the look-up has no database');
    };
    const found = await takenOver(t, store, { psk: { lookup }, clientPublicKeys: lookup });
    assert.deepEqual(found, [all[0]]);
  });
  await t.test('whom the hook refuses, or calls by another name', async () => {
    const verifyPeer: ListenOptions['verifyPeer'] = ({ identity, chain }) =>
      identity === 'sensor-7' ? chain.length === 1 && { identity, context: 'new' } : false;
    assert.deepEqual(await takenOver(t, store, { verifyPeer }), ['sensor-7 new', all[2]]);
    assert.deepEqual(await takenOver(t, store, { verifyPeer: () => ({ identity: 'x' }) }), [all[2]]);
  });
  await t.test('a certificate, or the path to its authority, that has expired', async () => {
    store.changes = { certificateExpiresAt: new Date(Date.now() - 1000) };
    assert.deepEqual(await takenOver(t, store), [all[2]]);
  });
  await t.test('of what the store has reviewed, only what is denied or has expired', async () => {
    const nobody = { psk: { lookup: new Map() }, clientPublicKeys: () => undefined, verifyPeer: () => false };
    store.changes = { reviewed: true };
    assert.deepEqual(await takenOver(t, store, nobody), all);
    const denied = { ...nobody, deniedCertificates: [fingerprint] };
    assert.deepEqual(await takenOver(t, store, denied), all.slice(1));
  });
});
