/**
 * Client, flight 1: the first ClientHello. What it offers is in `client-offer.ts`, the cookie exchange in the next state.
 *
 * @module
 */

import { noBytes } from '../../../foundation/bytes.ts';
import { AlertDescription } from '../../alert.ts';
import type { HandshakeContext, HandshakeState } from '../handshake-context.ts';
import { HandshakeType } from '../handshake-type.ts';
import { encodeClientHello } from '../messages/client-hello.ts';
import { composeOffer } from './client-offer.ts';
import { ExpectServerHello } from './expect-server-hello.ts';

/** Sends the first ClientHello; returns the state that takes its answer, and the client's random. */
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
  const message = {
    type: HandshakeType.ClientHello,
    messageSeq: context.nextMessageSeq(),
    body: encodeClientHello(offer.hello),
  };
  context.sendFlight(1, [{ kind: 'message', message, epoch: 0 }]);
  return { state: new ExpectServerHello(offer, message), random: offer.hello.random };
}
