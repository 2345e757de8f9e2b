/**
 * A datagram network in virtual time: loss of frames, alone or in bursts, duplication, reordering, delay, jitter,
 * bandwidth with a bounded queue, and MTU, the same for the same seed; and a hook that decides the fate of a single
 * datagram. `link-profiles.ts` has the conditions of usual links.
 *
 * It holds no clock: the caller asks `nextArrival`, moves its clock there and calls `deliverDue`.
 *
 * @module
 */

import { ApiMisuseError } from '../core/foundation/errors.ts';
import { after, type Instant } from '../core/foundation/instant.ts';
import type { PeerAddress } from '../core/foundation/peer-address.ts';
import { LinkDirection } from './link-direction.ts';
import { checkConditions, type NetworkConditions, perfectConditions } from './network-conditions.ts';
import { SeededRandom } from './seeded-random.ts';

/** One datagram as it was handed to the network. */
export interface SentDatagram {
  readonly from: PeerAddress;
  readonly to: PeerAddress;
  /** A copy; stays as it was sent. */
  readonly datagram: Uint8Array;
  readonly sentAt: Instant;
  /** Counts the datagrams of the whole network, from 0. */
  readonly index: number;
  /** Counts the datagrams from `from` to `to`, from 0. */
  readonly directionIndex: number;
  /** The multicast address it was sent to; `to` is the member of this copy. */
  readonly group?: PeerAddress;
  /** What became of it. */
  fate: DatagramFate;
}

/** What became of a datagram; the last thing that happened to it counts. */
export type DatagramFate =
  | 'delivered'
  | 'lost'
  | 'over-mtu'
  | 'queue-full'
  | 'duplicated'
  | 'swapped'
  | 'edited';

/**
 * What the hook wants: `pass` leaves it to the conditions; `swap` lets the next datagram of the direction
 * overtake it (after `swapWaitMs` without one it arrives anyway); `edit` delivers other bytes.
 */
export type DatagramAction =
  | { readonly kind: 'pass' }
  | { readonly kind: 'deliver' }
  | { readonly kind: 'drop' }
  | { readonly kind: 'duplicate' }
  | { readonly kind: 'swap' }
  | { readonly kind: 'delay'; readonly extraMs: number }
  | { readonly kind: 'edit'; readonly datagram: Uint8Array };

/** Asked for each datagram as it is sent. `undefined` means `pass`. */
export type DatagramHook = (sent: Readonly<SentDatagram>) => DatagramAction | undefined;

/** Called for each datagram that arrives; it may change the bytes, which are its own. */
export type DatagramReceiver = (
  datagram: Uint8Array,
  from: PeerAddress,
  now: Instant,
  /** The multicast address it was sent to. */
  group?: PeerAddress,
) => void;

/** How long a swapped datagram waits for a neighbour, in milliseconds. */
const swapWaitMs = 500;

interface Travelling {
  readonly from: PeerAddress;
  readonly to: PeerAddress;
  readonly datagram: Uint8Array;
  readonly group: PeerAddress | undefined;
  arrival: Instant;
  order: number;
}

/** The network. Addresses are told apart by their `key`. */
export class SimulatedNetwork {
  /** Everything that was sent, in order, for assertions; empty without `keepSent`. */
  readonly sent: SentDatagram[] = [];
  /** Datagrams that were longer than the MTU of their direction. */
  droppedForMtu = 0;
  /** Datagrams that found the queue of their direction full. */
  droppedForQueue = 0;
  /** Datagrams that the line lost, or the hook dropped. */
  lostCount = 0;
  /** Datagrams that were handed to the network. */
  sentCount = 0;
  /** Their bytes. */
  sentBytes = 0;
  /** Decides over single datagrams before the conditions do. */
  hook: DatagramHook | undefined;

  readonly #random: SeededRandom;
  /** Apart, so that bursts do not change the luck that a seed has without them. */
  readonly #burstRandom: SeededRandom;
  readonly #keepSent: boolean;
  readonly #receivers = new Map<string, DatagramReceiver>();
  readonly #members = new Map<string, Map<string, PeerAddress>>();
  readonly #conditionsOf = new Map<string, Partial<NetworkConditions>>();
  readonly #directions = new Map<string, LinkDirection>();
  /** Datagrams that wait to be overtaken, by direction. */
  readonly #held = new Map<string, Travelling>();
  #conditions: NetworkConditions;
  #travelling: Travelling[] = [];
  #order = 0;

  /**
   * @param options `keepSent: false` keeps no copy of each datagram, for long runs.
   * @throws ApiMisuseError for a condition that no line has.
   */
  constructor(options: {
    readonly seed: number;
    readonly conditions?: Partial<NetworkConditions>;
    readonly keepSent?: boolean;
  }) {
    checkConditions(options.conditions ?? {});
    this.#random = new SeededRandom(options.seed);
    this.#burstRandom = new SeededRandom(~options.seed);
    this.#keepSent = options.keepSent ?? true;
    this.#conditions = { ...perfectConditions, ...options.conditions };
  }

  /** The conditions of directions that have none of their own. */
  get conditions(): NetworkConditions {
    return this.#conditions;
  }

  /** Changes conditions from now on: of all directions, or of one. What already travels is not touched. */
  setConditions(
    conditions: Partial<NetworkConditions>,
    direction?: { readonly from: PeerAddress; readonly to: PeerAddress },
  ): void {
    checkConditions(conditions);
    if (direction === undefined) {
      this.#conditions = { ...this.#conditions, ...conditions };
      return;
    }
    const key = directionKey(direction.from, direction.to);
    this.#conditionsOf.set(key, { ...this.#conditionsOf.get(key), ...conditions });
  }

  /** Datagrams to `address` go to `receive` from now on, in place of an earlier receiver. */
  attach(address: PeerAddress, receive: DatagramReceiver): void {
    this.#receivers.set(address.key, receive);
  }

  /** Datagrams to `address` vanish from now on, also those that already travel. */
  detach(address: PeerAddress): void {
    this.#receivers.delete(address.key);
  }

  /** What is sent to `group` reaches `member` from now on. */
  join(group: PeerAddress, member: PeerAddress): void {
    const members = this.#members.get(group.key) ?? new Map();
    this.#members.set(group.key, members.set(member.key, member));
  }

  /** Ends `join`. */
  leave(group: PeerAddress, member: PeerAddress): void {
    const members = this.#members.get(group.key);
    members?.delete(member.key);
    if (members?.size === 0) this.#members.delete(group.key);
  }

  /**
   * Hands a datagram to the network; copied. One to a group that has members becomes one to each of them but the
   * sender, with a fate of its own.
   */
  send(from: PeerAddress, to: PeerAddress, datagram: Uint8Array, now: Instant): void {
    const members = this.#members.get(to.key);
    if (members === undefined) this.#carry(from, to, undefined, datagram, now);
    for (const member of members?.values() ?? []) {
      if (member.key !== from.key) this.#carry(from, member, to, datagram, now);
    }
  }

  #carry(
    from: PeerAddress,
    to: PeerAddress,
    group: PeerAddress | undefined,
    datagram: Uint8Array,
    now: Instant,
  ): void {
    const direction = directionKey(from, to);
    const conditions = { ...this.#conditions, ...this.#conditionsOf.get(direction) };
    const line = this.#direction(direction);
    const sent: SentDatagram = {
      from,
      to,
      datagram: datagram.slice(),
      sentAt: now,
      index: this.sentCount++,
      directionIndex: line.count++,
      fate: 'delivered',
      ...(group === undefined ? {} : { group }),
    };
    this.sentBytes += datagram.length;
    if (this.#keepSent) this.sent.push(sent);
    // Drawn for every datagram, so that the fate of one does not shift the luck of the next.
    const [loss, duplicate, reorder, jitter] = this.#draw();
    if (datagram.length > conditions.mtu) {
      this.droppedForMtu++;
      sent.fate = 'over-mtu';
      return;
    }
    const action = expectAction(this.hook?.(sent));
    const left = action.kind === 'pass';
    // What is lost has taken its time on the line.
    const through = line.transmit(datagram.length, conditions, now);
    if (through === undefined) {
      this.droppedForQueue++;
      sent.fate = 'queue-full';
      return;
    }
    const isLost = line.loses(datagram.length, conditions, loss, this.#burstRandom);
    if (action.kind === 'drop' || (left && isLost)) {
      this.lostCount++;
      sent.fate = 'lost';
      return;
    }
    const extraMs = action.kind === 'delay' ? action.extraMs : 0;
    const arrival = after(through, conditions.delayMs + jitter * conditions.jitterMs + extraMs);
    const bytes = action.kind === 'edit' ? action.datagram : sent.datagram;
    if (action.kind === 'edit') sent.fate = 'edited';
    const travelling = this.#enqueue({ from, to, group, datagram: bytes }, arrival);
    if (action.kind === 'duplicate' || (left && duplicate < conditions.duplicateRate)) {
      sent.fate = 'duplicated';
      this.#enqueue({ from, to, group, datagram: bytes }, arrival);
    }
    const held = this.#held.get(direction);
    if (held !== undefined) {
      // The neighbour has come: the one that waited arrives right behind it.
      this.#held.delete(direction);
      held.arrival = arrival;
      held.order = this.#order++;
    } else if (action.kind === 'swap' || (left && reorder < conditions.reorderRate)) {
      sent.fate = 'swapped';
      travelling.arrival = after(arrival, swapWaitMs);
      this.#held.set(direction, travelling);
    }
  }

  /** When the next datagram arrives, or `undefined` when none travels. */
  nextArrival(): Instant | undefined {
    return this.#next()?.arrival;
  }

  /**
   * Delivers all that has arrived by `now`, in order of arrival, and returns how many. What a receiver sends
   * meanwhile is delivered too when it has no delay.
   */
  deliverDue(now: Instant): number {
    let delivered = 0;
    for (;;) {
      const next = this.#next();
      if (next === undefined || next.arrival > now) return delivered;
      this.#travelling = this.#travelling.filter((other) => other !== next);
      const direction = directionKey(next.from, next.to);
      if (this.#held.get(direction) === next) this.#held.delete(direction);
      const receive = this.#receivers.get(next.to.key);
      if (receive === undefined) continue;
      delivered++;
      receive(next.datagram.slice(), next.from, now, next.group);
    }
  }

  #direction(key: string): LinkDirection {
    let direction = this.#directions.get(key);
    if (direction === undefined) {
      direction = new LinkDirection();
      this.#directions.set(key, direction);
    }
    return direction;
  }

  #draw(): [number, number, number, number] {
    const random = this.#random;
    return [random.fraction(), random.fraction(), random.fraction(), random.fraction()];
  }

  #enqueue(datagram: Omit<Travelling, 'arrival' | 'order'>, arrival: Instant): Travelling {
    const travelling = { ...datagram, arrival, order: this.#order++ };
    this.#travelling.push(travelling);
    return travelling;
  }

  #next(): Travelling | undefined {
    let next: Travelling | undefined;
    for (const one of this.#travelling) {
      if (
        next === undefined ||
        one.arrival < next.arrival ||
        (one.arrival === next.arrival && one.order < next.order)
      ) {
        next = one;
      }
    }
    return next;
  }
}

function directionKey(from: PeerAddress, to: PeerAddress): string {
  return `${from.key} ${to.key}`;
}

const actionKinds: readonly unknown[] = [
  'pass',
  'deliver',
  'drop',
  'duplicate',
  'swap',
  'delay',
  'edit',
] satisfies DatagramAction['kind'][];

/** What the hook wants. A hook that answers something else decides nothing, which must not look like a test that passes. */
function expectAction(action: DatagramAction | undefined): DatagramAction {
  if (action === undefined) return { kind: 'pass' };
  if (actionKinds.includes(action?.kind)) return action;
  throw new ApiMisuseError(
    `the hook of the network returned ${JSON.stringify(action)}; expected undefined or { kind } with one of ${actionKinds.join(', ')}`,
  );
}
