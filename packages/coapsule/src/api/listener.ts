/**
 * One socket of a server: `coap` or `coaps`, with its endpoint, its peers and their requests.
 *
 * @module
 */

import { parseCoapUri } from '../core/coap/uri.ts';
import type { AssociationId, CloseReason, DtlsOutput } from '../core/dtls/dtls-output.ts';
import type { HandshakeFailure } from '../core/dtls/handshake/handshake-failure.ts';
import { Endpoint } from '../core/endpoint/endpoint.ts';
import type { IncomingRequest } from '../core/endpoint/outputs.ts';
import type { Peer } from '../core/endpoint/peer.ts';
import { ApiMisuseError, isDecodeFault } from '../core/foundation/errors.ts';
import type { PeerAddress } from '../core/foundation/peer-address.ts';
import type { BodyRequest, ExchangeId } from '../core/request-response/request-response-layer.ts';
import { nodeCrypto } from '../crypto/node-crypto.ts';
import { Driver, type DriverOutput } from '../node/driver.ts';
import { systemRandom } from '../node/system-random.ts';
import { coreConfig, type EndpointOptions } from './endpoint-options.ts';
import { expectKey } from './known-options.ts';
import {
  associationSecurity,
  identityText,
  noSecurity,
  type PeerInfo,
  type PeerSecurity,
} from './peer-info.ts';
import { Request } from './request.ts';
import { payloadBytes, responseOptions, type ServerResponse } from './server-response.ts';

/** A key, and what the application wants to remember of where it came from. */
export interface PskMatch {
  readonly key: Uint8Array;
  /** Kept with the association as `PeerSecurity.context`; never looked into. */
  readonly context: unknown;
}

/** What a look-up finds. */
export type PskAnswer = Uint8Array | PskMatch | undefined;

/** Who may connect with a pre-shared key (RFC 4279). */
export interface PskOptions {
  /**
   * The key of an identity, or `undefined` for one that is not known. Asked at each handshake, so that changes
   * count at once. An unknown identity and a wrong key look alike to the client.
   */
  readonly lookup?:
    | ((identity: string, identityBytes: Uint8Array) => PskAnswer | Promise<PskAnswer>)
    | ReadonlyMap<string, Uint8Array>;
  /** Told to clients before they choose their identity (RFC 4279 §5.2). */
  readonly hint?: string;
  /** One key for every identity that `lookup` does not know: whoever has it can call itself anything. */
  readonly dangerouslyAcceptAnyIdentity?: Uint8Array;
}

/** Options of one listener; those of the server count where they are absent. */
export interface ListenOptions extends EndpointOptions {
  /** Needed for `coaps`. */
  readonly psk?: PskOptions;
  /** Gets each association that begins or ends, and each handshake that fails with its exact cause: for the log. */
  readonly onAssociation?: (event: AssociationEvent) => void;
}

/** The life of associations. */
export type AssociationEvent =
  | { readonly kind: 'connected'; readonly peer: PeerInfo }
  | { readonly kind: 'closed'; readonly peer: PeerInfo; readonly reason: CloseReason }
  | {
      readonly kind: 'handshake-failed';
      readonly address: PeerAddress;
      /** What the client called itself, if it came so far. */
      readonly identity: string | undefined;
      readonly failure: HandshakeFailure;
    };

type PskLookup = Extract<DtlsOutput, { kind: 'psk-lookup' }>;

/** A key look-up of a handshake that is not over. */
interface PendingLookup {
  readonly identity: string;
  context: unknown;
}

/** An answer, and whether a handler ran for it. */
export interface HandledResponse {
  readonly response: ServerResponse;
  /** False: the request had no effect, and its answer need not be kept for duplicates. */
  readonly handled: boolean;
}

/** What a server does with a request. */
export interface RequestHandler {
  /** Never rejects. */
  answer(request: Request): Promise<HandledResponse>;
  /** Whether an observation of this request's resource is possible. */
  observable(request: Request): boolean;
  /** Whether this request is acknowledged with its answer alone. */
  acknowledgeWithAnswer(request: BodyRequest): boolean;
  /** Largest body this request may have; more is answered 4.13. */
  maxBodyBytes(request: BodyRequest): number;
  /** A handler, a look-up or the socket failed: for the log. Never throws. */
  onError(error: unknown): void;
  /** The listener is closing, by its own `close` or its server's. */
  onClosed(listener: Listener): void;
}

/** A socket that is open. Made by `Server.listen`. */
export class Listener {
  readonly scheme: 'coap' | 'coaps';
  readonly #driver: Driver;
  readonly #options: ListenOptions;
  readonly #handler: RequestHandler;
  readonly #associations = new Map<AssociationId, PeerSecurity>();
  readonly #lookups = new Map<AssociationId, PendingLookup>();
  readonly #running = new Map<ExchangeId, AbortController>();

  static async open(uri: string, options: ListenOptions, handler: RequestHandler): Promise<Listener> {
    const { scheme, host, port } = parseListenUri(uri);
    const { lookup, dangerouslyAcceptAnyIdentity } = options.psk ?? {};
    if (dangerouslyAcceptAnyIdentity)
      expectKey('psk.dangerouslyAcceptAnyIdentity', dangerouslyAcceptAnyIdentity);
    if (lookup instanceof Map) {
      for (const [identity, key] of lookup) expectKey(`psk.lookup: the key of '${identity}'`, key);
    }
    if (
      scheme === 'coaps' &&
      options.psk?.lookup === undefined &&
      !options.psk?.dangerouslyAcceptAnyIdentity
    ) {
      throw new ApiMisuseError(`${uri} needs credentials: give psk.lookup`);
    }
    if (scheme === 'coap' && options.psk) {
      throw new ApiMisuseError(`${uri} is not secured, but psk was given: use coaps`);
    }
    const config = coreConfig(options, scheme === 'coaps' ? 'dtls' : 'none', 'server');
    const { hint } = options.psk ?? {};
    const endpoint = new Endpoint({
      config: {
        ...config,
        dtls: {
          ...config.dtls,
          ...(hint === undefined ? {} : { pskIdentityHint: new TextEncoder().encode(hint) }),
        },
        requestResponse: {
          maxBodyBytes: (request) => handler.maxBodyBytes(request),
          acknowledgeWithAnswer: (request) => handler.acknowledgeWithAnswer(request),
        },
      },
      random: systemRandom,
      crypto: nodeCrypto,
    });
    let opened: Listener | undefined;
    const driver = await Driver.open({
      endpoint,
      socket: { host, port, receiveBufferBytes: 4 * 1024 * 1024 },
      onOutput: (output) => {
        if (opened) opened.#output(output);
      },
      onSocketFailure: (error) => handler.onError(error),
      onDefect: (error) => handler.onError(error),
      ...(options.capture === undefined ? {} : { capture: options.capture }),
      ...(options.lossRate === undefined ? {} : { lossRate: options.lossRate }),
    });
    opened = new Listener(scheme, driver, options, handler);
    return opened;
  }

  private constructor(
    scheme: 'coap' | 'coaps',
    driver: Driver,
    options: ListenOptions,
    handler: RequestHandler,
  ) {
    this.scheme = scheme;
    this.#driver = driver;
    this.#options = options;
    this.#handler = handler;
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

  /** Ends all associations with close_notify and closes the socket. */
  async close(): Promise<void> {
    if (this.#driver.closed) return;
    this.#handler.onClosed(this);
    this.#driver.run((endpoint, now) => endpoint.closeAll(now));
    for (const running of this.#running.values()) running.abort();
    this.#running.clear();
    await this.#driver.close();
  }

  #output(output: DriverOutput): void {
    switch (output.kind) {
      case 'request':
        this.#serve(output.exchange, output.peer, output.request).catch((error) =>
          this.#handler.onError(error),
        );
        return;
      case 'exchange-ended':
        this.#running.get(output.exchange)?.abort();
        this.#running.delete(output.exchange);
        return;
      case 'psk-lookup':
        this.#lookUpPsk(output).catch((error) => this.#handler.onError(error));
        return;
      case 'connected': {
        const { association, address } = output;
        const security = associationSecurity(output, this.#lookups.get(association)?.context);
        this.#lookups.delete(association);
        this.#associations.set(association, security);
        this.#options.onAssociation?.({ kind: 'connected', peer: { address, security } });
        return;
      }
      case 'closed': {
        const { association, address, reason } = output;
        const security = this.#associations.get(association);
        this.#associations.delete(association);
        if (security) this.#options.onAssociation?.({ kind: 'closed', peer: { address, security }, reason });
        return;
      }
      case 'handshake-failed': {
        const { association, address, failure } = output;
        const identity = this.#lookups.get(association)?.identity;
        this.#lookups.delete(association);
        this.#options.onAssociation?.({ kind: 'handshake-failed', address, identity, failure });
        return;
      }
      case 'keylog':
        this.#options.keylog?.(output.line);
        return;
      case 'trace':
        this.#options.trace?.(output.event);
        return;
      case 'response':
      case 'request-failed':
      case 'sent':
      case 'pong':
        // A listener makes no requests.
        return;
    }
  }

  async #serve(exchange: ExchangeId, peer: Peer, incoming: IncomingRequest): Promise<void> {
    const controller = new AbortController();
    this.#running.set(exchange, controller);
    const request = new Request(incoming, this.#peerInfo(peer), controller.signal);
    const { response, handled } = await this.#handler.answer(request);
    if (this.#running.get(exchange) === controller) this.#running.delete(exchange);
    if (this.#driver.closed) return;
    this.#driver.run((endpoint, now) =>
      endpoint.respond(
        exchange,
        {
          code: response.code,
          options: responseOptions(response),
          payload: payloadBytes(response.payload),
          observe: request.observe && this.#handler.observable(request),
          // RFC 7252 §4.5: running a safe, idempotent handler again costs less than keeping its answer.
          keepAnswer: handled && request.method !== 'GET' && request.method !== 'FETCH',
        },
        now,
      ),
    );
  }

  async #lookUpPsk({ lookup, association, identity }: PskLookup): Promise<void> {
    const { psk } = this.#options;
    const bytes = identity ?? new Uint8Array(0);
    const pending: PendingLookup = { identity: identityText(bytes), context: undefined };
    this.#lookups.set(association, pending);
    let found: PskAnswer;
    try {
      found =
        typeof psk?.lookup === 'function'
          ? await psk.lookup(pending.identity, bytes)
          : psk?.lookup?.get(pending.identity);
    } catch (error) {
      this.#handler.onError(error);
    }
    found ??= psk?.dangerouslyAcceptAnyIdentity;
    if (this.#driver.closed) return;
    const match = found instanceof Uint8Array ? { key: found, context: undefined } : found;
    pending.context = match?.context;
    this.#driver.run((endpoint, now) => endpoint.answerPskLookup(lookup, match && { key: match.key }, now));
  }

  #peerInfo(peer: Peer): PeerInfo {
    const security = peer.association === undefined ? undefined : this.#associations.get(peer.association);
    return { address: peer.address, security: security ?? noSecurity };
  }
}

function parseListenUri(uri: string): { scheme: 'coap' | 'coaps'; host: string; port: number } {
  const parsed = parseCoapUri(uri);
  if (isDecodeFault(parsed)) {
    throw new ApiMisuseError(
      `'${uri}' is not a CoAP URI: ${parsed.reason} (at character ${parsed.offset + 1})`,
    );
  }
  const { scheme, host, port } = parsed;
  if (scheme !== 'coap' && scheme !== 'coaps') {
    throw new ApiMisuseError(
      `'${uri}' has the scheme ${scheme}; this version listens on coap and coaps over UDP`,
    );
  }
  if (parsed.path.length > 0 || parsed.query.length > 0) {
    throw new ApiMisuseError(`'${uri}' has a path; expected scheme, host and port only`);
  }
  if (!parsed.hostIsIpLiteral && host !== 'localhost') {
    throw new ApiMisuseError(`'${uri}' has a host name; expected an IP address such as [::] or 127.0.0.1`);
  }
  return { scheme, host: host === 'localhost' ? '127.0.0.1' : host, port };
}
