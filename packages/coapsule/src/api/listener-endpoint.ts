/**
 * From the place and the options of `Server.listen` to the endpoint behind a UDP socket or a serial line.
 *
 * Here contradictions are told, before there is a socket. What the options mean is in `listen-options.ts`.
 *
 * @module
 */

import type { EndpointCredentials } from '../core/dtls/credentials.ts';
import { Endpoint } from '../core/endpoint/endpoint.ts';
import type { PeerShare } from '../core/endpoint/peer-share.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import type { BodyRequest, RequestRoute } from '../core/request-response/request-response-layer.ts';
import { fastCrypto } from '../crypto/fast-crypto.ts';
import type { SharedPort } from '../node/shared-port.ts';
import { systemRandom } from '../node/system-random.ts';
import { coreConfig } from './endpoint-options.ts';
import { expectKey, expectKnownOptions } from './known-options.ts';
import type { Borrower } from './line-loan.ts';
import { credentialOptionNames, type ListenOptions, listenOptionNames } from './listen-options.ts';
import type { ListenerPlace } from './listener-place.ts';
import { observerConfig } from './observer-limits.ts';
import { RenewableSecurity } from './renewable-security.ts';
import type { RequestHandler } from './request-handler.ts';

/** An endpoint, and what its listener is to know besides. */
export interface ListenerEndpoint {
  readonly endpoint: Endpoint;
  /** Undefined on plain `coap`. */
  readonly security: RenewableSecurity | undefined;
}

/** More than a server of one thread can do. */
const handshakesPerSecond = 10_000;

/** Up to a quarter of a millisecond with public-key work, about what a full turn of requests takes (docs/decisions/054). */
const handshakeRecordsPerTurn = 4;

/** Of a side that does not begin handshakes. */
const noCredentials: EndpointCredentials = { psk: false, peerTypes: [], clientAuthentication: 'none' };

/** A server gives them unless it is told not to (RFC 9146). */
function hasConnectionIds({ connectionId }: ListenOptions): boolean {
  return connectionId !== 'off' && connectionId !== 0;
}

/** A length with so many bytes has one for the number of a worker. */
const longConnectionId = 4;

/**
 * What connection ids begin with: the number of the worker, which is 0 for one that is alone, if its associations are kept:
 * after the next start there may be more.
 */
function connectionIdPrefix(
  options: ListenOptions,
  sharedPort: SharedPort | undefined,
): { readonly connectionIdPrefix?: Uint8Array } {
  if (!hasConnectionIds(options)) return {};
  const { connectionId = longConnectionId, associationStore, nodes } = options;
  // The worker is 0: there are no others.
  if (nodes !== undefined) return { connectionIdPrefix: Uint8Array.of(0, nodes.number) };
  if (sharedPort !== undefined) return { connectionIdPrefix: sharedPort.connectionIdPrefix };
  const isKept = associationStore !== undefined && Number(connectionId) >= longConnectionId;
  return isKept ? { connectionIdPrefix: Uint8Array.of(0) } : {};
}

/** @throws ApiMisuseError where records cannot be told by machine. */
function expectNodes(uri: string, options: ListenOptions, sharedPort: SharedPort | undefined): void {
  const { nodes } = options;
  if (nodes === undefined) return;
  if (sharedPort !== undefined && !sharedPort.isAlone)
    throw new ApiMisuseError(`${uri}: nodes is for one thread; leave worker out`);
  if (!hasConnectionIds(options))
    throw new ApiMisuseError(`${uri}: nodes needs connection ids; leave connectionId out`);
  if (!Number.isInteger(nodes.number) || nodes.number < 0 || nodes.number > 255)
    throw new ApiMisuseError(`${uri}: nodes.number is ${nodes.number}; expected 0 to 255`);
}

/** What an endpoint asks and serves besides the handler. */
interface Company {
  /** Whether the server serves a request itself. */
  readonly route: (request: BodyRequest) => RequestRoute;
  /** A client that asks over the same line. */
  readonly borrower: Borrower | undefined;
  /** Other workers that share the port: connection ids name the worker that gave them. */
  readonly sharedPort: SharedPort | undefined;
  /** What of its peers this endpoint has. */
  readonly share: PeerShare;
}

/**
 * Makes the endpoint of a listener.
 *
 * @throws ApiMisuseError for options that cannot be, or not on this URI.
 */
export function listenerEndpoint(
  uri: string,
  { scheme, isSecure, line, multicast }: ListenerPlace,
  options: ListenOptions,
  handler: RequestHandler,
  { route, borrower, sharedPort, share }: Company,
): ListenerEndpoint {
  // The options of the server come along.
  expectKnownOptions(uri, options, { ...listenOptionNames, onError: true } as typeof listenOptionNames);
  const { lookup, dangerouslyAcceptAnyIdentity } = options.psk ?? {};
  if (dangerouslyAcceptAnyIdentity)
    expectKey('psk.dangerouslyAcceptAnyIdentity', dangerouslyAcceptAnyIdentity);
  if (lookup instanceof Map) {
    for (const [identity, key] of lookup) expectKey(`psk.lookup: the key of '${identity}'`, key);
  }
  const given = credentialOptionNames.find((name) => options[name] !== undefined);
  if (!isSecure && given !== undefined) {
    const secured = scheme.replace('coap', 'coaps');
    throw new ApiMisuseError(`${uri} is not secured, but ${given} was given: use ${secured}`);
  }
  expectNodes(uri, options, sharedPort);
  const hasPsk = lookup !== undefined || dangerouslyAcceptAnyIdentity !== undefined;
  if (isSecure && options.dangerouslyUnlimitedAmplification !== undefined) {
    throw new ApiMisuseError(
      `${uri}: dangerouslyUnlimitedAmplification is for plain coap; addresses of coaps are proved anyway`,
    );
  }
  const security = isSecure ? new RenewableSecurity(uri, options, hasPsk) : undefined;
  const role = borrower === undefined ? 'server' : 'both';
  const config = coreConfig(options, isSecure ? 'dtls' : 'none', role, line?.config);
  const { hint } = options.psk ?? {};
  const endpoint = new Endpoint({
    config: {
      ...config,
      share,
      // Whoever is on a line gets the answer there: nobody else can be flooded with it.
      dangerouslyUnlimitedAmplification:
        line !== undefined || (options.dangerouslyUnlimitedAmplification ?? false),
      dtls: {
        ...config.dtls,
        ...(security === undefined
          ? {}
          : { currentCredentials: () => security.credentials, serverNames: security.serverNames }),
        // The address of a line never changes: there are no connection ids.
        ...(line === undefined ? connectionIdPrefix(options, sharedPort) : {}),
        ...(borrower === undefined ? {} : { clientCredentials: borrower.credentials ?? noCredentials }),
        ...(options.requireServerName === undefined ? {} : { requireServerName: options.requireServerName }),
        handshakeRate: options.handshakeRate ?? handshakesPerSecond,
        handshakeRecordsPerTurn,
        ...(hint === undefined ? {} : { pskIdentityHint: new TextEncoder().encode(hint) }),
        keepAssociations: options.associationStore !== undefined,
      },
      requestResponse: {
        maxBodyBytes: (request) => handler.maxBodyBytes(request),
        route,
        resourceName: (options) => handler.resourceName(options),
        freshWithinMs: (request) => handler.freshWithinMs(request),
        maxPayloadBytes: (request) => handler.maxPayloadBytes(request),
        streamRequestBody: (request) => handler.streamRequestBody(request),
        acknowledgeWithAnswer: (request) => handler.acknowledgeWithAnswer(request),
        confirmableNotifications: (request) => handler.confirmableNotifications(request),
        ...observerConfig(uri, options.observers),
        groupPolicy: (request) => handler.groupPolicy(request),
        ...(multicast?.leisureMs === undefined ? {} : { leisureMs: multicast.leisureMs }),
      },
    },
    random: systemRandom,
    crypto: fastCrypto(),
    ...(options.oscore !== undefined && share !== 'all-but-oscore' && { oscore: options.oscore }),
  });
  return { endpoint, security };
}
