/**
 * A Security Context as applications hold it: one end of it, with the store that its state is kept in.
 *
 * RFC 8613 §3. What is stored when, and why, is in `core/oscore/security-context.ts` and docs/decisions/045. A store in a file
 * is in `node/oscore-file.ts`.
 *
 * @module
 */

import type { Endpoint } from '../core/endpoint/endpoint.ts';
import type { EndpointOutput, OutgoingRequest } from '../core/endpoint/outputs.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import type { Instant } from '../core/foundation/instant.ts';
import { ClientRederivation } from '../core/oscore/client-rederivation.ts';
import { ContextTable } from '../core/oscore/context-lookup.ts';
import type { OscoreAead, OscoreHkdf } from '../core/oscore/cose-algorithms.ts';
import { type ContextSources, deriveSecurityContext } from '../core/oscore/derive-context.ts';
import { type ClientSecurity, FixedContext, type ServerSecurity } from '../core/oscore/peer-security.ts';
import {
  type ContextKeeping,
  type ContextRecord,
  type SecurityContext,
  unusedContext,
} from '../core/oscore/security-context.ts';
import { ServerRederivation } from '../core/oscore/server-rederivation.ts';
import { fastCrypto } from '../crypto/fast-crypto.ts';
import { systemRandom } from '../node/system-random.ts';

/** What is kept of a context. It only grows, but for what `close` leaves. */
export interface OscoreState {
  /** No Sender Sequence Number at or above it was ever used. */
  readonly senderEdge: number;
  /** Every request that was carried out had a Partial IV below it. */
  readonly recipientEdge: number;
  /** Of a context that was derived anew (RFC 8613 Appendix B.2). */
  readonly idContext?: Uint8Array;
}

/** Where the state of one context is kept. One process at a time may have it. */
export interface OscoreStore {
  /** What is kept; `undefined` if nothing ever was. Asked once. */
  load(): Promise<OscoreState | undefined>;
  /** Fulfils when the state is durable, also after a loss of power. Called in order; the states replace each other. */
  save(state: OscoreState): Promise<void>;
  /** Nothing more will be asked. */
  close?(): Promise<void>;
}

/** What both ends agree on (RFC 8613 §3.2), and where the state is kept. */
export interface OscoreContextOptions {
  /** 16 random bytes or more. */
  readonly masterSecret: Uint8Array;
  readonly masterSalt?: Uint8Array;
  /** 0 … 7 bytes; the other end has it as its Recipient ID. Less with other algorithms than the default. */
  readonly senderId: Uint8Array;
  readonly recipientId: Uint8Array;
  readonly idContext?: Uint8Array;
  /** `AES-CCM-16-64-128` by default. */
  readonly aead?: OscoreAead;
  /** `SHA-256` by default. */
  readonly hkdf?: OscoreHkdf;
  /** Width of the Replay Window; 32 by default. */
  readonly replayWindow?: number;
  /** Without one, state is lost with the process: only with `deriveAnew`. */
  readonly store?: OscoreStore;
  /**
   * Nobody has ever used these parameters. Then a store that is empty is right; otherwise it means that state was lost, and
   * the context is refused, since it would use numbers twice and take recorded requests for new ones.
   */
  readonly firstUse?: boolean;
  /**
   * Contexts are derived anew from random IDs when one end has lost its state (RFC 8613 Appendix B.2), which costs one
   * exchange more. Both ends must do it; this one as client, or as server.
   */
  readonly deriveAnew?: 'client' | 'server';
  /** Whatever the application wants to find in `PeerInfo.oscore` again; never looked into. */
  readonly context?: unknown;
}

/** One end of a Security Context (RFC 8613 §3). For `Client` and `Server.listen`; made by `open`. */
export class OscoreContext implements AsyncDisposable {
  readonly senderId: Uint8Array;
  readonly recipientId: Uint8Array;
  readonly context: unknown;
  readonly #store: OscoreStore | undefined;
  readonly #security: Security;
  /** The latest write, and all before it. */
  #written: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  /**
   * Takes the state out of its store.
   *
   * @throws ApiMisuseError for parameters that no context can have, and for a store that is empty without `firstUse`.
   */
  static async open(options: OscoreContextOptions): Promise<OscoreContext> {
    const { store, deriveAnew, firstUse = false } = options;
    if (store === undefined && deriveAnew === undefined) {
      throw new ApiMisuseError(
        'store is missing: without one a restart would use numbers twice (RFC 8613 §7.5)',
      );
    }
    if (deriveAnew !== undefined && options.idContext !== undefined) {
      throw new ApiMisuseError('idContext cannot be given with deriveAnew, which makes it');
    }
    const state = await store?.load();
    if (state === undefined && deriveAnew === undefined && !firstUse) {
      await store?.close?.();
      throw new ApiMisuseError(
        'the store of the Security Context is empty; expected its state. Say firstUse: true only if it was never used',
      );
    }
    return new OscoreContext(options, state);
  }

  private constructor(options: OscoreContextOptions, state: OscoreState | undefined) {
    const { store, deriveAnew, firstUse: _, context, replayWindow, ...parameters } = options;
    const sources: ContextSources = { crypto: fastCrypto(), random: systemRandom };
    this.senderId = options.senderId;
    this.recipientId = options.recipientId;
    this.context = context;
    this.#store = store;
    const keeping: ContextKeeping = {
      owner: this,
      ...(replayWindow !== undefined && { replayWindow }),
      ...(store === undefined && { dangerouslyVolatile: true }),
    };
    const { idContext = state?.idContext, ...fixed } = parameters;
    const derive = (): SecurityContext =>
      deriveSecurityContext(
        sources,
        { ...fixed, ...(idContext !== undefined && { idContext }) },
        state ?? unusedContext,
        keeping,
      );
    // What the parameters allow is found out here, whether there is a context yet or not.
    const current = deriveAnew === undefined || state?.idContext !== undefined ? derive() : undefined;
    if (current === undefined) derive().close();
    if (deriveAnew === undefined) this.#security = new FixedContext(current as SecurityContext);
    else if (deriveAnew === 'client')
      this.#security = new ClientRederivation(sources, fixed, current, keeping);
    else this.#security = new ServerRederivation(sources, fixed, current, keeping);
    securities.set(this, this.#security);
    contexts.set(this.#security, this);
  }

  /** Stores a record, after all those before it. */
  save({ idContext }: SecurityContext, record: ContextRecord): Promise<void> {
    const state = { ...record, ...(idContext !== undefined && { idContext }) };
    const written = this.#written.then(() => this.#store?.save(state));
    this.#written = written.catch(() => undefined);
    return written;
  }

  /** Ends its use: what is protected or verified later fails. The store keeps the exact state. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    const { context } = currentOf(this.#security);
    try {
      if (context !== undefined) await this.save(context, context.close());
    } finally {
      await this.#store?.close?.();
    }
  }
}

type Security = FixedContext | ClientRederivation | ServerRederivation;

const securities = new WeakMap<OscoreContext, Security>();
const contexts = new WeakMap<ClientSecurity | ServerSecurity, OscoreContext>();

/** What a client protects its requests with. @throws ApiMisuseError for an end that is a server. */
export function clientSecurityOf(context: OscoreContext): ClientSecurity {
  const security = securities.get(context);
  if (security === undefined)
    throw new ApiMisuseError('oscore is no OscoreContext; make one with OscoreContext.open');
  if (security instanceof ServerRederivation) {
    throw new ApiMisuseError("oscore was opened with deriveAnew: 'server'; expected 'client'");
  }
  return security;
}

/** The context of a peer that a request came from, or goes to. */
export function contextOf(security: ClientSecurity | ServerSecurity | undefined): OscoreContext | undefined {
  return security && contexts.get(security);
}

/** The contexts whose requests a server understands; they come and go while it listens. */
export class OscoreContexts {
  readonly #table = new ContextTable();

  constructor(all: Iterable<OscoreContext> = []) {
    for (const context of all) this.add(context);
  }

  /** @throws ApiMisuseError for one that is there already, or was opened with `deriveAnew: 'client'`. */
  add(context: OscoreContext): void {
    this.#table.add(serverSecurityOf(context));
  }

  /** False when it is not there. */
  remove(context: OscoreContext): boolean {
    return this.#table.remove(serverSecurityOf(context));
  }

  /** Whether it is there. */
  has(context: OscoreContext): boolean {
    return this.#table.has(serverSecurityOf(context));
  }

  /** For the endpoint. */
  candidates(kid: Uint8Array, kidContext: Uint8Array | undefined): readonly ServerSecurity[] {
    return this.#table.candidates(kid, kidContext);
  }
}

function serverSecurityOf(context: OscoreContext): ServerSecurity {
  const security = securities.get(context);
  if (security === undefined)
    throw new ApiMisuseError('expected an OscoreContext, made with OscoreContext.open');
  if (security instanceof ClientRederivation) {
    throw new ApiMisuseError("the context was opened with deriveAnew: 'client'; expected 'server'");
  }
  return security;
}

function currentOf(security: Security): { readonly context: SecurityContext | undefined } {
  if (security instanceof FixedContext) return security;
  return { context: security.current };
}

/** Stores what an endpoint asks for, and tells it what became of it. */
export async function storeContext<Asking extends AskingEndpoint>(
  driver: {
    readonly closed: boolean;
    run(command: (endpoint: Asking, now: Instant) => void): void;
  },
  { context, record, store }: Extract<EndpointOutput, { kind: 'store-context' }>,
  onError: (error: unknown) => void,
): Promise<void> {
  let failure: string | undefined;
  try {
    if (context.owner instanceof OscoreContext) await context.owner.save(context, record);
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
    onError(error);
  }
  if (driver.closed) return;
  driver.run((endpoint, now) => {
    if (failure === undefined) endpoint.contextStored(store, now);
    else endpoint.contextStoringFailed(store, now, failure);
  });
}

/** An endpoint that asks for records to be stored. */
type AskingEndpoint = Pick<Endpoint, 'contextStored' | 'contextStoringFailed'>;

/** A request of a client whose requests are all protected, unless it has a context of its own. */
export function protectedContent(
  content: OutgoingRequest,
  context: OscoreContext | undefined,
): OutgoingRequest {
  if (context === undefined || content.oscore !== undefined) return content;
  return { ...content, oscore: clientSecurityOf(context) };
}
