/**
 * Server, flight 6: [NewSessionTicket], ChangeCipherSpec, Finished (RFC 5246 §7.3, RFC 5077 §3.1).
 *
 * Only now is the session remembered or put into a ticket: the client's Finished is verified (RFC 5077 §3.3).
 *
 * @module
 */

import { noBytes } from '../../../foundation/bytes.ts';
import { finishedBody } from '../derive-keys.ts';
import type { FlightContent, HandshakeContext, HandshakeResult } from '../handshake-context.ts';
import { HandshakeType } from '../handshake-type.ts';
import { encodeNewSessionTicket } from '../messages/new-session-ticket.ts';
import { sessionOf } from '../session-check.ts';

/** Sends flight 6 and keeps the session. */
export function sendLastFlight(context: HandshakeContext, result: HandshakeResult): void {
  const { parameters, masterSecret } = result;
  const { sessionId, isTicketPromised } = parameters.session;
  const session = sessionOf(context, result);
  if (session !== undefined) context.sessionsAsServer.remember(sessionId, session);
  const flight: FlightContent[] = [];
  const add = (type: number, body: Uint8Array, epoch: 0 | 1): void => {
    const message = { type, messageSeq: context.nextMessageSeq(), body };
    context.transcript.add(message);
    flight.push({ kind: 'message', message, epoch });
  };
  if (isTicketPromised) {
    const issued = session && context.sessionsAsServer.issueTicket(session);
    // RFC 5077 §3.3: an empty one when there is none after all.
    const body = encodeNewSessionTicket(issued ?? { ticket: noBytes, lifetimeSeconds: 0 });
    add(HandshakeType.NewSessionTicket, body, 0);
  }
  flight.push({ kind: 'change-cipher-spec' });
  add(HandshakeType.Finished, finishedBody(context, parameters, masterSecret, 'server'), 1);
  context.sendFlight(6, flight);
}
