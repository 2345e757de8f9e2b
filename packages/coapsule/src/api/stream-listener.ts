/**
 * One port of a server over TCP, TLS or WebSocket, with its endpoint, its connections and their requests.
 *
 * RFC 8323.
 *
 * @module
 */

import { transportOf } from '../core/coap/uri.ts';
import type { ConnectionEnd } from '../core/connection/connection-output.ts';
import type { EndpointStatistics } from '../core/endpoint/endpoint-statistics.ts';
import { StreamEndpoint } from '../core/endpoint/stream-endpoint.ts';
import type { ConnectionId, StreamPeer } from '../core/endpoint/stream-outputs.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import { elapsedMs, type Instant } from '../core/foundation/instant.ts';
import type { PeerAddress } from '../core/foundation/peer-address.ts';
import { fastCrypto } from '../crypto/fast-crypto.ts';
import { monotonicClock } from '../node/monotonic-clock.ts';
import { StreamDriver, type StreamDriverOutput } from '../node/stream-driver.ts';
import type { StreamServer, StreamTransport } from '../node/stream-transport.ts';
import { systemRandom } from '../node/system-random.ts';
import { feedBody } from './body-feed.ts';
import { streamCoreConfig } from './endpoint-options.ts';
import { expectKnownOptions } from './known-options.ts';
import { type ListenOptions, listenOptionNames } from './listen-options.ts';
import type { ListenAddress } from './listen-uri.ts';
import { observerConfig } from './observer-limits.ts';
import type { Listener } from './open-listener.ts';
import { storeContext } from './oscore-context.ts';
import { noSecurity, type PeerInfo, type PeerSecurity, withContext } from './peer-info.ts';
import { type PeerPage, type PeerPageOptions, peerPage } from './peer-report.ts';
import type { RenewedCredentials } from './renewable-security.ts';
import type { RequestHandler } from './request-handler.ts';
import { RequestServing } from './request-serving.ts';
import { type ServerObserver, serverObserver } from './server-observer.ts';
import { openStreamServer } from './stream-server.ts';

/** How long `close` waits for clients to take the Release and close. */
const farewellMs = 2000;

/** On a connection both sides may ask (RFC 8323 §3.1), but a client of this library serves nothing there. */
async function noAskingBack(): Promise<never> {
  throw new ApiMisuseError(
    'the sender of a request is asked over UDP, DTLS and serial lines; this one came over a connection',
  );
}

/** Whoever is connected. */
interface ConnectedPeer {
  readonly info: PeerInfo;
  readonly transport: StreamTransport;
  readonly since: Instant;
}

/** A port that is open. Made by `Server.listen`. */
export class StreamListener implements Listener {
  readonly scheme: ListenAddress['scheme'];
  readonly #driver: StreamDriver;
  readonly #options: ListenOptions;
  readonly #handler: RequestHandler;
  readonly #local: PeerAddress;
  readonly #renew: ((credentials: RenewedCredentials) => void) | undefined;
  readonly #peers = new Map<ConnectionId, ConnectedPeer>();
  readonly #serving: RequestServing;
  #closing: Promise<void> | undefined;

  static async open(
    uri: string,
    { scheme, host, port }: ListenAddress,
    options: ListenOptions,
    handler: RequestHandler,
  ): Promise<StreamListener> {
    const onError = (error: unknown): void => handler.onError(error);
    expectKnownOptions(uri, options, { ...listenOptionNames, onError: true } as typeof listenOptionNames);
    if (options.dangerouslyUnlimitedAmplification !== undefined) {
      throw new ApiMisuseError(
        `${uri}: dangerouslyUnlimitedAmplification is for coap over UDP; a connection proves addresses`,
      );
    }
    const config = streamCoreConfig(options, scheme, 'server');
    let opened: StreamListener | undefined;
    const endpoint = new StreamEndpoint({
      ...(options.oscore !== undefined && { oscore: options.oscore }),
      config: {
        ...config,
        ...(options.maxConnections === undefined ? {} : { maxConnections: options.maxConnections }),
        requestResponse: {
          ...config.requestResponse,
          ...observerConfig(uri, options.observers),
          maxBodyBytes: (request) => handler.maxBodyBytes(request),
          maxPayloadBytes: (request) => handler.maxPayloadBytes(request),
          freshWithinMs: (request) => handler.freshWithinMs(request),
          streamRequestBody: (request) => handler.streamRequestBody(request),
          // Before it is open nothing comes in.
          route: (request) => (opened === undefined ? { kind: 'origin' } : handler.route(request, opened)),
          resourceName: (options) => handler.resourceName(options),
        },
      },
      random: systemRandom,
      crypto: fastCrypto(),
    });
    const driver = new StreamDriver({
      endpoint,
      onOutput: (output) => {
        if (opened) opened.#output(output);
      },
      onDefect: onError,
    });
    const onTransport = (transport: StreamTransport, security: PeerSecurity): void => {
      if (opened) opened.#accept(transport, security);
      else transport.destroy();
    };
    const { server, renew } = await openStreamServer(uri, { scheme, host, port }, options, {
      onTransport,
      onError,
    });
    opened = new StreamListener(scheme, driver, server, renew, options, handler);
    return opened;
  }

  private constructor(
    scheme: ListenAddress['scheme'],
    driver: StreamDriver,
    server: StreamServer,
    renew: ((credentials: RenewedCredentials) => void) | undefined,
    options: ListenOptions,
    handler: RequestHandler,
  ) {
    this.scheme = scheme;
    this.#driver = driver;
    this.#serving = new RequestServing(driver, {
      handler,
      keeper: undefined,
      link: undefined,
      hasDuplicates: false,
      askBack: noAskingBack,
    });
    this.#local = server.local;
    this.#renew = renew;
    this.#options = options;
    this.#handler = handler;
    driver.serve(server);
  }

  get host(): string {
    return this.#local.host;
  }

  get port(): number {
    return this.#local.port;
  }

  get uri(): string {
    return `${this.scheme}://${this.#local.key.replace('%', '%25')}`;
  }

  /** There is no multicast over TCP (RFC 8323 §8). */
  readonly groups: readonly [] = [];

  observers(): readonly ServerObserver[] {
    const active = this.#driver.run((endpoint) => endpoint.activeObservations());
    return active.map(serverObserver);
  }

  peers(): readonly PeerSecurity[] {
    return [...this.#peers.values()].map(({ info }) => info.security).filter(({ kind }) => kind !== 'none');
  }

  peerReports(page: PeerPageOptions = {}): PeerPage {
    return peerPage(this.#peers.keys(), page, (connection) => {
      const { info, since, transport } = this.#peers.get(connection) as ConnectedPeer;
      if (info.security.kind === 'none') return undefined;
      const { bytesReceived, bytesSent } = transport.traffic?.() ?? {};
      return {
        peer: info,
        epoch: undefined,
        ageSeconds: Math.floor(elapsedMs(since, monotonicClock.now()) / 1000),
        idleMs: undefined,
        bytesReceived,
        bytesSent,
        path: undefined,
        observations: this.#driver.run((endpoint) => endpoint.observationsOf(connection)),
      };
    });
  }

  statistics(): EndpointStatistics {
    return this.#driver.run((endpoint) => endpoint.statistics());
  }

  renewCredentials(credentials: RenewedCredentials): void {
    if (this.#renew === undefined)
      throw new ApiMisuseError(`${this.uri} is not secured: it has no credentials`);
    this.#renew(credentials);
  }

  disconnect(which: string | ((security: PeerSecurity) => boolean)): number {
    const matches =
      typeof which === 'function'
        ? which
        : (security: PeerSecurity) => security.kind === 'tls' && security.identity === which;
    const found = [...this.#peers].filter(
      ([, { info }]) => info.security.kind !== 'none' && matches(info.security),
    );
    for (const [connection] of found) {
      this.#driver.run((endpoint, now) => endpoint.abort(connection, 'not welcome any more', now));
    }
    return found.length;
  }

  notify(path: string): void {
    if (!this.#driver.closed) this.#driver.run((endpoint, now) => endpoint.notify(path, now));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#handler.onClosed(this);
    this.#driver.run((endpoint, now) => endpoint.releaseAll(now));
    await this.#driver.close(farewellMs);
    this.#serving.running.close();
  }

  #accept(transport: StreamTransport, security: PeerSecurity): void {
    const connection = this.#driver.accept(transport);
    if (connection === undefined) return;
    const { remote: address } = transport;
    const peer = { address, transport: transportOf(this.scheme), security };
    this.#peers.set(connection, { info: peer, transport, since: monotonicClock.now() });
    if (security.kind !== 'none') this.#options.onAssociation?.({ kind: 'connected', peer });
  }

  #output(output: StreamDriverOutput): void {
    switch (output.kind) {
      case 'request':
        this.#serving.serve(output.exchange, output.request, this.#peerInfo(output.peer), undefined);
        return;
      case 'store-context':
        void storeContext(this.#driver, output, (error) => this.#handler.onError(error));
        return;
      case 'exchange-ended':
        this.#serving.running.ended(output.exchange);
        return;
      case 'connection-ended':
        this.#ended(output.peer.connection, output.end);
        return;
      case 'trace':
        this.#options.trace?.(output.event);
        return;
      case 'request-body':
        this.#serving.running.bodies.part(output);
        return;
      case 'body-wanted':
      case 'body-released':
        void feedBody(this.#driver, output, (error) => this.#handler.onError(error));
        return;
      case 'connection-established':
      case 'response':
      case 'response-body':
      case 'response-body-aborted':
      case 'request-failed':
      case 'sent':
      case 'pong':
        // A listener makes no requests.
        return;
    }
  }

  #ended(connection: ConnectionId, { cause }: ConnectionEnd): void {
    const peer = this.#peers.get(connection)?.info;
    this.#peers.delete(connection);
    if (peer !== undefined && peer.security.kind !== 'none') {
      this.#options.onAssociation?.({ kind: 'closed', peer, reason: cause });
    }
  }

  #peerInfo({ connection, address, oscore }: StreamPeer): PeerInfo {
    const info = this.#peers.get(connection)?.info ?? {
      address,
      transport: transportOf(this.scheme),
      security: noSecurity,
    };
    return withContext(info, oscore);
  }
}
