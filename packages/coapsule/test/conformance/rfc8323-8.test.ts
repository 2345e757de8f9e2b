/**
 * RFC 8323 §8.2 and §9: coaps+tcp on real sockets: ALPN, and what is said before TLS is there. What a peer shows in the
 * handshake, and whom to trust, is in `test/api/secured-streams.test.ts`; the default ports of §8 are in `test/unit/coap/uri.test.ts`.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { after, suite, test } from 'node:test';
import { createServer as createTlsServer, type TlsOptions, connect as tlsConnect } from 'node:tls';
import { Client, content, Server } from '../../src/index.ts';
import { isDecodeFault, SignalingCode, StreamDecoder } from '../../src/message.ts';

const key = new TextEncoder().encode('MySecret16ByteK!');
const credential = { identity: 'sensor-042', key };
const ciphers = 'PSK-AES128-GCM-SHA256';

/** A server of TLS with a pre-shared key that answers Pings of CoAP, and tells what it was asked. */
async function played(options: TlsOptions, port = 0, host = '127.0.0.1') {
  const offered: string[][] = [];
  let received = 0;
  const server = createTlsServer(
    { maxVersion: 'TLSv1.2', ciphers, pskCallback: () => Buffer.from(key), ...options },
    (socket) => {
      const decoder = new StreamDecoder({ maxMessageSize: 1152, maxTokenLength: 8 });
      socket.write(Buffer.from('00e1', 'hex'));
      socket.on('error', () => {});
      socket.on('data', (chunk: Buffer) => {
        received += chunk.length;
        decoder.push(new Uint8Array(chunk));
        for (let message = decoder.next(); message !== undefined; message = decoder.next()) {
          if (isDecodeFault(message)) return;
          if (message.code !== SignalingCode.Ping) continue;
          socket.write(
            Buffer.concat([Buffer.from([message.token.length, SignalingCode.Pong]), message.token]),
          );
        }
      });
    },
  );
  server.on('tlsClientError', () => {});
  server.listen(port, host);
  await once(server, 'listening');
  return {
    port: (server.address() as { port: number }).port,
    offered,
    bytes: () => received,
    close: () => server.close(),
  };
}

/** A client that knows the key. */
const asking = (): Client => new Client({ psk: credential });

/** An address whose port 5684 is free. */
const freeHost = (): string => `127.${1 + ((randomBytes(1)[0] as number) % 250)}.${randomBytes(1)[0]}.8`;

suite('RFC 8323 §8.2: ALPN on ports other than 5684', () => {
  test('the client MUST use ALPN to advertise "coap", and goes on when the server chooses it', async () => {
    const offered: string[][] = [];
    const other = await played({
      ALPNCallback: ({ protocols }) => {
        offered.push(protocols);
        return 'coap';
      },
    });
    const client = asking();
    assert.ok((await client.ping(`coaps+tcp://127.0.0.1:${other.port}`)).roundTripMs >= 0);
    assert.deepEqual(offered, [['coap']]);
    await client.close();
    other.close();
  });

  test('a server that does not negotiate ALPN: the client MUST close the connection, and says nothing on it', async () => {
    const other = await played({});
    await using client = asking();
    await assert.rejects(client.ping(`coaps+tcp://127.0.0.1:${other.port}`), { code: 'ERR_HANDSHAKE' });
    assert.equal(other.bytes(), 0);
    other.close();
  });

  test('a no_application_protocol alert: the client MUST close the connection', async () => {
    const other = await played({ ALPNProtocols: ['http/1.1'] });
    await using client = asking();
    await assert.rejects(client.ping(`coaps+tcp://127.0.0.1:${other.port}`), /no application protocol/);
    other.close();
  });
});

suite('RFC 8323 §8.2: ALPN on port 5684', () => {
  test('a server that does not negotiate ALPN is one of coaps+tcp', async () => {
    const host = freeHost();
    const other = await played({}, 5684, host);
    const client = asking();
    assert.ok((await client.ping(`coaps+tcp://${host}`)).roundTripMs >= 0);
    await client.close();
    other.close();
  });

  test('a no_application_protocol alert: the client MUST close the connection', async () => {
    const host = freeHost();
    const other = await played({ ALPNProtocols: ['http/1.1'] }, 5684, host);
    await using client = asking();
    await assert.rejects(client.ping(`coaps+tcp://${host}`), /no application protocol/);
    other.close();
  });
});

suite('RFC 8323 §8.2: our server', () => {
  const server = new Server().resource('/a', { get: () => content('a') });
  after(() => server.close());
  const opened = server.listen('coaps+tcp://127.0.0.1:0', {
    psk: { lookup: new Map([['sensor-042', key]]) },
  });
  const options = {
    host: '127.0.0.1',
    ciphers,
    maxVersion: 'TLSv1.2',
    checkServerIdentity: () => undefined,
    pskCallback: () => ({ psk: Buffer.from(key), identity: 'sensor-042' }),
  } as const;

  test('on ports other than 5684 it MUST be ALPN enabled: it chooses "coap"', async () => {
    const { port } = await opened;
    const socket = tlsConnect({ ...options, port, ALPNProtocols: ['h2', 'coap'] });
    await once(socket, 'secureConnect');
    assert.equal(socket.alpnProtocol, 'coap');
    const [csm] = (await once(socket, 'data')) as [Buffer];
    assert.equal(csm[1], SignalingCode.Csm);
    socket.destroy();
  });

  test('a client that offers other protocols only gets the alert no_application_protocol', async () => {
    const { port } = await opened;
    const socket = tlsConnect({ ...options, port, ALPNProtocols: ['h2'] });
    const [error] = (await once(socket, 'error')) as [Error];
    assert.match(error.message, /no application protocol/);
  });
});

suite('RFC 8323 §9: nothing of CoAP goes before TLS is there', () => {
  test('the client MUST perform a TLS handshake after opening the connection: ClientHello first', async () => {
    const raw = createServer().listen(0, '127.0.0.1');
    await once(raw, 'listening');
    const { port } = raw.address() as { port: number };
    for (const scheme of ['coaps+tcp', 'coaps+ws']) {
      const client = asking();
      const asked = client.get(`${scheme}://127.0.0.1:${port}/secret`);
      asked.catch(() => {});
      const [socket] = await once(raw, 'connection');
      const [first] = (await once(socket, 'data')) as [Buffer];
      // A record of a handshake with a ClientHello (RFC 8446 §4, §5.1).
      assert.deepEqual([first[0], first[1], first[5]], [22, 3, 1], scheme);
      assert.ok(!first.includes('secret'));
      socket.destroy();
      await assert.rejects(asked);
      await client.close();
    }
    raw.close();
  });

  test('the server answers nothing to CoAP without TLS on a port of coaps+tcp', async () => {
    const server = new Server().resource('/a', { get: () => content('a') });
    const { port } = await server.listen('coaps+tcp://127.0.0.1:0', {
      psk: { lookup: new Map([['sensor-042', key]]) },
    });
    const socket = connect(port, '127.0.0.1').on('error', () => {});
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.write(Buffer.concat([Buffer.from('00e12001', 'hex'), Buffer.from('b161', 'hex')]));
    await once(socket, 'close');
    // At most an alert of TLS (content type 21).
    const answer = Buffer.concat(chunks);
    assert.ok(answer.length === 0 || answer[0] === 21, answer.toString('hex'));
    await server.close();
  });
});
