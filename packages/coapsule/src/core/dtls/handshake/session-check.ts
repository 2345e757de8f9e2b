/**
 * Before a session goes on, the application is asked again what it was asked when the session began: for the key of
 * the identity, or whether the certificate or raw public key is still good. So a device that was removed, a key that
 * was changed and a certificate that expired count at once, on both sides.
 *
 * @module
 */

import { equalBytesConstantTime } from '../../foundation/bytes.ts';
import { pskDigest, type SessionProof, type SessionState } from '../session/session-state.ts';
import type { HandshakeContext, HandshakeInput, HandshakeResult } from './handshake-context.ts';

/** Asks; false when there is nothing to ask, since the peer had proved nothing. */
export function askAgain(context: HandshakeContext, session: SessionState): boolean {
  const { identity, proof, serverName } = session;
  if (proof.kind === 'none') return false;
  if (proof.kind !== 'psk') {
    context.askToVerifyPeer(
      serverName === undefined ? { credential: proof } : { credential: proof, serverName },
    );
  } else if (context.role === 'server') {
    context.askForPsk({ identity });
  } else {
    context.askForPsk(proof.hint.length > 0 ? { hint: proof.hint } : {});
  }
  return true;
}

/**
 * The session with what the answer says of the peer, and which of its keys it is, where it has several; `undefined` when it
 * must not go on.
 */
export function confirmed(
  context: HandshakeContext,
  session: SessionState,
  input: HandshakeInput,
): { readonly session: SessionState; readonly pskIndex?: number } | undefined {
  const { proof } = session;
  if (input.kind === 'peer-verdict') {
    const { verdict } = input;
    return verdict.accepted ? { session: { ...session, identity: verdict.identity } } : undefined;
  }
  if (input.kind !== 'psk-answer' || input.answer === undefined || proof.kind !== 'psk') return undefined;
  const { identity = session.identity, key, otherKeys = [] } = input.answer;
  const isSameIdentity = context.role === 'server' || equalBytesConstantTime(identity, session.identity);
  const keys = [key, ...otherKeys];
  const pskIndex = keys.findIndex((one) =>
    equalBytesConstantTime(pskDigest(context.crypto, one), proof.keyDigest),
  );
  return isSameIdentity && pskIndex >= 0 ? { session, pskIndex } : undefined;
}

/**
 * Most bytes of what a peer showed that are remembered: three certificates of usual size fit. The peer decides what it
 * shows, needed or not, up to 16 KB, and a server may remember 10,000 sessions.
 */
const maxProofLength = 4096;

/**
 * What is to be remembered after a full handshake; nothing without an extended master secret (RFC 7627 §5.3) or when
 * the peer showed too much: then the next handshake is a full one again.
 */
export function sessionOf(context: HandshakeContext, result: HandshakeResult): SessionState | undefined {
  const { parameters, masterSecret, identity, proof } = result;
  const { suite, serverName, extendedMasterSecret } = parameters;
  if (!extendedMasterSecret || lengthOf(proof) > maxProofLength) return undefined;
  return { suite, masterSecret, identity, proof, serverName, createdAt: context.now };
}

function lengthOf(proof: SessionProof): number {
  switch (proof.kind) {
    case 'x509':
      return proof.chain.reduce((sum, { length }) => sum + length, 0);
    case 'raw-public-key':
      return proof.publicKey.length;
    case 'psk':
      return proof.hint.length;
    case 'none':
      return 0;
  }
}
