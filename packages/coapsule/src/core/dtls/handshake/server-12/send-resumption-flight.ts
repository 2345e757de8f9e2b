/**
 * Server, flight 4 of an abbreviated handshake: ServerHello, [NewSessionTicket], ChangeCipherSpec, Finished
 * (RFC 5246 §7.3, RFC 5077 §3.1).
 *
 * @module
 */

import { noBytes } from '../../../foundation/bytes.ts';
import { ProtocolVersion } from '../../record/record-header.ts';
import type { SessionState } from '../../session/session-state.ts';
import { finishedBody, keysOfMasterSecret } from '../derive-keys.ts';
import type { FlightContent, HandshakeContext, HandshakeState } from '../handshake-context.ts';
import { HandshakeType } from '../handshake-type.ts';
import { encodeNewSessionTicket } from '../messages/new-session-ticket.ts';
import { encodeServerHello } from '../messages/server-hello.ts';
import { ExpectChangeCipherSpec } from './expect-change-cipher-spec.ts';
import type { Negotiated } from './negotiation.ts';

/** Sends flight 4; returns the state that takes the client's end of the handshake. */
export function sendResumptionFlight(
  context: HandshakeContext,
  { parameters, extensions }: Negotiated,
  session: SessionState,
): HandshakeState {
  const flight: FlightContent[] = [];
  const add = (type: number, body: Uint8Array, epoch: 0 | 1 = 0): void => {
    const message = { type, messageSeq: context.nextMessageSeq(), body };
    context.transcript.add(message);
    flight.push({ kind: 'message', message, epoch });
  };
  add(
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
  if (parameters.session.isTicketPromised) {
    const issued = context.sessionsAsServer.issueTicket(session);
    add(
      HandshakeType.NewSessionTicket,
      encodeNewSessionTicket(issued ?? { ticket: noBytes, lifetimeSeconds: 0 }),
    );
  }
  const { masterSecret, proof, identity } = session;
  const keys = keysOfMasterSecret(context, parameters, masterSecret);
  context.installKeys(keys);
  flight.push({ kind: 'change-cipher-spec' });
  add(HandshakeType.Finished, finishedBody(context, parameters, masterSecret, 'server'), 1);
  context.sendFlight(4, flight);
  return new ExpectChangeCipherSpec({ parameters, identity, proof, masterSecret });
}
