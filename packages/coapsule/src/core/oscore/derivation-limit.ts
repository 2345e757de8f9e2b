/**
 * How much key derivation strangers can make a server do: a run of Appendix B.2 is begun, and completed, by a request of which
 * nothing is known before a context was derived for it.
 *
 * RFC 8613 Appendix B.2.1 (denial of service), §12.4. What is refused is answered 5.03, and its client tries again.
 *
 * @module
 */

import type { Instant } from '../foundation/instant.ts';
import { TokenBucket } from '../foundation/token-bucket.ts';
import type { ServerSecurity } from './peer-security.ts';

/** Derivations a second, and at once, for all clients of an endpoint: a few hundredths of a core. */
const forAll = 256;

/** For one client, so that a flood in the name of one leaves something for the others. */
const forOne = 32;

/** The limits of one endpoint. */
export class DerivationLimit {
  readonly #all = new TokenBucket(forAll, forAll);
  readonly #each = new WeakMap<ServerSecurity, TokenBucket>();

  /** Counts a derivation for a request in the name of this client; false when there were too many. */
  take(client: ServerSecurity, now: Instant): boolean {
    let one = this.#each.get(client);
    if (one === undefined) {
      one = new TokenBucket(forOne, forOne);
      this.#each.set(client, one);
    }
    return one.take(now) && this.#all.take(now);
  }
}
