/**
 * What security costs in bytes, measured on the simulated network: of a handshake in each mode, and of each message after
 * it. The numbers people quote ("360 bytes for PSK, 2 to 4 KB with certificates, 29 bytes a message") are beside ours.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { cipherSuites } from '../../src/core/dtls/cipher-suites.ts';
import type { EndpointCredentials } from '../../src/core/dtls/credentials.ts';
import type { DtlsConfig } from '../../src/core/dtls/dtls-config.ts';
import { nodeSigningKey } from '../../src/crypto/node-signature.ts';
import { issue } from '../x509/certificate-factory.ts';
import { credentialKinds, rawPublicKeyCredentials } from './dtls-credentials.ts';
import { DtlsPair } from './dtls-pair.ts';

const authority = issue({ subject: 'CN=Test CA', ca: true });

function certificateCredentials(name: 'client' | 'server'): EndpointCredentials {
  const leaf = issue({ subject: `CN=${name}`, issuer: authority, names: { dns: [`${name}.example`] } });
  return {
    psk: false,
    certificate: { chain: [leaf.der], key: nodeSigningKey(leaf.keys.privateKey) },
    peerTypes: ['x509'],
    clientAuthentication: name === 'server' ? 'required' : 'none',
  };
}

/** Bytes of UDP payload in both directions until both sides are connected, and the pair. */
function handshake(client: Partial<DtlsConfig>, server: Partial<DtlsConfig>): readonly [number, DtlsPair] {
  const options = { resumption: 'off', connectionIdLength: 'off' } as const;
  const pair = new DtlsPair({ client: { ...options, ...client }, server: { ...options, ...server } });
  pair.connect();
  pair.run(10_000, () => pair.bothConnected);
  assert.ok(pair.bothConnected);
  return [pair.network.sent.reduce((sum, { datagram }) => sum + datagram.length, 0), pair];
}

describe('a handshake, in bytes of UDP payload both ways with both hellos and the cookie', () => {
  it('with a pre-shared key takes hundreds', () => {
    const [one] = handshake({ suites: ['TLS_PSK_WITH_AES_128_CCM_8'] }, {});
    const [many] = handshake({}, {});
    assert.ok(one >= 360 && one <= 620, `${one} bytes`);
    assert.ok(many - one <= 2 * 2 * cipherSuites.length + 40, `${many} bytes with all suites offered`);
  });

  it('with a pre-shared key and forward secrecy takes one public key each more', () => {
    const [plain] = handshake({ suites: ['TLS_PSK_WITH_AES_128_CCM_8'] }, {});
    const [ecdhe] = handshake({ suites: ['TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256'] }, {});
    assert.ok(ecdhe - plain >= 64 && ecdhe - plain <= 180, `${ecdhe - plain} bytes more`);
  });

  it('with raw public keys takes 1 to 2 KB, with certificates 1 to 4 KB', () => {
    const [raw] = handshake(
      { credentials: rawPublicKeyCredentials('client') },
      { credentials: rawPublicKeyCredentials('server') },
    );
    const [chains] = handshake(
      { credentials: certificateCredentials('client') },
      { credentials: certificateCredentials('server') },
    );
    assert.ok(raw >= 1000 && raw <= 2000, `${raw} bytes`);
    assert.ok(chains > raw && chains <= 4000, `${chains} bytes`);
  });

  it('takes as many as docs/dtls.md says, in as many datagrams', () => {
    const document = readFileSync(join(import.meta.dirname, '../../../../docs/dtls.md'), 'utf8');
    for (const { name, client, server } of credentialKinds) {
      const [, datagrams, bytes = ''] =
        new RegExp(`^\\| ${name} \\| (\\d+) \\| ([\\d,]+) \\|$`, 'm').exec(document) ?? [];
      const [measured, pair] = handshake(client, server);
      assert.equal(pair.network.sent.length, Number(datagrams), name);
      // Signatures and the certificates of a run differ by a few bytes in length.
      assert.ok(Math.abs(measured - Number(bytes.replace(',', ''))) <= 16, `${name}: ${measured} bytes`);
    }
  });
});

describe('a message costs, besides its own bytes', () => {
  for (const { name, recordIvLength, tagLength, keyExchange } of cipherSuites) {
    if (keyExchange !== 'PSK' && keyExchange !== 'ECDHE_PSK') continue;
    it(`${13 + recordIvLength + tagLength} with ${name}, and 9 more towards a peer with an 8-byte connection id`, () => {
      for (const [connectionIdLength, extra] of [
        ['off', 0],
        [8, 9],
      ] as const) {
        const [, pair] = handshake(
          { suites: [name], connectionIdLength: connectionIdLength === 'off' ? 'off' : 0 },
          { connectionIdLength },
        );
        const association = pair.client.all('connected')[0]?.association ?? 0;
        const sentBefore = pair.network.sent.length;
        pair.client.layer.send(association, new Uint8Array(20), pair.clock.now);
        pair.drain(pair.client);
        const [record] = pair.network.sent.slice(sentBefore);
        const overhead = (record?.datagram.length ?? 0) - 20;
        assert.equal(overhead, 13 + recordIvLength + tagLength + extra);
        const info = pair.client.layer.association(association);
        assert.ok(info?.established && info.recordOverhead === overhead);
      }
    });
  }

  it('29 bytes with TLS_PSK_WITH_AES_128_CCM_8: 13 of header, 8 of explicit nonce, 8 of tag', () => {
    const suite = cipherSuites.find(({ name }) => name === 'TLS_PSK_WITH_AES_128_CCM_8');
    assert.equal(13 + (suite?.recordIvLength ?? 0) + (suite?.tagLength ?? 0), 29);
  });
});
