/**
 * How much memory request bodies under assembly take, in whatever kind of blocks they come, and which of them makes room.
 *
 * RFC 7959 §2.5 and §7.1, RFC 9177 §11. A peer whose address nothing proves gets little of it, and its bodies go before
 * those of others: whoever spoofs addresses cannot push out what real peers send.
 *
 * @module
 */

import type { PeerKey } from './exchange.ts';

/** A body under assembly. Charged and released by who puts it together. */
export interface HeldBody {
  readonly key: string;
  readonly peer: PeerKey;
  /** All of it came; it is kept for repetitions of its blocks. */
  readonly complete: boolean;
  /** Memory charged to it. */
  bytes: number;
}

/** Limits of all request bodies; see `RequestResponseConfig`. */
export interface RequestBodyLimits {
  readonly totalRequestBodyBytes: number;
  readonly maxRequestBodies: number;
  readonly maxRequestBodiesPerPeer: number;
  readonly unprovedRequestBodyBytes: number;
}

/** Forgets a body, and releases it. */
type Remover = (key: string) => void;

/** All request bodies of one endpoint that are held. */
export class RequestBodyBudget {
  readonly #limits: RequestBodyLimits;
  /** Longest without a block first: a `Map` keeps the order of insertion. Of peers whose addresses are not proved, and others. */
  readonly #unproved = new Map<HeldBody, Remover>();
  readonly #proved = new Map<HeldBody, Remover>();
  /** In the same order. */
  readonly #byPeer = new Map<PeerKey, Set<HeldBody>>();
  #bytes = 0;

  constructor(limits: RequestBodyLimits) {
    this.#limits = limits;
  }

  /** Number of bodies held. */
  get size(): number {
    return this.#unproved.size + this.#proved.size;
  }

  /** Bytes of memory held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The bodies of a peer. */
  of(peer: PeerKey): HeldBody[] {
    return [...(this.#byPeer.get(peer) ?? [])];
  }

  /**
   * Memory that one body of a peer may take beside its others that are not complete: what is there for a peer whose address
   * is not proved, without end for others.
   */
  allowance(peer: PeerKey, key: string, isProved: boolean): number {
    if (isProved) return Infinity;
    let left = this.#limits.unprovedRequestBodyBytes;
    for (const other of this.#byPeer.get(peer) ?? []) {
      if (!other.complete && other.key !== key) left -= other.bytes;
    }
    return Math.max(0, left);
  }

  /** A block of a body came, the first or a later one: it is the last now to make room. */
  use(body: HeldBody, isProved: boolean, remove: Remover): void {
    this.#unproved.delete(body);
    this.#proved.delete(body);
    (isProved ? this.#proved : this.#unproved).set(body, remove);
    const ofPeer = this.#byPeer.get(body.peer) ?? new Set();
    ofPeer.delete(body);
    this.#byPeer.set(body.peer, ofPeer.add(body));
  }

  /** What a body takes now. */
  charge(body: HeldBody, bytes: number): void {
    this.#bytes += bytes - body.bytes;
    body.bytes = bytes;
  }

  /** Removes what is too much; `current`, which has just come, never. */
  makeRoom(current: HeldBody): void {
    const { totalRequestBodyBytes, maxRequestBodies, maxRequestBodiesPerPeer } = this.#limits;
    const ofPeer = this.#byPeer.get(current.peer) ?? new Set();
    if (ofPeer.size > maxRequestBodiesPerPeer) this.#removeOldest(ofPeer, current);
    if (this.#unproved.has(current)) this.#removeComplete(ofPeer, current);
    for (const bodies of [this.#unproved, this.#proved]) {
      // The one longest without a block is found at once: looking through thousands would be worth an attack.
      for (const [body, remove] of bodies) {
        if (this.#bytes <= totalRequestBodyBytes && this.size <= maxRequestBodies) return;
        if (body !== current) remove(body.key);
      }
    }
  }

  /** A body is forgotten. */
  release(body: HeldBody): void {
    this.charge(body, 0);
    this.#unproved.delete(body);
    this.#proved.delete(body);
    const ofPeer = this.#byPeer.get(body.peer);
    ofPeer?.delete(body);
    if (ofPeer?.size === 0) this.#byPeer.delete(body.peer);
  }

  /** What a peer whose address is not proved has beyond its share is kept for repetitions: unfinished bodies wait or are refused. */
  #removeComplete(ofPeer: ReadonlySet<HeldBody>, except: HeldBody): void {
    let bytes = 0;
    for (const body of ofPeer) bytes += body.bytes;
    for (const body of [...ofPeer]) {
      if (bytes <= this.#limits.unprovedRequestBodyBytes) return;
      if (body === except || !body.complete) continue;
      bytes -= body.bytes;
      this.#remove(body);
    }
  }

  #remove(body: HeldBody): void {
    (this.#unproved.get(body) ?? this.#proved.get(body))?.(body.key);
  }

  /** A complete body, kept only for a repetition, goes first; else the one longest without a block. */
  #removeOldest(bodies: Iterable<HeldBody>, except: HeldBody): void {
    let oldest: HeldBody | undefined;
    for (const body of bodies) {
      if (body === except) continue;
      if (body.complete) {
        oldest = body;
        break;
      }
      oldest ??= body;
    }
    if (oldest !== undefined) this.#remove(oldest);
  }
}
