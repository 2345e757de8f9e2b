/**
 * Handshakes with raw public keys in virtual time: keys, suites, groups, who must show what, names, and what is refused.
 *
 * Certificates take the same road but for what is in the Certificate message: `dtls-certificates.test.ts`.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AlertDescription } from '../../src/core/dtls/alert.ts';
import { type CipherSuiteName, cipherSuites } from '../../src/core/dtls/cipher-suites.ts';
import type { EndpointCredentials } from '../../src/core/dtls/credentials.ts';
import type { DtlsConfig } from '../../src/core/dtls/dtls-config.ts';
import { splitRecords } from '../../src/core/dtls/record/demultiplex.ts';
import type { PublicKeyType } from '../../src/core/foundation/crypto-provider.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { rawPublicKeyCredentials } from './dtls-credentials.ts';
import { DtlsPair } from './dtls-pair.ts';

const server = rawPublicKeyCredentials('server');
const client = rawPublicKeyCredentials('client');

function pairOf(clientConfig: Partial<DtlsConfig> = {}, serverConfig: Partial<DtlsConfig> = {}): DtlsPair {
  return new DtlsPair({
    client: { credentials: client, ...clientConfig },
    server: { credentials: server, ...serverConfig },
  });
}

function connected(pair: DtlsPair, serverName?: string): DtlsPair {
  pair.connect(serverName);
  pair.run(10_000, () => pair.bothConnected);
  assert.ok(pair.bothConnected, JSON.stringify(causes(pair)));
  assert.ok(pair.exchange());
  return pair;
}

function failed(pair: DtlsPair, serverName?: string): readonly [client: string, server: string] {
  pair.connect(serverName);
  pair.run(120_000);
  assert.ok(!pair.bothConnected);
  return causes(pair);
}

function causes(pair: DtlsPair): readonly [client: string, server: string] {
  // The client asks once more before it believes an alert in the clear: the server may have failed twice.
  const cause = (node: DtlsPair['client']): string =>
    node.all('handshake-failed')[0]?.failure.cause ?? 'none';
  return [cause(pair.client), cause(pair.server)];
}

describe('raw public keys (RFC 7250)', () => {
  const types: readonly PublicKeyType[] = ['ec-secp256r1', 'ec-secp384r1', 'ed25519', 'rsa'];
  for (const serverType of types) {
    for (const clientType of types) {
      it(`a server with ${serverType} and a client with ${clientType} prove themselves to each other`, () => {
        const ends = [
          rawPublicKeyCredentials('client', clientType),
          rawPublicKeyCredentials('server', serverType),
        ];
        const pair = pairOf(
          { credentials: ends[0] as EndpointCredentials },
          { credentials: ends[1] as EndpointCredentials },
        );
        pair.server.verify = ({ credential }) => {
          assert.deepEqual(credential, {
            kind: 'raw-public-key',
            publicKey: ends[0]?.rawPublicKey?.key.publicKey.spki,
          });
          return { accepted: true, identity: encodeUtf8('meter-7') };
        };
        connected(pair);
        const [atServer] = pair.server.all('connected');
        assert.deepEqual(atServer?.identity, encodeUtf8('meter-7'));
        assert.equal(atServer?.authentication.kind, 'raw-public-key');
        const [atClient] = pair.client.all('connected');
        assert.deepEqual(atClient?.authentication, {
          kind: 'raw-public-key',
          publicKey: ends[1]?.rawPublicKey?.key.publicKey.spki,
        });
      });
    }
  }

  it('a client that shows nothing is refused where it must show something, and told so', () => {
    const { rawPublicKey: _, ...without } = client;
    const pair = pairOf({ credentials: without });
    assert.deepEqual(failed(pair), ['no-common-certificate-type', 'no-common-certificate-type']);
  });

  it('a client that shows nothing is taken where it may', () => {
    const { rawPublicKey: _, ...without } = client;
    const pair = connected(
      pairOf({ credentials: without }, { credentials: { ...server, clientAuthentication: 'requested' } }),
    );
    assert.deepEqual(pair.server.all('connected')[0]?.authentication, { kind: 'none' });
  });

  it('a server that does not ask gets no key of its client', () => {
    const pair = connected(pairOf({}, { credentials: { ...server, clientAuthentication: 'none' } }));
    assert.deepEqual(pair.server.all('verify-peer'), []);
    assert.deepEqual(pair.server.all('connected')[0]?.authentication, { kind: 'none' });
  });

  it('a key that is not known ends the handshake on either side, with the alert for it', () => {
    for (const side of ['client', 'server'] as const) {
      const pair = pairOf();
      pair[side].verify = () => ({ accepted: false, cause: 'unknown-public-key', detail: 'never seen' });
      const other = side === 'client' ? 'server' : 'client';
      failed(pair);
      const [failure] = pair[side].all('handshake-failed');
      assert.equal(failure?.failure.cause, 'unknown-public-key');
      assert.equal(failure?.failure.alertSent, AlertDescription.CertificateUnknown);
      assert.equal(
        pair[other].all('handshake-failed')[0]?.failure.alertReceived,
        AlertDescription.CertificateUnknown,
      );
    }
  });

  it('a verdict that takes three seconds costs no handshake, and nothing goes out before it', () => {
    const pair = pairOf();
    pair.server.verify = () => 'later';
    pair.connect();
    pair.run(3000);
    const [question] = pair.server.all('verify-peer');
    assert.ok(question && !pair.client.all('connected').length);
    const verdict = { accepted: true, identity: encodeUtf8('late') } as const;
    pair.server.layer.answerPeerVerification(question.verification, verdict, pair.clock.now);
    pair.drain(pair.server);
    pair.run(5000, () => pair.bothConnected);
    assert.ok(pair.exchange());
  });
});

describe('suites and groups with signatures', () => {
  for (const { name, keyExchange } of cipherSuites) {
    if (keyExchange !== 'ECDHE_ECDSA' && keyExchange !== 'ECDHE_RSA') continue;
    it(`${name} connects`, () => {
      const type = keyExchange === 'ECDHE_RSA' ? 'rsa' : 'ec-secp256r1';
      const credentials = rawPublicKeyCredentials('server', type);
      const pair = connected(pairOf({ suites: [name] }, { credentials }));
      assert.equal(pair.client.all('connected')[0]?.suite, name);
    });
  }

  it('a key of RSA does not sign in a suite of ECDSA, nor the other way round', () => {
    const ecdsa: CipherSuiteName = 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8';
    const rsa: CipherSuiteName = 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256';
    const credentials = rawPublicKeyCredentials('server', 'rsa');
    assert.deepEqual(failed(pairOf({ suites: [ecdsa] }, { credentials })), [
      'no-common-suite',
      'no-common-suite',
    ]);
    assert.deepEqual(failed(pairOf({ suites: [rsa] })), ['no-common-suite', 'no-common-suite']);
  });

  it('a failure for want of a suite names both lists', () => {
    const pair = pairOf(
      { suites: ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM'] },
      { suites: ['TLS_ECDHE_ECDSA_WITH_AES_256_CCM'] },
    );
    failed(pair);
    const detail = pair.server.all('handshake-failed')[0]?.failure.detail ?? '';
    assert.match(detail, /TLS_ECDHE_ECDSA_WITH_AES_128_CCM\b/);
    assert.match(detail, /TLS_ECDHE_ECDSA_WITH_AES_256_CCM\b/);
  });

  it('one server takes pre-shared keys and raw public keys at the same time', () => {
    const both = { ...server, psk: true };
    const withKey = connected(pairOf({}, { credentials: both }));
    assert.equal(withKey.server.all('connected')[0]?.authentication.kind, 'raw-public-key');
    const psk: EndpointCredentials = { psk: true, peerTypes: [], clientAuthentication: 'none' };
    const withPsk = connected(pairOf({ credentials: psk }, { credentials: both }));
    assert.equal(withPsk.server.all('connected')[0]?.authentication.kind, 'psk');
  });

  it('a client without any credential that goes with its suites does not begin', () => {
    const pair = pairOf({ suites: ['TLS_PSK_WITH_AES_128_CCM_8'] });
    pair.connect();
    assert.deepEqual(causes(pair)[0], 'no-credentials');
  });
});

describe('server_name (RFC 6066 §3) and ALPN (RFC 7301)', () => {
  it('each name has its own credentials', () => {
    const other = rawPublicKeyCredentials('server', 'ed25519');
    const serverNames = new Map([['b.example', other]]);
    const expected = { 'a.example': server, 'b.example': other, 'B.example.': other };
    for (const [name, { rawPublicKey }] of Object.entries(expected)) {
      const pair = connected(pairOf({}, { serverNames }), name);
      assert.deepEqual(pair.client.all('connected')[0]?.authentication, {
        kind: 'raw-public-key',
        publicKey: rawPublicKey?.key.publicKey.spki,
      });
    }
  });

  it('a name that is not there is refused only where names are required', () => {
    const serverNames = new Map([['b.example', server]]);
    connected(pairOf({}, { serverNames }), 'c.example');
    const strict = pairOf({}, { serverNames, requireServerName: true });
    assert.deepEqual(failed(strict, 'c.example'), ['unknown-server-name', 'unknown-server-name']);
    assert.equal(
      strict.server.all('handshake-failed')[0]?.failure.alertSent,
      AlertDescription.UnrecognizedName,
    );
  });

  it('the server picks the protocol it prefers', () => {
    const pair = connected(pairOf({ protocols: ['coap', 'x'] }, { protocols: ['y', 'x', 'coap'] }));
    assert.equal(pair.client.all('connected')[0]?.protocol, 'x');
    assert.equal(pair.server.all('connected')[0]?.protocol, 'x');
  });

  it('no common protocol ends the handshake; a server without protocols does not mind', () => {
    const pair = pairOf({ protocols: ['coap'] }, { protocols: ['y'] });
    assert.deepEqual(failed(pair), ['no-common-protocol', 'no-common-protocol']);
    connected(pairOf({ protocols: ['coap'] }));
  });
});

describe('record sizes (RFC 8449, RFC 6066 §4)', () => {
  it('a peer that limits its records gets no datagram larger than one of them in the handshake', () => {
    const pair = connected(pairOf({ maxRecordSize: 200 }));
    for (const { from, datagram } of pair.network.sent) {
      if (from.key === pair.server.address.key) assert.ok(datagram.length <= 200 + 50, `${datagram.length}`);
    }
  });

  for (const [toClient, toServer] of [
    [512, 16_384],
    [64, 100],
    [4096, 1024],
  ] as const) {
    it(`records carry no more than ${toClient} bytes to the client and ${toServer} to the server`, () => {
      const pair = connected(pairOf({ maxRecordSize: toClient }, { maxRecordSize: toServer }));
      for (const { from, datagram } of pair.network.sent) {
        const limit = from.key === pair.server.address.key ? toClient : toServer;
        for (const { fragmentLength, epoch } of splitRecords(datagram, 8).records) {
          // Before the ServerHello nothing is agreed.
          if (from.key === pair.server.address.key || epoch > 0) assert.ok(fragmentLength <= limit + 50);
        }
      }
    });
  }
});
