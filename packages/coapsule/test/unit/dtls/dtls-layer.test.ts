import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { isDecodeFault } from '../../../src/core/dtls/handshake/decode-fault.ts';
import { encodeMessageFragment } from '../../../src/core/dtls/handshake/message-header.ts';
import { decodeClientHello } from '../../../src/core/dtls/handshake/messages/client-hello.ts';
import { equalBytes, noBytes } from '../../../src/core/foundation/bytes.ts';
import { ipAddress } from '../../../src/core/foundation/peer-address.ts';
import { DtlsPair } from '../../scenarios/dtls-pair.ts';
import { LonelyLayer, messagesOf, ScriptedClient } from '../../scenarios/dtls-scripted-peer.ts';

suite('the DTLS layer', () => {
  test('tells about an association before, while and after it is established', () => {
    const pair = new DtlsPair();
    assert.equal(pair.client.layer.associationAt(pair.server.address), undefined);
    const association = pair.connect();
    assert.equal(pair.client.layer.associationAt(pair.server.address), association);
    assert.deepEqual(pair.client.layer.association(association), {
      established: false,
      address: pair.server.address,
      role: 'client',
    });
    pair.run(5000, () => pair.bothConnected);
    const info = pair.client.layer.association(association);
    assert.ok(info?.established);
    assert.equal(info.suite, 'TLS_PSK_WITH_AES_128_CCM_8');
    assert.deepEqual(info.authentication, { kind: 'psk' });
    assert.deepEqual(info.connectionIdLengths, { own: 0, peer: 8 });
    assert.equal(info.recordOverhead, 29 + 8 + 1);
    assert.equal(info.maxDataLength, 1232 - 38);
    assert.ok(!info.resumed && info.addressValidated);
    pair.client.layer.close(association, pair.clock.now);
    assert.equal(pair.client.layer.association(association), undefined);
    assert.equal(pair.client.layer.associationAt(pair.server.address), undefined);
  });

  test('connect gives the id of the handshake that is under way already', () => {
    const pair = new DtlsPair();
    const first = pair.connect();
    assert.equal(pair.connect(), first);
    assert.equal(pair.network.sent.length, 1);
  });

  test('connect at an address with an association replaces it when the new handshake is done', () => {
    const pair = new DtlsPair();
    const first = pair.connect();
    pair.run(5000, () => pair.bothConnected);
    const second = pair.connect();
    assert.notEqual(second, first);
    assert.ok(pair.exchange('on the old one'));
    pair.run(5000);
    assert.equal(pair.client.all('connected')[1]?.replaced, first);
    assert.equal(pair.server.all('closed')[0]?.reason, 'replaced');
    assert.ok(pair.exchange('on the new one'));
  });

  test('send refuses unknown and closed associations and data over 2^14 bytes, and takes data of any length to that', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    assert.equal(server.layer.send(99, noBytes, server.clock.now), 'no-association');
    client.connect(server);
    const association = server.all('connected')[0]?.association ?? 0;
    assert.equal(server.layer.send(association, new Uint8Array(16_385), server.clock.now), 'too-large');
    for (const length of [0, 1, 16_384]) {
      assert.equal(server.layer.send(association, new Uint8Array(length), server.clock.now), 'sent');
      assert.equal(server.drain()[0]?.length, length + 29);
    }
    server.layer.close(association, server.clock.now);
    assert.equal(server.layer.send(association, noBytes, server.clock.now), 'no-association');
  });

  test('a client-only layer answers no ClientHello, and nobody is answered in the wrong role', () => {
    const layer = new LonelyLayer('client');
    const client = new ScriptedClient();
    assert.deepEqual(layer.give(client.messageRecord(client.hello(noBytes, 0))), []);
    assert.deepEqual(
      layer.all('discarded').map(({ reason }) => reason),
      ['not-a-server'],
    );
  });

  test('keeps associations of many addresses apart', () => {
    const server = new LonelyLayer('server');
    const clients = Array.from({ length: 50 }, (_, i) => {
      const client = new ScriptedClient({ seed: i + 1 });
      const peer = ipAddress('192.0.2.9', 1000 + i);
      const [answer] = server.give(client.messageRecord(client.hello(noBytes, 0)), peer);
      const hello = client.hello((answer as Uint8Array).slice(28), 1);
      client.transcript.add(hello);
      client.takeServerFlight(server.give(client.messageRecord(hello), peer));
      return { client, peer };
    });
    for (const { client, peer } of clients) {
      const { keyExchange, finished } = client.secondFlight();
      server.give(client.messageRecord(keyExchange), peer);
      server.give(client.changeCipherSpec(), peer);
      server.give(client.sealedFinished(finished), peer);
    }
    assert.equal(server.layer.usage.associations, 50);
    for (const { client } of clients) server.give(client.data('from elsewhere'), clients[0]?.peer);
    assert.equal(server.all('application-data').length, 1);
    for (const { client, peer } of clients.slice(1)) server.give(client.data('from home'), peer);
    assert.equal(server.all('application-data').length, 50);
  });

  test('its own ClientHello fits one datagram at MTU 128, optional extensions left out first', () => {
    const offered = (mtu: number, serverName?: string): { records: number; types: number[] } => {
      const client = new LonelyLayer('client', { mtu, suites: ['TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256'] });
      client.layer.connect(client.peer, serverName === undefined ? {} : { serverName }, client.clock.now);
      const sent = client.drain();
      assert.equal(sent.length, 1);
      const hello = decodeClientHello(messagesOf(sent)[0]?.fragment ?? noBytes);
      assert.ok(!isDecodeFault(hello));
      return { records: messagesOf(sent).length, types: hello.extensions.map(({ type }) => type) };
    };
    const fixed = [23, 54, 61];
    assert.deepEqual(offered(128, 'gateway.example'), { records: 1, types: [...fixed, 10] });
    assert.deepEqual(offered(155, 'gateway.example'), { records: 1, types: [...fixed, 10, 0] });
    assert.deepEqual(offered(160, 'gateway.example'), { records: 1, types: [...fixed, 10, 0, 11] });
    assert.deepEqual(offered(1232, 'gateway.example'), { records: 1, types: [...fixed, 10, 0, 11, 35] });
    assert.deepEqual(offered(1232, '192.0.2.1'), { records: 1, types: [...fixed, 10, 11, 35] });
  });

  test('the datagram a record came in is not needed after handle', () => {
    const server = new LonelyLayer('server');
    const client = new ScriptedClient();
    const give = (datagram: Uint8Array): Uint8Array[] => {
      const buffer = datagram.slice();
      server.layer.handle({ address: server.peer, datagram: buffer }, server.clock.now);
      const sent = server.drain();
      buffer.fill(0xee);
      return sent;
    };
    const hello = client.helloWithCookie(server);
    give(client.record(22, encodeMessageFragment(hello, 0, 70)));
    client.takeServerFlight(
      give(client.record(22, encodeMessageFragment(hello, 70, hello.body.length - 70))),
    );
    const { keyExchange, finished } = client.secondFlight();
    give(client.sealedFinished(finished));
    give(client.messageRecord(keyExchange));
    give(client.changeCipherSpec());
    assert.ok(server.connected);
    const identity = server.all('connected')[0]?.identity ?? noBytes;
    assert.ok(equalBytes(identity, new TextEncoder().encode('sensor-042')));
  });
});
