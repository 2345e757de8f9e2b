/**
 * Californium's Scandium and what keeps an association cheap for small devices: connection ids (RFC 9146), resumption
 * (RFC 5246 §7.3), small records (RFC 6066 §4, RFC 8449).
 */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { helloRequest, type JsonPeer, startScandium } from './json-peer.ts';
import { ownClient, ownPsk, securityOf, servedPsk, startOwnServer } from './own-endpoint.ts';
import { peerTest } from './peer.ts';
import { freeUdpPorts } from './process.ts';
import { demo } from './programs.ts';
import { connectionIdRecord, recordsOf, startRelay } from './relay.ts';

const psk = ['--psk', `${demo.identity}:${demo.key}`];

/** A confirmable GET /hello with this Message ID, so that the server does not take it for a duplicate. */
function requestNumber(id: number): string {
  return helloRequest.replace(/^(....)..../, `$1${id.toString(16).padStart(4, '0')}`);
}

async function ask(peer: JsonPeer, count: number): Promise<void> {
  peer.say(`send ${requestNumber(count)}`);
  assert.match(String((await peer.event('data', count))['text']), /Hello, world!/);
}

describe('Scandium and connection ids', () => {
  for (const [own, theirs] of [
    [0, 6],
    [8, 0],
    [8, 6],
    [20, 4],
  ] as const) {
    const lengths = `ours of ${own} bytes, its of ${theirs}`;

    peerTest(
      `its server finds our client again after each change of address: ${lengths}`,
      ['scandium'],
      async (t) => {
        const port = await freeUdpPorts(1);
        const peer = await startScandium(t, 'server', port, ...psk, '--cid', String(theirs));
        const relay = await startRelay(t, port);
        const client = ownClient(t, { psk: ownPsk, connectionId: own });
        const uri = `coaps://127.0.0.1:${relay.port}/hello`;
        const first = await client.get(uri);
        assert.deepEqual(securityOf(first.peer).connectionIdLengths, { own, peer: theirs });
        for (let count = 0; count < (theirs > 0 ? 5 : 0); count++) {
          await relay.rebind();
          const response = await client.get(uri);
          assert.equal(response.text(), 'hello from scandium');
          assert.equal(response.handshakeMs, undefined);
        }
        const toServer = relay.fromClient.flatMap((datagram) => recordsOf(datagram, theirs));
        const toClient = relay.fromServer.flatMap((datagram) => recordsOf(datagram, own));
        assert.equal(
          toServer.some(({ contentType }) => contentType === connectionIdRecord),
          theirs > 0,
        );
        assert.equal(
          toClient.some(({ contentType }) => contentType === connectionIdRecord),
          own > 0,
        );
        assert.equal(peer.events.filter(({ event }) => event === 'connected').length, 1);
      },
    );

    peerTest(
      `our server finds its client again after each change of address: ${lengths}`,
      ['scandium'],
      async (t) => {
        const server = await startOwnServer(t, { psk: servedPsk, connectionId: own });
        const relay = await startRelay(t, server.port);
        const peer = await startScandium(t, 'client', relay.port, ...psk, '--cid', String(theirs));
        await ask(peer, 1);
        assert.deepEqual((await server.connected()).connectionIdLengths, { own, peer: theirs });
        for (let count = 2; count <= (own > 0 ? 6 : 1); count++) {
          await relay.rebind();
          await ask(peer, count);
        }
        const toServer = relay.fromClient.flatMap((datagram) => recordsOf(datagram, own));
        assert.equal(
          toServer.some(({ contentType }) => contentType === connectionIdRecord),
          own > 0,
        );
        assert.equal(peer.events.filter(({ event }) => event === 'connected').length, 1);
        // Without RFC 9853 our server asks at a new address, by a CoAP ping, before it trusts it.
        assert.equal(
          peer.events.some(({ event }) => event === 'ping'),
          own > 0,
        );
      },
    );
  }

  peerTest('a peer without the extension gets records as ever, both ways', ['scandium'], async (t) => {
    const port = await freeUdpPorts(1);
    await startScandium(t, 'server', port, ...psk);
    const response = await ownClient(t, { psk: ownPsk, connectionId: 8 }).get(
      `coaps://127.0.0.1:${port}/hello`,
    );
    assert.equal(securityOf(response.peer).connectionIdLengths, undefined);
    const server = await startOwnServer(t, { psk: servedPsk });
    const peer = await startScandium(t, 'client', server.port, ...psk);
    await ask(peer, 1);
    assert.equal((await server.connected()).connectionIdLengths, undefined);
  });
});

describe('Scandium and small records', () => {
  for (const limit of [512, 1024]) {
    peerTest(
      `its client gets a large answer in records of at most ${limit} bytes (max_fragment_length)`,
      ['scandium'],
      async (t) => {
        const server = await startOwnServer(t, { psk: servedPsk });
        const relay = await startRelay(t, server.port);
        const peer = await startScandium(t, 'client', relay.port, ...psk, '--mfl', String(limit));
        const large = helloRequest.replace(/b5.*$/, `b5${Buffer.from('large').toString('hex')}`);
        peer.say(`send ${large}`);
        assert.match(String((await peer.event('data'))['text']), /xxxx/);
        assert.equal((await peer.event('connected'))['maxFragmentLength'], limit);
        const records = relay.fromServer.flatMap((datagram) => recordsOf(datagram));
        assert.ok(Math.max(...records.map(({ length }) => length)) <= limit + 32, JSON.stringify(records));
      },
    );
  }

  peerTest(
    'its client gets a large answer in records of at most 300 bytes (record_size_limit)',
    ['scandium'],
    async (t) => {
      const server = await startOwnServer(t, { psk: servedPsk });
      const relay = await startRelay(t, server.port);
      const peer = await startScandium(t, 'client', relay.port, ...psk, '--rsl', '300');
      const large = helloRequest.replace(/b5.*$/, `b5${Buffer.from('large').toString('hex')}`);
      peer.say(`send ${large}`);
      assert.match(String((await peer.event('data'))['text']), /xxxx/);
      const records = relay.fromServer.flatMap((datagram) => recordsOf(datagram));
      const sealed = records.filter(({ epoch }) => epoch > 0);
      assert.ok(Math.max(...sealed.map(({ length }) => length)) <= 300 + 32, JSON.stringify(sealed));
    },
  );

  peerTest('its server keeps to the record size that our client asks for', ['scandium'], async (t) => {
    const port = await freeUdpPorts(1);
    const peer = await startScandium(t, 'server', port, ...psk);
    const response = await ownClient(t, { psk: ownPsk, maxRecordSize: 512 }).get(
      `coaps://127.0.0.1:${port}/hello`,
    );
    assert.equal(response.text(), 'hello from scandium');
    const connected = await peer.event('connected');
    assert.ok(
      connected['recordSizeLimit'] === 512 || connected['maxFragmentLength'] === 512,
      JSON.stringify(connected),
    );
  });
});

describe('Scandium and resumption', () => {
  peerTest(
    'its client resumes a session of our server, with a connection id too',
    ['scandium'],
    async (t) => {
      const server = await startOwnServer(t, { psk: servedPsk });
      const peer = await startScandium(t, 'client', server.port, ...psk, '--cid', '0');
      await ask(peer, 1);
      assert.ok(
        Number((await peer.event('connected'))['sessionIdLength']) > 0,
        'our server gave no session id',
      );
      peer.say('resume');
      await ask(peer, 2);
      assert.equal((await peer.event('connected', 2))['resumed'], true);
      const again = await server.connected(2);
      assert.equal(again.resumed, true);
      assert.equal(again.identity, demo.identity);
      assert.deepEqual(again.connectionIdLengths, { own: 8, peer: 0 });
    },
  );
});
