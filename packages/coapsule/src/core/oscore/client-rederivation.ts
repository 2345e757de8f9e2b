/**
 * A new Security Context made of random IDs: the client's side, for one server.
 *
 * RFC 8613 Appendix B.2 steps 1, 3 and 5. Only for ends with good randomness. Each request is protected with what
 * `forRequest` says; a response may ask for the same request once more, under another context.
 *
 * @module
 */

import { Code } from '../coap/code.ts';
import { concatBytes } from '../foundation/bytes.ts';
import { type ContextSources, deriveSecurityContext } from './derive-context.ts';
import { idNonce, unwrapR2, wrapId } from './id-nonces.ts';
import type { ClientSecurity, ClientVerdict, RequestContext } from './peer-security.ts';
import type { OscoreContent } from './plaintext.ts';
import type { ClientBinding } from './request-binding.ts';
import { type ContextKeeping, type SecurityContext, unusedContext } from './security-context.ts';
import type { FixedParameters } from './server-rederivation.ts';
import { readResponseHeader, verifyResponse } from './verify-response.ts';

type State =
  /** There is no context: the next request begins a run. */
  | { readonly name: 'none' }
  /** Request #1 is on its way, under a context of R1 (step 1). */
  | { readonly name: 'asking'; readonly context: SecurityContext }
  /** Under R2 and R3, or an ID that the server may have lost: its requests carry the kid context (steps 3 to 5). */
  | { readonly name: 'proving'; readonly context: SecurityContext }
  /** The server has verified the context. */
  | { readonly name: 'established'; readonly context: SecurityContext };

/** The contexts with one server: one at a time, and a run that replaces it. */
export class ClientRederivation implements ClientSecurity {
  readonly #sources: ContextSources;
  readonly #parameters: FixedParameters;
  readonly #keeping: ContextKeeping;
  #state: State;

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
    this.#keeping = keeping;
    this.#state = current === undefined ? { name: 'none' } : { name: 'established', context: current };
  }

  /** The context that is in use, and stored: none while the run has not come so far. */
  get current(): SecurityContext | undefined {
    const state = this.#state;
    return state.name === 'proving' || state.name === 'established' ? state.context : undefined;
  }

  /** How far the run is; `established` when there is none. */
  get state(): State['name'] {
    return this.#state.name;
  }

  /**
   * What to protect the next request with. When the context is another one than before and not volatile, `protectRequest`
   * asks for a record first: the store must hold the new ID Context together with it, in the place of the old one.
   */
  forRequest(): RequestContext {
    if (this.#state.name === 'none') {
      // Step 1: nobody has used these keys, since R1 is random, and nobody will use them again.
      this.#state = {
        name: 'asking',
        context: this.#derive(idNonce(this.#sources.random), { dangerouslyVolatile: true }),
      };
    }
    const { name, context } = this.#state;
    const { idContext } = context;
    return {
      context,
      kidContext: name === 'established' || idContext === undefined ? undefined : wrapId(idContext),
    };
  }

  /** Verify a response to a request that was protected with a context from here. */
  verifyResponse(binding: ClientBinding, message: OscoreContent): ClientVerdict {
    const header = readResponseHeader(message);
    const r2 = typeof header === 'string' ? undefined : unwrapR2(header.kidContext);
    if (r2 !== undefined) return this.#answered(r2, binding, message);
    const verdict = verifyResponse(binding, message);
    const state = this.#state;
    // Step 5.
    if (verdict.kind === 'verified' && state.name === 'proving' && state.context === binding.context) {
      this.#state = { name: 'established', context: state.context };
    }
    return verdict;
  }

  /**
   * The server answered without protection that it has no context (§8.2 step 2), which anybody can write. First the ID is
   * told (§5.1); if that does not help, a new run begins.
   *
   * @param context The one that the request was protected with: a late answer for an older one changes nothing.
   */
  contextNotFound(context: SecurityContext): boolean {
    const state = this.#state;
    if (state.name === 'none' || state.context !== context) return true;
    this.#state =
      state.name === 'established' && context.idContext !== undefined
        ? { name: 'proving', context }
        : { name: 'none' };
    return true;
  }

  /**
   * A server that has lost the derived context and keeps the parameters alone may try these: what a request with no more
   * than a kid says is then not "not found". As above, since it means the same.
   */
  decryptionFailed(context: SecurityContext): boolean {
    return this.contextNotFound(context);
  }

  /** Step 3: response #1, under R2 and the ID of its request. */
  #answered(r2: Uint8Array, binding: ClientBinding, message: OscoreContent): ClientVerdict {
    const id = binding.context.idContext;
    if (id === undefined) {
      return { kind: 'discarded', fault: 'malformed', detail: 'a kid context for a request that had none' };
    }
    const second = this.#derive(concatBytes(r2, id), { dangerouslyVolatile: true });
    const verdict = verifyResponse(binding.under(second), message);
    if (verdict.kind !== 'verified') return verdict;
    if (verdict.response.code !== Code.Unauthorized) {
      return {
        kind: 'discarded',
        fault: 'malformed',
        detail: 'a kid context in a response that is not 4.01',
      };
    }
    binding.answered = true;
    // Of several requests of one run, the first response decides; the others follow.
    if (this.#state.name === 'none' || this.#state.context === binding.context) {
      const third = this.#derive(concatBytes(r2, idNonce(this.#sources.random)), this.#keeping);
      this.#state = { name: 'proving', context: third };
    }
    return { kind: 'repeat' };
  }

  #derive(idContext: Uint8Array, keeping: ContextKeeping): SecurityContext {
    return deriveSecurityContext(this.#sources, { ...this.#parameters, idContext }, unusedContext, keeping);
  }
}
