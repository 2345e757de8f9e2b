/**
 * From the URI and the options of `Server.listen` to the endpoint behind a UDP socket.
 *
 * Here contradictions are told, before there is a socket. What the options mean is in `listen-options.ts`.
 *
 * @module
 */

import { Endpoint } from '../core/endpoint/endpoint.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import type { BodyRequest, RequestRoute } from '../core/request-response/request-response-layer.ts';
import { nodeCrypto } from '../crypto/node-crypto.ts';
import { systemRandom } from '../node/system-random.ts';
import { coreConfig } from './endpoint-options.ts';
import { expectKey, expectKnownOptions } from './known-options.ts';
import { credentialOptionNames, type ListenOptions, listenOptionNames } from './listen-options.ts';
import { type MulticastListening, multicastListening } from './multicast-options.ts';
import type { VerificationPolicy } from './peer-verification.ts';
import type { RequestHandler } from './request-handler.ts';
import { serverSecurity } from './server-security.ts';

/** An endpoint, and what its listener is to know besides. */
export interface ListenerEndpoint {
  readonly endpoint: Endpoint;
  /** By what clients are judged; undefined on plain `coap`. */
  readonly policy: VerificationPolicy | undefined;
  readonly multicast: MulticastListening | undefined;
}

/**
 * Makes the endpoint of a listener.
 *
 * @param route Whether the server serves a request itself.
 * @throws ApiMisuseError for options that cannot be, or not on this URI.
 */
export function listenerEndpoint(
  uri: string,
  scheme: 'coap' | 'coaps',
  options: ListenOptions,
  handler: RequestHandler,
  route: (request: BodyRequest) => RequestRoute,
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
        ...(options.requireServerName === undefined ? {} : { requireServerName: options.requireServerName }),
        ...(options.handshakeRate === undefined ? {} : { handshakeRate: options.handshakeRate }),
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
        groupPolicy: (request) => handler.groupPolicy(request),
        ...(multicast?.leisureMs === undefined ? {} : { leisureMs: multicast.leisureMs }),
      },
    },
    random: systemRandom,
    crypto: nodeCrypto,
  });
  return { endpoint, policy: security?.policy, multicast };
}
