/**
 * One CoAP endpoint on reliable transports: the connections to and from its peers, over TCP, TLS or WebSocket.
 * The plot of receiving is in `stream-receive-path.ts`, of sending in `stream-send-path.ts`.
 *
 * RFC 8323, RFC 7641, RFC 7959. The request/response layer is that of `endpoint.ts`; the message layer is left out, as
 * the transport does its work. No socket, clock or random generator: see `ProtocolMachine`.
 *
 * @module
 */

import { type ReleaseNotice, takesBert } from '../coap/signaling.ts';
import type { ConnectionConfig } from '../connection/connection-config.ts';
import type { CryptoProvider } from '../foundation/crypto-provider.ts';
import { earliest, type Instant } from '../foundation/instant.ts';
import { OutputQueue } from '../foundation/output-queue.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { ProtocolMachine } from '../foundation/protocol-machine.ts';
import type { RandomSource } from '../foundation/random-source.ts';
import type { ContextProvider } from '../oscore/context-lookup.ts';
import { flatOscoreCounters, type StoreId } from '../oscore/oscore-layer.ts';
import { EchoValues } from '../request-response/echo.ts';
import {
  type ActiveObservation,
  type BodySource,
  type ExchangeId,
  RequestResponseLayer,
} from '../request-response/request-response-layer.ts';
import { BackOff } from './back-off.ts';
import type { OutgoingResponse } from './endpoint.ts';
import { blockSizes, messageOverhead } from './endpoint-config.ts';
import type { EndpointStatistics } from './endpoint-statistics.ts';
import { endsExchange, OscoreExchanges } from './oscore-exchanges.ts';
import { followOscore, protectOutput } from './oscore-path.ts';
import { OscorePeers, oscoreBlockSize } from './oscore-peers.ts';
import type { OutgoingRequest, RequestId } from './outputs.ts';
import { type StreamConfigInput, streamConfig } from './stream-config.ts';
import { type StreamConnection, StreamConnections } from './stream-connections.ts';
import {
  connectionTo,
  type StreamCounters,
  type StreamLayers,
  traceStreamDiscarded,
} from './stream-layers.ts';
import { StreamOscore } from './stream-oscore.ts';
import type { ConnectionId, StreamInput, StreamOutput, StreamPeer } from './stream-outputs.ts';
import {
  begin,
  closeWhenDone,
  deliverFromStream,
  receiveInput,
  served,
  takeOutput,
} from './stream-receive-path.ts';
import { sendFromStreamExchange, sendHeldOnStream, sendStreamRequest } from './stream-send-path.ts';

/** What an endpoint on reliable transports is made of. */
export interface StreamEndpointOptions {
  readonly config?: StreamConfigInput;
  readonly random: RandomSource;
  /** For Echo (RFC 9175 §2): without it no request is fresh that must be. */
  readonly crypto?: CryptoProvider;
  /** Whose requests under OSCORE are understood (RFC 8613); none without it. */
  readonly oscore?: ContextProvider;
}

/** Peers under OSCORE that are remembered; each has a connection. */
const maxPeersUnderOscore = 65_536;

const noNotice: ReleaseNotice = { alternativeAddresses: [], holdOffSeconds: undefined, diagnostic: '' };

/** The machine. After each call drain `poll`, then ask `nextTimeout`. */
export class StreamEndpoint implements ProtocolMachine<StreamInput, StreamOutput> {
  readonly #layers: StreamLayers;

  constructor(options: StreamEndpointOptions) {
    const config = streamConfig(options.config ?? {});
    const connections = new StreamConnections();
    const underOscore = new OscorePeers<StreamPeer, StreamPeer>(maxPeersUnderOscore, (key, oscore) => ({
      ...oscore.via,
      key,
      oscore,
    }));
    this.#layers = {
      config,
      connections,
      oscore: new OscoreExchanges(options.oscore),
      underOscore,
      exchanges: new RequestResponseLayer({
        random: options.random,
        ...(options.crypto === undefined ? {} : { echo: new EchoValues(options.crypto, options.random) }),
        config: {
          ...config.requestResponse,
          blockSizeFor: (key) => {
            const via = underOscore.oscoreOf(key)?.via.key;
            const size = blockSizeFor(connections.withKey(via ?? key), config.connection);
            return via === undefined ? size : Math.min(size, oscoreBlockSize);
          },
        },
      }),
      outputs: new OutputQueue(),
      counters: {
        malformedMessages: 0,
        unmatchedResponses: 0,
        tooLarge: 0,
        notServed: 0,
        backedOff: 0,
        noRoom: 0,
        badCsm: 0,
        tooSlow: 0,
      },
      requests: new Map(),
      exchangeOf: new Map(),
      serving: new Map(),
      holdOffs: new Map(),
      backOff: new BackOff(),
      talking: new Set(),
      nextRequest: 1,
    };
  }

  /** What was refused or went wrong since the start. */
  get counters(): Readonly<StreamCounters> {
    return this.#layers.counters;
  }

  /** Connections there are, and bytes that are held of messages which are not complete. */
  get load(): { readonly connections: number; readonly pendingBytes: number } {
    const { size, pendingBytes } = this.#layers.connections;
    return { connections: size, pendingBytes };
  }

  /** All counters, and what is held now. */
  statistics(): EndpointStatistics {
    const { connections, counters, exchanges, oscore, serving } = this.#layers;
    return {
      associations: connections.size,
      observers: exchanges.observerCount(),
      openExchanges: serving.size,
      endpoint: { ...counters },
      messages: {},
      exchanges: { ...exchanges.counters },
      oscore: flatOscoreCounters(oscore.layer.counters),
      droppedRecords: {},
    };
  }

  /** How many resources the peer of a connection observes. */
  observationsOf(connection: ConnectionId): number {
    const found = this.#layers.connections.get(connection);
    return found === undefined ? 0 : this.#layers.exchanges.observerCount(found.peer.key);
  }

  /** Observations of both roles, by token. */
  activeObservations(): readonly ActiveObservation[] {
    return this.#layers.exchanges.activeObservations();
  }

  handle(input: StreamInput, now: Instant): void {
    receiveInput(this.#layers, input, now);
    this.#settle(now);
  }

  handleTimeout(now: Instant): void {
    const layers = this.#layers;
    const { connections } = layers;
    for (let due = connections.expire(now); due !== undefined; due = connections.expire(now)) {
      due.machine?.handleTimeout(now);
      if (due.release !== undefined && due.release.until <= now) {
        due.machine?.close(
          'released',
          'the peer released the connection, and what was under way took too long',
        );
      }
      layers.talking.add(due);
    }
    layers.exchanges.handleTimeout(now);
    layers.oscore.handleTimeout(now);
    sendHeldOnStream(layers, now);
    this.#settle(now);
  }

  poll(): StreamOutput | undefined {
    return this.#layers.outputs.shift();
  }

  nextTimeout(): Instant | undefined {
    const { connections, exchanges, backOff, oscore } = this.#layers;
    return [connections, exchanges, backOff, oscore].map((one) => one.nextTimeout()).reduce(earliest);
  }

  /**
   * Takes a transport that a peer has opened, secured if it is to be. When there is no room, another connection ends
   * for it (`stream-connections.ts`).
   */
  accept(address: PeerAddress, now: Instant): ConnectionId {
    const layers = this.#layers;
    const { connections, config, talking } = layers;
    if (connections.acceptedCount >= config.maxConnections) {
      const loser = connections.leastWorth();
      loser?.machine?.abort('no-room', 'too many connections');
      if (loser !== undefined) talking.add(loser);
      this.#settle(now);
    }
    const connection = connections.add(address, false);
    begin(layers, connection, now);
    this.#settle(now);
    return connection.peer.connection;
  }

  /** Sends a request, on a new connection where there is none; its outputs carry the returned name. */
  request(address: PeerAddress, request: OutgoingRequest, now: Instant): RequestId {
    const name = sendStreamRequest(this.#layers, address, request, now);
    this.#settle(now);
    return name;
  }

  /** Sends a Ping (RFC 8323 §5.4); its output is `pong` or `request-failed`. */
  ping(address: PeerAddress, now: Instant): RequestId {
    const name = sendStreamRequest(this.#layers, address, undefined, now);
    this.#settle(now);
    return name;
  }

  /** Gives up a request, or ends an observation with the server's knowledge (RFC 8323 §7.4). */
  cancel(request: RequestId, now: Instant): void {
    const { connections, exchangeOf, exchanges, backOff } = this.#layers;
    if (backOff.release(request)) return;
    const exchange = exchangeOf.get(request);
    if (exchange !== undefined) exchanges.cancel(exchange, now);
    else {
      for (const { waiting, pings } of connections.values()) {
        waiting.delete(request);
        for (const [ping, name] of pings) if (name === request) pings.delete(ping);
      }
    }
    this.#settle(now);
  }

  /** The next bytes of a body that `body-wanted` asked for, at most so many; `last`: none follow. */
  provideBody(source: BodySource, bytes: Uint8Array, last: boolean, now: Instant): void {
    this.#layers.exchanges.provideBody(source, bytes, last, now);
    this.#settle(now);
  }

  /** A body cannot be handed over any further: its request fails, a response with it breaks off. */
  failBody(source: BodySource, detail: string, now: Instant): void {
    this.#layers.exchanges.failBody(source, detail, now);
    this.#settle(now);
  }

  /** The part of a request's body that was given last is taken: the client may send the next. */
  continueRequestBody(exchange: ExchangeId, now: Instant): void {
    this.#layers.exchanges.continueBody(exchange, now);
    this.#settle(now);
  }

  /** The part of a response's body that was given last is taken: the next is asked for. */
  continueResponseBody(request: RequestId, now: Instant): void {
    const exchange = this.#layers.exchangeOf.get(request);
    if (exchange !== undefined) this.#layers.exchanges.continueBody(exchange, now);
    this.#settle(now);
  }

  /** Answers a request. Answers to exchanges that have ended are ignored. */
  respond(exchange: ExchangeId, response: OutgoingResponse, now: Instant): void {
    this.#layers.exchanges.respond(exchange, response, now);
    this.#settle(now);
  }

  /** Tells that a resource changed: each observer's request comes out again, as a refresh (RFC 7641 §4.2). */
  notify(resource: string, now: Instant): void {
    this.#layers.exchanges.notify(resource, now);
    this.#settle(now);
  }

  /** Tells that a resource changed for one observer, by the exchange of its registration. */
  notifyObserver(exchange: ExchangeId, now: Instant): void {
    this.#layers.exchanges.notifyObserver(exchange, now);
    this.#settle(now);
  }

  /** Ends a connection with a Release (RFC 8323 §5.5), or one that is not open yet at once. */
  release(id: ConnectionId, now: Instant, notice: ReleaseNotice = noNotice): void {
    const connection = this.#layers.connections.get(id);
    if (connection === undefined) return;
    const { machine } = connection;
    if (machine === undefined) {
      this.#layers.outputs.push({ kind: 'close', connection: id });
      receiveInput(
        this.#layers,
        { kind: 'closed', connection: id, cause: 'shut-down', detail: 'it was closed on this side' },
        now,
      );
    } else {
      machine.release(notice, now);
      this.#layers.talking.add(connection);
    }
    this.#settle(now);
  }

  /** Ends a connection with an Abort (RFC 8323 §5.6): its peer is not welcome any more. */
  abort(id: ConnectionId, detail: string, now: Instant): void {
    const connection = this.#layers.connections.get(id);
    if (connection === undefined) return;
    connection.machine?.abort('shut-down', detail);
    this.#layers.talking.add(connection);
    this.#settle(now);
  }

  /** Releases all connections. */
  releaseAll(now: Instant, notice: ReleaseNotice = noNotice): void {
    for (const { peer } of [...this.#layers.connections.values()]) this.release(peer.connection, now, notice);
  }

  /** Answers a `store-context`: the record is on disk, also after a loss of power. */
  contextStored(store: StoreId, now: Instant): void {
    this.#layers.oscore.layer.stored(store);
    this.#settle(now);
  }

  /** A `store-context` could not be stored: what waits for it is not sent, or not carried out. */
  contextStoringFailed(store: StoreId, now: Instant, detail?: string): void {
    this.#layers.oscore.layer.storeFailed(store, detail);
    this.#settle(now);
  }

  /** The layers below speak until none has anything to say. */
  #settle(now: Instant): void {
    const layers = this.#layers;
    const carrier = new StreamOscore(layers);
    for (;;) {
      const fromOscore = layers.oscore.layer.poll();
      if (fromOscore !== undefined) {
        followOscore(carrier, fromOscore, now);
        const isResponse = fromOscore.kind === 'send-response' || fromOscore.kind === 'unsendable';
        if (isResponse) served(layers, fromOscore.dispatch.exchange);
        continue;
      }
      const output = layers.exchanges.poll();
      if (output !== undefined) {
        if (endsExchange(output)) layers.oscore.exchangeEnded(output.exchange);
        if (protectOutput(carrier, output, now)) {
          const isSent = output.kind === 'send-response' && !layers.oscore.isProtecting(output.exchange);
          if (isSent) served(layers, output.exchange);
          continue;
        }
        switch (output.kind) {
          case 'send-request':
          case 'send-response':
            sendFromStreamExchange(layers, output, now);
            if (output.kind === 'send-response') served(layers, output.exchange);
            break;
          case 'body-wanted':
          case 'body-released':
            layers.outputs.push(output);
            break;
          case 'acknowledge':
          case 'stop-request':
          case 'response-outdated':
          case 'stop-response':
          case 'suppress-response':
          case 'ask-for-proof':
          case 'window-ended':
          case 'stateless-response':
            break; // there is nothing to acknowledge, to repeat or to prove; there are no groups, and every request is remembered
          case 'peer-fault': {
            const address = connectionTo(layers, output.peer)?.peer.address;
            if (address) traceStreamDiscarded(layers, 'request-response', address, output.reason);
            break;
          }
          default:
            deliverFromStream(layers, output, now);
        }
        continue;
      }
      const [connection] = layers.talking;
      if (connection === undefined) return;
      const next = connection.machine?.poll();
      if (next !== undefined) {
        takeOutput(layers, connection, next, now);
        continue;
      }
      layers.talking.delete(connection);
      if (connection.end === undefined) {
        closeWhenDone(layers, connection);
        layers.connections.schedule(connection);
      }
    }
  }
}

/**
 * Largest block that fits into a message for this peer; more than 1024 bytes, for BERT, where both sides announced that.
 * Then the smaller of both sides' messages counts: what we do not want to hold of others we do not send.
 */
function blockSizeFor(
  connection: StreamConnection | undefined,
  { maxMessageSize }: ConnectionConfig,
): number {
  const peer = connection?.machine?.peer;
  if (peer !== undefined && takesBert(peer)) {
    const room = Math.min(peer.maxMessageSize, maxMessageSize) - bertOverhead;
    if (room >= 2048) return room - (room % 1024);
  }
  const room = (peer?.maxMessageSize ?? Infinity) - messageOverhead;
  return blockSizes.find((size) => size <= room) ?? 16;
}

/** Room for header and options beside a BERT block: the smaller of the two that RFC 8323 §5.3.2 advises peers to allow. */
const bertOverhead = 256;
