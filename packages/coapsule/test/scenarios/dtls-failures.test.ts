/**
 * Each way a handshake can fail, with real layers on both ends in virtual time: the cause on either end, exact where it
 * is known, as exact as the protocol allows where it is not; and one sentence and a next step for whoever called.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { handshakeAdvice } from '../../src/api/handshake-advice.ts';
import type { RemoteServer } from '../../src/api/remote-server.ts';
import { requestError } from '../../src/api/request-error.ts';
import type { EndpointCredentials } from '../../src/core/dtls/credentials.ts';
import type { DtlsConfig } from '../../src/core/dtls/dtls-config.ts';
import type { PeerVerdict } from '../../src/core/dtls/dtls-layer.ts';
import type {
  HandshakeFailure,
  HandshakeFailureCause,
} from '../../src/core/dtls/handshake/handshake-failure.ts';
import { ContentType } from '../../src/core/dtls/record/record-header.ts';
import { noBytes } from '../../src/core/foundation/bytes.ts';
import { isDecodeFault } from '../../src/core/foundation/errors.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { decodeCertificate, trustAnchor } from '../../src/core/x509/certificate.ts';
import { validatePath } from '../../src/core/x509/path-validation.ts';
import { matchServerName } from '../../src/core/x509/service-identity.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';
import { issueRoot } from '../x509/certificate-factory.ts';
import { certificateCredentials, rawPublicKeyCredentials, testRoot } from './dtls-credentials.ts';
import { DtlsPair, type OutputOf, sensorIdentity, sensorKey } from './dtls-pair.ts';
import { LonelyLayer, ScriptedClient, ScriptedServer } from './dtls-scripted-peer.ts';

interface Case {
  readonly what: string;
  readonly client?: Partial<DtlsConfig>;
  readonly server?: Partial<DtlsConfig>;
  readonly serverName?: string;
  readonly prepare?: (pair: DtlsPair) => void;
  readonly causes: readonly [client: HandshakeFailureCause, server: HandshakeFailureCause | 'none'];
  readonly details?: readonly [client: RegExp, server?: RegExp];
}

const x509 = { client: certificateCredentials('client'), server: certificateCredentials('server') };
const rpk = { client: rawPublicKeyCredentials('client'), server: rawPublicKeyCredentials('server') };
const otherRoot = issueRoot('CN=Another Root');
const in2050 = Date.UTC(2050, 0, 1);
const in2010 = Date.UTC(2010, 0, 1);

/** Judges a chain as an application would. */
function judge(
  purpose: 'client' | 'server',
  given: {
    readonly anchor?: Uint8Array;
    readonly nowMs?: number;
    readonly isDenied?: boolean;
    readonly name?: string;
  } = {},
): (question: OutputOf<'verify-peer'>) => PeerVerdict {
  return ({ credential }) => {
    assert.equal(credential.kind, 'x509');
    if (credential.kind !== 'x509') return { accepted: true, identity: noBytes };
    const anchor = trustAnchor(given.anchor ?? testRoot().der);
    assert.ok(!isDecodeFault(anchor));
    const verdict = validatePath({
      chain: credential.chain,
      anchors: [anchor],
      nowMs: given.nowMs ?? Date.UTC(2030, 0, 1),
      purpose,
      denied: () => given.isDenied ?? false,
      crypto: nodeCrypto,
    });
    if (!verdict.accepted) return verdict;
    if (given.name !== undefined) {
      const own = decodeCertificate(credential.chain[0] as Uint8Array);
      assert.ok(!isDecodeFault(own));
      const match = matchServerName(own, given.name);
      if (!match.matches) return { accepted: false, cause: 'name-mismatch', detail: match.detail };
    }
    return { accepted: true, identity: noBytes };
  };
}

const refused: PeerVerdict = { accepted: false, cause: 'peer-refused', detail: 'the application says no' };

function withCertificates(more: Partial<Case> & Pick<Case, 'what' | 'causes'>): Case {
  return { client: { credentials: x509.client }, server: { credentials: x509.server }, ...more };
}

function withoutProof({
  certificate: _,
  rawPublicKey: __,
  ...rest
}: EndpointCredentials): EndpointCredentials {
  return rest;
}

const large: EndpointCredentials = certificateCredentials('server', 'ec-secp256r1', 3000);
const largeClient: EndpointCredentials = certificateCredentials('client', 'ec-secp256r1', 3000);

/** Drops what is larger, whichever way it goes. */
function pathMtu(bytes: number, from?: 'client' | 'server'): (pair: DtlsPair) => void {
  return (pair) => {
    pair.network.hook = ({ from: sender, datagram }) =>
      datagram.length > bytes && (from === undefined || sender === pair[from].address)
        ? { kind: 'drop' }
        : undefined;
  };
}

const cases: readonly Case[] = [
  {
    what: 'an identity the server does not have',
    prepare: (pair) => {
      pair.client.lookUp = () => ({ identity: encodeUtf8('sensor-043'), key: sensorKey });
    },
    causes: ['identity-or-key', 'unknown-identity'],
    details: [/does not know the identity or has another key/, /no key for the identity/],
  },
  {
    what: 'another key',
    prepare: (pair) => {
      pair.client.lookUp = () => ({ identity: sensorIdentity, key: encodeUtf8('Sixteen!bytes!no') });
    },
    causes: ['identity-or-key', 'psk-mismatch'],
  },
  {
    what: 'a client without identity for this server',
    prepare: (pair) => {
      pair.client.lookUp = () => undefined;
    },
    causes: ['no-credentials', 'alert-received'],
  },
  {
    what: 'no common suite',
    client: { suites: ['TLS_PSK_WITH_AES_128_CCM'] },
    server: { suites: ['TLS_PSK_WITH_AES_128_CCM_8'] },
    causes: ['no-common-suite', 'no-common-suite'],
    details: [
      /offered here: the suites TLS_PSK_WITH_AES_128_CCM /,
      /offers TLS_PSK_WITH_AES_128_CCM.*here TLS_PSK_WITH_AES_128_CCM_8/,
    ],
  },
  {
    what: 'a certificate where only keys are known',
    client: { credentials: x509.client },
    causes: ['no-common-suite', 'no-common-suite'],
    details: [/the groups x25519, secp256r1.*the signature schemes ecdsa_sha256/],
  },
  {
    what: 'another kind of certificate',
    client: { credentials: rpk.client },
    server: { credentials: x509.server },
    causes: ['no-common-certificate-type', 'no-common-certificate-type'],
    details: [/this client shows a raw public key, and takes a raw public key of the server/],
  },
  withCertificates({
    what: "the server's certificate is expired",
    prepare: (pair) => {
      pair.client.verify = judge('server', { nowMs: in2050 });
    },
    causes: ['certificate-expired', 'certificate-expired'],
    details: [/2045/, /our certificate is expired, or not valid yet/],
  }),
  withCertificates({
    what: "the server's certificate is not valid yet",
    prepare: (pair) => {
      pair.client.verify = judge('server', { nowMs: in2010 });
    },
    causes: ['certificate-not-yet-valid', 'certificate-expired'],
    details: [/2020/],
  }),
  withCertificates({
    what: "the server's authority is not known",
    prepare: (pair) => {
      pair.client.verify = judge('server', { anchor: otherRoot.der });
    },
    causes: ['unknown-ca', 'unknown-ca'],
    details: [/CN=server/, /authority that issued our certificate/],
  }),
  withCertificates({
    what: 'the server has another name',
    serverName: 'other.example',
    prepare: (pair) => {
      pair.client.verify = judge('server', { name: 'other.example' });
    },
    causes: ['name-mismatch', 'credential-refused'],
    details: [/server\.example/, /its name, or a rule of its own/],
  }),
  withCertificates({
    what: "the server's certificate is on the deny list",
    prepare: (pair) => {
      pair.client.verify = judge('server', { isDenied: true });
    },
    causes: ['certificate-revoked', 'certificate-revoked'],
  }),
  withCertificates({
    what: 'the application of the client says no',
    prepare: (pair) => {
      pair.client.verify = () => refused;
    },
    causes: ['peer-refused', 'credential-refused'],
  }),
  withCertificates({
    what: "the client's certificate is expired",
    prepare: (pair) => {
      pair.server.verify = judge('client', { nowMs: in2050 });
    },
    causes: ['certificate-expired', 'certificate-expired'],
    details: [/the peer says that our certificate/, /2045/],
  }),
  withCertificates({
    what: "the client's authority is not known",
    prepare: (pair) => {
      pair.server.verify = judge('client', { anchor: otherRoot.der });
    },
    causes: ['unknown-ca', 'unknown-ca'],
    details: [/our certificate/, /CN=client/],
  }),
  withCertificates({
    what: 'the application of the server says no',
    prepare: (pair) => {
      pair.server.verify = () => refused;
    },
    causes: ['credential-refused', 'peer-refused'],
  }),
  {
    what: 'a raw public key nobody knows',
    client: { credentials: rpk.client },
    server: { credentials: rpk.server },
    prepare: (pair) => {
      pair.server.verify = () => ({
        accepted: false,
        cause: 'unknown-public-key',
        detail: 'the key was never seen here',
      });
    },
    causes: ['unknown-public-key', 'unknown-public-key'],
  },
  {
    what: 'no certificate of the client where one is required',
    client: { credentials: withoutProof(x509.client) },
    server: { credentials: x509.server },
    causes: ['client-certificate-missing', 'client-certificate-missing'],
  },
  withCertificates({
    what: 'a name the server does not have',
    server: { credentials: x509.server, requireServerName: true },
    serverName: 'c.example',
    causes: ['unknown-server-name', 'unknown-server-name'],
  }),
  {
    what: 'no common application protocol',
    client: { protocols: ['coap'] },
    server: { protocols: ['other'] },
    causes: ['no-common-protocol', 'no-common-protocol'],
  },
  {
    what: 'nobody there',
    prepare: pathMtu(0),
    causes: ['peer-silent', 'none'],
    details: [/no answer at all to 7 ClientHello/],
  },
  {
    what: 'a server that dies after the cookie',
    prepare: (pair) => {
      pair.network.hook = ({ from, directionIndex }) =>
        from === pair.server.address && directionIndex > 0 ? { kind: 'drop' } : undefined;
    },
    causes: ['peer-silent', 'peer-silent'],
    details: [/asked for a cookie \(HelloVerifyRequest\), and said nothing/, /repeats its ClientHello/],
  },
  {
    what: 'a client that dies after the ClientHello',
    prepare: (pair) => {
      pair.network.hook = ({ from, directionIndex }) =>
        from === pair.client.address && directionIndex > 1 ? { kind: 'drop' } : undefined;
    },
    // With a pre-shared key silence after our Finished is more likely a wrong key than a broken line.
    causes: ['identity-or-key', 'peer-silent'],
    details: [/last flight again|fell silent/, /says nothing after flight 4/],
  },
  withCertificates({
    what: 'a path on which neither side can send more than 200 bytes',
    client: { credentials: largeClient },
    server: { credentials: large },
    prepare: (pair) => pathMtu(200, 'server')(pair),
    causes: ['mtu-too-large', 'mtu-too-large'],
    details: [/most likely its (next|larger) datagrams/, /pieces of 256 bytes did not help/],
  }),
  withCertificates({
    what: 'a path on which the client can send no more than 250 bytes',
    client: { credentials: largeClient, suites: ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'] },
    server: { credentials: x509.server },
    prepare: (pair) => pathMtu(250, 'client')(pair),
    causes: ['mtu-too-large', 'mtu-too-large'],
  }),
  {
    what: 'a key look-up that never ends',
    prepare: (pair) => {
      pair.server.lookUp = () => 'later';
    },
    causes: ['identity-or-key', 'no-decision'],
  },
];

function run({ client = {}, server = {}, serverName, prepare }: Case): DtlsPair {
  const pair = new DtlsPair({ client, server });
  prepare?.(pair);
  pair.connect(serverName);
  pair.run(200_000);
  assert.equal(pair.client.all('connected').length + pair.server.all('connected').length, 0);
  return pair;
}

const remote = {
  scheme: 'coaps',
  host: 'server.example',
  secure: true,
  address: ipAddress('192.0.2.2', 5684),
} as RemoteServer;

/** What the caller of an API, or the reader of a log, gets. */
function assertExplained(failure: HandshakeFailure, role: 'client' | 'server'): void {
  assert.match(failure.detail, /^\S.{10,}[^.\n]$/s);
  const advice = handshakeAdvice(failure, role);
  assert.match(advice, /^[^.\n]{10,}(\.[^.\n]+)*$/);
  if (role === 'server') return;
  const error = requestError({ kind: 'handshake', failure }, remote);
  assert.equal(error.message, `handshake with coaps://server.example:5684 failed: ${failure.detail}`);
  assert.equal(error.nextStep, advice);
  assert.equal(error.handshake, failure);
  assert.match(error.code, /^ERR_(HANDSHAKE|CREDENTIALS)$/);
}

describe('a handshake that fails says why on both ends', () => {
  for (const one of cases) {
    test(`${one.what}: ${one.causes.join(' at the client, ')} at the server`, () => {
      const pair = run(one);
      const failures = (['client', 'server'] as const).map(
        (side) => pair[side].all('handshake-failed')[0]?.failure,
      );
      assert.deepEqual(
        failures.map((failure) => failure?.cause ?? 'none'),
        one.causes,
        failures.map((failure) => failure?.detail).join(' | '),
      );
      for (const [index, failure] of failures.entries()) {
        if (failure === undefined) continue;
        const pattern = one.details?.[index];
        if (pattern !== undefined) assert.match(failure.detail, pattern);
        assertExplained(failure, index === 0 ? 'client' : 'server');
        assert.ok((failure.transcript ?? []).length > 0, 'a transcript');
      }
    });
  }

  test('a client of DTLS 1.0 is refused with protocol_version, and the server tells about it, 10 times a second at most', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient({ version: 0xfeff });
    const [answer] = server.give(client.messageRecord(client.hello(noBytes, 0)));
    assert.deepEqual(answer?.slice(13), Uint8Array.of(2, 70));
    const [failed] = server.all('handshake-failed');
    assert.equal(failed?.failure.cause, 'version-too-old');
    assert.match(failed.failure.detail, /DTLS 1\.0/);
    assertExplained(failed.failure, 'server');
    for (let i = 0; i < 100; i++) server.give(client.messageRecord(client.hello(noBytes, 0)));
    assert.equal(server.all('handshake-failed').length, 10);
    assert.deepEqual(server.layer.usage, { associations: 0, handshakes: 0, keptBytes: 0 });
  });

  test('a server of DTLS 1.0 is told by its ServerHello, and by its alert', () => {
    const byHello = new LonelyLayer('client');
    const old = new ScriptedServer({ version: 0xfeff });
    byHello.layer.connect(byHello.peer, {}, byHello.clock.now);
    old.takeHello(byHello.drain());
    byHello.give(old.messageRecord(old.serverHello()));
    assert.equal(byHello.failure, 'version-too-old');

    const byAlert = new LonelyLayer('client');
    byAlert.layer.connect(byAlert.peer, {}, byAlert.clock.now);
    byAlert.drain();
    byAlert.give(old.record(ContentType.Alert, Uint8Array.of(2, 70)));
    byAlert.wait(5000);
    assert.equal(byAlert.failure, 'version-too-old');
  });

  test('a server that answers each cookie with another one is told as a loop after 31 s', () => {
    const pair = new DtlsPair();
    // As when each datagram of the client comes from another port.
    const doors = Array.from({ length: 9 }, (_, i) => ipAddress('198.51.100.1', 5000 + i));
    let next = 0;
    pair.network.attach(pair.server.address, (datagram, _from, now) => {
      const door = doors[next++ % doors.length]!;
      pair.server.layer.handle({ address: door, datagram }, now);
      pair.drain(pair.server);
    });
    for (const door of doors) {
      pair.network.attach(door, (datagram, _from, now) => {
        pair.client.layer.handle({ address: pair.server.address, datagram }, now);
        pair.drain(pair.client);
      });
    }
    pair.connect();
    pair.run(200_000);
    const failure = pair.client.all('handshake-failed')[0]?.failure;
    assert.equal(failure?.cause, 'cookie-loop');
    assertExplained(failure, 'client');
    assert.equal(pair.client.when('handshake-failed', pair.start), 31_020);
    assert.equal(pair.server.layer.usage.handshakes, 0);
  });

  test('a peer without extended master secret is refused by name of the switch, on both sides by default', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient({ extensions: [] });
    server.give(client.messageRecord(client.helloWithCookie(server)));
    assert.equal(server.failure, 'no-extended-master-secret');
    assert.match(server.all('handshake-failed')[0]?.failure.detail ?? '', /--no-ems/);

    const lonely = new LonelyLayer('client');
    const old = new ScriptedServer({ extensions: [] });
    lonely.layer.connect(lonely.peer, {}, lonely.clock.now);
    old.takeHello(lonely.drain());
    lonely.give(old.messageRecord(old.serverHello()));
    assert.equal(lonely.failure, 'no-extended-master-secret');
    assert.match(lonely.all('handshake-failed')[0]?.failure.detail ?? '', /--no-ems/);
  });

  test('no detail, and no transcript, holds a key', () => {
    for (const one of cases) {
      const pair = run(one);
      const said = JSON.stringify([
        ...pair.client.all('handshake-failed').map(({ failure }) => failure),
        ...pair.server.all('handshake-failed').map(({ failure }) => failure),
      ]);
      for (const secret of ['MySecret16ByteK!', 'Sixteen!bytes!no']) assert.ok(!said.includes(secret));
    }
  });
});

describe('datagrams get smaller when a flight is lost again and again (RFC 6347 §4.1.1.1)', () => {
  for (const mtu of [600, 300]) {
    test(`certificates of 3 KB cross a path of ${mtu} bytes although 1,232 are configured`, () => {
      const pair = new DtlsPair({
        client: { credentials: largeClient },
        server: { credentials: large },
        conditions: { mtu },
      });
      pair.connect();
      pair.run(120_000, () => pair.bothConnected);
      assert.ok(pair.bothConnected);
      assert.ok(pair.exchange());
      const sent = pair.server.all('handshake-trace').filter(({ direction }) => direction === 'sent');
      const reduced = new Set(sent.map(({ datagram }) => datagram?.reducedTo));
      assert.ok(reduced.has(mtu > 548 ? 548 : 256));
      for (const { datagram } of sent) {
        assert.ok(datagram !== undefined && datagram.bytes <= (datagram.reducedTo ?? 1232));
      }
    });
  }

  test('a flight that has small datagrams only is not cut', () => {
    const pair = new DtlsPair();
    pair.network.hook = ({ directionIndex }) => (directionIndex < 8 ? { kind: 'drop' } : undefined);
    pair.connect();
    pair.run(120_000);
    assert.ok(pair.client.all('handshake-trace').every(({ datagram }) => datagram?.reducedTo === undefined));
  });
});
