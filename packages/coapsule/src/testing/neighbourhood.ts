/**
 * A client and any number of devices on one simulated network, in virtual time: the stage for multicast (RFC 7252 §8).
 *
 * Plain CoAP only. What two endpoints do alone is played on `pair.ts`.
 *
 * @module
 */

import { Code } from '../core/coap/code.ts';
import { allCoapNodes } from '../core/coap/multicast.ts';
import { OptionNumber } from '../core/coap/option-registry.ts';
import { OptionSet } from '../core/coap/option-set.ts';
import { Endpoint } from '../core/endpoint/endpoint.ts';
import type { EndpointConfigInput } from '../core/endpoint/endpoint-config.ts';
import type {
  EndpointOutput,
  IncomingRequest,
  IncomingResponse,
  OutgoingGroupRequest,
  OutgoingRequest,
  RequestError,
  RequestId,
} from '../core/endpoint/outputs.ts';
import type { Peer } from '../core/endpoint/peer.ts';
import { noBytes } from '../core/foundation/bytes.ts';
import { type DurationMs, earliest, type Instant } from '../core/foundation/instant.ts';
import { ipAddress, type PeerAddress } from '../core/foundation/peer-address.ts';
import { fastCrypto } from '../crypto/fast-crypto.ts';
import type { NetworkConditions } from './network-conditions.ts';
import { outgoing, type PairHandler } from './pair.ts';
import { SeededRandom } from './seeded-random.ts';
import { SimulatedNetwork } from './simulated-network.ts';
import { VirtualClock } from './virtual-clock.ts';

/** How to set up a neighbourhood. */
export interface NeighbourhoodOptions {
  readonly seed?: number;
  readonly conditions?: Partial<NetworkConditions>;
  readonly client?: EndpointConfigInput;
}

/** A device to add. */
export interface NeighbourOptions {
  /** Undefined leaves a request open, for `Neighbour.respond`. */
  readonly handler: PairHandler;
  readonly config?: EndpointConfigInput;
  /** Groups it joins; all of All CoAP Nodes by default. */
  readonly groups?: readonly string[];
  readonly port?: number;
}

/** What came of a request of the client's. */
export interface NeighbourhoodRequest {
  readonly id: RequestId;
  readonly responses: { readonly peer: Peer; readonly response: IncomingResponse; readonly at: Instant }[];
  /** The window is over, the last response is there, or nothing is waited for. */
  ended: boolean;
  error: RequestError | undefined;
}

/** A device. */
export interface Neighbour {
  readonly address: PeerAddress;
  readonly endpoint: Endpoint;
  /** Every request its application saw, in order. */
  readonly served: { readonly request: IncomingRequest; readonly peer: Peer; readonly exchange: number }[];
  notify(resource: string): void;
}

/** See the module comment. */
export class Neighbourhood {
  readonly clock: VirtualClock = new VirtualClock();
  readonly network: SimulatedNetwork;
  readonly client: Endpoint;
  readonly clientAddress: PeerAddress = ipAddress('fe80::c', 40_001);
  readonly devices: Neighbour[] = [];
  readonly #random: SeededRandom;
  readonly #requests = new Map<RequestId, NeighbourhoodRequest>();

  constructor(options: NeighbourhoodOptions = {}) {
    const { seed = 1, conditions } = options;
    this.#random = new SeededRandom(seed);
    this.network = new SimulatedNetwork({ seed, ...(conditions === undefined ? {} : { conditions }) });
    this.client = new Endpoint({
      config: { role: 'client', groups: true, ...options.client },
      random: this.#random,
    });
    this.network.attach(this.clientAddress, (datagram, address, now) => {
      this.client.handle({ address, datagram }, now);
      this.#drain(this.client, this.clientAddress);
    });
  }

  get now(): Instant {
    return this.clock.now;
  }

  /** Adds a device at an IP literal. */
  addDevice(host: string, { handler, config, groups, port = 5683 }: NeighbourOptions): Neighbour {
    const address = ipAddress(host, port);
    const endpoint = new Endpoint({
      config: { role: 'server', ...config },
      random: this.#random,
      crypto: fastCrypto(),
    });
    const drain = (): void => this.#drain(endpoint, address, device, handler);
    const device: Neighbour = {
      address,
      endpoint,
      served: [],
      notify: (resource) => {
        endpoint.notify(resource, this.now);
        drain();
      },
    };
    this.devices.push(device);
    this.network.attach(address, (datagram, from, now, group) => {
      endpoint.handle({ address: from, datagram, ...(group === undefined ? {} : { group }) }, now);
      drain();
    });
    for (const group of groups ?? [...allCoapNodes.ipv6, ...allCoapNodes.ipv4]) {
      this.network.join(ipAddress(group, 5683), address);
    }
    this.#drains.set(endpoint, drain);
    return device;
  }

  /** Asks a group; `path` may have a query. */
  multicast(group: string, path: string, request: Partial<OutgoingGroupRequest> = {}): NeighbourhoodRequest {
    const content = {
      code: Code.Get,
      payload: noBytes,
      ...request,
      options: optionsFor(path, request.options),
    };
    return this.#begin((now) => this.client.multicast(ipAddress(group, 5683), content, now));
  }

  /** Asks one device. */
  request(address: PeerAddress, path: string, request: Partial<OutgoingRequest> = {}): NeighbourhoodRequest {
    const options = optionsFor(path, request.options);
    const content = { code: Code.Get, payload: noBytes, type: 'CON', ...request, options } as const;
    return this.#begin((now) => this.client.request(address, content, now));
  }

  /** Gives up a request, or ends an observation. */
  cancel({ id }: NeighbourhoodRequest): void {
    this.client.cancel(id, this.now);
    this.#drain(this.client, this.clientAddress);
  }

  /** Moves to the next thing that happens, and lets it happen; false when nothing is pending. */
  step(): boolean {
    const next = this.#nextEvent();
    if (next === undefined) return false;
    if (next > this.now) this.clock.advanceTo(next);
    this.network.deliverDue(this.now);
    for (const [endpoint, drain] of [[this.client, this.#drainClient] as const, ...this.#drains]) {
      const due = endpoint.nextTimeout();
      if (due === undefined || due > this.now) continue;
      endpoint.handleTimeout(this.now);
      drain();
    }
    return true;
  }

  /** Steps until `done`, or until `withinMs` of virtual time have passed; says whether it was done. */
  runUntil(done: () => boolean, withinMs: DurationMs = 300_000): boolean {
    const deadline = this.now + withinMs;
    while (!done()) {
      if (this.now > deadline || !this.step()) return false;
    }
    return true;
  }

  /** Lets `durationMs` of virtual time pass. */
  run(durationMs: DurationMs): void {
    const end = (this.now + durationMs) as Instant;
    for (let next = this.#nextEvent(); next !== undefined && next <= end; next = this.#nextEvent())
      this.step();
    this.clock.advanceTo(end);
  }

  readonly #drains = new Map<Endpoint, () => void>();
  readonly #drainClient = (): void => this.#drain(this.client, this.clientAddress);

  #nextEvent(): Instant | undefined {
    return [this.client, ...this.#drains.keys()]
      .map((endpoint) => endpoint.nextTimeout())
      .reduce(earliest, this.network.nextArrival());
  }

  #begin(send: (now: Instant) => RequestId): NeighbourhoodRequest {
    const id = send(this.now);
    const begun: NeighbourhoodRequest = { id, responses: [], ended: false, error: undefined };
    this.#requests.set(id, begun);
    this.#drainClient();
    return begun;
  }

  #drain(endpoint: Endpoint, address: PeerAddress, device?: Neighbour, handler?: PairHandler): void {
    for (let output = endpoint.poll(); output !== undefined; output = endpoint.poll()) {
      if (output.kind === 'transmit') {
        this.network.send(address, output.address, output.datagram, this.now);
      } else if (output.kind === 'request' && device !== undefined) {
        const { request, peer, exchange } = output;
        device.served.push({ request, peer, exchange });
        const answer = handler?.(request, peer);
        if (answer) endpoint.respond(exchange, outgoing(answer, request.code !== Code.Get), this.now);
      } else this.#note(output);
    }
  }

  #note(output: EndpointOutput): void {
    if (!('request' in output) || typeof output.request !== 'number') return;
    const request = this.#requests.get(output.request);
    if (request === undefined) return;
    if (output.kind === 'response') {
      request.responses.push({ peer: output.peer, response: output.response, at: this.now });
      request.ended = output.final;
    } else if (output.kind === 'request-failed') request.error = output.error;
    else request.ended = true;
  }
}

function optionsFor(path: string, more: OutgoingRequest['options'] | undefined): OptionSet {
  const options = new OptionSet();
  const [segments = '', query] = path.split('?');
  for (const segment of segments.split('/').slice(1)) options.add(OptionNumber.UriPath, segment);
  if (query !== undefined) for (const one of query.split('&')) options.add(OptionNumber.UriQuery, one);
  for (const { number, value } of more?.entries() ?? []) options.add(number, value);
  return options;
}
