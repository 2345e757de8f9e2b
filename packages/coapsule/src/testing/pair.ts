/**
 * A client and a server endpoint on a simulated network, in virtual time: the stage of every scenario test.
 *
 * @module
 */

import { Code } from '../core/coap/code.ts';
import {
  blockSizeForLink,
  linkProfiles as carriedBy,
  type LinkProfileName,
} from '../core/coap/link-profile.ts';
import { OptionNumber } from '../core/coap/option-registry.ts';
import { OptionSet } from '../core/coap/option-set.ts';
import { Endpoint } from '../core/endpoint/endpoint.ts';
import type { EndpointConfigInput } from '../core/endpoint/endpoint-config.ts';
import type {
  EndpointOutput,
  IncomingRequest,
  IncomingResponse,
  OutgoingRequest,
  RequestError,
  RequestId,
} from '../core/endpoint/outputs.ts';
import type { Peer } from '../core/endpoint/peer.ts';
import { noBytes } from '../core/foundation/bytes.ts';
import { type DurationMs, earliest, type Instant } from '../core/foundation/instant.ts';
import { ipAddress, type PeerAddress } from '../core/foundation/peer-address.ts';
import { encodeUtf8 } from '../core/foundation/utf8.ts';
import type { ContextProvider } from '../core/oscore/context-lookup.ts';
import type { ContextRecord, SecurityContext } from '../core/oscore/security-context.ts';
import { fastCrypto } from '../crypto/fast-crypto.ts';
import { FramedLine, type FramedLineOptions } from './framed-line.ts';
import { linkProfiles } from './link-profiles.ts';
import type { NetworkConditions } from './network-conditions.ts';
import { SeededRandom } from './seeded-random.ts';
import { SimulatedNetwork } from './simulated-network.ts';
import { VirtualClock } from './virtual-clock.ts';

/** What the server's application answers; `undefined` leaves the request open, for `Pair.respond` later. */
export type PairHandler = (request: IncomingRequest, peer: Peer) => PairAnswer | undefined;

/** An answer of the server's application. */
export interface PairAnswer {
  readonly code: Code;
  readonly payload?: Uint8Array | string;
  readonly options?: OptionSet;
  readonly observe?: boolean;
}

/** How to set up a pair. */
export interface PairOptions {
  readonly seed?: number;
  /** The link between the two: its conditions, and datagrams and blocks as both sides have them with that `linkProfile`. */
  readonly profile?: LinkProfileName;
  /** Laid over those of the profile. */
  readonly conditions?: Partial<NetworkConditions>;
  /** A serial line in the place of the network; both sides know its rate and mtu. */
  readonly line?: Omit<FramedLineOptions, 'seed'>;
  /** False: `network.sent` stays empty, and so do `served` and `events`, for runs that are long. */
  readonly keepRecords?: boolean;
  readonly client?: EndpointConfigInput;
  readonly server?: EndpointConfigInput;
  /** Set on both sides. */
  readonly security?: 'none' | 'dtls';
  readonly handler?: PairHandler;
  /** Whose requests under OSCORE the server understands, asked at each start of it (RFC 8613). */
  readonly oscore?: () => ContextProvider;
  /** What becomes of a record of a Security Context: stored unless it says no, or `later`, which is when `finishStoring` is called. */
  readonly storeContext?: (
    side: 'client' | 'server',
    context: SecurityContext,
    record: ContextRecord,
  ) => boolean | 'later';
  /** The client's credential. */
  readonly psk?: { readonly identity: string; readonly key: Uint8Array };
  /** The server's keys by identity. */
  readonly keys?: ReadonlyMap<string, Uint8Array>;
}

/** What became of a client's request so far. */
export interface PairRequest {
  readonly id: RequestId;
  readonly responses: IncomingResponse[];
  final: boolean;
  error: RequestError | undefined;
  answeredAt: Instant | undefined;
}

export const clientAddress: PeerAddress = ipAddress('192.0.2.1', 40_001);
export const serverAddress: PeerAddress = ipAddress('192.0.2.2', 5683);

/** A key that both sides of a pair have unless a test gives others. */
export const pairPsk: { readonly identity: string; readonly key: Uint8Array } = {
  identity: 'sensor-042',
  key: encodeUtf8('MySecret16ByteK!'),
};

/** See the module comment. */
export class Pair {
  readonly clock: VirtualClock = new VirtualClock();
  readonly network: SimulatedNetwork;
  /** Where datagrams travel instead of `network`, when the pair is on a serial line. */
  readonly line: FramedLine | undefined;
  client: Endpoint;
  server: Endpoint;
  /** Every request the server's application saw, in order. */
  readonly served: { readonly request: IncomingRequest; readonly peer: Peer; readonly exchange: number }[] =
    [];
  /** Outputs that are neither datagrams nor requests nor responses, in order. */
  readonly events: { readonly side: 'client' | 'server'; readonly output: EndpointOutput }[] = [];
  handler: PairHandler;
  readonly #options: PairOptions;
  readonly #keepRecords: boolean;
  readonly #random: SeededRandom;
  #storing: (() => void)[] = [];
  readonly #requests = new Map<RequestId, PairRequest>();
  #clientAddress: PeerAddress = clientAddress;

  constructor(options: PairOptions = {}) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed ?? 1);
    this.#keepRecords = options.keepRecords ?? true;
    this.network = new SimulatedNetwork({
      seed: options.seed ?? 1,
      conditions: {
        ...(options.profile === undefined ? {} : linkProfiles[options.profile]),
        ...options.conditions,
      },
      keepSent: this.#keepRecords,
    });
    this.line =
      options.line &&
      new FramedLine(clientAddress, serverAddress, { seed: options.seed ?? 1, ...options.line });
    this.handler = options.handler ?? (() => ({ code: Code.Content, payload: '22.5' }));
    this.client = this.#endpoint('client');
    this.server = this.#endpoint('server');
    this.moveClient(clientAddress);
    this.#carrier.attach(serverAddress, (datagram, from, now) => {
      this.server.handle({ address: from, datagram }, now);
      this.#drain('server');
    });
  }

  get #carrier(): SimulatedNetwork | FramedLine {
    return this.line ?? this.network;
  }

  get now(): Instant {
    return this.clock.now;
  }

  /** Sends a GET, or what `request` says, for `path`. */
  request(path: string, request: Partial<OutgoingRequest> = {}): PairRequest {
    const options = new OptionSet();
    for (const segment of path.split('/').slice(1)) options.add(OptionNumber.UriPath, segment);
    for (const { number, value } of request.options?.entries() ?? []) options.add(number, value);
    const id = this.client.request(
      serverAddress,
      { code: Code.Get, payload: noBytes, type: 'CON', ...request, options },
      this.now,
    );
    const pending: PairRequest = {
      id,
      responses: [],
      final: false,
      error: undefined,
      answeredAt: undefined,
    };
    this.#requests.set(id, pending);
    this.#drain('client');
    return pending;
  }

  /** Answers a request that the handler left open. */
  respond(exchange: number, answer: PairAnswer): void {
    this.server.respond(exchange, outgoing(answer, false), this.now);
    this.#drain('server');
  }

  /** Tells the server that a resource changed. */
  notify(resource: string): void {
    this.server.notify(resource, this.now);
    this.#drain('server');
  }

  /** Gives a side a command and carries out what follows. */
  command(side: 'client' | 'server', run: (endpoint: Endpoint, now: Instant) => void): void {
    run(side === 'client' ? this.client : this.server, this.now);
    this.#drain(side);
  }

  /** Where datagrams of the client come from. */
  get clientAddress(): PeerAddress {
    return this.#clientAddress;
  }

  /** A NAT gives the client another address, without its knowledge; what is sent to the old one vanishes. */
  moveClient(address: PeerAddress): void {
    this.#carrier.detach(this.#clientAddress);
    this.#clientAddress = address;
    this.#carrier.attach(address, (datagram, from, now) => {
      this.client.handle({ address: from, datagram }, now);
      this.#drain('client');
    });
  }

  /** Plugs a line that was unplugged in again, and both sides learn it, as from a device that is there again. */
  plugLine(): void {
    this.line?.line.plug();
    for (const side of ['client', 'server'] as const) {
      this.command(side, (endpoint, now) => endpoint.linkRestored(now));
    }
  }

  /** Loses all memory of a side, as a power cut does; the address stays. */
  restart(side: 'client' | 'server'): void {
    if (side === 'client') this.client = this.#endpoint('client');
    else this.server = this.#endpoint('server');
  }

  /** The records that were to be stored later are stored now. */
  finishStoring(): void {
    for (const finish of this.#storing.splice(0)) finish();
  }

  /** Moves to the next thing that happens, and lets it happen; false when nothing is pending. */
  step(): boolean {
    const next = earliest(
      this.#carrier.nextArrival(),
      earliest(this.client.nextTimeout(), this.server.nextTimeout()),
    );
    if (next === undefined) return false;
    if (next > this.now) this.clock.advanceTo(next);
    this.#carrier.deliverDue(this.now);
    for (const side of ['client', 'server'] as const) {
      const endpoint = side === 'client' ? this.client : this.server;
      const due = endpoint.nextTimeout();
      if (due === undefined || due > this.now) continue;
      endpoint.handleTimeout(this.now);
      this.#drain(side);
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
    for (;;) {
      const next = earliest(
        this.#carrier.nextArrival(),
        earliest(this.client.nextTimeout(), this.server.nextTimeout()),
      );
      if (next === undefined || next > end) break;
      this.step();
    }
    this.clock.advanceTo(end);
  }

  #endpoint(side: 'client' | 'server'): Endpoint {
    const { profile, security, oscore } = this.#options;
    return new Endpoint({
      config: {
        role: side,
        ...(profile === undefined ? {} : linkConfig(profile, security ?? 'none')),
        ...(this.line === undefined ? {} : this.#lineConfig(side, this.line)),
        ...(security === undefined ? {} : { security }),
        ...this.#options[side],
      },
      random: this.#random,
      crypto: fastCrypto(),
      ...(side === 'server' && oscore !== undefined && { oscore: oscore() }),
    });
  }

  #lineConfig(side: 'client' | 'server', { line, ends }: FramedLine): EndpointConfigInput {
    const { mtu } = side === 'client' ? ends.a : ends.b;
    return { mtu, bytesPerSecond: 1000 / line.wireTimeMs(1) };
  }

  #drain(side: 'client' | 'server'): void {
    const endpoint = side === 'client' ? this.client : this.server;
    for (;;) {
      const output = endpoint.poll();
      if (output === undefined) return;
      this.#carryOut(side, endpoint, output);
    }
  }

  #carryOut(side: 'client' | 'server', endpoint: Endpoint, output: EndpointOutput): void {
    switch (output.kind) {
      case 'transmit': {
        const from = side === 'client' ? this.#clientAddress : serverAddress;
        this.#carrier.send(from, output.address, output.datagram, this.now);
        return;
      }
      case 'request': {
        if (this.#keepRecords) {
          this.served.push({ request: output.request, peer: output.peer, exchange: output.exchange });
        }
        const answer = this.handler(output.request, output.peer);
        if (answer) {
          endpoint.respond(output.exchange, outgoing(answer, output.request.code !== Code.Get), this.now);
        }
        return;
      }
      case 'response': {
        const request = this.#requests.get(output.request);
        request?.responses.push(output.response);
        if (request) {
          request.final = output.final;
          request.answeredAt = this.now;
        }
        if (output.final) this.#requests.delete(output.request);
        return;
      }
      case 'request-failed': {
        const request = this.#requests.get(output.request);
        this.#requests.delete(output.request);
        if (request) request.error = output.error;
        else this.#record(side, output);
        return;
      }
      case 'psk-lookup':
        endpoint.answerPskLookup(output.lookup, this.#psk(side, output.identity), this.now);
        return;
      case 'store-context': {
        const { store, context, record } = output;
        const isStored = this.#options.storeContext?.(side, context, record) ?? true;
        if (isStored === 'later') this.#storing.push(() => endpoint.contextStored(store, this.now));
        else if (isStored) endpoint.contextStored(store, this.now);
        else endpoint.contextStoringFailed(store, this.now);
        return;
      }
      default:
        this.#record(side, output);
    }
  }

  #record(side: 'client' | 'server', output: EndpointOutput): void {
    if (this.#keepRecords) this.events.push({ side, output });
  }

  #psk(
    side: 'client' | 'server',
    identity: Uint8Array | undefined,
  ): { identity?: Uint8Array; key: Uint8Array } | undefined {
    const own = this.#options.psk ?? pairPsk;
    if (side === 'client') return { identity: encodeUtf8(own.identity), key: own.key };
    const keys = this.#options.keys ?? new Map([[pairPsk.identity, pairPsk.key]]);
    const key = keys.get(new TextDecoder().decode(identity));
    return key && { key };
  }
}

/** What `linkProfile` sets at a client or server. */
function linkConfig(
  name: LinkProfileName,
  security: 'none' | 'dtls',
): Pick<EndpointConfigInput, 'mtu' | 'blockSize'> {
  const link = carriedBy[name];
  return { mtu: link.mtu, blockSize: blockSizeForLink(link, security) };
}

/** An answer as an endpoint takes it. */
export function outgoing(answer: PairAnswer, keepAnswer: boolean): Parameters<Endpoint['respond']>[1] {
  const { payload } = answer;
  return {
    code: answer.code,
    options: answer.options ?? new OptionSet(),
    payload: payload === undefined ? noBytes : typeof payload === 'string' ? encodeUtf8(payload) : payload,
    keepAnswer,
    ...(answer.observe === undefined ? {} : { observe: answer.observe }),
  };
}
