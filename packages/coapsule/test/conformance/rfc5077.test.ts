import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { isDecodeFault } from '../../src/core/dtls/handshake/decode-fault.ts';
import {
  readSessionTicket,
  sessionTicketExtension,
} from '../../src/core/dtls/handshake/extensions/session-ticket.ts';
import { HandshakeType } from '../../src/core/dtls/handshake/handshake-type.ts';
import type { HandshakeMessage } from '../../src/core/dtls/handshake/message-header.ts';
import { type ClientHello, decodeClientHello } from '../../src/core/dtls/handshake/messages/client-hello.ts';
import { encodeNewSessionTicket } from '../../src/core/dtls/handshake/messages/new-session-ticket.ts';
import { concatBytes, noBytes } from '../../src/core/foundation/bytes.ts';
import {
  extendedMasterSecretOffer,
  LonelyLayer,
  messagesOf,
  ScriptedClient,
  ScriptedServer,
} from '../scenarios/dtls-scripted-peer.ts';
import {
  getToKnow,
  goOn,
  serverHelloOf,
  serversEnd,
  ticketOf,
} from '../scenarios/dtls-scripted-resumption.ts';

const ownId = new Uint8Array(16).fill(0x1d);
const someTicket = new Uint8Array(100).fill(0x71);

function ticketServer(config = {}): LonelyLayer {
  return new LonelyLayer('server', { resumption: 'ticket', sessionLifetimeMs: 3_600_000, ...config });
}

function withTicket(ticket: Uint8Array, sessionId: Uint8Array): ScriptedClient {
  return new ScriptedClient({
    sessionId,
    extensions: [extendedMasterSecretOffer, sessionTicketExtension(ticket)],
  });
}

suite('RFC 5077 §3.1 – §3.3, server', () => {
  test('a client that asks gets an empty extension, no session id, and a ticket before ChangeCipherSpec', () => {
    const server = ticketServer();
    const { sessionId, flight6, ticket } = getToKnow(server);
    assert.deepEqual(sessionId, noBytes);
    assert.ok(ticket.length > 0);
    assert.equal(ticketOf(flight6)?.lifetimeSeconds, 3600);
    const types = flight6.flatMap((datagram) => datagram[0]);
    assert.deepEqual(types, [22], 'one datagram, whose first record is a handshake message in the clear');
    assert.ok(server.connected);
  });

  test('MUST NOT send a ticket to a client that does not ask', () => {
    const server = ticketServer();
    const { flight6 } = getToKnow(server, [extendedMasterSecretOffer]);
    assert.equal(ticketOf(flight6), undefined);
    assert.ok(server.connected);
  });

  test('MUST verify the Finished of the client before it sends a ticket', () => {
    const server = ticketServer();
    const client = new ScriptedClient({
      extensions: [extendedMasterSecretOffer, sessionTicketExtension()],
      key: new Uint8Array(16),
    });
    client.takeServerFlight(server.give(client.messageRecord(client.helloWithCookie(server))));
    const { keyExchange, finished } = client.secondFlight();
    const answer = server.give(
      concatBytes(
        client.messageRecord(keyExchange),
        client.changeCipherSpec(),
        client.sealedFinished(finished),
      ),
    );
    assert.deepEqual(answer, []);
    assert.equal(ticketOf(server.wait(60_000)), undefined);
  });

  test('a session too long for a ticket gets an empty one, as promised', () => {
    const server = ticketServer();
    server.key = new Uint8Array(16).fill(1);
    const client = new ScriptedClient({
      extensions: [extendedMasterSecretOffer, sessionTicketExtension()],
      key: server.key,
      identity: new Uint8Array(1000).fill(0x61),
    });
    client.takeServerFlight(server.give(client.messageRecord(client.helloWithCookie(server))));
    const { keyExchange, finished } = client.secondFlight();
    const flight6 = server.give(
      concatBytes(
        client.messageRecord(keyExchange),
        client.changeCipherSpec(),
        client.sealedFinished(finished),
      ),
    );
    assert.deepEqual(ticketOf(flight6), { lifetimeSeconds: 0, ticket: noBytes });
    assert.ok(server.connected);
  });
});

suite('RFC 5077 §3.4, server', () => {
  for (const [name, sessionId] of [
    ['the same session id', ownId],
    ['an empty one', noBytes],
  ] as const) {
    test(`a ticket that is taken is answered with ${name}, as the client sent it`, () => {
      const server = ticketServer();
      const { ticket, master } = getToKnow(server);
      const client = withTicket(ticket, sessionId);
      const flight4 = server.give(client.messageRecord(client.helloWithCookie(server)));
      assert.deepEqual(serverHelloOf(flight4)?.sessionId, sessionId);
      goOn(client, server, flight4, master);
      assert.equal(server.all('connected').at(-1)?.resumed, true);
    });
  }

  for (const [name, ticket] of [
    ['made up', someTicket],
    ['of another server', getToKnow(new LonelyLayer('server', { resumption: 'ticket' }, 77)).ticket],
  ] as const) {
    test(`a ticket ${name} means a full handshake, with another session id`, () => {
      const server = new LonelyLayer('server', { resumption: 'both' });
      const client = withTicket(ticket, ownId);
      const flight4 = server.give(client.messageRecord(client.helloWithCookie(server)));
      assert.deepEqual(
        messagesOf(flight4).map(({ type }) => type),
        [HandshakeType.ServerHello, HandshakeType.ServerHelloDone],
      );
      assert.notDeepEqual(serverHelloOf(flight4)?.sessionId, ownId);
    });
  }

  test('a ticket with any bit flipped means a full handshake', () => {
    const server = ticketServer({ maxHandshakes: 10_000, maxHandshakesPerHost: 10_000 });
    const { ticket } = getToKnow(server);
    for (let bit = 0; bit < 8 * ticket.length; bit += 7) {
      const forged = ticket.slice();
      forged[bit >> 3] = (forged[bit >> 3] as number) ^ (1 << (bit & 7));
      const client = withTicket(forged, ownId);
      const flight4 = server.give(client.messageRecord(client.helloWithCookie(server)));
      assert.equal(messagesOf(flight4).at(-1)?.type, HandshakeType.ServerHelloDone, `bit ${bit}`);
      server.wait(20_000);
    }
  });

  test('beside a ticket, MUST NOT look for a session by the session id', () => {
    const server = new LonelyLayer('server', { resumption: 'both' });
    const { sessionId } = getToKnow(server);
    assert.equal(sessionId.length, 32);
    const client = withTicket(someTicket, sessionId);
    const flight4 = server.give(client.messageRecord(client.helloWithCookie(server)));
    assert.equal(messagesOf(flight4).at(-1)?.type, HandshakeType.ServerHelloDone);
  });

  test('a session goes on with no other suite than its own', () => {
    const server = ticketServer();
    const { ticket } = getToKnow(server);
    const client = new ScriptedClient({
      suite: 'TLS_PSK_WITH_AES_128_GCM_SHA256',
      sessionId: ownId,
      extensions: [extendedMasterSecretOffer, sessionTicketExtension(ticket)],
    });
    const flight4 = server.give(client.messageRecord(client.helloWithCookie(server)));
    assert.equal(messagesOf(flight4).at(-1)?.type, HandshakeType.ServerHelloDone);
  });
});

/** A client layer and the ClientHello it sends; the server answers as the test says. */
function started(client: LonelyLayer): {
  readonly flight1: readonly Uint8Array[];
  readonly hello: ClientHello;
} {
  client.layer.connect(client.peer, {}, client.clock.now);
  const flight1 = client.drain();
  const hello = decodeClientHello(messagesOf(flight1)[0]!.fragment);
  assert.ok(!isDecodeFault(hello));
  return { flight1, hello };
}

const promise = [extendedMasterSecretOffer, sessionTicketExtension()];

/** A full handshake of a client layer with a server that says `extensions`, and sends a ticket, if there is one. */
function meet(
  client: LonelyLayer,
  extensions: readonly { readonly type: number; readonly data: Uint8Array }[],
  ticket: { readonly ticket: Uint8Array; readonly lifetimeSeconds: number } | undefined,
  sessionId = noBytes,
): ScriptedServer {
  const { flight1 } = started(client);
  const server = new ScriptedServer({ extensions, sessionId });
  server.takeHello(flight1);
  const flight5 = client.give(
    concatBytes(server.messageRecord(server.serverHello()), server.messageRecord(server.helloDone())),
  );
  const message: HandshakeMessage | undefined = ticket && {
    type: HandshakeType.NewSessionTicket,
    messageSeq: 2,
    body: encodeNewSessionTicket(ticket),
  };
  const end = server.finish(flight5, message === undefined ? 2 : 3, message);
  client.give(
    concatBytes(
      message === undefined ? noBytes : server.messageRecord(message),
      end.changeCipherSpec,
      end.finished,
    ),
  );
  return server;
}

function leave(client: LonelyLayer): void {
  client.layer.close(client.all('connected').at(-1)?.association ?? 0, client.clock.now);
  client.drain();
  client.outputs.length = 0;
}

suite('RFC 5077 §3.2 – §3.4, client', () => {
  test('asks by an empty extension, and offers the ticket with a session id of its own', () => {
    const client = new LonelyLayer('client');
    const { master } = meet(client, promise, { ticket: someTicket, lifetimeSeconds: 0 });
    assert.ok(client.connected);
    leave(client);
    const { hello, flight1 } = started(client);
    assert.deepEqual(readSessionTicket(hello.extensions), someTicket);
    assert.equal(hello.sessionId.length, 32);
    const server = new ScriptedServer({ sessionId: hello.sessionId });
    server.takeHello(flight1);
    client.give(server.messageRecord(server.serverHello()));
    client.give(serversEnd(server, master!, 1));
    assert.equal(client.all('connected')[0]?.resumed, true);
  });

  test('takes a new ticket in an abbreviated handshake, once the Finished has proved it', () => {
    const client = new LonelyLayer('client');
    const { master } = meet(client, promise, { ticket: someTicket, lifetimeSeconds: 0 });
    leave(client);
    const newTicket = new Uint8Array(50).fill(0x72);
    for (const isProven of [false, true]) {
      const { hello, flight1 } = started(client);
      assert.deepEqual(readSessionTicket(hello.extensions), someTicket);
      const server = new ScriptedServer({ sessionId: hello.sessionId, extensions: promise });
      server.takeHello(flight1);
      client.give(server.messageRecord(server.serverHello()));
      const message = {
        type: HandshakeType.NewSessionTicket,
        messageSeq: 1,
        body: encodeNewSessionTicket({ ticket: newTicket, lifetimeSeconds: 0 }),
      };
      server.transcript.add(message);
      client.give(server.messageRecord(message));
      if (isProven) client.give(serversEnd(server, master!, 2));
      else client.layer.close(client.layer.associationAt(client.peer) ?? 0, client.clock.now);
      client.drain();
    }
    assert.equal(client.all('connected')[0]?.resumed, true);
    leave(client);
    assert.deepEqual(readSessionTicket(started(client).hello.extensions), newTicket);
  });

  test('a ticket counts, not the session id that came with it', () => {
    const client = new LonelyLayer('client');
    meet(client, promise, { ticket: someTicket, lifetimeSeconds: 0 }, ownId);
    leave(client);
    assert.deepEqual(readSessionTicket(started(client).hello.extensions), someTicket);
  });

  test('an empty ticket is none; the session id counts then', () => {
    for (const sessionId of [noBytes, ownId]) {
      const client = new LonelyLayer('client');
      meet(client, promise, { ticket: noBytes, lifetimeSeconds: 0 }, sessionId);
      assert.ok(client.connected);
      leave(client);
      const { hello } = started(client);
      assert.deepEqual(readSessionTicket(hello.extensions), noBytes);
      assert.deepEqual(hello.sessionId, sessionId);
    }
  });

  test('a ticket is offered no longer than the server hinted', () => {
    const client = new LonelyLayer('client');
    meet(client, promise, { ticket: someTicket, lifetimeSeconds: 60 });
    leave(client);
    client.wait(60_000);
    assert.deepEqual(readSessionTicket(started(client).hello.extensions), noBytes);
  });

  test('a promised ticket that does not come, and one that comes without a promise, are not connected with', () => {
    const client = new LonelyLayer('client');
    meet(client, promise, undefined);
    assert.ok(!client.connected);
    const other = new LonelyLayer('client');
    meet(other, [extendedMasterSecretOffer], { ticket: someTicket, lifetimeSeconds: 0 });
    assert.ok(!other.connected);
  });

  test('when the server wants a full handshake, it is one, and the old session is gone', () => {
    const client = new LonelyLayer('client');
    meet(client, promise, { ticket: someTicket, lifetimeSeconds: 0 });
    leave(client);
    meet(client, [extendedMasterSecretOffer], undefined);
    assert.equal(client.all('connected')[0]?.resumed, false);
    leave(client);
    assert.deepEqual(readSessionTicket(started(client).hello.extensions), noBytes);
  });

  test('a server that goes on with another suite is refused', () => {
    const client = new LonelyLayer('client');
    meet(client, promise, { ticket: someTicket, lifetimeSeconds: 0 });
    leave(client);
    const { hello, flight1 } = started(client);
    const server = new ScriptedServer({ sessionId: hello.sessionId, cipherSuite: 0x00a8 });
    server.takeHello(flight1);
    client.give(server.messageRecord(server.serverHello()));
    assert.equal(client.failure, 'illegal-parameter');
    assert.deepEqual(
      readSessionTicket(started(client).hello.extensions),
      noBytes,
      'and its session forgotten',
    );
  });
});
