/**
 * One socket of a server: `coap` or `coaps`, from when it opens to when it closes, and the requests that come to it.
 *
 * The options of its endpoint are read in `listener-endpoint.ts`; who the clients are is found in `secured-clients.ts`.
 *
 * @module
 */

import type { IncomingRequest } from '../core/endpoint/outputs.ts';
import type { Peer } from '../core/endpoint/peer.ts';
import { InvariantError } from '../core/foundation/errors.ts';
import type {
  BodyRequest,
  ExchangeId,
  RequestRoute,
} from '../core/request-response/request-response-layer.ts';
import { Driver, type DriverOutput } from '../node/driver.ts';
import type { GroupMembership, GroupMemberships } from '../node/group-memberships.ts';
import { monotonicClock } from '../node/monotonic-clock.ts';
import { AssociationKeeper } from './association-keeper.ts';
import { feedBody } from './body-feed.ts';
import { warnOfPayload } from './endpoint-options.ts';
import { judgeKeptPeer } from './kept-peer.ts';
import type { ListenOptions } from './listen-options.ts';
import { parseListenUri } from './listen-uri.ts';
import { listenerEndpoint } from './listener-endpoint.ts';
import { isWildcard, joinGroups } from './listener-groups.ts';
import type { Listener } from './open-listener.ts';
import type { PeerInfo, PeerSecurity } from './peer-info.ts';
import type { VerificationPolicy } from './peer-verification.ts';
import type { RequestHandler } from './request-handler.ts';
import { answerOnce } from './request-once.ts';
import { RunningRequests } from './running-requests.ts';
import { SecuredClients } from './secured-clients.ts';
import type { ServerObserver } from './server-observer.ts';

/** How long `close` waits for handlers, so that what they did and answered is known to the next process. */
const longestDrainMs = 5000;

/** A UDP socket that is open. Made by `Server.listen`. */
export class DatagramListener implements Listener {
  readonly scheme: 'coap' | 'coaps';
  readonly #driver: Driver;
  readonly #options: ListenOptions;
  readonly #handler: RequestHandler;
  readonly #clients: SecuredClients;
  readonly #running: RunningRequests;
  readonly #served = new Set<Promise<void>>();
  #closing: Promise<void> | undefined;
  readonly #keeper: AssociationKeeper | undefined;
  #memberships: GroupMemberships | undefined;

  static async open(uri: string, options: ListenOptions, handler: RequestHandler): Promise<DatagramListener> {
    const { scheme, host, port } = parseListenUri(uri);
    if (scheme !== 'coap' && scheme !== 'coaps') throw new InvariantError(`a UDP socket for ${scheme}`);
    let opened: DatagramListener | undefined;
    // Before it is open nothing comes in.
    const route = (request: BodyRequest): RequestRoute =>
      opened === undefined ? { kind: 'origin' } : handler.route(request, opened);
    const { endpoint, policy, multicast } = listenerEndpoint(uri, scheme, options, handler, route);
    const { associationStore } = options;
    const onError = (error: unknown): void => handler.onError(error);
    const keeper = associationStore && new AssociationKeeper(associationStore, onError);
    const admission = { psk: options.psk, verification: policy, onError };
    const resume = (one: AssociationKeeper): Promise<void> =>
      one.resume(
        endpoint,
        () => monotonicClock.now(),
        (kept) => judgeKeptPeer(kept, admission),
      );
    const driver = await Driver.open({
      endpoint,
      socket: {
        ...{ host, port, receiveBufferBytes: 4 * 1024 * 1024 },
        // The wildcard address takes the port of the groups too.
        ...(multicast !== undefined && isWildcard(host) && multicast.port === port
          ? { sharesPort: true }
          : {}),
      },
      onOutput: (output) => {
        if (opened) opened.#output(output);
      },
      // Once the socket is there, or an address that cannot be had would use up what the last process left; and before
      // the first datagram: a peer's record finds its association.
      ...(keeper === undefined ? {} : { prepare: () => resume(keeper) }),
      onSocketFailure: onError,
      onDefect: onError,
      ...(options.capture === undefined ? {} : { capture: options.capture }),
      ...(options.lossRate === undefined ? {} : { lossRate: options.lossRate }),
    });
    opened = new DatagramListener(scheme, driver, options, handler, policy, keeper);
    // What the endpoint has to say of the associations that came back.
    driver.run(() => {});
    if (multicast !== undefined) opened.#memberships = await joinGroups(driver, multicast, onError);
    return opened;
  }

  private constructor(
    scheme: 'coap' | 'coaps',
    driver: Driver,
    options: ListenOptions,
    handler: RequestHandler,
    policy: VerificationPolicy | undefined,
    keeper: AssociationKeeper | undefined,
  ) {
    this.scheme = scheme;
    this.#driver = driver;
    this.#running = new RunningRequests(driver);
    this.#options = options;
    this.#handler = handler;
    this.#keeper = keeper;
    this.#clients = new SecuredClients(driver, options, policy, keeper, (error) => handler.onError(error));
    keeper?.attach((command) => {
      if (!driver.closed) driver.run(command);
    });
  }

  /** IP literal it is bound to. */
  get host(): string {
    return this.#driver.local.host;
  }

  /** The real port, also when 0 was asked for. */
  get port(): number {
    return this.#driver.local.port;
  }

  /** `coaps://[::]:5684`. */
  get uri(): string {
    return `${this.scheme}://${this.#driver.local.key.replace('%', '%25')}`;
  }

  /** The multicast groups this listener has joined, or could not join, on each interface. */
  get groups(): readonly GroupMembership[] {
    return this.#memberships?.list() ?? [];
  }

  /** Who observes what, with the token of each (RFC 7641 §4.1). */
  observers(): readonly ServerObserver[] {
    const active = this.#driver.run((endpoint) => endpoint.activeObservations());
    return active.map(({ peer, token, resource, sequence }) => ({ peer, token, resource, sequence }));
  }

  /** The secured peers there are now. */
  peers(): readonly PeerSecurity[] {
    return this.#clients.list();
  }

  /**
   * Ends associations, such as those of an identity whose key was changed.
   *
   * @param which An identity, or what tells which of the secured peers.
   * @returns how many there were.
   */
  disconnect(which: string | ((security: PeerSecurity) => boolean)): number {
    return this.#clients.disconnect(which);
  }

  /** Tells observers of `path` that it changed. */
  notify(path: string): void {
    if (!this.#driver.closed) this.#driver.run((endpoint, now) => endpoint.notify(path, now));
  }

  /** Ends all associations with close_notify, or leaves them to `associationStore`, and closes the socket. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#handler.onClosed(this);
    await this.#memberships?.close();
    if (this.#keeper !== undefined) {
      // What is not begun is for the next process: the peer sends it again.
      this.#driver.isDeaf = true;
      await this.#drained();
      await this.#keeper.suspend();
    }
    this.#driver.run((endpoint, now) => endpoint.closeAll(now));
    this.#running.close();
    await this.#driver.close();
  }

  /** All handlers have answered, or had long enough. */
  async #drained(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const tooLong = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, longestDrainMs);
    });
    await Promise.race([Promise.all(this.#served), tooLong]);
    clearTimeout(timer);
  }

  #output(output: DriverOutput): void {
    switch (output.kind) {
      case 'request': {
        const served = this.#serve(output.exchange, output.peer, output.request)
          .catch((error) => this.#handler.onError(error))
          .finally(() => this.#served.delete(served));
        this.#served.add(served);
        return;
      }
      case 'request-body':
        this.#running.bodies.part(output);
        return;
      case 'body-wanted':
      case 'body-released':
        void feedBody(this.#driver, output, (error) => this.#handler.onError(error));
        return;
      case 'exchange-ended':
        this.#running.ended(output.exchange);
        return;
      case 'psk-lookup':
      case 'verify-peer':
      case 'connected':
      case 'handshake-failed':
      case 'closed':
      case 'keep-association':
      case 'reserve-sequence':
      case 'advance-edge':
        this.#clients.handle(output);
        return;
      case 'keylog':
        this.#options.keylog?.(output.line);
        return;
      case 'trace':
        this.#options.trace?.(output.event);
        return;
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

  async #serve(exchange: ExchangeId, peer: Peer, incoming: IncomingRequest): Promise<void> {
    const { request, done } = this.#running.begin(exchange, incoming, this.#peerInfo(peer));
    const { answer, handled, observe } = await answerOnce(
      request,
      peer.association,
      this.#keeper,
      this.#handler,
    );
    done();
    const length = answer.body?.length ?? answer.payload.length;
    warnOfPayload(this.#options, length, `the response of ${request.path}`);
    if (this.#driver.closed) return;
    this.#driver.run((endpoint, now) =>
      endpoint.respond(
        exchange,
        {
          ...answer,
          observe: request.observe && observe !== false && this.#handler.observable(request),
          // RFC 7252 §4.5: running a safe, idempotent handler again costs less than keeping its answer.
          keepAnswer: handled && request.method !== 'GET' && request.method !== 'FETCH',
        },
        now,
      ),
    );
  }

  #peerInfo(peer: Peer): PeerInfo {
    return { address: peer.address, transport: 'udp', security: this.#clients.security(peer) };
  }
}
