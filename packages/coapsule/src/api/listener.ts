/**
 * One socket of a server: `coap` or `coaps`, with its endpoint, its peers and their requests.
 *
 * @module
 */

import type { OptionReader } from '../core/coap/option-set.ts';
import type { AssociationId, DtlsOutput } from '../core/dtls/dtls-output.ts';
import { Endpoint } from '../core/endpoint/endpoint.ts';
import type { IncomingRequest } from '../core/endpoint/outputs.ts';
import type { Peer } from '../core/endpoint/peer.ts';
import { ApiMisuseError, InvariantError } from '../core/foundation/errors.ts';
import type {
  BodyRequest,
  ExchangeId,
  RequestRoute,
} from '../core/request-response/request-response-layer.ts';
import type { GroupPolicy } from '../core/request-response/response-suppression.ts';
import { nodeCrypto } from '../crypto/node-crypto.ts';
import { Driver, type DriverOutput } from '../node/driver.ts';
import type { GroupMembership, GroupMemberships } from '../node/group-memberships.ts';
import { monotonicClock } from '../node/monotonic-clock.ts';
import { systemRandom } from '../node/system-random.ts';
import { AssociationKeeper } from './association-keeper.ts';
import { feedBody } from './body-feed.ts';
import { coreConfig, warnOfPayload } from './endpoint-options.ts';
import { handshakeAdvice } from './handshake-advice.ts';
import { judgeKeptPeer } from './kept-peer.ts';
import { expectKey, expectKnownOptions } from './known-options.ts';
import { credentialOptionNames, type ListenOptions, listenOptionNames } from './listen-options.ts';
import { parseListenUri } from './listen-uri.ts';
import { isWildcard, joinGroups } from './listener-groups.ts';
import { multicastListening } from './multicast-options.ts';
import type { Listener } from './open-listener.ts';
import {
  type AssociationNotes,
  associationSecurity,
  identityText,
  noSecurity,
  type PeerInfo,
  type PeerProof,
  type PeerSecurity,
} from './peer-info.ts';
import { claimedName, judgePeer, refusedBy, type VerificationPolicy } from './peer-verification.ts';
import { findPsk } from './psk-lookup.ts';
import type { Request } from './request.ts';
import { answerOnce, type HandledResponse } from './request-once.ts';
import { RunningRequests } from './running-requests.ts';
import type { ServerObserver } from './server-observer.ts';
import { serverSecurity } from './server-security.ts';

type PskLookup = Extract<DtlsOutput, { kind: 'psk-lookup' }>;
type PeerVerification = Extract<DtlsOutput, { kind: 'verify-peer' }>;

/** What the latest look-up or verification of a handshake that is not over was about, and what it said. */
interface PendingPeer {
  readonly of: PeerProof['kind'];
  readonly identity: string;
  readonly notes: AssociationNotes;
}

/** How long `close` waits for handlers, so that what they did and answered is known to the next process. */
const longestDrainMs = 5000;

/** What a server does with a request. */
export interface RequestHandler {
  /** Never rejects. */
  answer(request: Request): Promise<HandledResponse>;
  /** Whether an observation of this request's resource is possible. */
  observable(request: Request): boolean;
  /** Whether what the request changes goes to the store of the associations. */
  effectsInStore(request: Request): boolean;
  /** Whether this server serves the request, which came to `listener`, or passes it on. Never throws. */
  route(request: BodyRequest, listener: Listener): RequestRoute;
  /** What `Listener.notify` calls the resource of a request. */
  resourceName(options: OptionReader): string;
  /** Whether this request is acknowledged with its answer alone. */
  acknowledgeWithAnswer(request: BodyRequest): boolean;
  /** Largest body this request may have; more is answered 4.13. */
  maxBodyBytes(request: BodyRequest): number;
  /** How requests to a group are dealt with; `undefined` for those that are passed over. */
  groupPolicy(request: BodyRequest): GroupPolicy | undefined;
  /** How old an unsafe request may be, in milliseconds; `undefined` for any age. */
  freshWithinMs(request: BodyRequest): number | undefined;
  /** Largest body in one message. */
  maxPayloadBytes(request: BodyRequest): number;
  /** Whether the handler of this request reads its body as it comes. */
  streamRequestBody(request: BodyRequest): boolean;
  /** A handler, a look-up or the socket failed: for the log. Never throws. */
  onError(error: unknown): void;
  /** The listener is closing, by its own `close` or its server's. */
  onClosed(listener: Listener): void;
}

/** A UDP socket that is open. Made by `Server.listen`. */
export class DatagramListener implements Listener {
  readonly scheme: 'coap' | 'coaps';
  readonly #driver: Driver;
  readonly #options: ListenOptions;
  readonly #handler: RequestHandler;
  /** By what clients are judged; undefined on plain `coap`. */
  readonly #policy: VerificationPolicy | undefined;
  readonly #associations = new Map<AssociationId, PeerSecurity>();
  readonly #pending = new Map<AssociationId, PendingPeer>();
  readonly #running: RunningRequests;
  readonly #served = new Set<Promise<void>>();
  #closing: Promise<void> | undefined;
  readonly #keeper: AssociationKeeper | undefined;
  #memberships: GroupMemberships | undefined;

  static async open(uri: string, options: ListenOptions, handler: RequestHandler): Promise<DatagramListener> {
    const { scheme, host, port } = parseListenUri(uri);
    if (scheme !== 'coap' && scheme !== 'coaps') throw new InvariantError(`a UDP socket for ${scheme}`);
    // The options of the server come along.
    expectKnownOptions(uri, options, { ...listenOptionNames, onError: true } as typeof listenOptionNames);
    const { lookup, dangerouslyAcceptAnyIdentity } = options.psk ?? {};
    if (dangerouslyAcceptAnyIdentity)
      expectKey('psk.dangerouslyAcceptAnyIdentity', dangerouslyAcceptAnyIdentity);
    if (lookup instanceof Map) {
      for (const [identity, key] of lookup) expectKey(`psk.lookup: the key of '${identity}'`, key);
    }
    const given = credentialOptionNames.find((name) => options[name] !== undefined);
    if (scheme === 'coap' && given !== undefined) {
      throw new ApiMisuseError(`${uri} is not secured, but ${given} was given: use coaps`);
    }
    const multicast = multicastListening(uri, scheme, options.multicast);
    const hasPsk = lookup !== undefined || dangerouslyAcceptAnyIdentity !== undefined;
    if (scheme === 'coaps' && options.dangerouslyUnlimitedAmplification !== undefined) {
      throw new ApiMisuseError(
        `${uri}: dangerouslyUnlimitedAmplification is for plain coap; addresses of coaps are proved anyway`,
      );
    }
    const security = scheme === 'coaps' ? serverSecurity(uri, options, hasPsk) : undefined;
    let opened: DatagramListener | undefined;
    const config = coreConfig(options, scheme === 'coaps' ? 'dtls' : 'none', 'server');
    const { hint } = options.psk ?? {};
    const endpoint = new Endpoint({
      config: {
        ...config,
        dangerouslyUnlimitedAmplification: options.dangerouslyUnlimitedAmplification ?? false,
        dtls: {
          ...config.dtls,
          ...(security === undefined
            ? {}
            : { credentials: security.credentials, serverNames: security.serverNames }),
          ...(options.requireServerName === undefined
            ? {}
            : { requireServerName: options.requireServerName }),
          ...(options.handshakeRate === undefined ? {} : { handshakeRate: options.handshakeRate }),
          ...(hint === undefined ? {} : { pskIdentityHint: new TextEncoder().encode(hint) }),
          keepAssociations: options.associationStore !== undefined,
        },
        requestResponse: {
          maxBodyBytes: (request) => handler.maxBodyBytes(request),
          // Before it is open nothing comes in.
          route: (request) => (opened === undefined ? { kind: 'origin' } : handler.route(request, opened)),
          resourceName: (options) => handler.resourceName(options),
          freshWithinMs: (request) => handler.freshWithinMs(request),
          maxPayloadBytes: (request) => handler.maxPayloadBytes(request),
          streamRequestBody: (request) => handler.streamRequestBody(request),
          acknowledgeWithAnswer: (request) => handler.acknowledgeWithAnswer(request),
          groupPolicy: (request) => handler.groupPolicy(request),
          ...(multicast?.leisureMs === undefined ? {} : { leisureMs: multicast.leisureMs }),
        },
      },
      random: systemRandom,
      crypto: nodeCrypto,
    });
    const { associationStore } = options;
    const onError = (error: unknown): void => handler.onError(error);
    const keeper = associationStore && new AssociationKeeper(associationStore, onError);
    const admission = { psk: options.psk, verification: security?.policy, onError };
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
    opened = new DatagramListener(scheme, driver, options, handler, security?.policy, keeper);
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
    this.#policy = policy;
    this.scheme = scheme;
    this.#driver = driver;
    this.#running = new RunningRequests(driver);
    this.#options = options;
    this.#handler = handler;
    this.#keeper = keeper;
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
    return [...this.#associations.values()];
  }

  /**
   * Ends associations, such as those of an identity whose key was changed.
   *
   * @param which An identity, or what tells which of the secured peers.
   * @returns how many there were.
   */
  disconnect(which: string | ((security: PeerSecurity) => boolean)): number {
    const matches =
      typeof which === 'function'
        ? which
        : (security: PeerSecurity) => security.kind === 'dtls' && security.identity === which;
    const found = [...this.#associations].filter(([, security]) => matches(security));
    for (const [association] of found) {
      this.#driver.run((endpoint, now) => endpoint.closeAssociation(association, now));
    }
    return found.length;
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
        this.#lookUpPsk(output).catch((error) => this.#handler.onError(error));
        return;
      case 'verify-peer':
        this.#verifyClient(output).catch((error) => this.#handler.onError(error));
        return;
      case 'connected': {
        const { association, address } = output;
        const pending = this.#pending.get(association);
        // A handshake may end with another proof than the one that was asked about first, or with none: when a session
        // cannot go on, it goes on without it.
        const noted = pending?.of === output.authentication.kind ? pending.notes : undefined;
        const security = associationSecurity(output, this.#keeper?.takeResumed(association) ?? noted);
        this.#pending.delete(association);
        this.#associations.set(association, security);
        this.#options.onAssociation?.({
          kind: 'connected',
          peer: { address, transport: 'udp', security },
          ...(output.imported === undefined ? {} : { imported: output.imported }),
        });
        return;
      }
      case 'keep-association':
      case 'reserve-sequence':
      case 'advance-edge': {
        const security = this.#associations.get(output.association);
        this.#keeper?.handle(output, security);
        return;
      }
      case 'closed': {
        const { association, address, reason } = output;
        const security = this.#associations.get(association);
        this.#associations.delete(association);
        this.#keeper?.ended(association, reason === 'exported');
        if (security && reason !== 'exported')
          this.#options.onAssociation?.({
            kind: 'closed',
            peer: { address, transport: 'udp', security },
            reason,
          });
        return;
      }
      case 'handshake-failed': {
        const { association, address, failure } = output;
        const identity = this.#pending.get(association)?.identity;
        this.#pending.delete(association);
        const nextStep = handshakeAdvice(failure, 'server');
        this.#options.onAssociation?.({ kind: 'handshake-failed', address, identity, failure, nextStep });
        return;
      }
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

  async #lookUpPsk({ lookup, association, identity }: PskLookup): Promise<void> {
    const { psk = {} } = this.#options;
    const bytes = identity ?? new Uint8Array(0);
    const name = identityText(bytes);
    const pending: PendingPeer = { of: 'psk', identity: name, notes: {} };
    this.#pending.set(association, pending);
    const match = await findPsk(psk, bytes, (error) => this.#handler.onError(error));
    if (this.#driver.closed) return;
    this.#note(association, pending, { ...pending, notes: { context: match?.context } });
    this.#driver.run((endpoint, now) => endpoint.answerPskLookup(lookup, match && { key: match.key }, now));
  }

  async #verifyClient(output: PeerVerification): Promise<void> {
    const { verification, association, address, credential, serverName } = output;
    const place = { address, host: undefined, serverName };
    const pending: PendingPeer = { of: credential.kind, identity: '', notes: {} };
    this.#pending.set(association, pending);
    const judgement = await judgePeer(credential, place, this.#policy).catch((error: unknown) => {
      this.#handler.onError(error);
      return refusedBy(error);
    });
    if (this.#driver.closed) return;
    const { verdict } = judgement;
    const identity = verdict.accepted ? identityText(verdict.identity) : claimedName(credential);
    this.#note(association, pending, { of: credential.kind, identity, notes: judgement });
    this.#driver.run((endpoint, now) => endpoint.answerPeerVerification(verification, verdict, now));
  }

  /** The handshake may be over by the time of the answer, or have asked something else. */
  #note(association: AssociationId, asked: PendingPeer, answered: PendingPeer): void {
    if (this.#pending.get(association) === asked) this.#pending.set(association, answered);
  }

  #peerInfo(peer: Peer): PeerInfo {
    const security = peer.association === undefined ? undefined : this.#associations.get(peer.association);
    return { address: peer.address, transport: 'udp', security: security ?? noSecurity };
  }
}
