/**
 * Server, flight 4 of an abbreviated handshake: ServerHello, [NewSessionTicket], ChangeCipherSpec, Finished
 * (RFC 5246 §7.3, RFC 5077 §3.1).
 *
 * @module
 */

import type { RecalledSession } from '../../session/server-sessions.ts';
import { keysOfMasterSecret } from '../derive-keys.ts';
import { FlightComposition } from '../flight-composition.ts';
import type { HandshakeContext, HandshakeState } from '../handshake-context.ts';
import { ExpectChangeCipherSpec } from './expect-change-cipher-spec.ts';
import type { Negotiated } from './negotiation.ts';
import { addServerHello, addSessionTicket } from './server-flight-parts.ts';

/** Sends flight 4; returns the state that takes the client's end of the handshake. */
export function sendResumptionFlight(
  context: HandshakeContext,
  negotiated: Negotiated,
  { session, pskIndex }: RecalledSession,
): HandshakeState {
  const { parameters } = negotiated;
  const flight = new FlightComposition(context);
  addServerHello(flight, negotiated);
  if (parameters.session.isTicketPromised) addSessionTicket(flight, context, session);
  const { masterSecret, proof, identity } = session;
  const keys = keysOfMasterSecret(context, parameters, masterSecret);
  context.installKeys(keys);
  flight.addFinished(parameters, masterSecret);
  flight.send(4);
  const known = pskIndex === undefined ? {} : { pskIndex };
  return new ExpectChangeCipherSpec([{ parameters, identity, proof, masterSecret, ...known }]);
}
