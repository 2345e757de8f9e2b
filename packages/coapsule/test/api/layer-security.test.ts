/** Two DTLS layers of one's own with the credentials of `Client` and `Server`: who is let in, and why others are not. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import { clientLayerSecurity, ipAddress, type LayerSecurity, serverLayerSecurity } from 'coapsule';
import { instant } from 'coapsule/core';
import { type DtlsConfig, DtlsLayer, type DtlsOutput } from 'coapsule/dtls';
import { nodeCrypto, systemRandom } from 'coapsule/node';

const here = ipAddress('192.0.2.1', 5684);
const there = ipAddress('192.0.2.2', 5684);
const key = new TextEncoder().encode('MySecret16ByteK!');
const identity = 'sensor-042';

/** Shakes hands until nobody has anything to say. @returns what both said at the end of it. */
async function handshake(client: LayerSecurity, server: LayerSecurity): Promise<readonly DtlsOutput[]> {
  const config = (security: LayerSecurity): Partial<DtlsConfig> => ({
    ...security.config,
    maxAttemptDelayMs: 0,
  });
  const layers = [
    {
      security: client,
      from: here,
      layer: new DtlsLayer({
        role: 'client',
        crypto: nodeCrypto,
        random: systemRandom,
        config: config(client),
      }),
    },
    {
      security: server,
      from: there,
      layer: new DtlsLayer({
        role: 'server',
        crypto: nodeCrypto,
        random: systemRandom,
        config: config(server),
      }),
    },
  ] as const;
  const now = instant(0);
  layers[0].layer.connect(there, {}, now);
  const said: DtlsOutput[] = [];
  for (let isOver = false; !isOver; ) {
    isOver = true;
    for (const [index, { layer, security, from }] of layers.entries()) {
      for (let output = layer.poll(); output !== undefined; output = layer.poll()) {
        isOver = false;
        if (output.kind === 'transmit')
          layers[1 - index]!.layer.handle({ address: from, datagram: output.datagram.slice() }, now);
        else if (output.kind === 'psk-lookup' || output.kind === 'verify-peer')
          await security.answer(layer, output, () => now);
        else if (output.kind === 'connected' || output.kind === 'handshake-failed') said.push(output);
      }
    }
  }
  return said;
}

describe('credentials for a layer of one’s own', () => {
  const place = { address: there, host: '192.0.2.2' };

  test('a pre-shared key: the server knows the identity', async () => {
    const said = await handshake(
      clientLayerSecurity({ psk: { identity, key } }, place) as LayerSecurity,
      serverLayerSecurity('here', { psk: { lookup: new Map([[identity, key]]) } }),
    );
    assert.deepEqual(
      said.map((output) => output.kind),
      ['connected', 'connected'],
    );
    const [server] = said;
    assert.ok(server?.kind === 'connected');
    assert.equal(new TextDecoder().decode(server.identity), identity);
  });

  test('an unknown identity gets no association', async () => {
    const said = await handshake(
      clientLayerSecurity({ psk: { identity, key } }, place) as LayerSecurity,
      serverLayerSecurity('here', { psk: { lookup: () => Promise.reject(new Error('the store is gone')) } }),
    );
    assert.ok(said.every(({ kind }) => kind !== 'connected'));
  });

  test('raw public keys: the pinned one is taken, another one is refused by name', async () => {
    const pair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const [own, other] = [pair(), pair()];
    const pem = own.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    const server = serverLayerSecurity('here', { rawPublicKey: { privateKey: pem } });
    const pinning = ({ publicKey }: ReturnType<typeof pair>): LayerSecurity =>
      clientLayerSecurity(
        { peerPublicKeys: publicKey.export({ type: 'spki', format: 'pem' }) as string },
        place,
      ) as LayerSecurity;
    const taken = await handshake(pinning(own), server);
    assert.deepEqual(
      taken.map(({ kind }) => kind),
      ['connected', 'connected'],
    );
    const [refused] = await handshake(pinning(other), server);
    assert.ok(refused?.kind === 'handshake-failed');
    assert.equal(refused.failure.cause, 'unknown-public-key');
  });

  test('nothing to prove and nobody to trust is nothing', () => {
    assert.equal(clientLayerSecurity({}, place), undefined);
    assert.throws(() => serverLayerSecurity('here', {}), /here needs credentials/);
  });
});
