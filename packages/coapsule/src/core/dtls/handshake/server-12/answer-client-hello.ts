/**
 * Server, flight 3 → 4: the answer to a ClientHello, with a session that goes on or a new one.
 *
 * @module
 */

import type { RecalledSession } from '../../session/server-sessions.ts';
import type { HandshakeContext, HandshakeState } from '../handshake-context.ts';
import type { HandshakeMessage } from '../message-header.ts';
import type { ClientHello } from '../messages/client-hello.ts';
import { negotiate } from './negotiation.ts';
import { sendResumptionFlight } from './send-resumption-flight.ts';
import { sendServerFlight } from './send-server-flight.ts';

/** Chooses and sends flight 4; returns the state that takes flight 5. */
export function answerClientHello(
  context: HandshakeContext,
  message: HandshakeMessage,
  hello: ClientHello,
  recalled: RecalledSession | undefined,
): HandshakeState {
  const negotiated = negotiate(hello, context, recalled);
  if ('cause' in negotiated) return context.fail(negotiated);
  context.transcript.add(message);
  context.agree(negotiated.parameters);
  return recalled === undefined
    ? sendServerFlight(context, negotiated)
    : sendResumptionFlight(context, negotiated, recalled);
}
