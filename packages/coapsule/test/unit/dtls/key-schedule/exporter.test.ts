/**
 * The exporter of RFC 5705: what it computes, whom it gives nothing, and what it refuses.
 */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import { exportKeyingMaterial } from '../../../../src/core/dtls/key-schedule/exporter.ts';
import { concatBytes, noBytes } from '../../../../src/core/foundation/bytes.ts';
import { ApiMisuseError } from '../../../../src/core/foundation/errors.ts';
import { encodeUtf8 } from '../../../../src/core/foundation/utf8.ts';
import { nodeCrypto } from '../../../../src/crypto/node-crypto.ts';
import { DtlsPair } from '../../../scenarios/dtls-pair.ts';

const label = 'EXPERIMENTAL coapsule';
const secret = {
  hash: 'SHA-256',
  masterSecret: new Uint8Array(48).fill(1),
  clientRandom: new Uint8Array(32).fill(2),
  serverRandom: new Uint8Array(32).fill(3),
} as const;

/** P_SHA256 written down from RFC 5246 §5. */
function pSha256(seed: Uint8Array, length: number): Uint8Array {
  const hmac = (data: Uint8Array): Uint8Array =>
    createHmac('sha256', secret.masterSecret).update(data).digest();
  let a = hmac(seed);
  let output = new Uint8Array(0);
  while (output.length < length) {
    output = concatBytes(output, hmac(concatBytes(a, seed))) as Uint8Array<ArrayBuffer>;
    a = hmac(a);
  }
  return output.slice(0, length);
}

describe('the exporter (RFC 5705 §4)', () => {
  it('is the PRF over label, both randoms and the context with its length', () => {
    const context = encodeUtf8('device 7');
    const randoms = concatBytes(secret.clientRandom, secret.serverRandom);
    const withContext = concatBytes(encodeUtf8(label), randoms, Uint8Array.of(0, context.length), context);
    assert.deepEqual(exportKeyingMaterial(nodeCrypto, secret, label, context, 40), pSha256(withContext, 40));
    const without = concatBytes(encodeUtf8(label), randoms);
    assert.deepEqual(exportKeyingMaterial(nodeCrypto, secret, label, undefined, 40), pSha256(without, 40));
  });

  it('tells an empty context from none', () => {
    const empty = exportKeyingMaterial(nodeCrypto, secret, label, noBytes, 32);
    assert.notDeepEqual(empty, exportKeyingMaterial(nodeCrypto, secret, label, undefined, 32));
  });

  it('refuses labels of TLS itself, lengths of nothing and contexts that are too long', () => {
    for (const reserved of ['key expansion', 'client finished', 'master secret', '', 'a\n']) {
      assert.throws(() => exportKeyingMaterial(nodeCrypto, secret, reserved, undefined, 16), ApiMisuseError);
    }
    for (const length of [0, 65_536, 1.5]) {
      assert.throws(() => exportKeyingMaterial(nodeCrypto, secret, label, undefined, length), ApiMisuseError);
    }
    assert.throws(
      () => exportKeyingMaterial(nodeCrypto, secret, label, new Uint8Array(65_536), 16),
      ApiMisuseError,
    );
  });
});

describe('the exporter of a layer', () => {
  const exported = (node: DtlsPair['client']): Uint8Array | undefined => {
    const association = node.all('connected')[0]?.association ?? 0;
    return node.layer.exportKeyingMaterial(association, label, undefined, 32);
  };

  it('gives both sides the same, and another association something else', () => {
    const pairs = [1, 2].map((seed) => {
      const pair = new DtlsPair({ seed, client: { exporter: true }, server: { exporter: true } });
      pair.connect();
      pair.run(5000, () => pair.bothConnected);
      return pair;
    });
    const [first, second] = pairs.map((pair) => {
      const secrets = [exported(pair.client), exported(pair.server)];
      assert.equal(secrets[0]?.length, 32);
      assert.deepEqual(secrets[0], secrets[1]);
      return secrets[0];
    });
    assert.notDeepEqual(first, second);
  });

  it('gives nothing unless asked to keep it, and nothing after the end', () => {
    const pair = new DtlsPair({ client: {}, server: { exporter: true } });
    pair.connect();
    pair.run(5000, () => pair.bothConnected);
    assert.equal(exported(pair.client), undefined);
    assert.ok(exported(pair.server));
    pair.server.layer.close(pair.server.all('connected')[0]?.association ?? 0, pair.clock.now);
    assert.equal(exported(pair.server), undefined);
  });
});
