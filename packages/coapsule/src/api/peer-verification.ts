/**
 * Judges what a peer shows in a handshake: its certificate by trust anchors, names, dates and the deny list, its raw
 * public key by those that are known, and both by the application's own hook.
 *
 * RFC 5280 §6, RFC 9525, RFC 7250 §6, RFC 7925 §4.4. That the peer has the private key is checked by the handshake. No
 * revocation lists, no OCSP.
 *
 * @module
 */

import type { PresentedCredential } from '../core/dtls/credentials.ts';
import type { PeerVerdict } from '../core/dtls/handshake/handshake-context.ts';
import type { HandshakeFailureCause } from '../core/dtls/handshake/handshake-failure.ts';
import { InvariantError, isDecodeFault } from '../core/foundation/errors.ts';
import type { PeerAddress } from '../core/foundation/peer-address.ts';
import { encodeUtf8 } from '../core/foundation/utf8.ts';
import { type Certificate, decodeCertificate, type TrustAnchor } from '../core/x509/certificate.ts';
import { nameOf } from '../core/x509/certificate-checks.ts';
import { validatePath } from '../core/x509/path-validation.ts';
import { recentCertificate } from '../core/x509/recent-certificates.ts';
import { matchServerName } from '../core/x509/service-identity.ts';
import { nodeCrypto } from '../crypto/node-crypto.ts';
import {
  type CertificateInfo,
  certificateInfo,
  type PublicKeyInfo,
  publicKeyInfo,
} from './certificate-info.ts';
import type { CheckedPeer, PeerDecision, PeerMatch, VerifyPeer } from './credential-options.ts';
import type { DenyList } from './deny-list.ts';

/** By what a peer is judged. */
export interface VerificationPolicy {
  /** What the peer is. */
  readonly peer: 'server' | 'client';
  /** What it may prove itself with; the handshake asks for nothing else. */
  readonly takes: readonly PresentedCredential['kind'][];
  /** Asked at each certificate. */
  readonly trustAnchors: () => readonly TrustAnchor[];
  /** Who has a raw public key; asked at each one. */
  readonly publicKeyOwner: (key: PublicKeyInfo) => PeerMatch | undefined | Promise<PeerMatch | undefined>;
  readonly denied: DenyList;
  readonly verifyPeer: VerifyPeer | undefined;
  /** Takes everything that the peer has the private key of. */
  readonly dangerouslySkip: boolean;
  readonly now: () => number;
}

/** Where the peer is and what it is called. */
export interface PeerPlace {
  readonly address: PeerAddress;
  /** Of the URI, for a server. */
  readonly host: string | undefined;
  readonly serverName: string | undefined;
}

/** A verdict, and what the application will want to know of the association. */
export interface Judgement {
  readonly verdict: PeerVerdict;
  readonly context: unknown;
  readonly certificateExpiresAt: Date | undefined;
}

interface Refusal {
  readonly cause: HandshakeFailureCause;
  readonly detail: string;
}

/** What the checks found; the hook decides on top of it. */
interface Checked {
  readonly identity: string;
  readonly context: unknown;
  readonly certificate: CertificateInfo | undefined;
  readonly publicKey: PublicKeyInfo;
  readonly path: readonly Certificate[];
}

/**
 * Judges one peer.
 *
 * @throws what a look-up or the hook rejects with: the peer is then to be refused.
 */
export async function judgePeer(
  credential: PresentedCredential,
  place: PeerPlace,
  policy: VerificationPolicy | undefined,
): Promise<Judgement> {
  if (policy === undefined)
    throw new InvariantError('a peer is to be verified by an endpoint without policy');
  if (!policy.takes.includes(credential.kind)) {
    const detail = `the peer shows ${credential.kind}; here ${policy.takes.join(', ') || 'nothing'} is taken`;
    return refused({ cause: 'no-common-certificate-type', detail });
  }
  const checked =
    credential.kind === 'x509'
      ? checkedCertificate(credential.chain, place, policy)
      : await checkedPublicKey(credential.publicKey, place, policy);
  if ('cause' in checked) return refused(checked);
  const { identity, certificate, publicKey, path } = checked;
  let decision: PeerDecision = true;
  if (policy.verifyPeer !== undefined) {
    const peer: CheckedPeer = {
      ...place,
      identity,
      certificate,
      publicKey,
      chain: path.map(({ der }) => der),
    };
    decision = await policy.verifyPeer(peer);
  }
  const name = certificate?.subject ?? `the key ${publicKey.fingerprint}`;
  if (decision === false || decision === undefined) {
    return refused({ cause: 'peer-refused', detail: `the application does not accept ${name}` });
  }
  const match: PeerMatch = decision === true ? checked : decision;
  // An empty name would be one for all who have none.
  if (policy.peer === 'client' && match.identity === '') {
    const detail = `${name} has no name for a device (RFC 7925 §4.4.2), and no \`verifyPeer\` gives it one`;
    return refused({ cause: 'peer-refused', detail });
  }
  return {
    verdict: { accepted: true, identity: encodeUtf8(match.identity) },
    context: match.context,
    certificateExpiresAt:
      path.length === 0 ? undefined : new Date(Math.min(...path.map(({ notAfterMs }) => notAfterMs))),
  };
}

function checkedCertificate(
  chain: readonly Uint8Array[],
  place: PeerPlace,
  policy: VerificationPolicy,
): Checked | Refusal {
  const own = recentCertificate(chain[0] as Uint8Array);
  if (isDecodeFault(own)) {
    return { cause: 'certificate-malformed', detail: `the certificate is malformed: ${own.reason}` };
  }
  const isDenied = (certificate: Certificate): boolean => policy.denied.has(certificate);
  let path: readonly Certificate[] = [own];
  if (policy.dangerouslySkip) {
    const denied = chain.map(decodeCertificate).find((one) => !isDecodeFault(one) && isDenied(one));
    if (denied !== undefined)
      return { cause: 'certificate-revoked', detail: `${nameOf(denied as Certificate)} is on the deny list` };
  } else {
    const validated = validatePath({
      chain,
      anchors: policy.trustAnchors(),
      nowMs: policy.now(),
      purpose: policy.peer,
      denied: isDenied,
      crypto: nodeCrypto,
    });
    if (!validated.accepted) return validated;
    path = validated.path;
    const name = place.serverName ?? place.host?.replace(/%.*$/, '');
    if (policy.peer === 'server' && name !== undefined) {
      const match = matchServerName(own, name);
      if (!match.matches) return { cause: 'name-mismatch', detail: match.detail };
    }
  }
  const certificate = certificateInfo(own);
  return {
    identity:
      policy.peer === 'server'
        ? (place.serverName ?? place.host ?? certificate.identity)
        : certificate.identity,
    context: undefined,
    certificate,
    publicKey: certificate.publicKey,
    path,
  };
}

async function checkedPublicKey(
  spki: Uint8Array,
  place: PeerPlace,
  policy: VerificationPolicy,
): Promise<Checked | Refusal> {
  const publicKey = publicKeyInfo(spki);
  const owner = policy.dangerouslySkip
    ? { identity: place.host ?? '' }
    : await policy.publicKeyOwner(publicKey);
  if (owner === undefined) {
    return {
      cause: 'unknown-public-key',
      detail: `the raw public key ${publicKey.fingerprint} (${publicKey.type}) is not known here`,
    };
  }
  return { identity: owner.identity, context: owner.context, certificate: undefined, publicKey, path: [] };
}

/** What a peer that is refused calls itself, for the log. */
export function claimedName(credential: PresentedCredential): string {
  if (credential.kind === 'raw-public-key') return publicKeyInfo(credential.publicKey).fingerprint;
  const certificate = recentCertificate(credential.chain[0] as Uint8Array);
  return isDecodeFault(certificate) ? '' : certificate.subject.text;
}

/** The judgement when a look-up or the hook failed; the reason stays on this side. */
export function refusedBy(error: unknown): Judgement {
  const reason = error instanceof Error ? error.message : String(error);
  return refused({ cause: 'peer-refused', detail: `the verification of the peer failed: ${reason}` });
}

function refused({ cause, detail }: Refusal): Judgement {
  return { verdict: { accepted: false, cause, detail }, context: undefined, certificateExpiresAt: undefined };
}
