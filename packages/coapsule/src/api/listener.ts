/**
 * One UDP socket or serial line of a server, plain or with DTLS, from when it opens to when it closes, and the requests that
 * come to it.
 *
 * The options of its endpoint are read in `listener-endpoint.ts`; who the clients are is found in `secured-clients.ts`.
 *
 * @module
 */

import { type EndpointStatistics, statisticsSum } from '../core/endpoint/endpoint-statistics.ts';
import type { Peer } from '../core/endpoint/peer.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import type { PeerAddress } from '../core/foundation/peer-address.ts';
import type { BodyRequest, RequestRoute } from '../core/request-response/request-response-layer.ts';
import { Driver, type DriverOutput } from '../node/driver.ts';
import type { GroupMembership, GroupMemberships } from '../node/group-memberships.ts';
import { monotonicClock } from '../node/monotonic-clock.ts';
import { NodePort } from '../node/node-port.ts';
import type { SharedPort } from '../node/shared-port.ts';
import { AssociationKeeper } from './association-keeper.ts';
import { feedBody } from './body-feed.ts';
import { judgeKeptPeer } from './kept-peer.ts';
import { type BorrowedLine, borrowerOf, outputSide } from './line-loan.ts';
import type { ListenOptions } from './listen-options.ts';
import { listenerEndpoint } from './listener-endpoint.ts';
import { joinGroups } from './listener-groups.ts';
import { type ListenerPlace, listenerPlace, placeServer, placeUri } from './listener-place.ts';
import type { Listener } from './open-listener.ts';
import { storeContext } from './oscore-context.ts';
import { OscoreElsewhere } from './oscore-elsewhere.ts';
import { OscoreOwner } from './oscore-owner.ts';
import { type PeerInfo, type PeerSecurity, withContext } from './peer-info.ts';
import type { PeerPage, PeerPageOptions } from './peer-report.ts';
import type { RenewableSecurity, RenewedCredentials } from './renewable-security.ts';
import type { RequestHandler } from './request-handler.ts';
import { RequestServing } from './request-serving.ts';
import { ReversedRequests } from './reversed-requests.ts';
import { SecuredClients } from './secured-clients.ts';
import type { SerialLineStatus } from './serial-options.ts';
import { type ServerObserver, serverObserver } from './server-observer.ts';
import { listeningLink, workerPort } from './worker-port.ts';

/** How long `close` waits for handlers, so that what they did and answered is known to the next process. */
const longestDrainMs = 5000;

/** A UDP socket or serial line that is open. Made by `Server.listen`. */
export class DatagramListener implements Listener {
  readonly #security: RenewableSecurity | undefined;
  readonly #place: ListenerPlace;
  readonly #driver: Driver;
  readonly #options: ListenOptions;
  readonly #handler: RequestHandler;
  readonly #clients: SecuredClients;
  readonly #serving: RequestServing;
  readonly #reversed: ReversedRequests;
  #closing: Promise<void> | undefined;
  readonly #keeper: AssociationKeeper | undefined;
  readonly #sharedPort: SharedPort | undefined;
  #memberships: GroupMemberships | undefined;
  /** On a port of several workers: those of OSCORE that came to others, and those that go there. */
  #oscoreOwner: OscoreOwner | undefined;
  #oscoreElsewhere: OscoreElsewhere | undefined;
  /** A client that asks over the same line. */
  #borrowed: BorrowedLine | undefined;

  static async open(uri: string, options: ListenOptions, handler: RequestHandler): Promise<DatagramListener> {
    const link = listeningLink(options);
    const asked = listenerPlace(uri, options);
    const shared =
      link === undefined || asked.transport === 'serial' ? undefined : await workerPort(uri, asked, link);
    const place = shared?.place ?? asked;
    const sharedPort = shared?.sharedPort;
    const borrower = options.client && borrowerOf(options.client);
    let opened: DatagramListener | undefined;
    // Before it is open nothing comes in.
    const route = (request: BodyRequest): RequestRoute =>
      opened === undefined ? { kind: 'origin' } : handler.route(request, opened);
    const isWithoutContexts = options.oscore !== undefined && sharedPort?.isOwner === false;
    const { endpoint, security } = listenerEndpoint(uri, place, options, handler, {
      route,
      borrower,
      sharedPort,
      share: isWithoutContexts ? 'all-but-oscore' : 'all',
    });
    const policy = security?.policy;
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
      socket: place.socket,
      onOutput: (output) => {
        if (opened) opened.#output(output);
      },
      // Once the socket is there, or an address that cannot be had would use up what the last process left; and before
      // the first datagram: a peer's record finds its association.
      ...(keeper === undefined ? {} : { prepare: () => resume(keeper) }),
      ...(sharedPort === undefined ? {} : { sharedPort }),
      ...(options.nodes === undefined ? {} : { nodePort: new NodePort(options.nodes) }),
      onSocketFailure: onError,
      onDefect: onError,
      ...(options.capture === undefined ? {} : { capture: options.capture }),
      ...(options.lossRate === undefined ? {} : { lossRate: options.lossRate }),
      ...(options.duplicateRate === undefined ? {} : { duplicateRate: options.duplicateRate }),
    });
    shared?.announce(driver.local);
    opened = new DatagramListener(place, driver, options, handler, security, keeper, sharedPort);
    sharedPort?.askForGroups();
    if (sharedPort !== undefined && isWithoutContexts) opened.#handOver(sharedPort);
    const hasContexts = options.oscore !== undefined && sharedPort?.isOwner === true;
    if (hasContexts && !sharedPort.isAlone && place.transport === 'udp') {
      opened.#oscoreOwner = await OscoreOwner.open({
        ...{ uri, place, options, handler, route, port: sharedPort, local: driver.local },
        send: (datagram, to) => driver.send(datagram, to),
      });
    }
    // What the endpoint has to say of the associations that came back.
    driver.run(() => {});
    if (place.multicast !== undefined) {
      opened.#memberships = await joinGroups(driver, place.multicast, onError, sharedPort);
    }
    if (place.transport === 'serial' && borrower !== undefined) {
      try {
        const { prefix } = opened.#clients;
        opened.#borrowed = borrower.borrow(place.address, { driver, line: place.line, prefix });
      } catch (error) {
        await opened.close();
        throw error;
      }
    }
    return opened;
  }

  private constructor(
    place: ListenerPlace,
    driver: Driver,
    options: ListenOptions,
    handler: RequestHandler,
    security: RenewableSecurity | undefined,
    keeper: AssociationKeeper | undefined,
    sharedPort: SharedPort | undefined,
  ) {
    this.#sharedPort = sharedPort;
    this.#security = security;
    this.#place = place;
    this.#driver = driver;
    this.#reversed = new ReversedRequests(driver, {
      addressOf: (peer) => this.#addressOf(peer),
      serverAt: (address) => placeServer(place, address),
    });
    this.#serving = new RequestServing(driver, {
      handler,
      keeper,
      link: options,
      hasDuplicates: true,
      askBack: (...request) => this.#reversed.ask(...request),
    });
    this.#options = options;
    this.#handler = handler;
    this.#keeper = keeper;
    const onError = (error: unknown): void => handler.onError(error);
    this.#clients = new SecuredClients(driver, place, options, security?.policy, keeper, onError);
    keeper?.attach((command) => {
      if (!driver.closed) driver.run(command);
    });
  }

  get scheme(): ListenerPlace['scheme'] {
    return this.#place.scheme;
  }

  /** IP literal it is bound to; of a line, which has none, 0.0.0.0. */
  get host(): string {
    return this.#place.transport === 'serial' ? '0.0.0.0' : this.#driver.local.host;
  }

  /** The real port, also when 0 was asked for; of a line 0. */
  get port(): number {
    return this.#driver.local.port;
  }

  /** `coaps://[::]:5684`. */
  get uri(): string {
    return placeUri(this.#place, this.#driver.local);
  }

  /** How its serial line fares. */
  get line(): SerialLineStatus | undefined {
    return this.#place.line?.status();
  }

  /** The multicast groups this listener has joined, or could not join, on each interface. */
  get groups(): readonly GroupMembership[] {
    return this.#memberships?.list() ?? [];
  }

  /** Who observes what, with the token of each (RFC 7641 §4.1). */
  observers(): readonly ServerObserver[] {
    const active = this.#driver.run((endpoint) => endpoint.activeObservations());
    const own = active.map(serverObserver);
    return [...own, ...(this.#oscoreOwner?.observers() ?? [])];
  }

  /** The secured peers there are now. */
  peers(): readonly PeerSecurity[] {
    return this.#clients.list();
  }

  /** What is known of each secured peer. */
  peerReports(page: PeerPageOptions = {}): PeerPage {
    return this.#clients.reports(page);
  }

  /** What was counted, and what is held now. */
  statistics(): EndpointStatistics {
    const own = this.#driver.run((endpoint) => endpoint.statistics());
    const underOscore = this.#oscoreOwner?.statistics();
    return underOscore === undefined ? own : statisticsSum([own, underOscore]);
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

  /** What handshakes show and trust from now on. */
  renewCredentials(credentials: RenewedCredentials): void {
    if (this.#security === undefined)
      throw new ApiMisuseError(`${this.uri} is not secured: it has no credentials`);
    this.#security.renew(credentials);
  }

  /** Tells observers of `path` that it changed, those of other workers too. */
  notify(path: string): void {
    if (this.#driver.closed) return;
    this.#driver.run((endpoint, now) => endpoint.notify(path, now));
    this.#oscoreOwner?.notify(path);
    this.#sharedPort?.notify(path);
  }

  /** Ends all associations with close_notify, or leaves them to `associationStore`, and closes the socket. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#handler.onClosed(this);
    await this.#memberships?.close();
    await this.#borrowed?.end();
    this.#reversed.close();
    if (this.#keeper !== undefined) {
      // What is not begun is for the next process: the peer sends it again.
      this.#driver.isDeaf = true;
      await this.#drained();
      await this.#keeper.suspend();
    }
    await this.#oscoreOwner?.close();
    this.#driver.run((endpoint, now) => endpoint.closeAll(now));
    this.#serving.running.close();
    await this.#driver.close();
  }

  /** All handlers have answered, or had long enough. */
  async #drained(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const tooLong = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, longestDrainMs);
    });
    await Promise.race([this.#serving.settled(), tooLong]);
    clearTimeout(timer);
  }

  #handOver(port: SharedPort): void {
    this.#oscoreElsewhere = new OscoreElsewhere(this.#driver, port, (peer) => this.#clients.security(peer));
  }

  #output(output: DriverOutput): void {
    const side = outputSide(output);
    if (side !== 'server') {
      this.#borrowed?.output(output);
      this.#reversed.output(output);
    }
    if (side !== 'client') this.#answering(output);
  }

  /** What concerns the side that answers, and all that both sides share. */
  #answering(output: DriverOutput): void {
    switch (output.kind) {
      case 'request': {
        const { exchange, peer, request } = output;
        this.#serving.serve(exchange, request, this.#peerInfo(peer), peer.association);
        return;
      }
      case 'request-body':
        this.#serving.running.bodies.part(output);
        return;
      case 'body-wanted':
      case 'body-released':
        void feedBody(this.#driver, output, (error) => this.#handler.onError(error));
        return;
      case 'exchange-ended':
        this.#serving.running.ended(output.exchange);
        return;
      case 'psk-lookup':
      case 'verify-peer':
      case 'connected':
      case 'handshake-failed':
      case 'closed':
      case 'keep-association':
      case 'reserve-sequence':
      case 'advance-edge':
        if (output.kind === 'closed') this.#oscoreElsewhere?.ended(output.association);
        this.#clients.handle(output);
        return;
      case 'message-elsewhere':
        this.#oscoreElsewhere?.handOver(output);
        return;
      case 'store-context':
        void storeContext(this.#driver, output, (error) => this.#handler.onError(error));
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
        // For the client on the same line, or for who asked back.
        return;
    }
  }

  /** Where the sender of a request is now; undefined when its association is gone. */
  #addressOf({ address, security }: PeerInfo): PeerAddress | undefined {
    if (!this.#place.isSecure) return address;
    const association = this.#clients.associationWith(security);
    if (association === undefined) return undefined;
    return this.#driver.run((endpoint) => endpoint.addressOf(association));
  }

  #peerInfo(peer: Peer): PeerInfo {
    const { address } = peer;
    const { transport } = this.#place;
    const security = this.#clients.security(peer.oscore?.via ?? peer);
    return withContext({ address, transport, security }, peer.oscore);
  }
}
