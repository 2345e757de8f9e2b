/**
 * From the `kid` and kid context of a request to the Security Contexts that it may mean.
 *
 * RFC 8613 §3.3, §5.1 and §8.2 step 2. The interface is where contexts come from: a table of what is provisioned, as here,
 * or a key exchange that makes them later (EDHOC, Group OSCORE).
 *
 * @module
 */

import { equalBytes, toHex } from '../foundation/bytes.ts';
import { ApiMisuseError } from '../foundation/errors.ts';
import type { SecurityContext } from './security-context.ts';

/** Who knows Security Contexts. */
export interface ContextProvider {
  /**
   * The contexts a request may mean, most likely one; none when there is none. They are tried one after the other, so
   * there should be few.
   *
   * @param kid Recipient ID of the context, 0 … 255 bytes.
   * @param kidContext ID Context of the context, when the request has one: then no other may be used (RFC 8613 §5).
   */
  contextsFor(kid: Uint8Array, kidContext: Uint8Array | undefined): readonly SecurityContext[];
}

/** Contexts that one request without a kid context is tried with: each costs a decryption that anybody can ask for. */
const maxCandidates = 8;

/** Contexts by Recipient ID and ID Context. */
export class ContextTable implements ContextProvider {
  readonly #byKid = new Map<string, SecurityContext[]>();

  /** Adds a context. Throws `ApiMisuseError` when there is one with the same Recipient ID and ID Context. */
  add(context: SecurityContext): void {
    const kid = toHex(context.recipientId);
    const contexts = this.#byKid.get(kid) ?? [];
    if (contexts.some((other) => sameIdContext(other.idContext, context.idContext))) {
      throw new ApiMisuseError(
        `there is a context with Recipient ID 0x${kid} and this ID Context already; remove it first (RFC 8613 §3.3)`,
      );
    }
    this.#byKid.set(kid, [...contexts, context]);
  }

  /** Removes a context; false when it is not there. */
  remove(context: SecurityContext): boolean {
    const kid = toHex(context.recipientId);
    const contexts = this.#byKid.get(kid) ?? [];
    const others = contexts.filter((other) => other !== context);
    if (others.length === 0) this.#byKid.delete(kid);
    else this.#byKid.set(kid, others);
    return others.length < contexts.length;
  }

  contextsFor(kid: Uint8Array, kidContext: Uint8Array | undefined): readonly SecurityContext[] {
    const contexts = this.#byKid.get(toHex(kid)) ?? [];
    if (kidContext !== undefined) {
      return contexts.filter(({ idContext }) => idContext !== undefined && equalBytes(idContext, kidContext));
    }
    // §5.1: the client is told that none was found, and comes again with its kid context.
    return contexts.length > maxCandidates ? [] : contexts;
  }
}

function sameIdContext(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b);
}
