/**
 * One UDP port that several workers share, as one of them sees it: which datagrams are not for it, and where they go.
 *
 * The system gives all datagrams of one address to one of the workers (SO_REUSEPORT), so that a peer stays with the worker
 * that shook hands with it, until its address changes or a worker is replaced. Then a record goes to the worker that its
 * connection id names (its first byte, see `connectionIdPrefix`), and one without a connection id, of an address that is not
 * known here, to all others. Whoever has the association answers, and since all are bound to one port, the peer sees one.
 *
 * @module
 */

import {
  firstConnectionIdByte,
  isProtectedWithoutConnectionId,
} from '../core/dtls/record/record-steering.ts';
import type { Instant } from '../core/foundation/instant.ts';
import { ipAddress, type PeerAddress } from '../core/foundation/peer-address.ts';
import { TokenBucket } from '../core/foundation/token-bucket.ts';
import type { DatagramReceiver } from './datagram-socket.ts';
import type { OscoreMessage, PortLink, PortMessage } from './worker-link.ts';

/** Datagrams a second that go to all others: what is made up must not cost each worker what it costs the first. */
const searchesPerSecond = 2000;

/** What became of datagrams, for diagnostics. */
export interface SharedPortCounters {
  /** Sent to the worker that the connection id names. */
  diverted: number;
  /** Sent to all other workers, because only one of them can know whose they are. */
  searched: number;
  /** Not sent to others, because too many were within a second. */
  notSearched: number;
  /** Came from other workers. */
  received: number;
}

/** What is done with what other workers send. */
export interface SharedPortEvents {
  readonly receive: DatagramReceiver;
  readonly notify: (path: string) => void;
  readonly keepOut: (group: string, interfaceAddress: string) => void;
}

/** Who deals with messages under OSCORE; only worker 0 is told the rest. */
export interface OscoreSide {
  readonly message: (message: OscoreMessage) => void;
  readonly notify?: (path: string) => void;
  /** Another worker takes the place of one. */
  readonly replaced?: (worker: number) => void;
}

/** See the module comment. */
export class SharedPort {
  readonly #link: PortLink;
  readonly #uri: string;
  readonly counters: SharedPortCounters = { diverted: 0, searched: 0, notSearched: 0, received: 0 };
  readonly #searches = new TokenBucket(searchesPerSecond, searchesPerSecond);

  #oscore: OscoreSide | undefined;
  /** Groups that this worker has joined for all, by group and interface. */
  readonly #groups = new Map<string, Extract<PortMessage, { kind: 'keep-out' }>>();

  /** @param uri As listened on: the same in all workers. */
  constructor(link: PortLink, uri: string) {
    this.#link = link;
    this.#uri = uri;
  }

  /** What own connection ids begin with. */
  get connectionIdPrefix(): Uint8Array {
    return Uint8Array.of(this.#link.index);
  }

  /** Takes what comes from the others from now on. */
  open({ receive, notify, keepOut }: SharedPortEvents): void {
    const told = (message: PortMessage): void => {
      switch (message.kind) {
        case 'datagram':
          this.counters.received++;
          receive(message.datagram, ipAddress(message.host, message.port));
          return;
        case 'notify':
          notify(message.path);
          this.#oscore?.notify?.(message.path);
          return;
        case 'keep-out':
          keepOut(message.group, message.interfaceAddress);
          return;
        case 'which-groups':
          for (const joined of this.#groups.values()) this.#link.send(message.from, this.#uri, joined);
          return;
        case 'to-owner':
        case 'from-owner':
        case 'association-ended':
          this.#oscore?.message(message);
          return;
        case 'owned':
          return; // on a channel of its own
      }
    };
    this.#link.receive(this.#uri, told, (worker) => this.#oscore?.replaced?.(worker));
  }

  /** In worker 0: the other workers keep out of a group, which it has joined. */
  keepOut(group: string, interfaceAddress: string): void {
    const message = { kind: 'keep-out', group, interfaceAddress } as const;
    this.#groups.set(`${group} ${interfaceAddress}`, message);
    this.#link.sendToAll(this.#uri, message);
  }

  /** In another worker that has just begun. */
  askForGroups(): void {
    if (!this.isOwner) this.#link.send(0, this.#uri, { kind: 'which-groups', from: this.#link.index });
  }

  /** Messages under OSCORE have one owner here (`api/oscore-owner.ts`). */
  withOscore(side: OscoreSide): void {
    this.#oscore = side;
  }

  /** To worker 0. @param security Of the association that it came by. */
  sendToOwner(datagram: Uint8Array, { host, port }: PeerAddress, security: unknown): void {
    const from = this.#link.index;
    this.#link.send(0, this.#uri, {
      kind: 'to-owner',
      ...{ from, datagram: datagram.slice(), host, port, security },
    });
  }

  /** To worker 0: an association of this worker is over. */
  tellEnded(association: string): void {
    this.#link.send(0, this.#uri, { kind: 'association-ended', association });
  }

  /** From worker 0, by an association of another worker. */
  sendInside(worker: number, association: string, datagram: Uint8Array): void {
    this.#link.send(worker, this.#uri, { kind: 'from-owner', association, datagram: datagram.slice() });
  }

  /** Whether there is nobody else. */
  get isAlone(): boolean {
    return this.#link.count === 1;
  }

  /** Whether this is worker 0, who has what only one can have. */
  get isOwner(): boolean {
    return this.#link.index === 0;
  }

  /**
   * Sends a datagram to another worker when it is for one.
   *
   * @param isKnown Whether an association or handshake here is with this address.
   * @returns whether nothing is left to do here.
   */
  divert(
    datagram: Uint8Array,
    from: PeerAddress,
    now: Instant,
    isKnown: (address: PeerAddress) => boolean,
  ): boolean {
    const { index, count } = this.#link;
    const first = firstConnectionIdByte(datagram);
    if (first >= 0) {
      // After a start with fewer workers there are ids of those that are no more.
      const owner = first % count;
      if (owner === index) return false;
      this.counters.diverted++;
      this.#link.send(owner, this.#uri, carried(datagram, from));
      return true;
    }
    if (!isProtectedWithoutConnectionId(datagram) || isKnown(from)) return false;
    if (this.#searches.take(now)) {
      this.counters.searched++;
      this.#link.sendToAll(this.#uri, carried(datagram, from));
    } else this.counters.notSearched++;
    // It may still be a fault that is to be counted here.
    return false;
  }

  /** Tells the observers of the other workers that a resource has changed. */
  notify(path: string): void {
    this.#link.sendToAll(this.#uri, { kind: 'notify', path });
  }

  close(): void {
    this.#link.leave(this.#uri);
  }
}

/** A copy: the datagram is decrypted where it lies, and may share memory with others. */
function carried(datagram: Uint8Array, { host, port }: PeerAddress): PortMessage {
  return { kind: 'datagram', datagram: datagram.slice(), host, port };
}
