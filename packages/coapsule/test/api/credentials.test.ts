import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import {
  type AssociationEvent,
  Client,
  type ClientOptions,
  CoapsuleError,
  content,
  describeCertificates,
  describePublicKey,
  type ListenOptions,
  type PeerSecurity,
  Server,
} from '../../src/index.ts';

/** Issued once for a hundred years; `expired-device` excepted. */
function file(name: string): string {
  return readFileSync(new URL(`./certificates/${name}`, import.meta.url), 'utf8');
}

function certificate(name: string): { chain: string; privateKey: string } {
  return { chain: file(`${name}.pem`), privateKey: file(`${name}.key`) };
}

const trustAnchors = file('ca.pem');
const serverKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const deviceKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const psk = { identity: 'sensor-042', key: new TextEncoder().encode('MySecret16ByteK!') };

interface Served {
  readonly uri: string;
  readonly port: number;
  readonly events: AssociationEvent[];
  readonly errors: unknown[];
  client(options: ClientOptions): Client;
}

/** A server whose `/whoami` says how it knows the client. */
async function serve(t: TestContext, options: ListenOptions): Promise<Served> {
  const events: AssociationEvent[] = [];
  const errors: unknown[] = [];
  const server = new Server({ onError: (error) => errors.push(error) });
  server.resource('/whoami', {
    get: ({ peer: { security } }) =>
      content(security.kind === 'none' ? 'none' : `${security.authentication.kind} ${security.identity}`),
  });
  const clients: Client[] = [];
  const { port } = await server.listen('coaps://127.0.0.1:0', {
    onAssociation: (event) => events.push(event),
    ...options,
  });
  t.after(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await server.close();
  });
  return {
    uri: `coaps://localhost:${port}/whoami`,
    port,
    events,
    errors,
    client(given) {
      const client = new Client(given);
      clients.push(client);
      return client;
    },
  };
}

async function failureOf(request: Promise<unknown>): Promise<CoapsuleError> {
  const error = await request.then(
    () => assert.fail('the handshake was to fail'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof CoapsuleError, String(error));
  return error;
}

function secured(security: PeerSecurity): Extract<PeerSecurity, { kind: 'dtls' }> {
  assert.equal(security.kind, 'dtls');
  return security as Extract<PeerSecurity, { kind: 'dtls' }>;
}

const mutual: ListenOptions = { certificate: certificate('server'), clientCertificates: { trustAnchors } };

test('a client and a server with certificates know each other by name', async (t) => {
  const { uri, client, events } = await serve(t, mutual);
  const response = await client({ certificate: certificate('device'), trustAnchors }).get(uri);
  assert.equal(response.text(), 'x509 sensor-7');
  const security = secured(response.peer.security);
  assert.equal(security.identity, 'localhost');
  assert.equal(security.suite, 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8');
  assert.ok(security.authentication.kind === 'x509');
  assert.equal(security.authentication.certificate.subject, 'CN=localhost');
  assert.deepEqual(security.authentication.certificate.names, ['localhost', '127.0.0.1', '::1']);
  assert.equal(security.certificateExpiresAt?.getUTCFullYear(), 2125);
  const [event] = events;
  assert.ok(event?.kind === 'connected');
  const { authentication } = secured(event.peer.security);
  assert.ok(authentication.kind === 'x509');
  const device = new X509Certificate(file('device.pem'));
  const fingerprint = `sha256:${device.fingerprint256.replaceAll(':', '').toLowerCase()}`;
  assert.equal(authentication.certificate.fingerprint, fingerprint);
});

test('a certificate is for an IP address as well as for a name, and for no other', async (t) => {
  const { port, client } = await serve(t, { certificate: certificate('server') });
  const known = client({ trustAnchors });
  assert.equal((await known.get(`coaps://127.0.0.1:${port}/whoami`)).text(), 'none ');
  const mistaken = client({ trustAnchors, serverName: 'elsewhere.example' });
  const error = await failureOf(mistaken.get(`coaps://127.0.0.1:${port}/whoami`));
  assert.equal(error.handshake?.cause, 'name-mismatch');
  assert.match(error.message, /elsewhere\.example/);
});

for (const [name, options, serverCause, clientStep] of [
  [
    'of another authority',
    { certificate: certificate('foreign-device') },
    'unknown-ca',
    /unknown_ca.*\n.*authority that the peer trusts/,
  ],
  [
    'that has expired',
    { certificate: certificate('expired-device') },
    'certificate-expired',
    /certificate_expired.*\nrenew our certificate/,
  ],
  [
    'of a server',
    { certificate: certificate('server') },
    'certificate-usage',
    /unsupported_certificate.*\n.*key usages our role needs/,
  ],
  ['missing', {}, 'client-certificate-missing', /handshake_failure.*\ngive a certificate/],
] as const) {
  test(`a client certificate ${name} ends the handshake with a named reason on both ends`, async (t) => {
    const { uri, client, events } = await serve(t, mutual);
    const error = await failureOf(client({ trustAnchors, ...options }).get(uri));
    assert.ok(error.handshake?.alertReceived !== undefined);
    assert.match(`${error.message}\n${error.nextStep}`, clientStep);
    const [event] = events;
    assert.ok(event?.kind === 'handshake-failed');
    assert.equal(event.failure.cause, serverCause);
  });
}

test('a server of an unknown authority is refused with the name of that authority', async (t) => {
  const { uri, client } = await serve(t, { certificate: certificate('server') });
  const error = await failureOf(client({ trustAnchors: file('other-ca.pem') }).get(uri));
  assert.equal(error.handshake?.cause, 'unknown-ca');
  assert.match(error.message, /CN=Test CA/);
  assert.match(error.nextStep, /trust anchor/);
});

test('without trust anchors the authorities of the system count, and nobody is taken unseen', async (t) => {
  const { uri, client } = await serve(t, mutual);
  for (const options of [{ certificate: certificate('device') }, { trustAnchors: 'system' as const }]) {
    const error = await failureOf(client(options).get(uri));
    assert.equal(error.handshake?.cause, 'unknown-ca');
  }
  const error = await failureOf(client({}).get(uri));
  assert.equal(error.code, 'ERR_CREDENTIALS');
  assert.match(error.nextStep, /trustAnchors/);
});

test('dangerouslySkipVerification takes any server', async (t) => {
  const { uri, client } = await serve(t, { certificate: certificate('named-server') });
  assert.equal((await client({ dangerouslySkipVerification: true }).get(uri)).text(), 'none ');
});

test('the deny list of each side counts, by fingerprint and by serial number', async (t) => {
  const device = new X509Certificate(file('device.pem'));
  const server = new X509Certificate(file('server.pem'));
  for (const denied of [device.fingerprint256, { serialNumber: device.serialNumber, issuer: 'CN=Test CA' }]) {
    const { uri, client, events } = await serve(t, { ...mutual, deniedCertificates: [denied] });
    await failureOf(client({ certificate: certificate('device'), trustAnchors }).get(uri));
    assert.ok(events[0]?.kind === 'handshake-failed');
    assert.equal(events[0].failure.cause, 'certificate-revoked');
  }
  const { uri, client } = await serve(t, mutual);
  const careful = { trustAnchors, deniedCertificates: [{ serialNumber: server.serialNumber }] };
  const error = await failureOf(client({ certificate: certificate('device'), ...careful }).get(uri));
  assert.equal(error.handshake?.cause, 'certificate-revoked');
  const other = { serialNumber: server.serialNumber, issuer: 'CN=Other CA' };
  const calm = client({ certificate: certificate('device'), trustAnchors, deniedCertificates: [other] });
  assert.equal((await calm.get(uri)).text(), 'x509 sensor-7');
});

test('raw public keys need no authority: each side knows the key of the other', async (t) => {
  const { uri, client } = await serve(t, {
    rawPublicKey: { privateKey: serverKeys.privateKey },
    clientPublicKeys: new Map([['sensor-9', deviceKeys.publicKey]]),
  });
  const own = { rawPublicKey: { privateKey: deviceKeys.privateKey } };
  const response = await client({ ...own, peerPublicKeys: serverKeys.publicKey }).get(uri);
  assert.equal(response.text(), 'raw-public-key sensor-9');
  const { authentication } = secured(response.peer.security);
  assert.ok(authentication.kind === 'raw-public-key');
  assert.equal(
    authentication.publicKey.fingerprint,
    describePublicKey(serverKeys.publicKey.export({ type: 'spki', format: 'pem' })).fingerprint,
  );
  const pinned = await failureOf(client({ ...own, peerPublicKeys: [deviceKeys.publicKey] }).get(uri));
  assert.equal(pinned.handshake?.cause, 'unknown-public-key');
  const found = client({
    ...own,
    peerPublicKeys: ({ host, port }) => (host === 'localhost' && port > 0 ? [serverKeys.publicKey] : []),
  });
  assert.equal((await found.get(uri)).ok, true);
});

test('a client key that nobody has is refused, and its fingerprint is told', async (t) => {
  const { uri, client, events } = await serve(t, {
    rawPublicKey: { privateKey: serverKeys.privateKey },
    clientPublicKeys: () => undefined,
  });
  await failureOf(
    client({
      rawPublicKey: { privateKey: deviceKeys.privateKey },
      peerPublicKeys: [serverKeys.publicKey],
    }).get(uri),
  );
  const [event] = events;
  assert.ok(event?.kind === 'handshake-failed');
  assert.equal(event.failure.cause, 'unknown-public-key');
  assert.equal(event.identity, describePublicKey(deviceKeys.publicKey).fingerprint);
});

test('one listener takes pre-shared keys, raw public keys and certificates at the same time', async (t) => {
  const { uri, client } = await serve(t, {
    ...mutual,
    psk: { lookup: new Map([[psk.identity, psk.key]]) },
    rawPublicKey: { privateKey: serverKeys.privateKey },
    clientPublicKeys: (key) =>
      key.fingerprint === describePublicKey(deviceKeys.publicKey).fingerprint
        ? { identity: 'sensor-9', context: 'known' }
        : undefined,
  });
  const clients: ClientOptions[] = [
    { psk },
    { certificate: certificate('device'), trustAnchors },
    { rawPublicKey: { privateKey: deviceKeys.privateKey }, peerPublicKeys: [serverKeys.publicKey] },
    { rawPublicKey: { privateKey: deviceKeys.privateKey }, trustAnchors },
  ];
  const answers = await Promise.all(clients.map(async (one) => (await client(one).get(uri)).text()));
  assert.deepEqual(answers, [
    'psk sensor-042',
    'x509 sensor-7',
    'raw-public-key sensor-9',
    'raw-public-key sensor-9',
  ]);
});

for (const kind of ['an object', 'a Map'])
  test(`each name of a server has a certificate of its own, from ${kind}`, async (t) => {
    const named = { certificate: certificate('named-server') };
    const { port, client, events } = await serve(t, {
      certificate: certificate('server'),
      serverNames: kind === 'a Map' ? new Map([['Other.Example', named]]) : { 'Other.Example': named },
    });
    const other = await client({ trustAnchors, serverName: 'other.example' }).get(
      `coaps://127.0.0.1:${port}/whoami`,
    );
    const { authentication, serverName } = secured(other.peer.security);
    assert.ok(authentication.kind === 'x509');
    assert.equal(authentication.certificate.subject, 'CN=other.example');
    assert.equal(serverName, 'other.example');
    assert.equal((await client({ trustAnchors }).get(`coaps://localhost:${port}/whoami`)).ok, true);
    assert.ok(
      events[0]?.kind === 'connected' && secured(events[0].peer.security).serverName === 'other.example',
    );
  });

test('requireServerName refuses other names', async (t) => {
  const { uri, client, events } = await serve(t, {
    requireServerName: true,
    serverNames: { 'other.example': { certificate: certificate('named-server') } },
  });
  await failureOf(client({ trustAnchors }).get(uri));
  assert.ok(events[0]?.kind === 'handshake-failed');
  assert.equal(events[0].failure.cause, 'unknown-server-name');
});

test('the hook of a server names the client, keeps a context and can refuse it', async (t) => {
  const { uri, client, events, errors } = await serve(t, {
    ...mutual,
    verifyPeer: async ({ identity, certificate, chain }) => {
      assert.equal(certificate?.subject, `CN=${identity}`);
      assert.equal(chain.length, 2);
      if (events.length === 0) return { identity: 'renamed', context: 42 };
      if (events.length === 1) return false;
      throw new Error('the database is gone');
    },
  });
  const own = { certificate: certificate('device'), trustAnchors };
  assert.equal((await client(own).get(uri)).text(), 'x509 renamed');
  assert.ok(events[0]?.kind === 'connected');
  assert.equal(secured(events[0].peer.security).context, 42);
  for (const _ of ['false', 'throws']) {
    await failureOf(client(own).get(uri));
    const failed = events.findLast((event) => event.kind === 'handshake-failed');
    assert.equal(failed?.failure.cause, 'peer-refused');
  }
  assert.equal((errors[0] as Error).message, 'the database is gone');
});

test('the hook of a client decides on top of the checks, and is not asked when they fail', async (t) => {
  const { uri, client } = await serve(t, { certificate: certificate('server') });
  const asked: string[] = [];
  const options: ClientOptions = {
    verifyPeer: ({ host, publicKey }) => {
      asked.push(`${host} ${publicKey.type}`);
      return false;
    },
  };
  const refused = await failureOf(client({ ...options, trustAnchors }).get(uri));
  assert.equal(refused.handshake?.cause, 'peer-refused');
  await failureOf(client({ ...options, trustAnchors: 'system' }).get(uri));
  assert.deepEqual(asked, ['localhost EC on P-256']);
});

test('protocols and connection ids are agreed on, and the overhead of a record is what they make it', async (t) => {
  const { uri, client, events } = await serve(t, { ...mutual, protocols: ['coap'], connectionId: 6 });
  const response = await client({
    certificate: certificate('device'),
    trustAnchors,
    protocols: ['other', 'coap'],
    connectionId: 0,
  }).get(uri);
  const security = secured(response.peer.security);
  assert.equal(security.protocol, 'coap');
  assert.deepEqual(security.connectionIdLengths, { own: 0, peer: 6 });
  // RFC 6655: 13 bytes of header, 8 of nonce, 8 of tag; RFC 9146 §4 adds the id and the real content type.
  assert.deepEqual(security.recordOverhead, { sent: 29 + 7, received: 29 });
  assert.ok(events[0]?.kind === 'connected');
  assert.deepEqual(secured(events[0].peer.security).recordOverhead, { sent: 29, received: 29 + 7 });
  const plain = await client({
    certificate: certificate('device'),
    trustAnchors,
    connectionId: 'off',
  }).get(uri);
  assert.equal(secured(plain.peer.security).connectionIdLengths, undefined);
});

test('credentials that cannot be used are refused at once, by the name of the option', async () => {
  const { chain, privateKey } = certificate('device');
  const cases: [ClientOptions, RegExp][] = [
    [
      { certificate: { chain: 'x', privateKey } },
      /new Client: certificate\.chain: .*got no PEM block and no DER/,
    ],
    [{ certificate: { chain, privateKey: 'x' } }, /new Client: certificate\.privateKey: .*PEM/],
    [{ certificate: { chain: [], privateKey } }, /certificate\.chain is empty/],
    [
      { certificate: { chain, privateKey: file('server.key') } },
      /certificate\.privateKey is not the key of CN=sensor-7/,
    ],
    [
      { certificate: { chain: [trustAnchors, chain], privateKey } },
      /it belongs to number 2 of the chain, and the own one has to come first/,
    ],
    [{ trustAnchors: [] }, /trustAnchors: got an empty list/],
    [{ trustAnchors: 42 as never }, /trustAnchors: got number, expected PEM text/],
    [{ trustAnchors, dangerouslySkipVerification: true }, /dangerouslySkipVerification takes every server/],
    [
      { trustAnchors, deniedCertificates: ['12:34'] },
      /deniedCertificates\[0\] is '12:34'; expected a SHA-256/,
    ],
    [{ psk, connectionId: 21 }, /connectionIdLength: got 21/],
    [{ psk, maxRecordSize: 1 }, /maxRecordSize: got 1/],
    [{ certificate: { chain, privateKey, passhprase: '' } as never }, /did you mean 'passphrase'/],
  ];
  for (const [options, expected] of cases) {
    assert.throws(() => new Client(options), { code: 'ERR_API_MISUSE', message: expected });
  }
  await using server = new Server();
  const listens: [ListenOptions, RegExp][] = [
    [{}, /needs credentials: give psk\.lookup, certificate or rawPublicKey/],
    [{ clientCertificates: { trustAnchors } }, /give certificate or rawPublicKey/],
    [
      { certificate: certificate('server'), clientAuthentication: 'required' },
      /no client could be recognised/,
    ],
    [
      { certificate: certificate('server'), serverNames: { 'a.example': {} } },
      /serverNames\['a\.example'\] has neither certificate nor rawPublicKey/,
    ],
    [
      { certificate: certificate('server'), serverNames: [['a.example', {}]] as never },
      /serverNames is not names with their credentials; expected an object or a Map/,
    ],
    [
      {
        rawPublicKey: { privateKey: serverKeys.privateKey },
        clientPublicKeys: new Map([
          ['a', deviceKeys.publicKey],
          ['b', createPublicKey(deviceKeys.privateKey)],
        ]),
      },
      /'a' and 'b' have the same key/,
    ],
    [{ certificat: certificate('server') } as never, /did you mean 'certificate'/],
  ];
  for (const [options, expected] of listens) {
    await assert.rejects(server.listen('coaps://127.0.0.1:0', options), {
      code: 'ERR_API_MISUSE',
      message: expected,
    });
  }
  await assert.rejects(server.listen('coap://127.0.0.1:0', { certificate: certificate('server') }), {
    message: /is not secured, but certificate was given: use coaps/,
  });
});

test('keys and certificates come as PEM, DER or objects of Node, encrypted too', async (t) => {
  const key = createPrivateKey(file('device.key'));
  const own = new X509Certificate(file('device.pem'));
  const passphrase = 'open sesame';
  const { uri, client } = await serve(t, mutual);
  for (const one of [
    { chain: own, privateKey: key },
    { chain: [own.raw, trustAnchors], privateKey: key.export({ type: 'sec1', format: 'der' }) },
    {
      chain: `${own.toString()}\n${trustAnchors}`,
      privateKey: key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase }),
      passphrase,
    },
  ]) {
    const response = await client({ certificate: one, trustAnchors: new X509Certificate(trustAnchors) }).get(
      uri,
    );
    assert.equal(response.text(), 'x509 sensor-7');
  }
});

test('describeCertificates says what a file of certificates holds', () => {
  const [device, authority] = describeCertificates([file('device.pem'), trustAnchors]);
  assert.equal(device?.identity, 'sensor-7');
  assert.equal(device?.issuer, authority?.subject);
  assert.equal(device?.notAfter.toISOString(), '2125-12-31T00:00:00.000Z');
  assert.equal(device?.serialNumber, new X509Certificate(file('device.pem')).serialNumber.toLowerCase());
  assert.equal(authority?.publicKey.type, 'EC on P-256');
});
