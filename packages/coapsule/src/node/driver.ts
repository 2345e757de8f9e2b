/**
 * The pump between the world and one endpoint: a socket, or a serial line, and one timer on one side, `handle`, `poll` and
 * `nextTimeout` on the other. It has no protocol in it.
 *
 * @module
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Endpoint, EndpointInput } from '../core/endpoint/endpoint.ts';
import type { EndpointOutput } from '../core/endpoint/outputs.ts';
import type { Instant } from '../core/foundation/instant.ts';
import type { PeerAddress } from '../core/foundation/peer-address.ts';
import { type RandomSource, randomFraction } from '../core/foundation/random-source.ts';
import type { DatagramReceiver, DatagramSocket, SocketOpener } from './datagram-socket.ts';
import { EndpointPump } from './endpoint-pump.ts';
import { type Clock, monotonicClock, wallTimeMs } from './monotonic-clock.ts';
import type { NodePort } from './node-port.ts';
import type { SharedPort } from './shared-port.ts';
import { systemRandom } from './system-random.ts';
import { isUnreachable, openUdpSocket, type UdpSocketOptions } from './udp-socket.ts';

/** One datagram as it was on the wire. */
export interface CapturedDatagram {
  readonly direction: 'sent' | 'received';
  /** `tcp`: a piece of a byte stream, of any length; all pieces of a connection come in order. Absent for a datagram. */
  readonly transport?: 'tcp';
  readonly local: PeerAddress;
  readonly remote: PeerAddress;
  readonly datagram: Uint8Array;
  /** Milliseconds since 1970. */
  readonly wallTimeMs: number;
}

/** The UDP socket of a driver. */
export type DriverSocketOptions = Omit<UdpSocketOptions, 'onDatagram' | 'onError'>;

/** What the pump calls back. */
export interface DriverOptions {
  readonly endpoint: Endpoint;
  /** A UDP socket, or how to open something else that looks after itself, such as a serial line. */
  readonly socket: DriverSocketOptions | SocketOpener;
  /** Each output that is not a datagram to send. */
  readonly onOutput: (output: DriverOutput) => void;
  /** The socket is one of several workers' on one port. */
  readonly sharedPort?: SharedPort;
  /** Other machines answer at the same address. */
  readonly nodePort?: NodePort;
  /** Runs once the socket is bound; the first datagrams wait for it. When it rejects, the socket is closed. */
  readonly prepare?: () => Promise<void>;
  /** The endpoint threw, which it never should, or one of the callbacks here did: for the log. */
  readonly onDefect: (error: unknown) => void;
  /** A connected socket learned that nobody listens there, or that there is no way to it. */
  readonly onUnreachable?: (error: NodeJS.ErrnoException) => void;
  /** The socket failed; it is opened again with back-off, and what the endpoint holds stays. */
  readonly onSocketFailure?: (error: NodeJS.ErrnoException) => void;
  readonly capture?: (datagram: CapturedDatagram) => void;
  /** Share of datagrams lost on purpose, both ways, 0 … 1: a test aid. */
  readonly lossRate?: number;
  /** Share of datagrams sent twice on purpose, 0 … 1: a test aid. */
  readonly duplicateRate?: number;
  readonly clock?: Clock;
  readonly random?: RandomSource;
}

export type DriverOutput = Exclude<EndpointOutput, { kind: 'transmit' }>;

const firstReopenMs = 100;
const longestReopenMs = 30_000;

/** Datagrams, and bytes of them, that wait while a driver is prepared. */
const mostEarly = { datagrams: 4096, bytes: 4 * 1024 * 1024 } as const;

/** Runs one endpoint on one socket until it is closed. */
export class Driver {
  readonly #options: DriverOptions;
  readonly #pump: EndpointPump<Endpoint, EndpointOutput>;
  readonly #random: RandomSource;
  readonly #clock: Clock;
  #socket: DatagramSocket;
  #reopening: Promise<void> | undefined;
  readonly #closing = new AbortController();
  #closed = false;
  #ended: Promise<void> | undefined;
  /** Groups that have sockets of their own, by interface. */
  readonly #keptOut = new Map<string, { readonly group: string; readonly interfaceAddress: string }>();
  /** Datagrams are lost, as if the network had dropped them. What the endpoint has to say still goes out. */
  isDeaf = false;

  /** Opens the socket, then runs; rejects with the system's error when it cannot be opened. */
  static async open(options: DriverOptions): Promise<Driver> {
    let driver: Driver | undefined;
    const early: { readonly datagram: Uint8Array; readonly from: PeerAddress }[] = [];
    let earlyBytes = 0;
    const receive: DatagramReceiver = (datagram, from) => {
      if (driver) driver.#receiveFromSocket(datagram, from);
      if (driver || !options.prepare || early.length >= mostEarly.datagrams) return;
      earlyBytes += datagram.length;
      if (earlyBytes <= mostEarly.bytes) early.push({ datagram: datagram.slice(), from });
    };
    const onError = (error: NodeJS.ErrnoException): void => {
      if (driver) driver.#socketError(error);
    };
    const socket =
      typeof options.socket === 'function'
        ? await options.socket({
            receive,
            reopened: () => {
              if (driver) driver.#linkRestored();
            },
          })
        : await openUdpSocket({ ...options.socket, onDatagram: receive, onError });
    let opened: Driver;
    try {
      await options.prepare?.();
      opened = new Driver(options, socket);
      // Refused where this worker has the port already: a socket that nobody reads must not take a share of its datagrams.
      opened.#joinOthers();
    } catch (error) {
      await socket.close();
      throw error;
    }
    driver = opened;
    // After whoever waits for the driver has it.
    if (early.length > 0) setImmediate(() => opened.#receiveEarly(early));
    return opened;
  }

  private constructor(options: DriverOptions, socket: DatagramSocket) {
    this.#options = options;
    this.#socket = socket;
    const { endpoint, clock = monotonicClock, onDefect } = options;
    this.#clock = clock;
    const carryOut = (output: EndpointOutput): void => {
      if (output.kind === 'transmit') this.#transmit(output.datagram, output.address);
      else options.onOutput(output);
    };
    const beforeWork = (): void => this.#socket.flush?.();
    this.#pump = new EndpointPump({ endpoint, clock, carryOut, beforeWork, onDefect });
    this.#random = options.random ?? systemRandom;
  }

  /** Where the socket is bound. */
  get local(): PeerAddress {
    return this.#socket.local;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Sends a datagram that is not of its endpoint. */
  send(datagram: Uint8Array, to: PeerAddress): void {
    if (!this.closed) this.#transmit(datagram, to);
  }

  /** A datagram that came to a group, by a socket of its own (`group-memberships.ts`). */
  receiveFromGroup(datagram: Uint8Array, from: PeerAddress, group: PeerAddress): void {
    this.#receive(datagram, from, group);
  }

  /** Keeps a group's datagrams out of the socket of this driver, also when that is opened again. */
  keepOut(group: string, interfaceAddress: string): void {
    this.#keptOut.set(`${group} ${interfaceAddress}`, { group, interfaceAddress });
    this.#socket.keepOut?.(group, interfaceAddress);
  }

  /** Gives the endpoint a command, and carries out what follows from it. */
  run<Result>(command: (endpoint: Endpoint, now: Instant) => Result): Result {
    return this.#pump.run(command);
  }

  /**
   * Closes the socket; fulfils when it is closed, whoever began. What the endpoint wanted to say last must have been said through
   * `run` before.
   */
  close(): Promise<void> {
    this.#ended ??= this.#end();
    return this.#ended;
  }

  async #end(): Promise<void> {
    this.#closed = true;
    this.#closing.abort();
    this.#options.sharedPort?.close();
    this.#options.nodePort?.close();
    this.#pump.stop();
    await this.#socket.close();
    // It may have a new socket just now, and closes that itself.
    await this.#reopening;
  }

  #receiveEarly(early: readonly { readonly datagram: Uint8Array; readonly from: PeerAddress }[]): void {
    for (const { datagram, from } of early) this.#receiveFromSocket(datagram, from);
  }

  /** On a port of several workers, what is for another one goes there. */
  #receiveFromSocket(datagram: Uint8Array, from: PeerAddress): void {
    const { sharedPort, nodePort } = this.#options;
    if (nodePort?.divert(datagram, from, this.#isOwn)) return;
    if (sharedPort?.divert(datagram, from, this.#clock.now(), this.#isKnown)) return;
    this.#receive(datagram, from);
  }

  readonly #isKnown = (address: PeerAddress): boolean => this.#options.endpoint.hasAssociationAt(address);

  readonly #isOwn = (datagram: Uint8Array): boolean => this.#options.endpoint.hasConnectionIdOf(datagram);

  #joinOthers(): void {
    this.#options.nodePort?.open(
      (datagram, from) => this.#receive(datagram, from),
      (datagram, to) => {
        if (!this.closed) this.#socket.send(datagram, to);
      },
      this.#isOwn,
    );
    this.#options.sharedPort?.open({
      receive: (datagram, from) => this.#receive(datagram, from),
      notify: (path) => {
        if (!this.closed) this.run((endpoint, now) => endpoint.notify(path, now));
      },
      keepOut: (group, interfaceAddress) => {
        try {
          if (!this.closed) this.keepOut(group, interfaceAddress);
        } catch {
          // The interface is gone; it is told again when the group is joined anew.
        }
      },
    });
  }

  #receive(datagram: Uint8Array, from: PeerAddress, group?: PeerAddress): void {
    if (this.closed || this.isDeaf || this.#lost()) return;
    if (this.#options.capture) this.#pump.guarded(() => this.#capture('received', datagram, from, group));
    const input = group === undefined ? { address: from, datagram } : { address: from, datagram, group };
    this.#pump.guardedWith(handleInput, input);
  }

  #linkRestored(): void {
    if (!this.closed) this.#pump.guarded((endpoint, now) => endpoint.linkRestored(now));
  }

  #transmit(datagram: Uint8Array, to: PeerAddress): void {
    this.#capture('sent', datagram, to);
    if (this.#lost() || this.#options.nodePort?.answer(datagram, to)) return;
    this.#socket.send(datagram, to);
    if (this.#happens(this.#options.duplicateRate)) this.#socket.send(datagram, to);
  }

  #lost(): boolean {
    return this.#happens(this.#options.lossRate);
  }

  #happens(rate: number | undefined): boolean {
    return rate !== undefined && rate > 0 && randomFraction(this.#random) < rate;
  }

  #capture(
    direction: 'sent' | 'received',
    datagram: Uint8Array,
    remote: PeerAddress,
    local: PeerAddress = this.#socket.local,
  ): void {
    this.#options.capture?.({
      direction,
      local,
      remote,
      // A copy: a received record is decrypted where it lies.
      datagram: datagram.slice(),
      wallTimeMs: wallTimeMs(),
    });
  }

  #socketError(error: NodeJS.ErrnoException): void {
    const { socket, onUnreachable, onSocketFailure } = this.#options;
    // Others look after themselves.
    if (this.closed || typeof socket === 'function') return;
    if (socket.remote && isUnreachable(error)) {
      onUnreachable?.(error);
      return;
    }
    onSocketFailure?.(error);
    this.#reopening ??= this.#reopen(socket).finally(() => {
      this.#reopening = undefined;
    });
  }

  #keepAllOut(socket: DatagramSocket): void {
    for (const [key, { group, interfaceAddress }] of this.#keptOut) {
      try {
        socket.keepOut?.(group, interfaceAddress);
      } catch {
        // The interface is gone; joining the group there anew keeps it out again.
        this.#keptOut.delete(key);
      }
    }
  }

  /** Same port, same endpoint: associations and exchanges outlive the socket. */
  async #reopen(options: DriverSocketOptions): Promise<void> {
    const { port } = this.#socket.local;
    await this.#socket.close();
    for (let delay = firstReopenMs; !this.closed; delay = Math.min(delay * 2, longestReopenMs)) {
      try {
        const socket = await openUdpSocket({
          ...options,
          ...(options.amongWorkers === undefined ? {} : { amongWorkers: 'join' }),
          port,
          onDatagram: (datagram, from) => this.#receiveFromSocket(datagram, from),
          onError: (error) => this.#socketError(error),
        });
        if (this.closed) await socket.close();
        this.#socket = socket;
        this.#keepAllOut(socket);
        break;
      } catch (error) {
        this.#options.onSocketFailure?.(error as NodeJS.ErrnoException);
        await sleep(delay, undefined, { signal: this.#closing.signal }).catch(() => undefined);
      }
    }
  }
}

function handleInput(endpoint: Endpoint, now: Instant, input: EndpointInput): void {
  endpoint.handle(input, now);
}
