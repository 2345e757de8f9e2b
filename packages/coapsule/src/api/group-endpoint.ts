/**
 * A client's endpoint for requests to groups: a socket of its own that is not connected, as answers come from anywhere.
 *
 * RFC 7252 §8. Plain `coap` only: there is no multicast with DTLS.
 *
 * @module
 */

import { Endpoint } from '../core/endpoint/endpoint.ts';
import type { OutgoingGroupRequest, RequestError, RequestId } from '../core/endpoint/outputs.ts';
import { elapsedMs, type Instant } from '../core/foundation/instant.ts';
import type { PeerAddress } from '../core/foundation/peer-address.ts';
import { Driver, type DriverOutput } from '../node/driver.ts';
import { interfaceAddress, interfaceNames } from '../node/interface-address.ts';
import { monotonicClock } from '../node/monotonic-clock.ts';
import { systemRandom } from '../node/system-random.ts';
import type { ClientOptions } from './client-options.ts';
import { coreConfig } from './endpoint-options.ts';
import { CoapsuleError } from './errors.ts';
import { noSecurity, type PeerInfo } from './peer-info.ts';
import { abortedError, defectError, requestError } from './request-error.ts';
import { Response } from './response.ts';

/** How datagrams to the group leave; what differs has a socket of its own. */
export interface GroupPath {
  readonly family: 'IPv4' | 'IPv6';
  /** Name of the interface, or an IPv4 address of it; by default the system's choice. */
  readonly interface: string | undefined;
  readonly hopLimit: number;
}

/** Who gathers the responses. */
export interface GroupObserver {
  response(response: Response): void;
  ended(error?: CoapsuleError): void;
}

interface PendingGroupRequest {
  readonly observer: GroupObserver;
  readonly group: PeerAddress;
  readonly started: Instant;
}

/** See the module comment. Made by `open`. */
export class GroupEndpoint {
  readonly #driver: Driver;
  readonly #pending = new Map<RequestId, PendingGroupRequest>();

  /** Rejects with `ERR_NETWORK` when there is no such interface, or no socket. */
  static async open(path: GroupPath, options: ClientOptions): Promise<GroupEndpoint> {
    const config = { ...coreConfig(options, 'none', 'client'), groups: true };
    const endpoint = new Endpoint({ config, random: systemRandom });
    const { family, hopLimit } = path;
    let opened: GroupEndpoint | undefined;
    const driver = await Driver.open({
      endpoint,
      socket: {
        host: options.bind?.host ?? (family === 'IPv6' ? '::' : '0.0.0.0'),
        ...(options.bind?.port === undefined ? {} : { port: options.bind.port }),
        multicast: { hopLimit, interfaceAddress: knownInterface(path) },
        onSendError: (error, to) => {
          if (opened) opened.#unsent(error, to);
        },
      },
      onOutput: (output) => {
        if (opened) opened.#output(output);
      },
      onDefect: (error) => {
        if (opened) opened.#failAll(defectError(error));
      },
      ...(options.capture === undefined ? {} : { capture: options.capture }),
      ...(options.lossRate === undefined ? {} : { lossRate: options.lossRate }),
      ...(options.duplicateRate === undefined ? {} : { duplicateRate: options.duplicateRate }),
    });
    opened = new GroupEndpoint(driver, options);
    return opened;
  }

  readonly #options: ClientOptions;

  private constructor(driver: Driver, options: ClientOptions) {
    this.#driver = driver;
    this.#options = options;
  }

  /** Observations by multicast, by token and device (requirement G06). */
  activeObservations(): ReturnType<Endpoint['activeObservations']> {
    return this.#driver.run((endpoint) => endpoint.activeObservations());
  }

  /** Sends a request; returns how to give it up. */
  request(group: PeerAddress, content: OutgoingGroupRequest, observer: GroupObserver): () => void {
    const pending = { observer, group, started: monotonicClock.now() };
    const request = this.#driver.run((endpoint, now) => {
      const name = endpoint.multicast(group, content, now);
      this.#pending.set(name, pending);
      return name;
    });
    return () => {
      if (!this.#pending.delete(request) || this.#driver.closed) return;
      this.#driver.run((endpoint, now) => endpoint.cancel(request, now));
    };
  }

  async close(): Promise<void> {
    this.#failAll(new CoapsuleError('ERR_CLOSED', 'the client was closed', 'make a new Client'));
    await this.#driver.close();
  }

  #output(output: DriverOutput): void {
    switch (output.kind) {
      case 'response': {
        const pending = this.#pending.get(output.request);
        if (pending === undefined) return;
        const roundTripMs = elapsedMs(pending.started, monotonicClock.now());
        const peer: PeerInfo = { address: output.peer.address, transport: 'udp', security: noSecurity };
        pending.observer.response(
          new Response(output.response, peer, { handshakeMs: undefined, roundTripMs }),
        );
        return;
      }
      case 'window-ended':
        this.#end(output.request);
        return;
      case 'request-failed':
        this.#end(output.request, (pending) => groupError(output.error, pending.group));
        return;
      case 'trace':
        this.#options.trace?.(output.event);
        return;
      default:
        // There is no association, and nothing is served here.
        return;
    }
  }

  #end(request: RequestId, error?: (pending: PendingGroupRequest) => CoapsuleError): void {
    const pending = this.#pending.get(request);
    this.#pending.delete(request);
    if (pending !== undefined) pending.observer.ended(error?.(pending));
  }

  /** The system sends nothing to this address: waiting would be in vain. */
  #unsent(error: NodeJS.ErrnoException, to: PeerAddress): void {
    const failed = [...this.#pending].filter(([, { group }]) => group.key === to.key);
    for (const [request] of failed) {
      this.#end(request, () => unsentError(error, to));
      if (!this.#driver.closed) this.#driver.run((endpoint, now) => endpoint.cancel(request, now));
    }
  }

  #failAll(error: CoapsuleError): void {
    const pending = [...this.#pending];
    this.#pending.clear();
    for (const [request, { observer }] of pending) {
      observer.ended(error);
      if (!this.#driver.closed) this.#driver.run((endpoint, now) => endpoint.cancel(request, now));
    }
  }
}

/** Refuses an interface that is not there. */
function knownInterface({ family, interface: name }: GroupPath): string | undefined {
  if (name === undefined) return undefined;
  const address = interfaceAddress(name, family);
  if (address !== undefined) return address;
  throw new CoapsuleError(
    'ERR_NETWORK',
    `there is no interface '${name}' with an ${family} address`,
    `choose one of ${interfaceNames().join(', ')}`,
  );
}

function unsentError(cause: NodeJS.ErrnoException, { key }: PeerAddress): CoapsuleError {
  return new CoapsuleError(
    'ERR_NETWORK',
    `nothing can be sent to the group ${key} (${cause.code ?? cause.message})`,
    'name an interface that has multicast, in the URI as coap://[ff02::fd%25eth0]/ or with `interface`',
    { cause },
  );
}

function groupError(error: RequestError, group: PeerAddress): CoapsuleError {
  if (error.kind === 'exchange' && error.failure === 'cancelled') return abortedError(undefined);
  return requestError(error, {
    scheme: 'coap',
    transport: 'udp',
    secure: false,
    address: group,
    host: group.host,
    serverName: undefined,
  });
}
