/**
 * TLS and WebSocket on real sockets, with the credentials of DTLS: pre-shared keys, certificates, server names.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { after, suite, test } from 'node:test';
import { connect as tlsConnect } from 'node:tls';
import {
  type AssociationEvent,
  Client,
  type CoapsuleError,
  changed,
  content,
  type PeerSecurity,
  Server,
} from '../../src/index.ts';

const file = (name: string): string =>
  readFileSync(new URL(`./certificates/${name}`, import.meta.url), 'utf8');
const key = new TextEncoder().encode('MySecret16ByteK!');
const ca = file('ca.pem');
const serverCertificate = { chain: file('server.pem'), privateKey: file('server.key') };
const deviceCertificate = { chain: file('device.pem'), privateKey: file('device.key') };

const errors: unknown[] = [];
const seen: PeerSecurity[] = [];
const events: AssociationEvent[] = [];
let value = 'a';
const server = new Server({ onError: (error) => errors.push(error) })
  .use(async (request, next) => {
    seen.push(request.peer.security);
    return next();
  })
  .resource('/a', {
    observable: true,
    get: (request) => content(`${request.scheme} ${value}`),
    put: (request) => {
      value = request.text();
      server.notify('/a');
      return changed();
    },
  });
const onAssociation = (event: AssociationEvent): void => void events.push(event);
const psk = await server.listen('coaps+tcp://127.0.0.1:0', {
  onAssociation,
  psk: {
    // Not at once: the handshake waits.
    lookup: async (identity) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return identity === 'sensor-042' ? { key, context: 'of 42' } : undefined;
    },
    hint: 'plant',
  },
});
const both = await server.listen('coaps+tcp://127.0.0.1:0', {
  onAssociation,
  certificate: serverCertificate,
  clientCertificates: { trustAnchors: ca },
  serverNames: {
    'named.example': {
      certificate: { chain: file('named-server.pem'), privateKey: file('named-server.key') },
    },
  },
  psk: { lookup: new Map([['sensor-042', key]]) },
});
const ws = await server.listen('coap+ws://127.0.0.1:0');
const wss = await server.listen('coaps+ws://127.0.0.1:0', {
  certificate: serverCertificate,
  clientAuthentication: 'none',
});

after(async () => {
  await server.close();
  assert.deepEqual(errors, []);
});

const last = (): Extract<PeerSecurity, { kind: 'tls' }> => {
  const security = seen.at(-1);
  assert.ok(security?.kind === 'tls');
  return security;
};

suite('coaps+tcp with a pre-shared key', () => {
  test('the key of an identity is looked up while the handshake waits', async () => {
    await using client = new Client({ psk: { identity: 'sensor-042', key } });
    const response = await client.get(`coaps+tcp://127.0.0.1:${psk.port}/a`);
    assert.equal(response.text(), 'coaps+tcp a');
    const { identity, authentication, context, protocol, version, suite: suiteName } = last();
    assert.deepEqual(
      [identity, authentication.kind, context, protocol, version],
      ['sensor-042', 'psk', 'of 42', 'coap', 'TLSv1.2'],
    );
    assert.match(suiteName, /PSK/);
    assert.equal(response.peer.security.kind, 'tls');
  });

  for (const [what, credential] of [
    ['an unknown identity', { identity: 'nobody', key }],
    ['a wrong key', { identity: 'sensor-042', key: new Uint8Array(16) }],
  ] as const) {
    test(`${what} is refused, with the same alert as the other`, async () => {
      await using client = new Client({ psk: credential });
      await assert.rejects(client.get(`coaps+tcp://127.0.0.1:${psk.port}/a`), (error: CoapsuleError) => {
        assert.equal(error.code, 'ERR_HANDSHAKE');
        assert.match(error.message, /bad record mac/);
        return true;
      });
      assert.equal(events.at(-1)?.kind, 'handshake-failed');
    });
  }

  test('a client that says nothing holds nobody up', async () => {
    const silent = connect(psk.port, '127.0.0.1');
    await once(silent, 'connect');
    const garbage = connect(psk.port, '127.0.0.1').on('error', () => {});
    garbage.write('GET / HTTP/1.1\r\n\r\n');
    await once(garbage, 'close');
    await using client = new Client({ psk: { identity: 'sensor-042', key } });
    assert.equal((await client.get(`coaps+tcp://127.0.0.1:${psk.port}/a`)).codeText, '2.05');
    silent.destroy();
  });

  test('disconnect ends the connections of an identity', async () => {
    await using client = new Client({ psk: { identity: 'sensor-042', key } });
    await client.get(`coaps+tcp://127.0.0.1:${psk.port}/a`);
    assert.ok(psk.peers().some((one) => one.kind === 'tls' && one.identity === 'sensor-042'));
    assert.ok(psk.disconnect('sensor-042') >= 1);
    assert.equal(psk.peers().length, 0);
    // The Abort may still be on its way.
    const again = (): Promise<{ readonly codeText: string }> =>
      client.get(`coaps+tcp://127.0.0.1:${psk.port}/a`);
    assert.equal((await again().catch(again)).codeText, '2.05');
  });
});

suite('coaps+tcp with certificates', () => {
  const uri = `coaps+tcp://localhost:${both.port}/a`;

  test('both sides show one, by TLS 1.2 or later; the name of the device is its identity', async () => {
    await using client = new Client({ certificate: deviceCertificate, trustAnchors: ca });
    const response = await client.get(uri);
    assert.equal(response.text(), 'coaps+tcp a');
    const { authentication, identity, certificateExpiresAt } = last();
    assert.equal(authentication.kind, 'x509');
    assert.notEqual(identity, '');
    assert.ok(certificateExpiresAt instanceof Date);
    assert.ok(response.peer.security.kind === 'tls' && response.peer.security.identity === 'localhost');
  });

  test('a pre-shared key works on the same port', async () => {
    await using client = new Client({ psk: { identity: 'sensor-042', key } });
    assert.equal((await client.get(uri)).codeText, '2.05');
    assert.equal(last().authentication.kind, 'psk');
  });

  test('another authority is not accepted by the client', async () => {
    await using client = new Client({ certificate: deviceCertificate, trustAnchors: file('other-ca.pem') });
    await assert.rejects(client.get(uri), { code: 'ERR_CREDENTIALS' });
  });

  test('another name than that of the URI is not accepted', async () => {
    await using client = new Client({
      certificate: deviceCertificate,
      trustAnchors: ca,
      serverName: 'other.example',
    });
    await assert.rejects(client.get(uri), { code: 'ERR_CREDENTIALS' });
  });

  for (const [what, certificate] of [
    ['expired', { chain: file('expired-device.pem'), privateKey: file('expired-device.key') }],
    ['of another authority', { chain: file('foreign-device.pem'), privateKey: file('foreign-device.key') }],
  ] as const) {
    test(`a device certificate that is ${what} is refused`, async () => {
      await using client = new Client({ certificate, trustAnchors: ca });
      await assert.rejects(client.get(uri), (error: CoapsuleError) => /ERR_/.test(error.code));
      assert.equal(events.at(-1)?.kind, 'handshake-failed');
    });
  }

  test('a client without a certificate is refused where one is required', async () => {
    await using client = new Client({ trustAnchors: ca });
    await assert.rejects(client.get(uri), (error: CoapsuleError) => /ERR_/.test(error.code));
  });

  test('a server without ALPN "coap" is not spoken to on another port than 5684 (RFC 8323 §8.2)', async () => {
    const plain = await server.listen('coaps+tcp://127.0.0.1:0', {
      certificate: serverCertificate,
      clientAuthentication: 'none',
      protocols: ['other'],
    });
    await using client = new Client({ trustAnchors: ca });
    await assert.rejects(client.get(`coaps+tcp://localhost:${plain.port}/a`), { code: 'ERR_HANDSHAKE' });
    await plain.close();
  });

  test('credentials on coap+tcp, and none on coaps+tcp, are refused at once', async () => {
    await assert.rejects(server.listen('coap+tcp://127.0.0.1:0', { psk: { lookup: new Map() } }), {
      code: 'ERR_API_MISUSE',
    });
    await assert.rejects(server.listen('coaps+tcp://127.0.0.1:0'), { code: 'ERR_API_MISUSE' });
    await using client = new Client();
    await assert.rejects(client.get(uri), { code: 'ERR_CREDENTIALS' });
  });

  test('TLS 1.1 is not spoken', async () => {
    const old = tlsConnect({
      port: both.port,
      host: '127.0.0.1',
      maxVersion: 'TLSv1.1',
      minVersion: 'TLSv1',
    });
    const [error] = (await once(old, 'error')) as [Error];
    assert.match(error.message, /protocol version|no protocols/);
  });
});

for (const [scheme, port, options] of [
  ['coap+ws', ws.port, {}],
  ['coaps+ws', wss.port, { trustAnchors: ca }],
] as const) {
  suite(scheme, () => {
    const uri = `${scheme}://localhost:${port}/a`;

    test('GET, PUT and an observation', async () => {
      await using client = new Client(options);
      value = 'a';
      const texts: string[] = [];
      for await (const response of client.observe(uri)) {
        texts.push(response.text());
        assert.equal(response.peer.transport, 'websocket');
        if (texts.length === 2) break;
        await client.put(uri, { payload: 'b' });
      }
      assert.deepEqual(texts, [`${scheme} a`, `${scheme} b`]);
      assert.ok((await client.ping(uri)).roundTripMs >= 0);
    });

    test('nobody listens: ERR_NETWORK', async () => {
      await using client = new Client(options);
      await assert.rejects(client.get(`${scheme}://127.0.0.1:1/a`), { code: 'ERR_NETWORK' });
    });
  });
}

suite('WebSocket handshakes that are none of CoAP', () => {
  for (const [what, lines, status] of [
    ['another path', ['GET /other HTTP/1.1', 'Sec-WebSocket-Protocol: coap'], '404'],
    ['no subprotocol', ['GET /.well-known/coap HTTP/1.1'], '400'],
    ['a plain request', ['GET /.well-known/coap HTTP/1.1', 'plain'], '426'],
  ] as const) {
    test(`${what} is answered ${status}`, async () => {
      const socket = connect(ws.port, '127.0.0.1');
      const upgrade = lines.includes('plain' as never)
        ? []
        : [
            'Upgrade: websocket',
            'Connection: Upgrade',
            'Sec-WebSocket-Version: 13',
            'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
          ];
      socket.write([...lines.filter((line) => line !== 'plain'), 'Host: x', ...upgrade, '', ''].join('\r\n'));
      const [answer] = (await once(socket, 'data')) as [Buffer];
      assert.match(answer.toString(), new RegExp(`^HTTP/1.1 ${status}`));
      socket.destroy();
    });
  }
});
