/**
 * Two sides that connect to each other at the same time: which handshake goes on.
 *
 * For layers that are client and server at once; RFC 6347 knows no such thing. Each side sends a ClientHello, and if each
 * insisted on its own, neither would be answered. Both see both randoms, so both come to the same conclusion, and only
 * once a cookie showed that the other ClientHello is not from somewhere else (docs/decisions/020).
 *
 * @module
 */

import type { CheckedDtlsConfig } from './dtls-config.ts';
import type { Handshake } from './handshake/handshake.ts';

/**
 * Whether we may be the server of a peer that we wanted to be the client of: only if no client gets in without proving
 * who it is. Else whoever can forge a ClientHello would get the requests that were meant for the peer.
 */
export function mayGiveWay({ credentials, serverNames }: CheckedDtlsConfig): boolean {
  return [credentials, ...serverNames.values()].every(
    ({ certificate, rawPublicKey, clientAuthentication }) =>
      clientAuthentication === 'required' || (certificate === undefined && rawPublicKey === undefined),
  );
}

/**
 * Whether our own handshake as a client gives way to that of the peer: the larger random stays client. One that has got
 * a ServerHello goes on: then the peer has given way itself. Equal ones are our own ClientHello, sent back to us.
 */
export function givesWay(own: Handshake, peerRandom: Uint8Array): boolean {
  if (own.stateName !== 'ExpectServerHello') return false;
  const at = own.clientRandom.findIndex((byte, i) => byte !== peerRandom[i]);
  return at >= 0 && (own.clientRandom[at] as number) < (peerRandom[at] as number);
}
