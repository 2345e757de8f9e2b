/**
 * Clients of others that fetch 8 KB over plain CoAP from a gateway that does not know them: it sends no more than three
 * times what came before they have proved their address (RFC 9175 §2.6), and all of them get everything. libcoap sends
 * an Echo back; aiocoap and Californium know none.
 *
 * libcoap 4.3.1 sends four Resets a second at most, and counts from the beginning of the second in which it was started, as if
 * it had sent one there: for 250 ms from then it answers no ping. It gets everything nevertheless, in small blocks.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe } from 'node:test';
import { content as responseOf, Server } from 'coapsule';
import { startCalifornium } from './json-peer.ts';
import { peerPython, peerTest } from './peer.ts';
import { run, until } from './process.ts';
import { startGateway } from './programs.ts';

/** What the gateway has at `/large`. */
const large = Buffer.from(Uint8Array.from({ length: 8192 }, (_, index) => 65 + (index % 26)));

/** Whether it is late enough in a second to start libcoap, and early enough for a start that takes its time. */
function isTimeForLibcoap(): boolean {
  const ofSecond = Date.now() % 1000;
  return ofSecond >= 250 && ofSecond < 500;
}

describe('fetched by clients that the gateway does not know', () => {
  for (const client of ['coap-client-openssl', 'coap-client-gnutls'] as const) {
    peerTest(`${client} gets all of /large`, [client], async (t) => {
      const gateway = await startGateway(t);
      const { output } = await run(t, client, ['-m', 'get', '-B', '30', `${gateway.coap}/large`]);
      assert.equal(output.trimEnd(), large.toString());
    });
  }

  peerTest('aiocoap gets all of /large', ['aiocoap'], async (t) => {
    const gateway = await startGateway(t);
    const client = join(peerPython, '../aiocoap-client');
    const { stdout, output } = await run(t, client, [`${gateway.coap}/large`]);
    assert.equal(stdout.toString().trimEnd(), large.toString(), output);
  });

  peerTest('Californium gets all of /large', ['californium'], async (t) => {
    const gateway = await startGateway(t);
    const client = await startCalifornium(t, 'client');
    client.say(`get ${gateway.coap}/large`);
    const response = await client.event('response');
    assert.equal(response['code'], '2.05');
    assert.equal(response['length'], 8192);
    assert.equal(response['sha256'], createHash('sha256').update(large).digest('hex'));
  });

  for (const [peer, client] of [
    ['aiocoap', join(peerPython, '../aiocoap-client')],
    ['coap-client-openssl', 'coap-client-openssl'],
  ] as const) {
    peerTest(`${peer} needs eight requests for it, and one answer to a ping`, [peer], async (t) => {
      const server = new Server().resource('/large', { get: () => responseOf(large) });
      t.after(() => server.close());
      let received = 0;
      const { uri } = await server.listen('coap://127.0.0.1:0', {
        capture: ({ direction }) => {
          if (direction === 'received') received++;
        },
      });
      const args = peer === 'aiocoap' ? [] : ['-m', 'get', '-B', '30'];
      if (peer !== 'aiocoap') await until(isTimeForLibcoap, 'libcoap, started now, answers pings');
      const { stdout } = await run(t, client, [...args, `${uri}/large`]);
      assert.equal(stdout.toString().trimEnd(), large.toString());
      assert.equal(received, 9, 'one for each block, and the answer to the ping');
    });
  }

  peerTest(
    'one that only asks, and never answers, draws no more than three times what it sends',
    [],
    async (t) => {
      const gateway = await startGateway(t);
      const socket = createSocket('udp4');
      t.after(() => socket.close());
      let received = 0;
      socket.on('message', (datagram) => {
        received += datagram.length;
      });
      let sent = 0;
      for (let messageId = 0; messageId < 50; messageId++) {
        const get = Buffer.from([0x40, 1, 0, messageId, 0xb5, ...Buffer.from('large')]);
        socket.send(get, gateway.coapPort, '127.0.0.1');
        sent += get.length;
        await once(socket, 'message');
      }
      assert.ok(received > 0);
      assert.ok(received <= 3 * sent, `${received} bytes for ${sent}`);
    },
  );
});
