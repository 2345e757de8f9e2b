/**
 * Where a request goes first: to the server of its URI, or to a forward-proxy.
 *
 * RFC 7252 §5.7 and §5.7.2.
 *
 * @module
 */

import type { OptionSet } from '../core/coap/option-set.ts';
import { hasSerialScheme } from '../core/coap/serial-uri.ts';
import { parseCoapUri, type UriDestination } from '../core/coap/uri.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import { proxyRequestOptions } from '../core/request-response/proxying.ts';
import type { ProxyOptions } from './client-options.ts';
import { parseServerUri, type ServerUri } from './server-address.ts';
import { expectUri, type TargetUri, targetUriOptions } from './target-uri.ts';

/** The way of a request. */
export interface RequestRoute {
  /** What is wanted. */
  readonly target: TargetUri;
  /** Who is asked. */
  readonly hop: ServerUri;
  /** The options of the request that say what is wanted, where it is sent to `destination`. */
  targetOptions(destination: UriDestination): OptionSet;
}

/**
 * The way of a request for `uri`.
 *
 * @throws ApiMisuseError for a URI that cannot be, a form that is none, and a proxy that is less secured than the server
 *         that it is to ask: `coaps` never becomes `coap`, and the first hop would be (§5.7: SHOULD).
 */
export function requestRoute(uri: string, proxy: string | ProxyOptions | false | undefined): RequestRoute {
  if (proxy === undefined || proxy === false) {
    const hop = parseServerUri(uri);
    return { target: hop.uri, hop, targetOptions: (destination) => targetUriOptions(hop.uri, destination) };
  }
  const { uri: proxyUri, form } = typeof proxy === 'string' ? { uri: proxy } : proxy;
  const hop = parseServerUri(proxyUri);
  if (hop.uri.path.length > 0 || hop.uri.query.length > 0) {
    throw new ApiMisuseError(`proxy is '${proxyUri}'; expected scheme, host and port alone`);
  }
  if (form !== undefined && form !== 'Proxy-Uri' && form !== 'Proxy-Scheme') {
    throw new ApiMisuseError(`proxy.form is '${String(form)}'; expected 'Proxy-Uri' or 'Proxy-Scheme'`);
  }
  if (hasSerialScheme(uri)) {
    throw new ApiMisuseError(`'${uri}' is a serial line, which no proxy opens; give proxy: false`);
  }
  // The proxy may speak schemes that this client does not.
  const target = expectUri(uri, parseCoapUri(uri));
  if (target.scheme.startsWith('coaps') && !hop.secure) {
    throw new ApiMisuseError(
      `'${uri}' is secured and the proxy '${proxyUri}' is not: the request would be open on its way to the proxy; use a coaps proxy`,
    );
  }
  return { target, hop, targetOptions: ({ port }) => proxyRequestOptions(target, port, form) };
}
