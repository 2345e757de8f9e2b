/**
 * Signatures, certificates and public keys that do not fit, in handshakes that are right in all else: neither side connects.
 */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { EndpointCredentials } from '../../src/core/dtls/credentials.ts';
import type { HandshakeFailureCause } from '../../src/core/dtls/handshake/handshake-failure.ts';
import { HandshakeType } from '../../src/core/dtls/handshake/handshake-type.ts';
import { encodeCertificate } from '../../src/core/dtls/handshake/messages/certificate.ts';
import { encodeCertificateVerify } from '../../src/core/dtls/handshake/messages/certificate-verify.ts';
import { encodeClientKeyExchange } from '../../src/core/dtls/handshake/messages/client-key-exchange.ts';
import {
  encodeServerKeyExchange,
  signedParams,
} from '../../src/core/dtls/handshake/messages/server-key-exchange.ts';
import { ByteWriter } from '../../src/core/foundation/byte-writer.ts';
import { noBytes } from '../../src/core/foundation/bytes.ts';
import type { SigningKey } from '../../src/core/foundation/crypto-provider.ts';
import {
  type CredentialKind,
  certificateCredentials,
  credentialKinds,
  rawPublicKeyCredentials,
} from './dtls-credentials.ts';
import { sensorIdentity } from './dtls-pair.ts';
import type { RogueClient, RogueServer } from './dtls-rogue-peer.ts';
import { rightSteps, roguePeer } from './dtls-rogue-plays.ts';
import { extendedMasterSecretOffer, LonelyLayer, messagesOf, ScriptedClient } from './dtls-scripted-peer.ts';

const mutual = credentialKinds.filter(
  ({ server }) => server.credentials?.clientAuthentication === 'required',
);
/** ECDSA with a key of P-256 on both sides. */
const ecdsa = mutual.find(({ name }) => name.startsWith('raw')) as CredentialKind;
const otherKey = keyOf(rawPublicKeyCredentials('client', 'ed25519'));

type Body = (peer: RogueClient | RogueServer) => Uint8Array;
type Replaceable = 'Certificate' | 'ServerKeyExchange' | 'ClientKeyExchange' | 'CertificateVerify';

function keyOf(credentials: EndpointCredentials | undefined): SigningKey {
  const key = (credentials?.certificate ?? credentials?.rawPublicKey)?.key;
  assert.ok(key !== undefined);
  return key;
}

/** Plays a handshake with other bodies for some messages, lets time pass, and returns why it failed. */
function causeOf(
  role: 'client' | 'server',
  kind: CredentialKind,
  bodies: Partial<Record<Replaceable, Body>>,
): HandshakeFailureCause | 'connected' | undefined {
  const { layer, peer } = roguePeer(role, kind);
  for (const step of rightSteps(role, kind)) {
    const body = bodies[step.content as Replaceable];
    if (body === undefined) peer.send(step);
    else peer.sendBody(step.content as Replaceable, body(peer));
  }
  layer.wait(60_000);
  return layer.connected ? 'connected' : (layer.failure as HandshakeFailureCause | undefined);
}

suite('the signature of the server', () => {
  /** A ServerKeyExchange, and what is signed in it. */
  const exchange =
    (
      sign: (
        peer: RogueServer,
        params: Uint8Array,
      ) => { readonly scheme: number; readonly signature: Uint8Array },
      publicKey?: Uint8Array,
      group = 0x1d,
    ): Body =>
    (peer) => {
      const ecdh = { group, publicKey: publicKey ?? peer.share.publicKey };
      const signed = sign(peer as RogueServer, signedParams(ecdh));
      return encodeServerKeyExchange({ hint: noBytes, ecdh, signed });
    };
  const key = keyOf(ecdsa.server.credentials);
  const good = (peer: RogueServer, params: Uint8Array): Uint8Array =>
    key.sign('ecdsa_sha256', peer.clientRandom, peer.serverRandom, params);
  const ecdsaSha256 = 0x0403;

  for (const [what, cause, body] of [
    [
      'as it should be',
      'connected',
      exchange((peer, params) => ({ scheme: ecdsaSha256, signature: good(peer, params) })),
    ],
    [
      'by another key',
      'bad-signature',
      exchange((peer, params) => ({
        scheme: ecdsaSha256,
        signature: keyOf(certificateCredentials('client')).sign(
          'ecdsa_sha256',
          peer.clientRandom,
          peer.serverRandom,
          params,
        ),
      })),
    ],
    [
      'over the randoms in the other order',
      'bad-signature',
      exchange((peer, params) => ({
        scheme: ecdsaSha256,
        signature: key.sign('ecdsa_sha256', peer.serverRandom, peer.clientRandom, params),
      })),
    ],
    [
      'of another handshake',
      'bad-signature',
      exchange((peer, params) => ({
        scheme: ecdsaSha256,
        signature: key.sign('ecdsa_sha256', new Uint8Array(32), peer.serverRandom, params),
      })),
    ],
    [
      'over another public key',
      'bad-signature',
      exchange((peer) => ({
        scheme: ecdsaSha256,
        signature: good(peer, signedParams({ group: 0x1d, publicKey: new Uint8Array(32).fill(9) })),
      })),
    ],
    ['that is empty', 'bad-signature', exchange(() => ({ scheme: ecdsaSha256, signature: noBytes }))],
    [
      'that is cut',
      'bad-signature',
      exchange((peer, params) => ({ scheme: ecdsaSha256, signature: good(peer, params).slice(0, -1) })),
    ],
    [
      'with a byte behind it',
      'bad-signature',
      exchange((peer, params) => ({
        scheme: ecdsaSha256,
        signature: Uint8Array.of(...good(peer, params), 0),
      })),
    ],
    [
      'that names SHA-384 for SHA-256',
      'bad-signature',
      exchange((peer, params) => ({ scheme: 0x0503, signature: good(peer, params) })),
    ],
    ...[0x0203, 0x0201, 0x0804, 0x0807, 0x0000, 0xffff].map(
      (scheme) =>
        [
          `of scheme 0x${scheme.toString(16)}, which was not offered or is not for this key`,
          'illegal-parameter',
          exchange((peer, params) => ({ scheme, signature: good(peer, params) })),
        ] as const,
    ),
  ] as const) {
    test(`${what}: ${cause}`, () => {
      assert.equal(causeOf('server', ecdsa, { ServerKeyExchange: body }), cause);
    });
  }

  test('over a public key that is none of its group is good, and the key is refused all the same', () => {
    for (const [group, publicKey] of [
      [0x1d, new Uint8Array(32)],
      [0x1d, new Uint8Array(31).fill(9)],
      [0x17, new Uint8Array(65).fill(4)],
      [0x17, Uint8Array.of(0)],
      [0x18, new Uint8Array(97).fill(4)],
    ] as const) {
      const signed = exchange(
        (peer, params) => ({ scheme: ecdsaSha256, signature: good(peer, params) }),
        publicKey,
        group,
      );
      assert.equal(causeOf('server', ecdsa, { ServerKeyExchange: signed }), 'illegal-parameter');
    }
    const unknown = exchange(
      (peer, params) => ({ scheme: ecdsaSha256, signature: good(peer, params) }),
      new Uint8Array(133),
      0x19,
    );
    assert.equal(causeOf('server', ecdsa, { ServerKeyExchange: unknown }), 'no-common-group');
  });

  test('without one, or with the parameters of a curve in full, is malformed', () => {
    const unsigned: Body = (peer) => signedParams({ group: 0x1d, publicKey: peer.share.publicKey });
    const explicitCurve: Body = (peer) => {
      const body = peer.bodyOf('ServerKeyExchange') as Uint8Array;
      body[0] = 1;
      return body;
    };
    for (const body of [unsigned, explicitCurve]) {
      assert.equal(causeOf('server', ecdsa, { ServerKeyExchange: body }), 'malformed-message');
    }
  });
});

suite('what the server shows', () => {
  for (const kind of credentialKinds.filter(({ server }) => server.credentials !== undefined)) {
    const isRaw = kind.server.credentials?.rawPublicKey !== undefined;
    const shown = (credentials: EndpointCredentials): Body => {
      const { certificate } = credentials;
      return () =>
        encodeCertificate(
          isRaw
            ? { kind: 'raw-public-key', publicKey: keyOf(credentials).publicKey.spki }
            : { kind: 'x509', chain: certificate?.chain ?? [] },
        );
    };

    test(`${kind.name}: a credential of somebody else, without its key, is of no use`, () => {
      const type = keyOf(kind.server.credentials).publicKey.type;
      const cause = causeOf('server', kind, { Certificate: shown(certificateCredentials('client', type)) });
      assert.equal(cause, 'bad-signature');
    });

    test(`${kind.name}: a key that does not go with the suite is refused`, () => {
      const type = keyOf(kind.server.credentials).publicKey.type === 'rsa' ? 'ec-secp256r1' : 'rsa';
      const cause = causeOf('server', kind, { Certificate: shown(certificateCredentials('server', type)) });
      assert.equal(cause, 'illegal-parameter');
    });

    test(`${kind.name}: nothing at all is refused`, () => {
      const cause = causeOf('server', kind, { Certificate: () => encodeCertificate(undefined) });
      assert.equal(cause, 'illegal-parameter');
    });

    test(`${kind.name}: what is no certificate or key is refused`, () => {
      for (const length of [1, 100]) {
        const junk = new Uint8Array(length).fill(0x30);
        const body = (): Uint8Array =>
          encodeCertificate(
            isRaw ? { kind: 'raw-public-key', publicKey: junk } : { kind: 'x509', chain: [junk] },
          );
        const cause = causeOf('server', kind, { Certificate: body });
        assert.equal(cause, isRaw ? 'certificate-unsupported' : 'certificate-malformed');
      }
    });
  }
});

suite('the signature of the client', () => {
  for (const kind of mutual) {
    const key = keyOf(kind.client.credentials);
    const scheme = 0x0403;
    const verify = (sign: (peer: RogueClient) => Uint8Array, value = scheme): Body => {
      return (peer) => encodeCertificateVerify({ scheme: value, signature: sign(peer as RogueClient) });
    };

    for (const [what, cause, body] of [
      [
        'over all messages',
        'connected',
        verify((peer) => key.sign('ecdsa_sha256', ...peer.transcript.messages)),
      ],
      [
        'by another key',
        'bad-signature',
        verify((peer) =>
          keyOf(certificateCredentials('server')).sign('ecdsa_sha256', ...peer.transcript.messages),
        ),
      ],
      [
        'over all messages but the last',
        'bad-signature',
        verify((peer) => key.sign('ecdsa_sha256', ...peer.transcript.messages.slice(0, -1))),
      ],
      [
        'over all messages but the first',
        'bad-signature',
        verify((peer) => key.sign('ecdsa_sha256', ...peer.transcript.messages.slice(1))),
      ],
      ['over nothing', 'bad-signature', verify(() => key.sign('ecdsa_sha256'))],
      ['that is empty', 'bad-signature', verify(() => noBytes)],
      ...[0x0203, 0x0201, 0x0804, 0x0807].map(
        (value) =>
          [
            `of scheme 0x${value.toString(16)}`,
            'illegal-parameter',
            verify((peer) => key.sign('ecdsa_sha256', ...peer.transcript.messages), value),
          ] as const,
      ),
    ] as const) {
      test(`${kind.name}: ${what}: ${cause}`, () => {
        assert.equal(causeOf('client', kind, { CertificateVerify: body }), cause);
      });
    }

    test(`${kind.name}: a credential of somebody else, without its key, is of no use`, () => {
      const other = kind.client.credentials?.rawPublicKey
        ? {
            kind: 'raw-public-key' as const,
            publicKey: keyOf(rawPublicKeyCredentials('server')).publicKey.spki,
          }
        : { kind: 'x509' as const, chain: certificateCredentials('server').certificate?.chain ?? [] };
      const cause = causeOf('client', kind, { Certificate: () => encodeCertificate(other) });
      assert.equal(cause, 'bad-signature');
    });

    test(`${kind.name}: nothing at all is refused where something is required`, () => {
      const cause = causeOf('client', kind, { Certificate: () => encodeCertificate(undefined) });
      assert.equal(cause, 'client-certificate-missing');
    });

    test(`${kind.name}: nothing at all is taken where it may be, but no CertificateVerify after it`, () => {
      const { credentials } = kind.server;
      assert.ok(credentials !== undefined);
      const requested = { ...credentials, clientAuthentication: 'requested' } as const;
      for (const withVerify of [false, true]) {
        const { layer, peer } = roguePeer('client', { ...kind, server: { credentials: requested } });
        peer.sendBody('Certificate', encodeCertificate(undefined));
        for (const step of rightSteps('client', kind).slice(1)) {
          if (withVerify || step.content !== 'CertificateVerify') peer.send(step);
        }
        layer.wait(60_000);
        assert.equal(layer.connected, !withVerify);
        if (layer.connected) assert.deepEqual(layer.all('connected')[0]?.authentication, { kind: 'none' });
        assert.deepEqual(layer.all('verify-peer'), []);
      }
    });
  }

  test('a key of Ed25519 signs with nothing but Ed25519', () => {
    assert.equal(otherKey.publicKey.type, 'ed25519');
    const credentials = {
      ...ecdsa.client.credentials,
      rawPublicKey: { key: otherKey },
    } as EndpointCredentials;
    const kind = { ...ecdsa, client: { ...ecdsa.client, credentials } };
    for (const [scheme, cause] of [
      [0x0807, 'connected'],
      [0x0808, 'illegal-parameter'],
      [0x0403, 'illegal-parameter'],
    ] as const) {
      const body: Body = (peer) =>
        encodeCertificateVerify({ scheme, signature: otherKey.sign('ed25519', ...peer.transcript.messages) });
      assert.equal(causeOf('client', kind, { CertificateVerify: body }), cause);
    }
  });
});

suite('the public key of the client', () => {
  for (const [group, keys] of [
    [
      0x1d,
      [
        new Uint8Array(32),
        Uint8Array.of(1, ...new Uint8Array(31)),
        new Uint8Array(31).fill(9),
        new Uint8Array(33),
      ],
    ],
    [
      0x17,
      [
        new Uint8Array(65).fill(4),
        Uint8Array.of(0),
        new Uint8Array(64),
        Uint8Array.of(4, ...new Uint8Array(64)),
      ],
    ],
    [0x18, [new Uint8Array(97).fill(4), Uint8Array.of(4, ...new Uint8Array(96)), new Uint8Array(65).fill(4)]],
  ] as const) {
    test(`one that is none of group 0x${group.toString(16)} is refused with illegal_parameter (RFC 8422 §5.11)`, () => {
      for (const publicKey of keys) {
        const server = new LonelyLayer('server');
        const groups = { type: 10, data: new ByteWriter().u16(2).u16(group).finish() };
        const client = new ScriptedClient({
          suite: 'TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256',
          extensions: [extendedMasterSecretOffer, groups],
        });
        const flight4 = messagesOf(server.give(client.messageRecord(client.helloWithCookie(server))));
        assert.ok(flight4.some(({ type }) => type === HandshakeType.ServerKeyExchange));
        const body = encodeClientKeyExchange({ identity: sensorIdentity, publicKey });
        server.give(client.messageRecord({ type: HandshakeType.ClientKeyExchange, messageSeq: 2, body }));
        server.wait(60_000);
        assert.equal(server.failure, 'illegal-parameter', `${publicKey.length} bytes`);
        assert.equal(server.all('handshake-failed')[0]?.failure.alertSent, 47);
      }
    });
  }
});
