/**
 * A new Security Context made of random IDs: the server's side, for one client.
 *
 * RFC 8613 Appendix B.2 steps 2 and 4, with the R2 of B.2.1 that needs no cache. Only for ends with good randomness. The key
 * of the R2s is in memory: a restart forgets the open runs, and their clients begin again.
 *
 * @module
 */

import { Code } from '../coap/code.ts';
import { OptionSet } from '../coap/option-set.ts';
import { concatBytes, equalBytes, noBytes } from '../foundation/bytes.ts';
import { isDecodeFault } from '../foundation/errors.ts';
import { type ContextParameters, type ContextSources, deriveSecurityContext } from './derive-context.ts';
import { unwrapId, VerifiableNonces, wrapId } from './id-nonces.ts';
import type { ServerSecurity, ServerVerdict } from './peer-security.ts';
import type { OscoreContent } from './plaintext.ts';
import { requestInput, ServerBinding } from './request-binding.ts';
import { type ContextKeeping, type SecurityContext, unusedContext } from './security-context.ts';
import {
  openRequest,
  type RefusedRequest,
  type RequestHeader,
  type RequestVerdict,
  verifyRequest,
} from './verify-request.ts';

/** What both ends know for good; the ID Context is what changes. */
export type FixedParameters = Omit<ContextParameters, 'idContext'>;

/** The contexts with one client: one at a time, and runs that may replace it. */
export class ServerRederivation implements ServerSecurity {
  readonly #sources: ContextSources;
  readonly #parameters: FixedParameters;
  readonly #keeping: ContextKeeping;
  readonly #nonces: VerifiableNonces;
  #current: SecurityContext | undefined;

  /**
   * @param current The context that the store holds: its ID Context and record. None before the first run.
   * @param keeping For contexts that a run makes.
   */
  constructor(
    sources: ContextSources,
    parameters: FixedParameters,
    current: SecurityContext | undefined,
    keeping: ContextKeeping = {},
  ) {
    this.#sources = sources;
    this.#parameters = parameters;
    this.#nonces = new VerifiableNonces(sources.crypto, sources.random);
    this.#current = current;
    this.#keeping = keeping;
  }

  get recipientId(): Uint8Array {
    return this.#parameters.recipientId;
  }

  /** Any kid context may begin a run. */
  accepts(): boolean {
    return true;
  }

  /** The context that the last run made. */
  get current(): SecurityContext | undefined {
    return this.#current;
  }

  /**
   * Verify a request of this client. When `current` is another context afterwards, it replaces the one before: the store
   * must hold its ID Context together with the record of the verdict, which is `store-first` then.
   */
  verifyRequest(message: OscoreContent, header: RequestHeader, mayDerive: () => boolean): ServerVerdict {
    const id = unwrapId(header.kidContext);
    const current = this.#current;
    if (current !== undefined && isMeant(current, header.kidContext, id)) {
      return verifyRequest(message, header, [current]);
    }
    if (id === undefined) return notFound('no context with this kid context, and it begins no run');
    if (!mayDerive())
      return { kind: 'refused', fault: 'too-many-runs', detail: 'too many runs of Appendix B.2 at a time' };
    // Step 4. While a run is open an R2 is known; afterwards a repeated request #2 meets the window of `current`.
    if (this.#nonces.begins(id)) return this.#complete(id, message, header);
    return this.#begin(id, message, header);
  }

  /** Open runs have taken too long (Appendix B.2.1): their R2s are worth nothing any more. */
  expireRuns(): void {
    this.#nonces.forget();
  }

  /** Step 2: request #1 verifies under its own ID, which any recording of it does too; so it is only answered. */
  #begin(id: Uint8Array, message: OscoreContent, header: RequestHeader): ServerVerdict {
    const first = this.#temporary(id);
    const input = requestInput(first, first.recipientId, header.partialIv);
    const opened = openRequest(first, message, input);
    if (opened === undefined || isDecodeFault(opened)) return notFound('request #1 does not verify');
    const r2 = this.#nonces.issue();
    const second = this.#temporary(concatBytes(r2, id));
    return {
      kind: 'rederive',
      binding: new ServerBinding(second, input, header.sequenceNumber, undefined, true),
      answer: { code: Code.Unauthorized, options: new OptionSet(), payload: noBytes },
      kidContext: wrapId(r2),
    };
  }

  #complete(id: Uint8Array, message: OscoreContent, header: RequestHeader): RequestVerdict {
    const third = deriveSecurityContext(
      this.#sources,
      { ...this.#parameters, idContext: id },
      unusedContext,
      this.#keeping,
    );
    const verdict = verifyRequest(message, header, [third]);
    if (verdict.kind === 'refused' && verdict.fault === 'decryption-failed') return verdict;
    this.#nonces.forget();
    // Its record would be stored in the place of the new one: nothing more is said under it.
    this.#current?.close();
    this.#current = third;
    return verdict;
  }

  /** A context for one message: its ID holds something random, and it is never used again. */
  #temporary(idContext: Uint8Array): SecurityContext {
    const parameters = { ...this.#parameters, idContext };
    return deriveSecurityContext(this.#sources, parameters, unusedContext, { dangerouslyVolatile: true });
  }
}

/** Without a kid context the one that is there is meant; the ID may come plain (§5.1) or wrapped (Appendix B.2). */
function isMeant(
  { idContext }: SecurityContext,
  kidContext: Uint8Array | undefined,
  id: Uint8Array | undefined,
): boolean {
  if (kidContext === undefined) return true;
  if (idContext === undefined) return false;
  return equalBytes(idContext, kidContext) || (id !== undefined && equalBytes(idContext, id));
}

function notFound(detail: string): RefusedRequest {
  return { kind: 'refused', fault: 'context-not-found', detail };
}
