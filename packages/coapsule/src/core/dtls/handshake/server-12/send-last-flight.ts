/**
 * Server, flight 6: [NewSessionTicket], ChangeCipherSpec, Finished (RFC 5246 §7.3, RFC 5077 §3.1).
 *
 * Only now is the session remembered or put into a ticket: the client's Finished is verified (RFC 5077 §3.3).
 *
 * @module
 */

import { FlightComposition } from '../flight-composition.ts';
import type { HandshakeContext, HandshakeResult } from '../handshake-context.ts';
import { sessionOf } from '../session-check.ts';
import { addSessionTicket } from './server-flight-parts.ts';

/** Sends flight 6 and keeps the session. */
export function sendLastFlight(context: HandshakeContext, result: HandshakeResult): void {
  const { parameters, masterSecret } = result;
  const { sessionId, isTicketPromised } = parameters.session;
  const session = sessionOf(context, result);
  if (session !== undefined) context.sessionsAsServer.remember(sessionId, session);
  const flight = new FlightComposition(context);
  if (isTicketPromised) addSessionTicket(flight, context, session);
  flight.addFinished(parameters, masterSecret);
  flight.send(6);
}
