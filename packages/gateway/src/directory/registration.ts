/**
 * What the Resource Directory knows of one endpoint: a registration (RFC 9176 §5).
 */
import { createHash } from 'node:crypto';
import type { Link, LinkAttribute } from 'coapsule/message';

/** Seconds, when a registration says nothing of its lifetime: 25 hours (RFC 9176 §5). */
export const defaultLifetimeSeconds = 90_000;

/** Where an endpoint is: what the relative links of its registration are resolved against. */
export interface RegistrationBase {
  /** `scheme://authority`, without a zone. */
  readonly uri: string;
  /** Whether the registrant has given it; otherwise it is where the registrant's requests come from. */
  readonly isGiven: boolean;
  /** The zone of a link-local address: it is shown to nobody on other links (RFC 9176 §6.1). */
  readonly zone: string | undefined;
}

/** One registration. Two are of the same endpoint when `name` and `sector` are the same. */
export interface Registration {
  /** The last segment of its location; stable, made of name and sector. */
  readonly id: string;
  readonly name: string;
  /** Empty for none. */
  readonly sector: string;
  /** Who may change it: the identity that has registered it; undefined for a registrant without one. */
  readonly owner: string | undefined;
  readonly lifetimeSeconds: number;
  readonly base: RegistrationBase;
  /** Further registration parameters, such as `et`, in their order. */
  readonly attributes: readonly LinkAttribute[];
  /** As submitted, in Limited Link Format (RFC 9176 Appendix C). */
  readonly links: readonly Link[];
  readonly expiresAtMs: number;
}

/** The path of a registration, which its registrant refreshes and removes it by. */
export function locationOf(id: string): string {
  return `/rd/${id}`;
}

/**
 * The id of an endpoint: eight characters that need no escaping.
 *
 * @param attempt Above 0 where another endpoint has that id.
 */
export function registrationId(name: string, sector: string, attempt: number): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([sector, name, attempt]))
    .digest();
  return digest.subarray(0, 6).toString('base64url');
}
