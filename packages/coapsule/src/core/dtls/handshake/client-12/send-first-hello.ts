/**
 * Client, flight 1: the first ClientHello goes out. What it offers is in `client-offer.ts`.
 *
 * @module
 */

import type { HandshakeContext, HandshakeState } from '../handshake-context.ts';
import { HandshakeType } from '../handshake-type.ts';
import { encodeClientHello } from '../messages/client-hello.ts';
import type { ClientOffer } from './client-offer.ts';
import { ExpectServerHello } from './expect-server-hello.ts';

/** Sends flight 1; returns the state that takes its answer. */
export function sendFirstHello(context: HandshakeContext, offer: ClientOffer): HandshakeState {
  const message = {
    type: HandshakeType.ClientHello,
    messageSeq: context.nextMessageSeq(),
    body: encodeClientHello(offer.hello),
  };
  if (offer.session !== undefined) context.sessionsAsClient.noteOffered(offer.serverName);
  context.sendFlight(1, [{ kind: 'message', message, epoch: 0 }]);
  return new ExpectServerHello(offer, message);
}
