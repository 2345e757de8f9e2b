import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { isDecodeFault } from '../../src/core/dtls/handshake/decode-fault.ts';
import { sessionTicketExtension } from '../../src/core/dtls/handshake/extensions/session-ticket.ts';
import { decodeClientHello } from '../../src/core/dtls/handshake/messages/client-hello.ts';
import { noBytes } from '../../src/core/foundation/bytes.ts';
import {
  extendedMasterSecretOffer,
  LonelyLayer,
  messagesOf,
  ScriptedClient,
  ScriptedServer,
} from '../scenarios/dtls-scripted-peer.ts';
import {
  befriend,
  getToKnow,
  goOn,
  serverHelloOf,
  serversEnd,
  ticketOf,
} from '../scenarios/dtls-scripted-resumption.ts';

const sessionId = new Uint8Array(32).fill(0x5e);

suite('RFC 7627 §5.3, server: a ClientHello that wants a session to go on', () => {
  for (const resumption of ['session-id', 'ticket'] as const) {
    test(`with the extension is answered with it (${resumption})`, () => {
      const server = new LonelyLayer('server', { resumption });
      const known = getToKnow(server);
      const client = new ScriptedClient({
        sessionId: resumption === 'ticket' ? sessionId : known.sessionId,
        extensions: [extendedMasterSecretOffer, sessionTicketExtension(known.ticket)],
      });
      const flight4 = server.give(client.messageRecord(client.helloWithCookie(server)));
      assert.ok(serverHelloOf(flight4)?.extensions.some(({ type }) => type === 23));
      goOn(client, server, flight4, known.master);
      assert.deepEqual(
        server.all('connected').map(({ resumed }) => resumed),
        [false, true],
      );
    });

    test(`MUST be refused when it comes without the extension that the session has (${resumption})`, () => {
      const server = new LonelyLayer('server', { resumption, extendedMasterSecret: 'preferred' });
      const known = getToKnow(server);
      const client = new ScriptedClient({
        sessionId: resumption === 'ticket' ? sessionId : known.sessionId,
        extensions: [sessionTicketExtension(known.ticket)],
      });
      const answer = server.give(client.messageRecord(client.helloWithCookie(server)));
      assert.equal(server.failure, 'no-extended-master-secret');
      assert.deepEqual(
        answer.map((datagram) => [...datagram.slice(13)]),
        [[2, 40]],
      );
    });
  }

  test('a session without the extension is never remembered, so that it cannot go on with or without it', () => {
    for (const resumption of ['session-id', 'ticket'] as const) {
      const server = new LonelyLayer('server', { resumption, extendedMasterSecret: 'preferred' });
      const client = new ScriptedClient({ extensions: [sessionTicketExtension()] });
      const flight4 = server.give(client.messageRecord(client.helloWithCookie(server)));
      assert.deepEqual(serverHelloOf(flight4)?.sessionId, noBytes);
      assert.equal(ticketOf(getToKnow(server, [sessionTicketExtension()]).flight6), undefined);
    }
  });
});

suite('RFC 7627 §5.3, client', () => {
  test('offers a session with the extension, and goes on with a server that answers it', () => {
    const client = new LonelyLayer('client');
    const { master } = befriend(client, sessionId);
    client.layer.connect(client.peer, {}, client.clock.now);
    const flight1 = client.drain();
    const hello = decodeClientHello(messagesOf(flight1)[0]!.fragment);
    assert.ok(!isDecodeFault(hello));
    assert.deepEqual(hello.sessionId, sessionId);
    assert.ok(hello.extensions.some(({ type }) => type === 23));
    const server = new ScriptedServer({ sessionId });
    server.takeHello(flight1);
    client.give(server.messageRecord(server.serverHello()));
    const flight5 = client.give(serversEnd(server, master!, 1));
    assert.equal(flight5.length, 1, 'ChangeCipherSpec and Finished');
    assert.equal(client.all('connected')[0]?.resumed, true);
  });

  test('MUST abort when the server goes on without the extension', () => {
    const client = new LonelyLayer('client', { extendedMasterSecret: 'preferred' });
    befriend(client, sessionId);
    client.layer.connect(client.peer, {}, client.clock.now);
    const server = new ScriptedServer({ sessionId, extensions: [] });
    server.takeHello(client.drain());
    client.give(server.messageRecord(server.serverHello()));
    assert.equal(client.failure, 'no-extended-master-secret');
    assert.equal(client.all('handshake-failed')[0]?.failure.alertSent, 40);
  });

  test('SHOULD NOT offer a session without it: such a one is not remembered', () => {
    const client = new LonelyLayer('client', { extendedMasterSecret: 'preferred' });
    const server = new ScriptedServer({ sessionId, extensions: [] });
    client.layer.connect(client.peer, {}, client.clock.now);
    server.takeHello(client.drain());
    client.give(server.messageRecord(server.serverHello()));
    const { changeCipherSpec, finished } = server.finish(
      client.give(server.messageRecord(server.helloDone())),
    );
    client.give(changeCipherSpec);
    client.give(finished);
    assert.ok(client.connected);
    client.layer.close(client.all('connected')[0]!.association, client.clock.now);
    client.drain();
    client.layer.connect(client.peer, {}, client.clock.now);
    const hello = decodeClientHello(messagesOf(client.drain())[0]!.fragment);
    assert.ok(!isDecodeFault(hello));
    assert.deepEqual(hello.sessionId, noBytes);
  });
});
