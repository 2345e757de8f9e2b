import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PeerInfo, PeerProof } from 'coapsule';
import { linePeers } from '../../src/gateway/line-peers.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const stamp = 'store:1 1' as const;

function peer(
  identity: string,
  authentication: unknown,
  transport: PeerInfo['transport'] = 'serial',
): PeerInfo {
  const security = {
    kind: 'dtls',
    identity,
    identityBytes: bytes(identity),
    authentication: authentication as PeerProof,
  } as Extract<PeerInfo['security'], { kind: 'dtls' }>;
  return { address: { key: 'serial:/dev/x', host: 'serial:/dev/x', port: 0 }, transport, security };
}

/** A store with one device, `first`, whose key, certificate and raw public key are all `right`. */
const directory = {
  admission: async (identity: string) =>
    identity === 'first' ? { key: bytes('right'), context: stamp } : undefined,
  ownerOfKey: async (fingerprint: string) =>
    fingerprint === 'right' ? { identity: 'first', context: stamp } : undefined,
  ownerOfCertificate: async (name: string, fingerprint: string) =>
    name === 'first' && fingerprint === 'right' ? { identity: 'first', context: stamp } : undefined,
};

test('whoever was connected to is the device whose pre-shared key was used, under its identity', async () => {
  const psk = { kind: 'psk' };
  const known = (...used: readonly { identity: string | Uint8Array; key: Uint8Array }[]) =>
    linePeers(directory, used);
  const right = { identity: 'first', key: bytes('right') };
  assert.equal(await known(right)(peer('first', psk)), stamp);
  assert.equal(await known({ ...right, identity: bytes('first') })(peer('first', psk)), stamp);
  assert.equal(await known({ ...right, key: bytes('wrong') })(peer('first', psk)), undefined);
  assert.equal(await known({ ...right, key: bytes('right or not') })(peer('first', psk)), undefined);
  assert.equal(await known({ identity: 'other', key: bytes('right') })(peer('other', psk)), undefined);
  assert.equal(await known()(peer('first', psk)), undefined);
  // One identity with two keys on two lines: it is not known which of them was used.
  assert.equal(await known(right, { ...right, key: bytes('wrong') })(peer('first', psk)), undefined);
});

test('or the one whose certificate or raw public key it has shown', async () => {
  const find = linePeers(directory, []);
  const x509 = (fingerprint: string) => ({ kind: 'x509', certificate: { fingerprint } });
  const rpk = (fingerprint: string) => ({ kind: 'raw-public-key', publicKey: { fingerprint } });
  assert.equal(await find(peer('first', x509('right'))), stamp);
  assert.equal(await find(peer('first', x509('wrong'))), undefined);
  assert.equal(await find(peer('second', x509('right'))), undefined);
  assert.equal(await find(peer('first', rpk('right'))), stamp);
  assert.equal(await find(peer('second', rpk('right'))), undefined);
  assert.equal(await find(peer('first', rpk('wrong'))), undefined);
});

test('nobody is who has proved nothing, or is not on a line', async () => {
  const find = linePeers(directory, [{ identity: 'first', key: bytes('right') }]);
  assert.equal(await find(peer('first', { kind: 'none' })), undefined);
  assert.equal(await find(peer('first', { kind: 'psk' }, 'udp')), undefined);
  const plain = { ...peer('first', undefined), security: { kind: 'none' } } as const;
  assert.equal(await find(plain), undefined);
});
