/** Which datagrams on a port of several workers go to another worker (RFC 9146 §4 for the connection id). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { instant } from '../../src/core/foundation/instant.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { SharedPort } from '../../src/node/shared-port.ts';
import type { PortLink, PortMessage } from '../../src/node/worker-link.ts';

const peer = ipAddress('192.0.2.1', 5684);
const stranger = (): boolean => false;

/** A tls12_cid record of epoch 1 with an 8-byte connection id. */
function recordWith(firstByte: number): Uint8Array {
  const header = Uint8Array.of(25, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 7);
  return Uint8Array.of(...header, firstByte, 1, 2, 3, 4, 5, 6, 7, 0, 2, 0xaa, 0xbb);
}

/** A record without one. */
function record(type: number, epoch: number): Uint8Array {
  return Uint8Array.of(type, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 7, 0, 2, 0xaa, 0xbb);
}

function portOf(index: number, count: number) {
  const sent: { to: number | 'all'; message: PortMessage }[] = [];
  let receiver: (message: PortMessage) => void = () => {};
  const link: PortLink = {
    index,
    count,
    receive: (_uri, given) => {
      receiver = given;
    },
    leave: () => {},
    send: (to, _uri, message) => sent.push({ to, message }) > 0,
    sendToAll: (_uri, message) => sent.push({ to: 'all', message }),
  };
  const port = new SharedPort(link, 'coaps://127.0.0.1:5684');
  return { port, sent, deliver: (message: PortMessage) => receiver(message) };
}

test('a record whose connection id names another worker goes there, and nothing is left to do here', () => {
  const { port, sent } = portOf(1, 4);
  const datagram = recordWith(3);
  assert.equal(port.divert(datagram, peer, instant(0), stranger), true);
  assert.equal(sent.length, 1);
  assert.equal(sent[0]?.to, 3);
  const message = sent[0]?.message;
  assert.ok(message?.kind === 'datagram');
  assert.deepEqual(message.datagram, datagram);
  assert.notEqual(message.datagram.buffer, datagram.buffer, 'the original is decrypted where it lies');
  assert.deepEqual([message.host, message.port], [peer.host, peer.port]);
});

test('a record whose connection id names this worker stays', () => {
  const { port, sent } = portOf(1, 4);
  assert.equal(port.divert(recordWith(1), peer, instant(0), stranger), false);
  assert.equal(sent.length, 0);
});

test('after a start with fewer workers each connection id still has one owner', () => {
  const owners = [0, 1].map((index) => {
    const { port } = portOf(index, 2);
    return [2, 3, 6, 7].map((first) => !port.divert(recordWith(first), peer, instant(0), stranger));
  });
  assert.deepEqual(owners, [
    [true, false, true, false],
    [false, true, false, true],
  ]);
});

test('a protected record without a connection id, of an address that is not known here, goes to all others and is judged here too', () => {
  const { port, sent } = portOf(0, 3);
  assert.equal(port.divert(record(23, 1), peer, instant(0), stranger), false);
  assert.deepEqual(
    sent.map(({ to }) => to),
    ['all'],
  );
  assert.equal(
    port.divert(record(23, 1), peer, instant(0), () => true),
    false,
  );
  assert.equal(sent.length, 1, 'an address that is known here needs nobody else');
});

test('handshakes, plain CoAP, and what is cut short are for whoever received them', () => {
  const { port, sent } = portOf(0, 3);
  const coap = Uint8Array.of(0x40, 1, 0, 1);
  for (const datagram of [
    record(22, 0),
    record(20, 0),
    coap,
    recordWith(1).subarray(0, 12),
    new Uint8Array(0),
  ]) {
    assert.equal(port.divert(datagram, peer, instant(0), stranger), false);
  }
  assert.equal(sent.length, 0);
});

test('at most 2,000 made-up records a second cost the other workers anything', () => {
  const { port, sent } = portOf(0, 2);
  for (let i = 0; i < 5000; i++) port.divert(record(23, 1), peer, instant(100), stranger);
  assert.equal(sent.length, 2000);
  assert.equal(port.counters.notSearched, 3000);
  port.divert(record(23, 1), peer, instant(1200), stranger);
  assert.equal(sent.length, 2001);
});

test('what another worker sends is received as from the peer, and what it tells of a resource goes to observers', () => {
  const { port, deliver } = portOf(0, 2);
  const received: unknown[] = [];
  port.open({
    receive: (datagram, from) => received.push([datagram, from.key]),
    notify: (path) => received.push(path),
    keepOut: (group) => received.push(group),
  });
  const datagram = recordWith(0);
  deliver({ kind: 'datagram', datagram, host: peer.host, port: peer.port });
  deliver({ kind: 'notify', path: '/state' });
  assert.deepEqual(received, [[datagram, peer.key], '/state']);
  assert.equal(port.counters.received, 1);
});
