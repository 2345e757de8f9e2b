/**
 * A client and a server endpoint on reliable transports, in virtual time: a byte pipe in each direction for each
 * connection, with latency, cut into chunks of random lengths.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { Code } from '../../src/core/coap/code.ts';
import type { MessageContent } from '../../src/core/coap/message-view.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import {
  decodeStreamMessage,
  encodeStreamMessage,
  type StreamMessage,
} from '../../src/core/coap/stream-codec.ts';
import type {
  IncomingRequest,
  IncomingResponse,
  OutgoingRequest,
  RequestError,
  RequestId,
} from '../../src/core/endpoint/outputs.ts';
import type { StreamConfigInput } from '../../src/core/endpoint/stream-config.ts';
import { StreamEndpoint } from '../../src/core/endpoint/stream-endpoint.ts';
import type { ConnectionId, StreamOutput, StreamPeer } from '../../src/core/endpoint/stream-outputs.ts';
import { noBytes } from '../../src/core/foundation/bytes.ts';
import { isDecodeFault } from '../../src/core/foundation/errors.ts';
import { after, earliest, type Instant } from '../../src/core/foundation/instant.ts';
import { ipAddress, type PeerAddress } from '../../src/core/foundation/peer-address.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

type Side = 'client' | 'server';

export interface StreamAnswer {
  readonly code: Code;
  readonly payload?: Uint8Array | string;
  readonly options?: OptionSet;
  readonly observe?: boolean;
}

/** What the server's application answers; `undefined` leaves the request open, for `StreamPair.respond` later. */
export type StreamHandler = (request: IncomingRequest, peer: StreamPeer) => StreamAnswer | undefined;

export interface StreamPairRequest {
  readonly id: RequestId;
  readonly responses: IncomingResponse[];
  final: boolean;
  isPong: boolean;
  error: RequestError | undefined;
}

export interface StreamPairOptions {
  readonly seed?: number;
  readonly framing?: 'tcp' | 'websocket';
  readonly client?: StreamConfigInput;
  readonly server?: StreamConfigInput;
  readonly handler?: StreamHandler;
  /** Longest chunk of a byte stream. */
  readonly chunk?: number;
}

interface Delivery {
  readonly at: Instant;
  readonly run: () => void;
}

interface Link {
  readonly client: ConnectionId;
  readonly server: ConnectionId;
}

const serverAddress: PeerAddress = ipAddress('192.0.2.2', 5683);
const clientHost = '192.0.2.1';
const latencyMs = 10;

/** See the module comment. */
export class StreamPair {
  readonly clock: VirtualClock = new VirtualClock();
  readonly client: StreamEndpoint;
  readonly server: StreamEndpoint;
  readonly served: {
    readonly request: IncomingRequest;
    readonly peer: StreamPeer;
    readonly exchange: number;
  }[] = [];
  readonly events: { readonly side: Side; readonly output: StreamOutput }[] = [];
  /** Every message on the wire, in order. */
  readonly wire: { readonly from: Side; readonly message: StreamMessage }[] = [];
  handler: StreamHandler;
  /** The transport of the server takes what it is sent, but nothing arrives: the client does not read. */
  isStalled = false;
  /** Nobody listens. */
  isRefusing = false;
  readonly #framing: 'tcp' | 'websocket';
  readonly #random: SeededRandom;
  readonly #chunk: number;
  readonly #links: Link[] = [];
  readonly #deliveries: Delivery[] = [];
  readonly #held: (() => void)[] = [];
  readonly #requests = new Map<RequestId, StreamPairRequest>();
  #nextPort = 40_001;

  constructor(options: StreamPairOptions = {}) {
    this.#random = new SeededRandom(options.seed ?? 1);
    this.#framing = options.framing ?? 'tcp';
    this.#chunk = options.chunk ?? 200;
    this.handler = options.handler ?? (() => ({ code: Code.Content, payload: '22.5' }));
    const endpoint = (side: Side): StreamEndpoint =>
      new StreamEndpoint({
        config: { role: side, framing: this.#framing, ...options[side] },
        random: this.#random,
      });
    this.client = endpoint('client');
    this.server = endpoint('server');
  }

  get now(): Instant {
    return this.clock.now;
  }

  /** Connections that are open on both sides. */
  get links(): readonly Link[] {
    return this.#links;
  }

  request(path: string, request: Partial<OutgoingRequest> = {}): StreamPairRequest {
    const options = new OptionSet();
    for (const segment of path.split('/').slice(1)) options.add(OptionNumber.UriPath, segment);
    for (const { number, value } of request.options?.entries() ?? []) options.add(number, value);
    const content = { code: Code.Get, payload: noBytes, type: 'CON', ...request, options } as const;
    return this.#track(this.client.request(serverAddress, content, this.now));
  }

  ping(): StreamPairRequest {
    return this.#track(this.client.ping(serverAddress, this.now));
  }

  /** The last response of a request; fails when there is none. */
  answer(request: StreamPairRequest): IncomingResponse {
    assert.ok(
      this.runUntil(() => request.final || request.error !== undefined),
      'it never ends',
    );
    assert.equal(request.error, undefined);
    return request.responses.at(-1) as IncomingResponse;
  }

  /** A message of the client that its endpoint did not make, on its first connection. */
  inject(from: Side, message: MessageContent | Uint8Array): void {
    const link = this.#links[0] as Link;
    const bytes = message instanceof Uint8Array ? message : encodeStreamMessage(message, this.#framing);
    this.#carry(from, link[from], bytes);
  }

  respond(exchange: number, answer: StreamAnswer): void {
    this.command('server', (server, now) => server.respond(exchange, outgoing(answer), now));
  }

  notify(resource: string): void {
    this.command('server', (server, now) => server.notify(resource, now));
  }

  command<Result>(side: Side, run: (endpoint: StreamEndpoint, now: Instant) => Result): Result {
    const result = run(this[side], this.now);
    this.#drain(side);
    return result;
  }

  /** The network breaks the first connection. */
  breakLink(): void {
    const link = this.#links.shift();
    assert.ok(link);
    for (const side of ['client', 'server'] as const) {
      this.command(side, (endpoint, now) =>
        endpoint.handle(
          { kind: 'closed', connection: link[side], cause: 'transport-failed', detail: 'ECONNRESET' },
          now,
        ),
      );
    }
  }

  /** The client stops reading: the server's transport fills up. */
  stall(): void {
    this.isStalled = true;
    for (const { server } of this.#links) {
      this.command('server', (endpoint, now) =>
        endpoint.handle({ kind: 'blocked', connection: server }, now),
      );
    }
  }

  /** The client reads on. */
  resume(): void {
    this.isStalled = false;
    for (const deliver of this.#held.splice(0)) this.#later(deliver);
    for (const { server } of this.#links) {
      this.command('server', (endpoint, now) =>
        endpoint.handle({ kind: 'drained', connection: server }, now),
      );
    }
  }

  step(): boolean {
    const next = earliest(
      this.#deliveries[0]?.at,
      earliest(this.client.nextTimeout(), this.server.nextTimeout()),
    );
    if (next === undefined) return false;
    if (next > this.now) this.clock.advanceTo(next);
    while (this.#deliveries[0] !== undefined && this.#deliveries[0].at <= this.now) {
      this.#deliveries.shift()?.run();
    }
    for (const side of ['client', 'server'] as const) {
      const due = this[side].nextTimeout();
      if (due === undefined || due > this.now) continue;
      this[side].handleTimeout(this.now);
      this.#drain(side);
    }
    return true;
  }

  runUntil(done: () => boolean, withinMs = 300_000): boolean {
    const deadline = this.now + withinMs;
    while (!done()) {
      if (this.now > deadline || !this.step()) return false;
    }
    return true;
  }

  run(durationMs: number): void {
    const end = after(this.now, durationMs);
    for (;;) {
      const next = earliest(
        this.#deliveries[0]?.at,
        earliest(this.client.nextTimeout(), this.server.nextTimeout()),
      );
      if (next === undefined || next > end) break;
      this.step();
    }
    this.clock.advanceTo(end);
  }

  /** Codes of signaling and other messages that a side sent. */
  codes(from: Side): readonly number[] {
    return this.wire.filter((one) => one.from === from).map(({ message }) => message.code);
  }

  ends(side: Side): readonly string[] {
    return this.events.flatMap(({ side: where, output }) =>
      where === side && output.kind === 'connection-ended' ? [output.end.cause] : [],
    );
  }

  #track(id: RequestId): StreamPairRequest {
    const request: StreamPairRequest = { id, responses: [], final: false, isPong: false, error: undefined };
    this.#requests.set(id, request);
    this.#drain('client');
    return request;
  }

  #later(run: () => void): void {
    // All take the same time: the order stays.
    this.#deliveries.push({ at: after(this.now, latencyMs), run });
  }

  #drain(side: Side): void {
    const endpoint = this[side];
    for (let output = endpoint.poll(); output !== undefined; output = endpoint.poll()) {
      this.#carryOut(side, output);
    }
  }

  #carryOut(side: Side, output: StreamOutput): void {
    switch (output.kind) {
      case 'open':
        this.#later(() => this.#open(output.connection));
        return;
      case 'transmit': {
        const decoded = decodeStreamMessage(output.bytes, this.#framing);
        assert.ok(!isDecodeFault(decoded));
        this.wire.push({ from: side, message: decoded });
        this.#carry(side, output.connection, output.bytes);
        return;
      }
      case 'close':
        this.#close(side, output.connection);
        return;
      case 'request': {
        this.served.push(output);
        const answer = this.handler(output.request, output.peer);
        if (answer) this[side].respond(output.exchange, outgoing(answer), this.now);
        return;
      }
      case 'response': {
        const request = this.#requests.get(output.request);
        request?.responses.push(output.response);
        if (request) request.final = output.final;
        return;
      }
      case 'sent':
      case 'pong': {
        const request = this.#requests.get(output.request);
        if (request === undefined) return;
        request.final = true;
        request.isPong = output.kind === 'pong';
        return;
      }
      case 'request-failed': {
        const request = this.#requests.get(output.request);
        if (request) request.error = output.error;
        return;
      }
      default:
        this.events.push({ side, output });
    }
  }

  #open(connection: ConnectionId): void {
    if (this.isRefusing) {
      this.command('client', (client, now) =>
        client.handle({ kind: 'closed', connection, cause: 'not-opened', detail: 'ECONNREFUSED' }, now),
      );
      return;
    }
    const server = this.server.accept(ipAddress(clientHost, this.#nextPort++), this.now);
    this.#links.push({ client: connection, server });
    this.#drain('server');
    this.command('client', (client, now) => client.handle({ kind: 'opened', connection }, now));
  }

  #carry(from: Side, connection: ConnectionId, bytes: Uint8Array): void {
    const link = this.#links.find((one) => one[from] === connection);
    if (link === undefined) return;
    const to = from === 'client' ? 'server' : 'client';
    for (let at = 0; at < bytes.length; ) {
      const size = this.#framing === 'websocket' ? bytes.length : 1 + this.#random.integer(this.#chunk);
      const chunk = bytes.slice(at, at + size);
      at += size;
      const deliver = (): void =>
        this.command(to, (endpoint, now) =>
          endpoint.handle({ kind: 'received', connection: link[to], bytes: chunk }, now),
        );
      if (this.isStalled && from === 'server') this.#held.push(deliver);
      else this.#later(deliver);
    }
  }

  #close(side: Side, connection: ConnectionId): void {
    const other = side === 'client' ? 'server' : 'client';
    const index = this.#links.findIndex((one) => one[side] === connection);
    if (index < 0) return;
    const [link] = this.#links.splice(index, 1);
    this.#later(() =>
      this.command(other, (endpoint, now) =>
        endpoint.handle(
          { kind: 'closed', connection: (link as Link)[other], cause: 'closed', detail: 'by the peer' },
          now,
        ),
      ),
    );
  }
}

function outgoing({ code, payload = noBytes, options = new OptionSet(), observe }: StreamAnswer) {
  return {
    code,
    options,
    payload: typeof payload === 'string' ? encodeUtf8(payload) : payload,
    keepAnswer: false,
    ...(observe === undefined ? {} : { observe }),
  };
}
