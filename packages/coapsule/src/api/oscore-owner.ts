/**
 * What is under OSCORE on a port of several workers, in worker 0, which has the contexts: an endpoint for the messages that
 * came to other workers.
 *
 * Answers to plain messages leave by the socket of worker 0, which is bound to the same port. Those to messages that came
 * inside an association of another worker go back there, and it seals them (`oscore-elsewhere.ts`). What comes to worker 0
 * itself is a matter of its listener.
 *
 * @module
 */

import type { Endpoint } from '../core/endpoint/endpoint.ts';
import type { EndpointStatistics } from '../core/endpoint/endpoint-statistics.ts';
import type { Peer } from '../core/endpoint/peer.ts';
import { ipAddress, type PeerAddress } from '../core/foundation/peer-address.ts';
import type { BodyRequest, RequestRoute } from '../core/request-response/request-response-layer.ts';
import type { SocketEvents } from '../node/datagram-socket.ts';
import { Driver, type DriverOutput } from '../node/driver.ts';
import type { SharedPort } from '../node/shared-port.ts';
import type { OscoreMessage } from '../node/worker-link.ts';
import { feedBody } from './body-feed.ts';
import { credentialOptionNames, type ListenOptions } from './listen-options.ts';
import { listenerEndpoint } from './listener-endpoint.ts';
import { type ListenerPlace, placeServer } from './listener-place.ts';
import { storeContext } from './oscore-context.ts';
import { noSecurity, type PeerInfo, type PeerSecurity, withContext } from './peer-info.ts';
import type { RequestHandler } from './request-handler.ts';
import { RequestServing } from './request-serving.ts';
import { ReversedRequests } from './reversed-requests.ts';
import { type ServerObserver, serverObserver } from './server-observer.ts';

/** A peer inside an association of another worker. */
interface InnerPeer {
  readonly worker: number;
  readonly association: string;
  /** What the endpoint here calls it: the same wherever the peer is. */
  readonly name: PeerAddress;
  address: PeerAddress;
  readonly security: PeerSecurity;
}

/** What the owner belongs to. */
export interface OscoreOwnerParts {
  readonly uri: string;
  readonly place: Extract<ListenerPlace, { transport: 'udp' }>;
  readonly options: ListenOptions;
  readonly handler: RequestHandler;
  readonly port: SharedPort;
  /** Of the listener. */
  readonly local: PeerAddress;
  /** By the socket of the listener. */
  readonly send: (datagram: Uint8Array, to: PeerAddress) => void;
  readonly route: (request: BodyRequest) => RequestRoute;
}

/** See the module comment. */
export class OscoreOwner {
  readonly #parts: OscoreOwnerParts;
  readonly #driver: Driver;
  readonly #serving: RequestServing;
  readonly #reversed: ReversedRequests;
  /** By the names of their associations, and by what the endpoint calls them. */
  readonly #inner = new Map<string, InnerPeer>();
  readonly #byName = new Map<string, InnerPeer>();

  static async open(parts: OscoreOwnerParts): Promise<OscoreOwner> {
    const { uri, place, options, handler, port, route } = parts;
    // Who is inside an association has proved its address.
    const dangerouslyUnlimitedAmplification = place.isSecure || options.dangerouslyUnlimitedAmplification;
    const plain = withoutCredentials(options);
    const { endpoint } = listenerEndpoint(
      uri,
      { ...place, scheme: 'coap', isSecure: false, multicast: undefined },
      { ...plain, ...(dangerouslyUnlimitedAmplification && { dangerouslyUnlimitedAmplification }) },
      handler,
      { route, borrower: undefined, sharedPort: undefined, share: 'oscore' },
    );
    let opened: OscoreOwner | undefined;
    let events: SocketEvents | undefined;
    const driver = await Driver.open({
      endpoint,
      socket: (given) => {
        events = given;
        return Promise.resolve({
          local: parts.local,
          send: (datagram, to) => {
            if (opened) opened.#send(datagram, to);
          },
          close: () => Promise.resolve(),
        });
      },
      onOutput: (output) => {
        if (opened) opened.#output(output);
      },
      onDefect: (error) => handler.onError(error),
    });
    const owner = new OscoreOwner(parts, driver);
    opened = owner;
    port.withOscore({
      message: (message) => {
        if (events !== undefined) owner.#told(message, events);
      },
      notify: (path) => owner.notify(path),
      replaced: (worker) => owner.#replaced(worker),
    });
    return owner;
  }

  private constructor(parts: OscoreOwnerParts, driver: Driver) {
    this.#parts = parts;
    this.#driver = driver;
    const { place, options, handler } = parts;
    this.#reversed = new ReversedRequests(driver, {
      addressOf: (peer) => this.#addressOf(peer),
      serverAt: (address) => placeServer(place, address),
    });
    this.#serving = new RequestServing(driver, {
      handler,
      // A request under OSCORE is told from an old one by its Partial IV.
      keeper: undefined,
      link: options,
      hasDuplicates: true,
      askBack: (...request) => this.#reversed.ask(...request),
    });
  }

  /** What its endpoint counted, and holds now. */
  statistics(): EndpointStatistics {
    return this.#driver.run((endpoint) => endpoint.statistics());
  }

  observers(): readonly ServerObserver[] {
    const active = this.#driver.run((endpoint) => endpoint.activeObservations());
    return active.map(serverObserver);
  }

  notify(path: string): void {
    if (!this.#driver.closed) this.#driver.run((endpoint, now) => endpoint.notify(path, now));
  }

  async close(): Promise<void> {
    this.#driver.run((endpoint: Endpoint, now) => endpoint.closeAll(now));
    this.#serving.running.close();
    this.#reversed.close();
    await this.#driver.close();
  }

  #told(message: OscoreMessage, { receive }: SocketEvents): void {
    switch (message.kind) {
      case 'to-owner': {
        const { from, datagram, host, port, security } = message;
        const address = ipAddress(host, port);
        const peer = this.#peerInside(from, address, security as PeerSecurity | undefined);
        receive(datagram, peer?.name ?? address);
        return;
      }
      case 'association-ended': {
        const peer = this.#inner.get(message.association);
        if (peer !== undefined) this.#forget(peer);
        return;
      }
      case 'from-owner':
        return; // for the others
    }
  }

  #peerInside(
    worker: number,
    address: PeerAddress,
    security: PeerSecurity | undefined,
  ): InnerPeer | undefined {
    if (security?.kind !== 'dtls') return undefined;
    const { association } = security;
    const known = this.#inner.get(association);
    if (known !== undefined && known.worker === worker) {
      known.address = address;
      return known;
    }
    const name = known?.name ?? { ...address, key: `${address.key} in association ${association}` };
    const peer = { worker, association, name, address, security };
    this.#inner.set(association, peer);
    this.#byName.set(name.key, peer);
    return peer;
  }

  #forget({ association, name }: InnerPeer): void {
    this.#inner.delete(association);
    this.#byName.delete(name.key);
    if (!this.#driver.closed) this.#driver.run((endpoint, now) => endpoint.forgetPeer(name, now));
  }

  /** Those of its associations that come back have the same names. */
  #replaced(worker: number): void {
    for (const peer of [...this.#inner.values()]) if (peer.worker === worker) this.#forget(peer);
  }

  #send(datagram: Uint8Array, to: PeerAddress): void {
    const peer = this.#byName.get(to.key);
    if (peer !== undefined) this.#parts.port.sendInside(peer.worker, peer.association, datagram);
    else if (!this.#parts.place.isSecure) this.#parts.send(datagram, to);
  }

  #output(output: DriverOutput): void {
    const { handler, options } = this.#parts;
    this.#reversed.output(output);
    switch (output.kind) {
      case 'request': {
        const { exchange, peer, request } = output;
        this.#serving.serve(exchange, request, this.#peerInfo(peer), undefined);
        return;
      }
      case 'request-body':
        this.#serving.running.bodies.part(output);
        return;
      case 'body-wanted':
      case 'body-released':
        void feedBody(this.#driver, output, (error) => handler.onError(error));
        return;
      case 'exchange-ended':
        this.#serving.running.ended(output.exchange);
        return;
      case 'store-context':
        void storeContext(this.#driver, output, (error) => handler.onError(error));
        return;
      case 'trace':
        options.trace?.(output.event);
        return;
      default:
        return; // there are no associations here
    }
  }

  #addressOf({ address, security }: PeerInfo): PeerAddress | undefined {
    return security.kind === 'dtls' ? this.#inner.get(security.association)?.name : address;
  }

  #peerInfo(peer: Peer): PeerInfo {
    const inner = this.#byName.get(peer.address.key);
    const address = inner?.address ?? peer.address;
    const security = inner?.security ?? noSecurity;
    return withContext({ address, transport: 'udp', security }, peer.oscore);
  }
}

/** The endpoint here is inside of associations, and has none. */
function withoutCredentials(options: ListenOptions): ListenOptions {
  const plain: { -readonly [Name in keyof ListenOptions]: ListenOptions[Name] } = { ...options };
  for (const name of credentialOptionNames) delete plain[name];
  return plain;
}
