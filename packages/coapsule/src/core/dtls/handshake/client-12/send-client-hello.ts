/**
 * Client, before flight 1: what is offered (`client-offer.ts`), and with which session. A session is offered only after
 * the application has said that what it was made with still holds.
 *
 * @module
 */

import { noBytes } from '../../../foundation/bytes.ts';
import { AlertDescription } from '../../alert.ts';
import type { HandshakeContext, HandshakeState } from '../handshake-context.ts';
import { askAgain } from '../session-check.ts';
import { AwaitSessionCheck } from './await-session-check.ts';
import { composeOffer, withSession } from './client-offer.ts';
import { sendFirstHello } from './send-first-hello.ts';

/** Sends the first ClientHello, or asks before; returns the first state, and the client's random. */
export function sendClientHello(
  context: HandshakeContext,
  serverName: string | undefined,
): { readonly state: HandshakeState; readonly random: Uint8Array } {
  const offer = composeOffer(context, serverName);
  if (offer === undefined) {
    const state = context.fail({
      cause: 'no-credentials',
      detail: 'none of the allowed cipher suites goes with the credentials there are',
      alert: AlertDescription.HandshakeFailure,
    });
    return { state, random: noBytes };
  }
  const { random } = offer.hello;
  const known = context.sessionsAsClient.find(offer.serverName);
  if (known === undefined || !offer.suites.includes(known.session.suite)) {
    return { state: sendFirstHello(context, offer), random };
  }
  const state = askAgain(context, known.session)
    ? new AwaitSessionCheck(offer, known)
    : sendFirstHello(context, withSession(context, offer, known));
  return { state, random };
}
