/**
 * A client and a server made by hand for sessions that go on: they get to know a layer, and resume as they are told.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { isDecodeFault } from '../../src/core/dtls/handshake/decode-fault.ts';
import type { ExtensionList } from '../../src/core/dtls/handshake/extensions/extension-list.ts';
import { sessionTicketExtension } from '../../src/core/dtls/handshake/extensions/session-ticket.ts';
import { HandshakeType } from '../../src/core/dtls/handshake/handshake-type.ts';
import { encodeMessageFragment } from '../../src/core/dtls/handshake/message-header.ts';
import {
  decodeNewSessionTicket,
  type NewSessionTicket,
} from '../../src/core/dtls/handshake/messages/new-session-ticket.ts';
import { decodeServerHello, type ServerHello } from '../../src/core/dtls/handshake/messages/server-hello.ts';
import { ContentType } from '../../src/core/dtls/record/record-header.ts';
import { concatBytes, noBytes } from '../../src/core/foundation/bytes.ts';
import {
  extendedMasterSecretOffer,
  type LonelyLayer,
  messagesOf,
  ScriptedClient,
  ScriptedServer,
} from './dtls-scripted-peer.ts';

/** What a scripted client knows of a session. */
export interface KnownSession {
  readonly sessionId: Uint8Array;
  readonly ticket: Uint8Array;
  readonly master: Uint8Array;
}

/** Asks for a ticket. */
const ticketWish: ExtensionList = [extendedMasterSecretOffer, sessionTicketExtension()];

/** The ServerHello in some datagrams. */
export function serverHelloOf(datagrams: readonly Uint8Array[]): ServerHello | undefined {
  const message = messagesOf(datagrams).find(({ type }) => type === HandshakeType.ServerHello);
  if (message === undefined) return undefined;
  const hello = decodeServerHello(message.fragment);
  assert.ok(!isDecodeFault(hello));
  return hello;
}

/** The NewSessionTicket in some datagrams. */
export function ticketOf(datagrams: readonly Uint8Array[]): NewSessionTicket | undefined {
  const message = messagesOf(datagrams).find(({ type }) => type === HandshakeType.NewSessionTicket);
  if (message === undefined) return undefined;
  const ticket = decodeNewSessionTicket(message.fragment);
  assert.ok(!isDecodeFault(ticket));
  return ticket;
}

/** A whole handshake of a new client with a server layer; returns what was said, and the session. */
export function getToKnow(
  server: LonelyLayer,
  extensions: ExtensionList = ticketWish,
): KnownSession & { readonly client: ScriptedClient; readonly flight6: readonly Uint8Array[] } {
  const client = new ScriptedClient({ extensions, seed: 0x31 });
  const flight4 = server.give(client.messageRecord(client.helloWithCookie(server)));
  client.takeServerFlight(flight4);
  const { keyExchange, finished } = client.secondFlight();
  const flight6 = server.give(
    concatBytes(
      client.messageRecord(keyExchange),
      client.changeCipherSpec(),
      client.sealedFinished(finished),
    ),
  );
  return {
    sessionId: serverHelloOf(flight4)?.sessionId.slice() ?? noBytes,
    ticket: ticketOf(flight6)?.ticket.slice() ?? noBytes,
    master: client.master as Uint8Array,
    client,
    flight6,
  };
}

/** The end of an abbreviated handshake: takes flight 4 and sends flight 5. */
export function goOn(
  client: ScriptedClient,
  server: LonelyLayer,
  flight4: readonly Uint8Array[],
  master: Uint8Array,
): void {
  client.takeServerFlight(flight4);
  client.useMaster(master);
  const messages = messagesOf(flight4);
  const finishedSeq = (messages.at(-1)?.messageSeq ?? 0) + 1;
  client.transcript.add(client.finished('server', finishedSeq));
  const finished = client.finished('client', 2);
  server.give(concatBytes(client.changeCipherSpec(), client.sealedFinished(finished)));
}

/** A server that a client layer has shaken hands with, and the session id it gave. */
export function befriend(client: LonelyLayer, sessionId: Uint8Array): ScriptedServer {
  const server = new ScriptedServer({ sessionId });
  client.layer.connect(client.peer, {}, client.clock.now);
  server.takeHello(client.drain());
  const { changeCipherSpec, finished } = server.finish(
    client.give(
      concatBytes(server.messageRecord(server.serverHello()), server.messageRecord(server.helloDone())),
    ),
  );
  client.give(concatBytes(changeCipherSpec, finished));
  assert.ok(client.connected);
  client.layer.close(client.all('connected')[0]?.association ?? 0, client.clock.now);
  client.drain();
  client.outputs.length = 0;
  return server;
}

/** ChangeCipherSpec and Finished of a server that goes on with a session; its ServerHello is in the transcript. */
export function serversEnd(server: ScriptedServer, master: Uint8Array, messageSeq: number): Uint8Array {
  server.useMaster(master);
  const finished = server.finished('server', messageSeq);
  return concatBytes(
    server.changeCipherSpec(),
    server.sealed(ContentType.Handshake, encodeMessageFragment(finished, 0, 12), 1, 'server'),
  );
}
