/**
 * Whether the peer of a kept association would still be let in: what changed while nobody listened counts at once, as it
 * does in a handshake.
 *
 * @module
 */

import type { PresentedCredential } from '../core/dtls/credentials.ts';
import { equalBytes } from '../core/foundation/bytes.ts';
import type { ResumableAssociation } from './association-store.ts';
import type { Eventual } from './eventual.ts';
import type { PskOptions } from './listen-options.ts';
import { type AssociationNotes, identityText } from './peer-info.ts';
import { judgePeer, type VerificationPolicy } from './peer-verification.ts';
import { findPsk } from './psk-lookup.ts';

/** By what peers are let in. */
export interface KeptPeerPolicy {
  readonly psk: PskOptions | undefined;
  readonly verification: VerificationPolicy | undefined;
  /** Of the PSK look-up. */
  readonly onError: (error: unknown) => void;
}

/**
 * Judges the peer again; there is no chain any more, so by its own certificate alone.
 *
 * @returns what is known of it now; `undefined` when it is not to be taken over.
 * @throws what the look-up of a raw public key or the hook rejects with.
 */
export function judgeKeptPeer(
  kept: ResumableAssociation,
  policy: KeptPeerPolicy,
): Eventual<AssociationNotes | undefined> {
  const { name, authentication, context, reviewed = false } = kept;
  if (authentication.kind === 'none') return undefined;
  // At once: there may be a hundred thousand of them.
  if (authentication.kind === 'psk' && reviewed) return { name, context };
  return judgeAgain(kept, policy);
}

async function judgeAgain(
  kept: ResumableAssociation,
  { psk, verification, onError }: KeptPeerPolicy,
): Promise<AssociationNotes | undefined> {
  const { name, identity, authentication, context, certificateExpiresAt, reviewed = false } = kept;
  if (authentication.kind === 'none') return undefined;
  if (authentication.kind === 'psk') {
    const match = psk && (await findPsk(psk, identity, onError));
    return match && { name, context: match.context };
  }
  if (verification === undefined) return undefined;
  const nowMs = verification.now();
  const credential: PresentedCredential =
    authentication.kind === 'x509' ? { kind: 'x509', chain: [authentication.certificate] } : authentication;
  const known = { identity: identityText(identity), context };
  const { verdict, ...found } = await judgePeer(
    credential,
    { address: kept.address, host: undefined, serverName: undefined },
    {
      ...verification,
      // The path was validated in the handshake; the deny list counts all the same.
      dangerouslySkip: credential.kind === 'x509',
      ...(reviewed ? { publicKeyOwner: () => known, verifyPeer: () => known } : {}),
    },
  );
  const expiresAt = certificateExpiresAt ?? found.certificateExpiresAt;
  const isCurrent = expiresAt === undefined || nowMs <= expiresAt.getTime();
  const isSame = verdict.accepted && equalBytes(verdict.identity, identity);
  return isCurrent && isSame ? { name, context: found.context, certificateExpiresAt: expiresAt } : undefined;
}
