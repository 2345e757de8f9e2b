/**
 * Client, at the end of a handshake: what of its session is kept for another one.
 *
 * @module
 */

import type { HandshakeContext, HandshakeResult } from '../handshake-context.ts';
import { sessionOf } from '../session-check.ts';

/** Keeps the session under the name that the server gave it, or forgets what is of no use any more. */
export function rememberSession(context: HandshakeContext, result: HandshakeResult): void {
  const { parameters, newTicket } = result;
  const { serverName } = parameters;
  const { sessionId, resumed } = parameters.session;
  const session = resumed ?? sessionOf(context, result);
  if (session !== undefined && newTicket !== undefined && newTicket.ticket.length > 0) {
    // RFC 5077 §3.4: with a ticket the session id does not count.
    context.sessionsAsClient.remember({ session, by: { kind: 'ticket', ...newTicket } });
  } else if (resumed !== undefined) {
    context.sessionsAsClient.noteResumed(serverName);
  } else if (session !== undefined && sessionId.length > 0) {
    context.sessionsAsClient.remember({ session, by: { kind: 'session-id', sessionId } });
  } else {
    context.sessionsAsClient.forget(serverName);
  }
}
