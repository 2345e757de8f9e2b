/**
 * Server: messages that full and abbreviated handshakes have in common.
 *
 * @module
 */

import { noBytes } from '../../../foundation/bytes.ts';
import { ProtocolVersion } from '../../record/record-header.ts';
import type { SessionState } from '../../session/session-state.ts';
import type { FlightComposition } from '../flight-composition.ts';
import type { HandshakeContext } from '../handshake-context.ts';
import { HandshakeType } from '../handshake-type.ts';
import { encodeNewSessionTicket } from '../messages/new-session-ticket.ts';
import { encodeServerHello } from '../messages/server-hello.ts';
import type { Negotiated } from './negotiation.ts';

/** Adds the ServerHello, which says what was chosen. */
export function addServerHello(flight: FlightComposition, { parameters, extensions }: Negotiated): void {
  flight.add(
    HandshakeType.ServerHello,
    encodeServerHello({
      version: ProtocolVersion.Dtls12,
      random: parameters.serverRandom,
      sessionId: parameters.session.sessionId,
      cipherSuite: parameters.suite.id,
      compressionMethod: 0,
      extensions,
    }),
  );
}

/** Adds the NewSessionTicket that the ServerHello promised: an empty one when there is none after all (RFC 5077 §3.3). */
export function addSessionTicket(
  flight: FlightComposition,
  context: HandshakeContext,
  session: SessionState | undefined,
): void {
  const issued = session && context.sessionsAsServer.issueTicket(session);
  const body = encodeNewSessionTicket(issued ?? { ticket: noBytes, lifetimeSeconds: 0 });
  flight.add(HandshakeType.NewSessionTicket, body);
}
