/**
 * What a proxy answers when the next hop gave no response that can be passed on.
 *
 * RFC 7252 §5.7.1 and §5.9.3. Diagnostics say what kind of failure it was and nothing about addresses, keys or
 * certificates: who asks may not know the network behind the proxy.
 *
 * @module
 */

import { CoapsuleError } from '../api/errors.ts';
import { failure, type ServerResponse } from '../api/server-response.ts';
import { Code } from '../core/coap/code.ts';
import { isForbiddenAddress } from './forbidden-address.ts';

/** 5.05: the proxy does not ask for such a URI (RFC 7252 §5.7.2), and does not say why. */
export function notForThis(): ServerResponse {
  return failure(Code.ProxyingNotSupported, 'no proxy for this URI');
}

/** 5.02: there was a response, and it cannot be processed. */
export function badGateway(reason: string): ServerResponse {
  return failure(Code.BadGateway, reason);
}

/** 5.04: no response came in time. */
export function gatewayTimeout(): ServerResponse {
  return failure(Code.GatewayTimeout, 'no response in time');
}

/** The answer for an error of the client that asked the next hop. Throws what is no failure of the next hop. */
export function gatewayFailure(error: unknown): ServerResponse {
  if (!(error instanceof CoapsuleError)) throw error;
  // The same for a name that is not known: which of both it is says something about the network behind the proxy.
  if (isForbiddenAddress(error)) return notForThis();
  switch (error.code) {
    case 'ERR_TIMEOUT':
      return gatewayTimeout();
    // Nobody listens there: no response will come, however long we wait.
    case 'ERR_NETWORK':
      return failure(Code.GatewayTimeout, 'the server cannot be reached');
    case 'ERR_HANDSHAKE':
      return error.handshake?.cause === 'peer-silent'
        ? failure(Code.GatewayTimeout, 'no handshake in time')
        : badGateway('no secured connection to the server');
    case 'ERR_CREDENTIALS':
      // Without a handshake there is nothing to make one with: the proxy is not able to ask for such a URI.
      return error.handshake === undefined ? notForThis() : badGateway('no secured connection to the server');
    case 'ERR_ADDRESS':
      return notForThis();
    // The context is the proxy's own: nothing was sent that it does not protect, and nothing is taken that it does not vouch for.
    case 'ERR_OSCORE':
      return badGateway('no protected exchange with the server');
    case 'ERR_RESET':
    case 'ERR_ASSOCIATION_CLOSED':
      return badGateway('the server broke the exchange off');
    case 'ERR_BAD_RESPONSE':
    case 'ERR_BLOCKWISE':
      return badGateway('the response cannot be passed on');
    case 'ERR_RETRY_LATER':
      // It answered 5.03 or 4.29 a moment ago, to whichever client: what it asked for holds for all of them (RFC 8516 §3).
      return {
        ...failure(Code.ServiceUnavailable, 'the server asked for time'),
        maxAgeSeconds: Math.max(1, Math.ceil((error.retryAfterMs ?? 0) / 1000)),
      };
    case 'ERR_BUSY':
    case 'ERR_CLOSED':
    case 'ERR_ABORTED':
      return {
        ...failure(Code.ServiceUnavailable, 'the proxy cannot take it now'),
        maxAgeSeconds: busySeconds,
      };
    default:
      throw error;
  }
}

const busySeconds = 5;
