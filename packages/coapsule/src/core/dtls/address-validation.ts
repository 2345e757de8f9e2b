/**
 * Where the records of an association go while its peer's address changes (RFC 9146 §6).
 *
 * A change begins with the newest record of all, authenticated and with a connection id, from another address.
 *
 * With the return routability check (RFC 9853) the association keeps its address until the peer answered a challenge
 * at the new one. Until then its records go to both: to the address it has, and as far as three times what came from
 * there allows (§1, "anti-amplification limit") to the new one. One of them is the peer's, and its replay window drops
 * the second copy, so that nothing is lost when the old path is dead and nothing is gained by who forwards records
 * from elsewhere. Where the old path was used a moment ago, it is asked first (§5.2, enhanced): if the peer still
 * answers there, the new address was somebody else's.
 *
 * Without it the address changes at once, with the same limit until `confirm`: whoever calls it has proof that cannot
 * be guessed, since the peer itself may have spoofed the address (docs/decisions/014).
 *
 * What the limit does not allow waits, within bounds, for the proof (docs/decisions/014). Sealing, and finding the
 * association, are the business of `established-associations.ts`.
 *
 * @module
 */

import { equalBytes } from '../foundation/bytes.ts';
import { after, type DurationMs, type Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import { type RandomSource, randomBytes } from '../foundation/random-source.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';
import type { AssociationTable } from './association-table.ts';
import type { AssociationId, DtlsDiscardReason, DtlsOutput } from './dtls-output.ts';
import { ContentType } from './record/record-header.ts';
import {
  decodePathMessage,
  encodePathMessage,
  type PathMessage,
  PathMessageType,
  pathCookieLength,
} from './return-routability-message.ts';
import { amplificationFactor, UnprovedAddress } from './unproved-address.ts';

/** RFC 9853 §5.5: T without knowledge of the round trip. */
const challengeTimeoutMs: DurationMs = 1000;

/** Challenges to a new address, one each T, before the check is given up: two may be lost. */
const maxChallenges = 3;

/** Something came over the old path within this time: a NAT does not forget that fast (RFC 9853 §7.1.2). */
const recentlyHeardMs: DurationMs = 5000;

/** How long records wait for a proof when nobody asks for one. */
const waitMs: DurationMs = 60_000;

/** A return routability check under way (RFC 9853 §5). */
interface PathCheck {
  readonly kind: 'check';
  readonly to: UnprovedAddress;
  /** Which path the challenge is on: the old one in the first part of the enhanced check. */
  path: 'old' | 'new';
  /** Cookies of the challenges on that path. */
  cookies: Uint8Array[];
}

/** An address that was taken over and is not proved. */
interface Unproved {
  readonly kind: 'unproved';
  readonly to: UnprovedAddress;
  /** The one that was proved last. */
  readonly proved: PeerAddress;
}

/** An authenticated record, before it is acted on. */
export interface AcceptedRecord {
  readonly from: PeerAddress;
  readonly contentType: ContentType;
  readonly hasConnectionId: boolean;
  /** Bytes of the whole record. */
  readonly length: number;
  /** Whether its sequence number is higher than all before. */
  readonly isNewest: boolean;
  /** How long nothing had come from the peer. */
  readonly quietMs: DurationMs;
}

/** What this file needs of its surroundings. */
export interface PathSurroundings {
  readonly table: AssociationTable;
  readonly random: RandomSource;
  readonly emit: (output: DtlsOutput) => void;
  /** A sealed record; `undefined` when the keys have sealed all they may. */
  readonly seal: (slot: number, contentType: ContentType, content: Uint8Array) => Uint8Array | undefined;
}

/** Address changes of all associations of a layer; nothing is kept for those whose address is proved. */
export class AddressValidation {
  readonly #table: AssociationTable;
  readonly #random: RandomSource;
  readonly #emit: PathSurroundings['emit'];
  readonly #seal: PathSurroundings['seal'];
  readonly #changes = new Map<AssociationId, PathCheck | Unproved>();
  readonly #timers = new TimerQueue<AssociationId>();
  /** Bytes that wait, of all associations. */
  readonly #waiting = { bytes: 0 };

  constructor({ table, random, emit, seal }: PathSurroundings) {
    this.#table = table;
    this.#random = random;
    this.#emit = emit;
    this.#seal = seal;
  }

  /** Whether the peer is known to receive at the address that its records come from. */
  isProved(association: AssociationId): boolean {
    return !this.#changes.has(association);
  }

  /** Notes from where a record came; begins, goes on with or ends a change of address. */
  noteReceived(slot: number, record: AcceptedRecord, now: Instant): void {
    const association = this.#table.id(slot);
    const present = this.#table.address(slot);
    const change = this.#changes.get(association);
    const { from } = record;
    if (change?.to.address.key === from.key) {
      change.to.received += record.length;
      // Nobody answered in time; now that the peer is there, it is asked again, and what comes may wait again.
      if (change.kind === 'unproved' && change.to.resumeWaiting())
        this.#timers.set(association, after(now, waitMs));
    } else if (from.key === present.key) {
      // RFC 9853 §7.1.2: a newer record on the old path shows that the peer is still there.
      const isAnswer = record.contentType === ContentType.ReturnRoutabilityCheck;
      if (change?.kind === 'check' && record.isNewest && !isAnswer) this.#end(association);
    } else if (record.hasConnectionId && record.isNewest) {
      const to = new UnprovedAddress(from, record.length, this.#waiting);
      if (this.#table.returnRoutabilityCheck(slot)) this.#check(slot, to, record.quietMs, now);
      else this.#move(slot, to, now);
    }
  }

  /** Sends a sealed record to where it may go now. */
  transmit(slot: number, datagram: Uint8Array): void {
    const association = this.#table.id(slot);
    const change = this.#changes.get(association);
    if (change?.kind !== 'unproved') {
      this.#emit({ kind: 'transmit', address: this.#table.address(slot), datagram });
    }
    if (change === undefined) return;
    const { to } = change;
    if (to.spend(datagram.length)) {
      this.#emit({ kind: 'transmit', address: to.address, datagram });
      return;
    }
    to.wait(datagram);
    this.#emit({
      kind: 'amplification-limit',
      association,
      address: to.address,
      bytes: datagram.length,
    });
  }

  /**
   * Acts on a return_routability_check message (RFC 9853 §4), or says why not.
   *
   * @param length Bytes of the whole record it came in.
   */
  receiveMessage(
    slot: number,
    content: Uint8Array,
    from: PeerAddress,
    length: number,
    now: Instant,
  ): DtlsDiscardReason | undefined {
    if (!this.#table.returnRoutabilityCheck(slot)) return 'unexpected-content-type';
    const message = decodePathMessage(content);
    if (message === 'malformed') return 'malformed-record';
    // RFC 9853 §4: later types are ignored.
    if (message === 'unknown') return undefined;
    const association = this.#table.id(slot);
    const change = this.#changes.get(association);
    if (message.type === PathMessageType.Challenge) {
      // RFC 9853 §5.4: one answer, at once, to where the challenge came from. Never path_drop: this side does not
      // know over which of its own addresses a record goes, so it prefers none.
      const response = { type: PathMessageType.Response, cookie: message.cookie } as const;
      this.#sendMessage(slot, response, from, amplificationFactor * length);
      return undefined;
    }
    if (change?.kind !== 'check' || !change.cookies.some((cookie) => equalBytes(cookie, message.cookie))) {
      return 'unexpected-path-message';
    }
    const challenged = change.path === 'old' ? this.#table.address(slot) : change.to.address;
    if (from.key !== challenged.key) return 'unexpected-path-message';
    if (change.path === 'old') {
      // RFC 9853 §5.2: the peer is still there, or says itself that it moved.
      if (message.type === PathMessageType.Response) this.#end(association);
      else this.#challengeNewPath(slot, change, now);
      return undefined;
    }
    if (message.type !== PathMessageType.Response) return 'unexpected-path-message';
    const { to } = change;
    const present = this.#table.address(slot);
    this.#table.move(slot, to.address);
    this.#emit({ kind: 'address-changed', association, from: present, to: to.address, validated: true });
    this.#release(association, to);
    return undefined;
  }

  /**
   * The peer answered what was sent to its new address: the limit is over, and what waited goes out. During a return
   * routability check this proves nothing, since records go to both addresses then.
   */
  confirm(association: AssociationId): void {
    const change = this.#changes.get(association);
    if (change?.kind === 'unproved') this.#release(association, change.to);
  }

  /** The association is over. */
  forget(association: AssociationId): void {
    this.#end(association);
  }

  handleTimeout(now: Instant): void {
    for (;;) {
      const due = this.#timers.expire(now);
      if (due === undefined) return;
      const slot = this.#table.slotOf(due);
      const change = this.#changes.get(due);
      if (slot === undefined || change === undefined) continue;
      if (change.kind === 'unproved') change.to.stopWaiting();
      // RFC 9853 §5.2: no answer on the old path, so the new one is asked.
      else if (change.path === 'old' || change.cookies.length < maxChallenges)
        this.#challengeNewPath(slot, change, now);
      // RFC 9853 §5.1: the address does not change. What waited went to the one it has.
      else this.#end(due);
    }
  }

  nextTimeout(): Instant | undefined {
    return this.#timers.next();
  }

  /** Begins a check; one under way ends, as its answer would come from a third address (RFC 9853 §5). */
  #check(slot: number, to: UnprovedAddress, quietMs: DurationMs, now: Instant): void {
    const association = this.#table.id(slot);
    const before = this.#changes.get(association);
    if (before !== undefined) to.takeOver(before.to);
    const isOldPathAlive = quietMs < recentlyHeardMs;
    const check: PathCheck = { kind: 'check', to, path: isOldPathAlive ? 'old' : 'new', cookies: [] };
    this.#changes.set(association, check);
    if (isOldPathAlive) this.#challenge(slot, check, this.#table.address(slot), now);
    else this.#challengeNewPath(slot, check, now);
  }

  #challengeNewPath(slot: number, check: PathCheck, now: Instant): void {
    if (check.path === 'old') {
      check.path = 'new';
      check.cookies = [];
    }
    this.#challenge(slot, check, check.to.address, now);
  }

  #challenge(slot: number, check: PathCheck, address: PeerAddress, now: Instant): void {
    this.#timers.set(this.#table.id(slot), after(now, challengeTimeoutMs));
    // RFC 9853 §5.3: each with a cookie of its own.
    const cookie = randomBytes(this.#random, pathCookieLength);
    check.cookies.push(cookie);
    this.#sendMessage(slot, { type: PathMessageType.Challenge, cookie }, address);
  }

  /**
   * Sends a message to a given address; to the new one, it counts for the limit. To a third one go `mostElsewhere`
   * bytes: the peer's connection id may be longer than ours.
   */
  #sendMessage(slot: number, message: PathMessage, address: PeerAddress, mostElsewhere = Infinity): void {
    const datagram = this.#seal(slot, ContentType.ReturnRoutabilityCheck, encodePathMessage(message));
    if (datagram === undefined) return;
    const change = this.#changes.get(this.#table.id(slot));
    if (change?.to.address.key === address.key) {
      if (!change.to.spend(datagram.length)) return;
    } else if (address.key !== this.#table.address(slot).key && datagram.length > mostElsewhere) return;
    this.#emit({ kind: 'transmit', address, datagram });
  }

  /** Without RFC 9853: the address changes at once. Back at the proved one, there is nothing to prove. */
  #move(slot: number, to: UnprovedAddress, now: Instant): void {
    const association = this.#table.id(slot);
    const change = this.#changes.get(association);
    const from = this.#table.address(slot);
    const proved = change?.kind === 'unproved' ? change.proved : from;
    const validated = proved.key === to.address.key;
    this.#table.move(slot, to.address);
    this.#emit({ kind: 'address-changed', association, from, to: to.address, validated });
    if (change !== undefined) to.takeOver(change.to);
    this.#changes.set(association, { kind: 'unproved', to, proved });
    this.#timers.set(association, after(now, waitMs));
    if (validated) this.#release(association, to);
  }

  /** The address is proved. */
  #release(association: AssociationId, to: UnprovedAddress): void {
    for (const datagram of to.takeWaiting()) this.#emit({ kind: 'transmit', address: to.address, datagram });
    this.#end(association);
  }

  #end(association: AssociationId): void {
    this.#changes.get(association)?.to.stopWaiting();
    this.#changes.delete(association);
    this.#timers.cancel(association);
  }
}
