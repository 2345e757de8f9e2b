/**
 * What this endpoint has under way below: which request or answer each transmission belongs to, and which
 * requests wait for a handshake.
 *
 * @module
 */

import type { AssociationId } from '../dtls/dtls-layer.ts';
import { messagePriorities, type PeerKey, type TransmissionId } from '../message-layer/message-layer.ts';
import type { ExchangeId } from '../request-response/request-response-layer.ts';
import type { OutgoingRequest, RequestId } from './outputs.ts';
import type { Peer } from './peer.ts';

/** On whose behalf a message was sent. */
export type TransmissionOwner =
  | { readonly role: 'client' | 'server'; readonly peer: PeerKey; readonly exchange: ExchangeId }
  | { readonly role: 'ping'; readonly peer: PeerKey; readonly request: RequestId }
  | { readonly role: 'probe'; readonly peer: PeerKey; readonly purpose: ProbePurpose };

/**
 * Why the endpoint itself sends a ping: to prove the peer's new address, to hear from a quiet one, or to learn after a
 * crash whether what came is fresh.
 */
export type ProbePurpose = 'address' | 'keep-alive' | 'freshness';

/** A request or ping that waits until its association is established. */
export interface WaitingRequest {
  readonly request: RequestId;
  readonly association: AssociationId;
  readonly serverName: string | undefined;
  /** Absent for a ping. */
  readonly content: OutgoingRequest | undefined;
}

/** A request of ours with its exchange. */
interface BoundRequest {
  readonly request: RequestId;
  readonly exchange: ExchangeId;
  readonly peer: Peer;
  /** What it goes by in a handshake, should there be another. */
  readonly serverName: string | undefined;
  readonly content: OutgoingRequest;
  /**
   * `refused`: its latest message found no room to wait. `handed-over`: it ends when its message goes out, and the
   * layer above the messages keeps nothing of it.
   */
  state: 'open' | 'refused' | 'handed-over';
}

/** A ping of the endpoint itself. */
interface Probe {
  readonly transmission: TransmissionId;
  readonly purpose: ProbePurpose;
  /** `kept-back`: each time it was due the peer had no bytes left for it, and nothing went out (`amplification-limit.ts`). */
  state: 'queued' | 'kept-back' | 'sent';
}

/**
 * Transmissions remembered for one exchange: a Reset may still come for a Non-confirmable one (RFC 7641 §3.6). Confirmable
 * ones that are not settled come on top, as with a body in Q-Blocks (RFC 9177).
 */
const transmissionsKept = 8;

/** The owners of transmissions, and the two names of a request: `RequestId` above, `ExchangeId` below. */
export class RequestTable {
  readonly #owners = new Map<TransmissionId, TransmissionOwner>();
  /** Messages of each exchange, the oldest first, and whether they are Confirmable and not settled. */
  readonly #transmissions = new Map<ExchangeId, Map<TransmissionId, boolean>>();
  readonly #exchanges = new Map<RequestId, ExchangeId>();
  readonly #requests = new Map<ExchangeId, BoundRequest>();
  /** Exchanges of `#requests` by peer, the oldest first: one peer of many is asked for. */
  readonly #byPeer = new Map<PeerKey, Set<ExchangeId>>();
  readonly #waiting = new Map<RequestId, WaitingRequest>();
  readonly #waitingFor = new Map<AssociationId, Set<RequestId>>();
  readonly #pings = new Map<RequestId, TransmissionId>();
  readonly #probes = new Map<PeerKey, Probe>();
  /** Messages whose ID nobody can guess: whoever acknowledges one has received it. Exchanges may end before. */
  readonly #proofs = new Map<TransmissionId, PeerKey>();
  #nextRequest = 1;

  /** A name that was never used before. */
  newRequest(): RequestId {
    return this.#nextRequest++;
  }

  /** Requests under way, and Exchanges that have sent something; zero when nothing leaks. */
  get size(): number {
    const { size } = this.#transmissions;
    return size + this.#exchanges.size + this.#waiting.size + this.#pings.size + this.#probes.size;
  }

  wait(waiting: WaitingRequest): void {
    this.#waiting.set(waiting.request, waiting);
    let requests = this.#waitingFor.get(waiting.association);
    if (!requests) {
      requests = new Set();
      this.#waitingFor.set(waiting.association, requests);
    }
    requests.add(waiting.request);
  }

  /** Associations whose handshake some request waits for. */
  awaitedAssociations(): AssociationId[] {
    return [...this.#waitingFor.keys()];
  }

  /** The requests that wait for `association`, in the order they came. */
  waitingFor(association: AssociationId): WaitingRequest[] {
    const requests = this.#waitingFor.get(association) ?? [];
    return [...requests].map((request) => this.#waiting.get(request) as WaitingRequest);
  }

  /** Whether requests wait for an association. */
  isAwaited(association: AssociationId): boolean {
    return this.#waitingFor.has(association);
  }

  /** Takes out all requests that wait for `association`: by priority, and in the order they came. */
  takeWaiting(association: AssociationId): WaitingRequest[] {
    const requests = this.#waitingFor.get(association);
    if (!requests) return [];
    this.#waitingFor.delete(association);
    const taken: WaitingRequest[] = [];
    for (const request of requests) {
      taken.push(this.#waiting.get(request) as WaitingRequest);
      this.#waiting.delete(request);
    }
    return taken.sort((a, b) => rankOf(a) - rankOf(b));
  }

  /** Takes out one waiting request; false when it does not wait. */
  stopWaiting(request: RequestId): boolean {
    const waiting = this.#waiting.get(request);
    if (!waiting) return false;
    this.#waiting.delete(request);
    const requests = this.#waitingFor.get(waiting.association);
    requests?.delete(request);
    if (requests?.size === 0) this.#waitingFor.delete(waiting.association);
    return true;
  }

  bind(bound: Omit<BoundRequest, 'state'>): void {
    this.#exchanges.set(bound.request, bound.exchange);
    this.#requests.set(bound.exchange, { ...bound, state: 'open' });
    const { key } = bound.peer;
    const exchanges = this.#byPeer.get(key);
    if (exchanges === undefined) this.#byPeer.set(key, new Set([bound.exchange]));
    else exchanges.add(bound.exchange);
  }

  /** Requests under way with a peer, the oldest first. */
  boundTo(peer: PeerKey): BoundRequest[] {
    return Array.from(
      this.#byPeer.get(peer) ?? [],
      (exchange) => this.#requests.get(exchange) as BoundRequest,
    );
  }

  exchangeOf(request: RequestId): ExchangeId | undefined {
    return this.#exchanges.get(request);
  }

  /** Whose exchange it is, and with whom. */
  requestOf(exchange: ExchangeId): BoundRequest | undefined {
    return this.#requests.get(exchange);
  }

  /** The acknowledgement of `transmission` will prove the address of `peer`. */
  expectProof(transmission: TransmissionId, peer: PeerKey): void {
    this.#proofs.set(transmission, peer);
  }

  /** Whose address `transmission` was to prove; it is over. */
  takeProof(transmission: TransmissionId): PeerKey | undefined {
    const peer = this.#proofs.get(transmission);
    this.#proofs.delete(transmission);
    return peer;
  }

  /** Records that `transmission` was sent for an exchange. A Confirmable one is known until it is `settled`. */
  sent(
    transmission: TransmissionId,
    owner: Exclude<TransmissionOwner, { role: 'ping' | 'probe' }>,
    isConfirmable: boolean,
  ): void {
    this.#owners.set(transmission, owner);
    const kept = this.#transmissions.get(owner.exchange) ?? new Map<TransmissionId, boolean>();
    this.#transmissions.set(owner.exchange, kept.set(transmission, isConfirmable));
    if (kept.size <= transmissionsKept) return;
    for (const [oldest, isAwaited] of kept) {
      if (isAwaited) continue;
      kept.delete(oldest);
      this.#owners.delete(oldest);
      return;
    }
  }

  /** A Confirmable message was acknowledged, reset or given up. */
  settled(transmission: TransmissionId): void {
    const owner = this.#owners.get(transmission);
    if (owner === undefined || !('exchange' in owner)) return;
    const kept = this.#transmissions.get(owner.exchange);
    if (kept?.has(transmission)) kept.set(transmission, false);
  }

  sentPing(transmission: TransmissionId, peer: PeerKey, request: RequestId): void {
    this.#owners.set(transmission, { role: 'ping', peer, request });
    this.#pings.set(request, transmission);
  }

  sentProbe(transmission: TransmissionId, peer: PeerKey, purpose: ProbePurpose): void {
    this.#owners.set(transmission, { role: 'probe', peer, purpose });
    this.#probes.set(peer, { transmission, purpose, state: 'queued' });
  }

  /** The probe under way to a peer. */
  probeOf(peer: PeerKey): Probe | undefined {
    return this.#probes.get(peer);
  }

  /** The peer whose probe has been under way longest, when there are so many. */
  oldestProbed(most: number): PeerKey | undefined {
    return this.#probes.size < most ? undefined : this.#probes.keys().next().value;
  }

  endProbe(peer: PeerKey): void {
    const probe = this.#probes.get(peer);
    if (probe === undefined) return;
    this.#probes.delete(peer);
    this.#owners.delete(probe.transmission);
  }

  ownerOf(transmission: TransmissionId): TransmissionOwner | undefined {
    return this.#owners.get(transmission);
  }

  pingTransmission(request: RequestId): TransmissionId | undefined {
    return this.#pings.get(request);
  }

  /** The pings under way to a peer. */
  pingsTo(peer: PeerKey): RequestId[] {
    const found: RequestId[] = [];
    for (const [request, transmission] of this.#pings) {
      if (this.#owners.get(transmission)?.peer === peer) found.push(request);
    }
    return found;
  }

  endPing(request: RequestId): void {
    const transmission = this.#pings.get(request);
    if (transmission === undefined) return;
    this.#pings.delete(request);
    this.#owners.delete(transmission);
  }

  transmissionsOf(exchange: ExchangeId): readonly TransmissionId[] {
    const kept = this.#transmissions.get(exchange);
    return kept === undefined ? noTransmissions : [...kept.keys()];
  }

  /** Forgets everything about an exchange. */
  end(exchange: ExchangeId): void {
    const kept = this.#transmissions.get(exchange);
    if (kept !== undefined) {
      for (const transmission of kept.keys()) this.#owners.delete(transmission);
      this.#transmissions.delete(exchange);
    }
    const bound = this.#requests.get(exchange);
    if (bound === undefined) return;
    this.#exchanges.delete(bound.request);
    this.#requests.delete(exchange);
    const exchanges = this.#byPeer.get(bound.peer.key);
    exchanges?.delete(exchange);
    if (exchanges?.size === 0) this.#byPeer.delete(bound.peer.key);
  }
}

const noTransmissions: readonly TransmissionId[] = [];

function rankOf({ content }: WaitingRequest): number {
  return messagePriorities.indexOf(content === undefined ? 'ping' : (content.priority ?? 'normal'));
}
