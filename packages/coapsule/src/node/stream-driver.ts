/**
 * The pump between reliable transports and one endpoint: transports and one timer on one side, `handle`, `poll` and
 * `nextTimeout` on the other. It has no protocol in it.
 *
 * @module
 */

import type { StreamEndpoint } from '../core/endpoint/stream-endpoint.ts';
import type { ConnectionId, StreamOutput } from '../core/endpoint/stream-outputs.ts';
import type { Instant } from '../core/foundation/instant.ts';
import type { PeerAddress } from '../core/foundation/peer-address.ts';
import { EndpointPump } from './endpoint-pump.ts';
import { type Clock, monotonicClock } from './monotonic-clock.ts';
import { type StreamServer, type StreamTransport, TransportFailure } from './stream-transport.ts';

/** Outputs that the driver does not carry out itself. */
export type StreamDriverOutput = Exclude<StreamOutput, { kind: 'open' | 'transmit' | 'close' }>;

/** What the pump calls back. */
export interface StreamDriverOptions {
  readonly endpoint: StreamEndpoint;
  /** Opens a transport; rejects with `TransportFailure`. Without it the endpoint opens none. */
  readonly dial?: (address: PeerAddress) => Promise<StreamTransport>;
  readonly onOutput: (output: StreamDriverOutput) => void;
  /** The endpoint threw, which it never should, or one of the callbacks here did: for the log. */
  readonly onDefect: (error: unknown) => void;
  readonly clock?: Clock;
}

/** Runs one endpoint on its transports until it is closed. */
export class StreamDriver {
  readonly #options: StreamDriverOptions;
  readonly #pump: EndpointPump<StreamEndpoint, StreamOutput>;
  readonly #transports = new Map<ConnectionId, StreamTransport>();
  readonly #blocked = new Set<ConnectionId>();
  /** Connections whose transport is being opened. */
  readonly #dialing = new Set<ConnectionId>();
  #server: StreamServer | undefined;
  #whenEmpty: (() => void) | undefined;
  #ended: Promise<void> | undefined;

  constructor(options: StreamDriverOptions) {
    this.#options = options;
    const { endpoint, clock = monotonicClock, onDefect } = options;
    const carryOut = (output: StreamOutput): void => this.#carryOut(output);
    this.#pump = new EndpointPump({ endpoint, clock, carryOut, onDefect });
  }

  get closed(): boolean {
    return this.#pump.stopped;
  }

  /** Transports that are open. */
  get size(): number {
    return this.#transports.size;
  }

  /** The port that `accept` is called for, to be closed with the driver. */
  serve(server: StreamServer): void {
    this.#server = server;
  }

  /** Takes a transport that a peer opened. Returns the name of its connection. */
  accept(transport: StreamTransport): ConnectionId | undefined {
    if (this.closed) {
      transport.destroy();
      return undefined;
    }
    return this.#pump.run((endpoint, now) => {
      const connection = endpoint.accept(transport.remote, now);
      this.#adopt(connection, transport);
      return connection;
    });
  }

  /** Gives the endpoint a command, and carries out what follows from it. */
  run<Result>(command: (endpoint: StreamEndpoint, now: Instant) => Result): Result {
    return this.#pump.run(command);
  }

  /**
   * Takes no more transports, waits until those there are have been closed by the endpoint or their peers, at most
   * `patienceMs`, and breaks off the rest. What the endpoint wanted to say must have been said through `run` before.
   * Asked for again, it is the same end that is waited for.
   */
  close(patienceMs: number): Promise<void> {
    this.#ended ??= this.#end(patienceMs);
    return this.#ended;
  }

  async #end(patienceMs: number): Promise<void> {
    const closing = this.#server?.close();
    if (this.#transports.size > 0 && patienceMs > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, patienceMs);
        this.#whenEmpty = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#pump.stop();
    for (const transport of this.#transports.values()) transport.close();
    this.#transports.clear();
    await closing;
  }

  #adopt(connection: ConnectionId, transport: StreamTransport): void {
    this.#transports.set(connection, transport);
    transport.attach({
      received: (bytes) =>
        this.#pump.guarded((endpoint, now) => endpoint.handle({ kind: 'received', connection, bytes }, now)),
      progress: () =>
        this.#pump.guarded((endpoint, now) => endpoint.handle({ kind: 'progress', connection }, now)),
      drained: () => {
        if (!this.#blocked.delete(connection)) return;
        transport.resume();
        this.#pump.guarded((endpoint, now) => endpoint.handle({ kind: 'drained', connection }, now));
      },
      closed: (cause, detail) => {
        this.#forget(connection);
        this.#pump.guarded((endpoint, now) =>
          endpoint.handle({ kind: 'closed', connection, cause, detail }, now),
        );
      },
    });
  }

  #forget(connection: ConnectionId): void {
    this.#transports.delete(connection);
    this.#blocked.delete(connection);
    if (this.#transports.size === 0) this.#whenEmpty?.();
  }

  #carryOut(output: StreamOutput): void {
    switch (output.kind) {
      case 'open':
        this.#dialing.add(output.connection);
        void this.#dial(output.connection, output.address);
        return;
      case 'transmit':
        this.#transmit(output.connection, output.bytes);
        return;
      case 'close': {
        const transport = this.#transports.get(output.connection);
        this.#dialing.delete(output.connection);
        this.#forget(output.connection);
        transport?.close();
        return;
      }
      default:
        this.#options.onOutput(output);
    }
  }

  #transmit(connection: ConnectionId, bytes: Uint8Array): void {
    const transport = this.#transports.get(connection);
    if (transport === undefined || transport.send(bytes) || this.#blocked.has(connection)) return;
    this.#blocked.add(connection);
    // Who does not read what we answer has nothing more to ask.
    transport.pause();
    this.#pump.run((endpoint, now) => endpoint.handle({ kind: 'blocked', connection }, now));
  }

  async #dial(connection: ConnectionId, address: PeerAddress): Promise<void> {
    try {
      if (this.#options.dial === undefined)
        throw new TransportFailure('not-opened', 'this endpoint opens none');
      const transport = await this.#options.dial(address);
      if (this.closed || !this.#dialing.delete(connection)) {
        transport.destroy();
        return;
      }
      this.#transports.set(connection, transport);
      this.#pump.guarded((endpoint, now) => endpoint.handle({ kind: 'opened', connection }, now));
      this.#adopt(connection, transport);
    } catch (error) {
      this.#dialing.delete(connection);
      const { endCause, message } = failureOf(error);
      this.#pump.guarded((endpoint, now) =>
        endpoint.handle({ kind: 'closed', connection, cause: endCause, detail: message }, now),
      );
    }
  }
}

function failureOf(error: unknown): TransportFailure {
  if (error instanceof TransportFailure) return error;
  return new TransportFailure('not-opened', error instanceof Error ? error.message : String(error), {
    cause: error,
  });
}
