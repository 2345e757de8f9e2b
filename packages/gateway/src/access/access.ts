/**
 * Who may do what, as one pure function.
 *
 * Not secured where security is needed → 4.01; secured, but as somebody else → 4.03 (RFC 7252 §5.9.2.2, §5.9.2.4).
 * Whether a resource exists is not judged here: an unknown path is let through and gets its 4.04.
 */
import type { Method } from 'coapsule';
import { type Rule, ruleCovers } from './rule.ts';

/**
 * How a resource is guarded: `public` for everyone over every transport, `secured` for every known identity,
 * `guarded` for identities with a rule that covers the request, `filtered` as guarded, but for every known identity:
 * the answer holds only what it may read.
 */
export type Protection = 'public' | 'secured' | 'guarded' | 'filtered';

/** Who asks. `rules` is undefined for an identity that is not (or no longer) a device. */
export type Asker =
  | { readonly kind: 'plain' }
  | { readonly kind: 'identity'; readonly rules: readonly Rule[] | undefined };

/** Switches of the whole gateway; both false unless the operator said otherwise. */
export interface AccessPolicy {
  /** Plain CoAP may do everything with guarded resources. */
  readonly dangerouslyAllowPlainWrites: boolean;
  /** Guarded resources may be read by everyone (`--demo`). */
  readonly openReads: boolean;
}

export type AccessDecision = 'allowed' | 'unauthorized' | 'forbidden';

/** Decide on one request. */
export function decideAccess(
  protection: Protection,
  method: Method,
  segments: readonly string[],
  asker: Asker,
  policy: AccessPolicy,
): AccessDecision {
  if (protection === 'public') return 'allowed';
  if (asker.kind === 'identity' && asker.rules === undefined) return 'unauthorized';
  if (protection === 'secured') return asker.kind === 'identity' ? 'allowed' : 'unauthorized';
  if (policy.openReads && (method === 'GET' || method === 'FETCH')) return 'allowed';
  if (asker.kind === 'plain') return policy.dangerouslyAllowPlainWrites ? 'allowed' : 'unauthorized';
  if (protection === 'filtered') return 'allowed';
  return asker.rules?.some((rule) => ruleCovers(rule, method, segments)) ? 'allowed' : 'forbidden';
}
