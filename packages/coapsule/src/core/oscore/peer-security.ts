/**
 * The contexts with one peer, whichever they are at the moment: what a client protects its requests with, and what a server
 * verifies requests with.
 *
 * RFC 8613 §5.1, §8.2 step 2. A context that stays is here; one that is derived anew is in `client-rederivation.ts` and
 * `server-rederivation.ts`. A key exchange that makes contexts would be another form of the same two interfaces.
 *
 * @module
 */

import { equalBytes } from '../foundation/bytes.ts';
import type { OscoreContent } from './plaintext.ts';
import type { ClientBinding, ServerBinding } from './request-binding.ts';
import type { SecurityContext } from './security-context.ts';
import { type RequestHeader, type RequestVerdict, verifyRequest } from './verify-request.ts';
import { type ResponseVerdict, verifyResponse } from './verify-response.ts';

/** What to protect a request with. */
export interface RequestContext {
  readonly context: SecurityContext;
  readonly kidContext: Uint8Array | undefined;
}

/** What became of a response; beside the verdicts of one context: protect the same request again and send it. */
export type ClientVerdict = ResponseVerdict | { readonly kind: 'repeat' };

/** The client's side of the security with one server. */
export interface ClientSecurity {
  /** What to protect the next request with. */
  forRequest(): RequestContext;
  /** Verify a response to a request that was protected with a context from here. */
  verifyResponse(binding: ClientBinding, message: OscoreContent): ClientVerdict;
  /**
   * The server has no such context, or so somebody says: the answer is not protected (RFC 8613 §8.2 step 2).
   *
   * @param context The one that the request was protected with.
   * @returns whether the same request may be understood when it is protected again.
   */
  contextNotFound(context: SecurityContext): boolean;
  /** The same where the server finds a context that the request does not verify under (§8.2 step 6). */
  decryptionFailed(context: SecurityContext): boolean;
}

/** What became of a request; beside the verdicts of one context: */
export type ServerVerdict =
  | RequestVerdict
  /** Not carried out: `answer` is to be protected with `binding` and this kid context (Appendix B.2 step 2). */
  | {
      readonly kind: 'rederive';
      readonly binding: ServerBinding;
      readonly answer: OscoreContent;
      readonly kidContext: Uint8Array;
    };

/** The server's side of the security with one client. */
export interface ServerSecurity {
  /** The `kid` of its requests. */
  readonly recipientId: Uint8Array;
  /** Whether a request with its `kid` and this kid context may be from it. */
  accepts(kidContext: Uint8Array | undefined): boolean;
  /**
   * Verify a request that may be from it.
   *
   * @param mayDerive Asked before a context is derived for a request of which nothing is known yet; false: not now.
   */
  verifyRequest(message: OscoreContent, header: RequestHeader, mayDerive: () => boolean): ServerVerdict;
  /** Some time after a `rederive`: what it began and was not completed is worth nothing any more (Appendix B.2.1). */
  expireRuns?(): void;
}

/** One context for good, in both roles. */
export class FixedContext implements ClientSecurity, ServerSecurity {
  readonly context: SecurityContext;
  #tellsId: boolean;

  /** @param tellsId Whether the ID Context goes with every request, for servers that have several with one `kid` (§5.1). */
  constructor(context: SecurityContext, tellsId = false) {
    this.context = context;
    this.#tellsId = tellsId;
  }

  get recipientId(): Uint8Array {
    return this.context.recipientId;
  }

  forRequest(): RequestContext {
    const { context } = this;
    return { context, kidContext: this.#tellsId ? context.idContext : undefined };
  }

  verifyResponse(binding: ClientBinding, message: OscoreContent): ResponseVerdict {
    return verifyResponse(binding, message);
  }

  contextNotFound(): boolean {
    if (this.#tellsId || this.context.idContext === undefined) return false;
    this.#tellsId = true;
    return true;
  }

  /** There is no other one. */
  decryptionFailed(): boolean {
    return false;
  }

  /** §5: with a kid context, only the context with that ID Context. */
  accepts(kidContext: Uint8Array | undefined): boolean {
    const { idContext } = this.context;
    return kidContext === undefined || (idContext !== undefined && equalBytes(idContext, kidContext));
  }

  verifyRequest(message: OscoreContent, header: RequestHeader): RequestVerdict {
    return verifyRequest(message, header, [this.context]);
  }
}
