/**
 * Keeps the associations of one listener in an `AssociationStore`: what the core asks for goes there, and what was
 * stored goes back to the core. What is stored when, and why, is in `core/dtls/kept-associations.ts`.
 *
 * @module
 */

import type { AssociationId } from '../core/dtls/dtls-output.ts';
import type { Endpoint } from '../core/endpoint/endpoint.ts';
import type { EndpointOutput } from '../core/endpoint/outputs.ts';
import { InvariantError } from '../core/foundation/errors.ts';
import type { Instant } from '../core/foundation/instant.ts';
import type {
  AssociationStore,
  RememberedRequest,
  RequestToRemember,
  ResumableAssociation,
} from './association-store.ts';
import { type Eventual, isPending } from './eventual.ts';
import { type Answer, encodeAnswer } from './kept-answer.ts';
import type { AssociationNotes, PeerSecurity } from './peer-info.ts';
import type { Request } from './request.ts';

/** Write sequence numbers reserved for each association at the start: enough for a device that sends now and then. */
const reservedAtStart = 64;

// RFC 7252 §4.8.2 with the default transmission parameters.
const exchangeLifetimeMs = 247_000;
const nonLifetimeMs = 145_000;

/** Peers that are judged at the same time when associations come back. */
const judgedAtOnce = 100;

interface Entry {
  readonly name: string;
  /** Of the latest edge, until it is stored. */
  edgeWrite: Promise<void> | undefined;
}

/** What of an endpoint's outputs is for the keeper. */
export type KeepingOutput = Extract<
  EndpointOutput,
  { kind: 'keep-association' | 'reserve-sequence' | 'advance-edge' }
>;

/** What the listener knows of an association when it is to be kept. */
export interface AssociationLabel {
  readonly name: string;
  readonly context: unknown;
  readonly certificateExpiresAt: Date | undefined;
}

/** See the module comment. */
export class AssociationKeeper {
  readonly #store: AssociationStore;
  readonly #onError: (error: unknown) => void;
  readonly #entries = new Map<AssociationId, Entry>();
  readonly #resumed = new Map<AssociationId, AssociationNotes>();
  #run: (command: (endpoint: Endpoint, now: Instant) => void) => void = () => {};

  constructor(store: AssociationStore, onError: (error: unknown) => void) {
    this.#store = store;
    this.#onError = onError;
  }

  /**
   * Gives an endpoint that has no socket yet what the last process left. Those that it refuses are forgotten, and those
   * of peers that may not connect any more.
   *
   * @param judge What is known of a peer now; `undefined` to refuse it.
   */
  async resume(
    endpoint: Endpoint,
    now: () => Instant,
    judge: (kept: ResumableAssociation) => Eventual<AssociationNotes | undefined>,
  ): Promise<void> {
    const resumed = this.#store.resume(reservedAtStart);
    const parts = Symbol.asyncIterator in resumed ? resumed : [await resumed];
    for await (const part of parts) await this.#resumePart(endpoint, now, judge, part);
  }

  async #resumePart(
    endpoint: Endpoint,
    now: () => Instant,
    judge: (kept: ResumableAssociation) => Eventual<AssociationNotes | undefined>,
    all: readonly ResumableAssociation[],
  ): Promise<void> {
    for (let start = 0; start < all.length; start += judgedAtOnce) {
      const group = all.slice(start, start + judgedAtOnce);
      const refused = (error: unknown): undefined => {
        this.#onError(error);
        return undefined;
      };
      const judging = group.map((kept) => {
        const notes = judge(kept);
        return isPending(notes) ? notes.catch(refused) : notes;
      });
      for (const [i, kept] of group.entries()) {
        const notes = judging[i];
        this.#resumeOne(endpoint, kept, isPending(notes) ? await notes : notes, now());
      }
    }
  }

  #resumeOne(
    endpoint: Endpoint,
    kept: ResumableAssociation,
    notes: AssociationNotes | undefined,
    now: Instant,
  ): void {
    const association = notes && importInto(endpoint, kept, now);
    if (typeof association === 'number') {
      this.#entries.set(association, { name: kept.name, edgeWrite: undefined });
      this.#resumed.set(association, notes as AssociationNotes);
      return;
    }
    if (association !== undefined) {
      this.#onError(new Error(`the kept association of ${kept.address.key} cannot be used: ${association}`));
    }
    this.#store.remove(kept.name).catch(this.#onError);
  }

  /** Where the answers of the store go from now on. */
  attach(run: (command: (endpoint: Endpoint, now: Instant) => void) => void): void {
    this.#run = run;
  }

  /** What is known of an association of the last process, once. */
  takeResumed(association: AssociationId): AssociationNotes | undefined {
    const notes = this.#resumed.get(association);
    this.#resumed.delete(association);
    return notes;
  }

  /** Asks the store for what an output wants. */
  handle(output: KeepingOutput, security: PeerSecurity | undefined): void {
    const { association } = output;
    if (output.kind === 'keep-association') {
      if (security?.kind === 'dtls') this.#add(output, labelOf(security));
      return;
    }
    const entry = this.#entries.get(association);
    if (entry === undefined) return;
    const failed = (error: unknown): void => {
      this.#onError(error);
      this.#run((endpoint, now) => endpoint.storingFailed(association, now));
    };
    if (output.kind === 'reserve-sequence') {
      const { upTo } = output;
      this.#store
        .reserve(entry.name, upTo)
        .then(() => this.#run((endpoint, now) => endpoint.reservationStored(association, upTo, now)))
        .catch(failed);
      return;
    }
    const { edge } = output;
    const write = this.#store.setEdge(entry.name, edge);
    entry.edgeWrite = write;
    write
      .then(() => this.#run((endpoint) => endpoint.edgeStored(association, edge)))
      .catch(failed)
      .finally(() => {
        if (entry.edgeWrite === write) entry.edgeWrite = undefined;
      });
  }

  /**
   * What has to be durable before the handler of a request begins; `undefined` when all is. It fulfils with what is
   * known of a request that an earlier process carried out or began, and rejects when it cannot be stored.
   */
  admission(
    association: AssociationId,
    request: Request,
  ): Promise<RememberedRequest | undefined> | undefined {
    const entry = this.#entries.get(association);
    if (entry === undefined) return undefined;
    if (!isToBeRemembered(request)) return entry.edgeWrite?.then(() => undefined);
    // With it all that was asked for before is durable: the edge too.
    return this.#store.rememberRequest(entry.name, remembered(request)).catch((error: unknown) => {
      this.#onError(error);
      throw error;
    });
  }

  /** An admitted request was answered. The answer need not wait: without it a copy of the request is told so. */
  answered(association: AssociationId, request: Request, answer: Answer): void {
    const entry = this.#entries.get(association);
    if (entry === undefined || !isToBeRemembered(request)) return;
    const kept = encodeAnswer(answer);
    if (kept !== undefined) {
      this.#store.setAnswer(entry.name, remembered(request), kept).catch(this.#onError);
    }
  }

  /** An association is over. One that was suspended stays in the store. */
  ended(association: AssociationId, isSuspended: boolean): void {
    const entry = this.#entries.get(association);
    this.#entries.delete(association);
    if (entry !== undefined && !isSuspended) this.#store.remove(entry.name).catch(this.#onError);
  }

  /** Takes all kept associations out of the endpoint, with exact values, and stores them. */
  async suspend(): Promise<void> {
    const names = new Map([...this.#entries].map(([association, { name }]) => [association, name]));
    const suspended: Parameters<AssociationStore['suspend']>[0][number][] = [];
    this.#run((endpoint, now) => {
      for (const one of endpoint.suspendAssociations(now)) {
        const name = names.get(one.association);
        if (name !== undefined) suspended.push({ ...one, name });
      }
    });
    await this.#store.suspend(suspended).catch(this.#onError);
  }

  #add(output: Extract<KeepingOutput, { kind: 'keep-association' }>, label: AssociationLabel): void {
    const { association, address, identity, authentication, state, reserved, edge } = output;
    // Who has proved nothing has nothing to lose but a handshake.
    if (authentication.kind === 'none') {
      this.#run((endpoint, now) => endpoint.stopKeeping(association, now));
      return;
    }
    this.#entries.set(association, { name: label.name, edgeWrite: undefined });
    this.#store
      .add({ ...label, address, identity, authentication, state, reserved, edge })
      .catch((error: unknown) => {
        this.#onError(error);
        this.#entries.delete(association);
        this.#run((endpoint, now) => endpoint.stopKeeping(association, now));
      });
  }
}

/** RFC 7252 §4.5: carrying out a safe request again costs less than remembering it. */
function isToBeRemembered({ method }: Request): boolean {
  return method !== 'GET' && method !== 'FETCH';
}

function remembered({ messageId, token, confirmable }: Request): RequestToRemember {
  if (messageId === undefined) throw new InvariantError('a request of an association without Message ID');
  return { messageId, token, lifetimeMs: confirmable ? exchangeLifetimeMs : nonLifetimeMs };
}

function labelOf(security: Extract<PeerSecurity, { kind: 'dtls' }>): AssociationLabel {
  const { association: name, context, certificateExpiresAt } = security;
  return { name, context, certificateExpiresAt };
}

function importInto(endpoint: Endpoint, kept: ResumableAssociation, now: Instant) {
  const { state, address, identity, authentication, writeFrom, reserved, edge, exact } = kept;
  return endpoint.importAssociation(
    state,
    address,
    { identity, authentication, writeFrom, reserved, ...(exact ? {} : { crashedAt: edge }) },
    now,
  );
}
