/**
 * What this endpoint has under way below: which request or answer each transmission belongs to, and which
 * requests wait for a handshake.
 *
 * @module
 */

import type { AssociationId } from '../dtls/dtls-layer.ts';
import type { PeerKey, TransmissionId } from '../message-layer/message-layer.ts';
import type { ExchangeId } from '../request-response/request-response-layer.ts';
import type { OutgoingRequest, RequestId } from './outputs.ts';
import type { Peer } from './peer.ts';

/** On whose behalf a message was sent. */
export type TransmissionOwner =
  | { readonly role: 'client' | 'server'; readonly peer: PeerKey; readonly exchange: ExchangeId }
  | { readonly role: 'ping'; readonly peer: PeerKey; readonly request: RequestId }
  /** A ping of ours, to learn after a crash whether the peer is alive. */
  | { readonly role: 'freshness'; readonly peer: PeerKey };

/** A request or ping that waits until its association is established. */
export interface WaitingRequest {
  readonly request: RequestId;
  readonly association: AssociationId;
  /** Absent for a ping. */
  readonly content: OutgoingRequest | undefined;
}

/** Transmissions remembered for one exchange: a Reset may still come for a Non-confirmable one (RFC 7641 §3.6). */
const transmissionsKept = 8;

/** The owners of transmissions, and the two names of a request: `RequestId` above, `ExchangeId` below. */
export class RequestTable {
  readonly #owners = new Map<TransmissionId, TransmissionOwner>();
  readonly #transmissions = new Map<ExchangeId, TransmissionId[]>();
  readonly #exchanges = new Map<RequestId, ExchangeId>();
  readonly #requests = new Map<ExchangeId, { readonly request: RequestId; readonly peer: Peer }>();
  readonly #waiting = new Map<RequestId, WaitingRequest>();
  readonly #waitingFor = new Map<AssociationId, Set<RequestId>>();
  readonly #pings = new Map<RequestId, TransmissionId>();
  readonly #freshnessPings = new Map<PeerKey, TransmissionId>();
  #nextRequest = 1;

  /** A name that was never used before. */
  newRequest(): RequestId {
    return this.#nextRequest++;
  }

  /** Requests under way; zero when nothing leaks. */
  get size(): number {
    return this.#exchanges.size + this.#waiting.size + this.#pings.size;
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

  /** Takes out all requests that wait for `association`, in the order they came. */
  takeWaiting(association: AssociationId): WaitingRequest[] {
    const requests = this.#waitingFor.get(association);
    if (!requests) return [];
    this.#waitingFor.delete(association);
    const taken: WaitingRequest[] = [];
    for (const request of requests) {
      taken.push(this.#waiting.get(request) as WaitingRequest);
      this.#waiting.delete(request);
    }
    return taken;
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

  bind(request: RequestId, exchange: ExchangeId, peer: Peer): void {
    this.#exchanges.set(request, exchange);
    this.#requests.set(exchange, { request, peer });
  }

  exchangeOf(request: RequestId): ExchangeId | undefined {
    return this.#exchanges.get(request);
  }

  /** Whose exchange it is, and with whom. */
  requestOf(exchange: ExchangeId): { readonly request: RequestId; readonly peer: Peer } | undefined {
    return this.#requests.get(exchange);
  }

  /** Records that `transmission` was sent for an exchange. */
  sent(
    transmission: TransmissionId,
    owner: Exclude<TransmissionOwner, { role: 'ping' | 'freshness' }>,
  ): void {
    this.#owners.set(transmission, owner);
    const kept = this.#transmissions.get(owner.exchange);
    if (!kept) {
      this.#transmissions.set(owner.exchange, [transmission]);
      return;
    }
    kept.push(transmission);
    if (kept.length > transmissionsKept) this.#owners.delete(kept.shift() as TransmissionId);
  }

  sentPing(transmission: TransmissionId, peer: PeerKey, request: RequestId): void {
    this.#owners.set(transmission, { role: 'ping', peer, request });
    this.#pings.set(request, transmission);
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

  isFreshnessAsked(peer: PeerKey): boolean {
    return this.#freshnessPings.has(peer);
  }

  sentFreshnessPing(transmission: TransmissionId, peer: PeerKey): void {
    this.#owners.set(transmission, { role: 'freshness', peer });
    this.#freshnessPings.set(peer, transmission);
  }

  endFreshnessPing(peer: PeerKey): void {
    const transmission = this.#freshnessPings.get(peer);
    this.#freshnessPings.delete(peer);
    if (transmission !== undefined) this.#owners.delete(transmission);
  }

  endPing(request: RequestId): void {
    const transmission = this.#pings.get(request);
    if (transmission === undefined) return;
    this.#pings.delete(request);
    this.#owners.delete(transmission);
  }

  transmissionsOf(exchange: ExchangeId): readonly TransmissionId[] {
    return this.#transmissions.get(exchange) ?? [];
  }

  /** Forgets everything about an exchange. */
  end(exchange: ExchangeId): void {
    for (const transmission of this.transmissionsOf(exchange)) this.#owners.delete(transmission);
    this.#transmissions.delete(exchange);
    const bound = this.#requests.get(exchange);
    if (bound) this.#exchanges.delete(bound.request);
    this.#requests.delete(exchange);
  }
}
