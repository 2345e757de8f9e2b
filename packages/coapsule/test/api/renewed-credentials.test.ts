import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { ApiMisuseError, Client, type ClientOptions, content, Server } from '../../src/index.ts';

const file = (name: string): string =>
  readFileSync(new URL(`./certificates/${name}`, import.meta.url), 'utf8');
const certificate = (name: string) => ({ chain: file(`${name}.pem`), privateKey: file(`${name}.key`) });
const trustAnchors = file('ca.pem');
function serverOf(t: TestContext): Server {
  const server = new Server().resource('/a', { get: () => content('1') });
  t.after(() => server.close());
  return server;
}

/** One client: `server` is the certificate of 127.0.0.1, `named-server` that of other.example. */
function asking(t: TestContext, uri: string, options: ClientOptions = {}): () => Promise<string> {
  const client = new Client({ trustAnchors, ...options });
  t.after(() => client.close());
  return async () => (await client.get(`${uri}/a`)).codeText;
}

for (const scheme of ['coaps', 'coaps+tcp', 'coaps+ws']) {
  test(`${scheme}: a new certificate is shown to who comes then, and who is there goes on`, async (t) => {
    const listener = await serverOf(t).listen(`${scheme}://127.0.0.1:0`, {
      handshakeTimeoutMs: 2000,
      certificate: certificate('server'),
    });
    const uri = `${scheme}://127.0.0.1:${listener.port}`;
    const early = asking(t, uri);
    assert.equal(await early(), '2.05');
    const other = { serverName: 'other.example' };
    await assert.rejects(asking(t, uri, other)());
    listener.renewCredentials({ certificate: certificate('named-server') });
    assert.equal(await early(), '2.05');
    assert.equal(await asking(t, uri, other)(), '2.05');
    await assert.rejects(asking(t, uri)());
  });

  test(`${scheme}: what cannot be used changes nothing`, async (t) => {
    const listener = await serverOf(t).listen(`${scheme}://127.0.0.1:0`, {
      handshakeTimeoutMs: 2000,
      certificate: certificate('server'),
    });
    const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    for (const [renewed, problem] of [
      [{ certificate: { chain: 'none', privateKey: file('server.key') } }, /chain/],
      [{ certificate: { chain: file('server.pem'), privateKey: file('device.key') } }, /is not the key of/],
      [{}, /needs credentials|other kinds of credentials/],
      [{ rawPublicKey: { privateKey: key } }, /other kinds of credentials/],
      [
        { certificate: certificate('server'), clientCertificates: { trustAnchors } },
        /other kinds of credentials/,
      ],
      [{ certificat: certificate('server') } as object, /certificat/],
    ] as const) {
      assert.throws(
        () => listener.renewCredentials(renewed),
        (error: unknown) => {
          assert.ok(error instanceof ApiMisuseError);
          return problem.test(error.message);
        },
      );
    }
    assert.equal(await asking(t, `${scheme}://127.0.0.1:${listener.port}`)(), '2.05');
  });
}

for (const scheme of ['coaps', 'coaps+tcp']) {
  test(`${scheme}: other authorities count for clients that come then`, async (t) => {
    const own = { certificate: certificate('server') };
    const listener = await serverOf(t).listen(`${scheme}://127.0.0.1:0`, {
      handshakeTimeoutMs: 2000,
      ...own,
      clientCertificates: { trustAnchors: file('other-ca.pem') },
    });
    const uri = `${scheme}://127.0.0.1:${listener.port}`;
    await assert.rejects(asking(t, uri, { certificate: certificate('device') })());
    const foreign = asking(t, uri, { certificate: certificate('foreign-device') });
    assert.equal(await foreign(), '2.05');
    listener.renewCredentials({ ...own, clientCertificates: { trustAnchors } });
    assert.equal(await asking(t, uri, { certificate: certificate('device') })(), '2.05');
    await assert.rejects(asking(t, uri, { certificate: certificate('foreign-device') })());
    assert.equal(await foreign(), '2.05');
  });
}

test('a raw public key is renewed, beside pre-shared keys', async (t) => {
  const [one, two] = [0, 1].map(() => generateKeyPairSync('ec', { namedCurve: 'P-256' }));
  const key = new TextEncoder().encode('MySecret16ByteK!');
  const listener = await serverOf(t).listen('coaps://127.0.0.1:0', {
    psk: { lookup: new Map([['a', key]]) },
    rawPublicKey: { privateKey: one!.privateKey },
    clientAuthentication: 'none',
  });
  const uri = `coaps://127.0.0.1:${listener.port}/a`;
  const get = async (options: ClientOptions): Promise<string> => {
    await using client = new Client(options);
    return (await client.get(uri)).codeText;
  };
  assert.equal(await get({ peerPublicKeys: [one!.publicKey] }), '2.05');
  listener.renewCredentials({ rawPublicKey: { privateKey: two!.privateKey } });
  await assert.rejects(get({ peerPublicKeys: [one!.publicKey] }));
  assert.equal(await get({ peerPublicKeys: [two!.publicKey] }), '2.05');
  assert.equal(await get({ psk: { identity: 'a', key } }), '2.05');
});

test('a listener without security has none to renew', async (t) => {
  const server = serverOf(t);
  for (const scheme of ['coap', 'coap+tcp']) {
    const listener = await server.listen(`${scheme}://127.0.0.1:0`);
    assert.throws(() => listener.renewCredentials({}), /is not secured/);
  }
});
