/**
 * Where a listener is to listen, read from a URI.
 *
 * @module
 */

import { type CoapScheme, parseCoapUri } from '../core/coap/uri.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import { expectUri } from './target-uri.ts';

/** A socket to open. */
export interface ListenAddress {
  readonly scheme: CoapScheme;
  readonly host: string;
  readonly port: number;
}

/** `coap://[::]:5683`. @throws ApiMisuseError for what names no socket. */
export function parseListenUri(uri: string): ListenAddress {
  const parsed = expectUri(uri, parseCoapUri(uri));
  const { scheme, host, port } = parsed;
  if (parsed.path.length > 0 || parsed.query.length > 0) {
    throw new ApiMisuseError(`'${uri}' has a path; expected scheme, host and port only`);
  }
  if (!parsed.hostIsIpLiteral && host !== 'localhost') {
    throw new ApiMisuseError(`'${uri}' has a host name; expected an IP address such as [::] or 127.0.0.1`);
  }
  return { scheme, host: host === 'localhost' ? '127.0.0.1' : host, port };
}
