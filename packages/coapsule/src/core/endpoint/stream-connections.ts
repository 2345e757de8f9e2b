/**
 * The connections of an endpoint on reliable transports: found by id, by peer and by address, and bounded.
 *
 * When there is no room for another one, the host that has most of them loses the one that was silent longest: one host
 * cannot keep others out. What unfinished messages may hold together is bounded too; the oldest one goes first.
 *
 * @module
 */

import type { ReleaseNotice } from '../coap/signaling.ts';
import type { Connection } from '../connection/connection.ts';
import type { ConnectionEnd, PingId } from '../connection/connection-output.ts';
import { earliest, type Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';
import type { ExchangeId } from '../request-response/request-response-layer.ts';
import type { OutgoingRequest, RequestId } from './outputs.ts';
import type { ConnectionId, StreamPeer } from './stream-outputs.ts';

/** A Ping of the peer that waits until all before it is processed (RFC 8323 §5.4.1). */
interface CustodyPing {
  readonly token: Uint8Array;
  readonly waitsFor: Set<ExchangeId>;
}

/** A request that waits for a connection. */
export interface WaitingStreamRequest {
  /** Absent for a ping. */
  readonly content: OutgoingRequest | undefined;
  /** It was sent on another connection before, which ended. */
  readonly isRepeated: boolean;
}

/** One connection with what is under way on it. */
export interface StreamConnection {
  readonly peer: StreamPeer;
  readonly isInitiator: boolean;
  /** Undefined while the transport is being opened. */
  machine: Connection | undefined;
  /** Whether the peer's CSM came. */
  isEstablished: boolean;
  /** Requests and pings that wait for the peer's CSM. */
  readonly waiting: Map<RequestId, WaitingStreamRequest>;
  readonly pings: Map<PingId, RequestId>;
  /** Requests of the peer that the application has not answered. */
  readonly serving: Set<ExchangeId>;
  readonly custody: CustodyPing[];
  /** The transport takes no more for now. */
  isBlocked: boolean;
  /** Notifications that were sent while it took no more. */
  readonly heldBack: ExchangeId[];
  /** The peer's Release, and until when its connection is kept for what is under way. */
  release: { readonly notice: ReleaseNotice; readonly until: Instant } | undefined;
  /** How it ended: why what was under way on it fails. */
  end: ConnectionEnd | undefined;
}

/** See the module comment. */
export class StreamConnections {
  readonly #byId = new Map<ConnectionId, StreamConnection>();
  readonly #byKey = new Map<string, StreamConnection>();
  /** Connections that others opened, by host. */
  readonly #accepted = new Map<string, Set<StreamConnection>>();
  #acceptedCount = 0;
  /** Bytes of unfinished messages, in the order in which they began. */
  readonly #pending = new Map<ConnectionId, number>();
  #pendingBytes = 0;
  readonly #timers = new TimerQueue<ConnectionId>();
  #lastId = 0;

  /** Connections, also those that are being opened. */
  get size(): number {
    return this.#byId.size;
  }

  /** Connections that others opened. */
  get acceptedCount(): number {
    return this.#acceptedCount;
  }

  /** Bytes of unfinished messages of all connections. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  add(address: PeerAddress, isInitiator: boolean): StreamConnection {
    const id = ++this.#lastId;
    const connection: StreamConnection = {
      peer: { key: `connection:${id}`, address, connection: id },
      isInitiator,
      machine: undefined,
      isEstablished: false,
      waiting: new Map(),
      pings: new Map(),
      serving: new Set(),
      custody: [],
      isBlocked: false,
      heldBack: [],
      release: undefined,
      end: undefined,
    };
    this.#byId.set(id, connection);
    this.#byKey.set(connection.peer.key, connection);
    if (!isInitiator) {
      this.#acceptedCount++;
      const ofHost = this.#accepted.get(address.host) ?? new Set();
      this.#accepted.set(address.host, ofHost.add(connection));
    }
    return connection;
  }

  get(id: ConnectionId): StreamConnection | undefined {
    return this.#byId.get(id);
  }

  withKey(key: string): StreamConnection | undefined {
    return this.#byKey.get(key);
  }

  values(): IterableIterator<StreamConnection> {
    return this.#byId.values();
  }

  /** A connection that we opened to `address` and that new requests may use. */
  usable(address: PeerAddress): StreamConnection | undefined {
    for (const connection of this.#byId.values()) {
      const { machine, isInitiator, peer } = connection;
      if (!isInitiator || peer.address.key !== address.key) continue;
      if (machine === undefined || machine.isOpen || !connection.isEstablished) return connection;
    }
    return undefined;
  }

  /** Whom to give up for a newcomer: of the host with most connections the one that was silent longest. */
  leastWorth(): StreamConnection | undefined {
    let greediest: Set<StreamConnection> | undefined;
    for (const ofHost of this.#accepted.values()) {
      if (greediest === undefined || ofHost.size > greediest.size) greediest = ofHost;
    }
    let found: StreamConnection | undefined;
    for (const connection of greediest ?? []) {
      if (found === undefined || rank(connection) < rank(found)) found = connection;
    }
    return found;
  }

  /** Takes note of what a connection holds of an unfinished message. Returns whose has to go for `most` bytes. */
  notePending(connection: StreamConnection, most: number): StreamConnection | undefined {
    const { connection: id } = connection.peer;
    const bytes = connection.machine?.pendingBytes ?? 0;
    this.#pendingBytes += bytes - (this.#pending.get(id) ?? 0);
    if (bytes === 0) this.#pending.delete(id);
    else this.#pending.set(id, bytes);
    if (this.#pendingBytes <= most) return undefined;
    for (const oldest of this.#pending.keys()) return this.#byId.get(oldest);
    return undefined;
  }

  /** Sets the timer of a connection to when it wants to be called. */
  schedule({ peer, machine, release }: StreamConnection): void {
    const next = earliest(machine?.nextTimeout(), release?.until);
    if (next === undefined) this.#timers.cancel(peer.connection);
    else this.#timers.set(peer.connection, next);
  }

  /** The next connection whose time has come; it has to be scheduled again. */
  expire(now: Instant): StreamConnection | undefined {
    const id = this.#timers.expire(now);
    return id === undefined ? undefined : this.#byId.get(id);
  }

  nextTimeout(): Instant | undefined {
    return this.#timers.next();
  }

  remove(connection: StreamConnection): void {
    const { peer } = connection;
    const { connection: id, address } = peer;
    if (!this.#byId.delete(id)) return;
    this.#byKey.delete(peer.key);
    this.#timers.cancel(id);
    this.#pendingBytes -= this.#pending.get(id) ?? 0;
    this.#pending.delete(id);
    if (connection.isInitiator) return;
    this.#acceptedCount--;
    const ofHost = this.#accepted.get(address.host);
    ofHost?.delete(connection);
    if (ofHost?.size === 0) this.#accepted.delete(address.host);
  }
}

/** Those with requests under way are worth more, and among equals those that were heard later. */
function rank({ serving, machine }: StreamConnection): number {
  return (machine?.heardAt ?? 0) + (serving.size > 0 ? 2 ** 52 : 0);
}
