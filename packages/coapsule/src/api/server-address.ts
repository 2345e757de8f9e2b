/**
 * From a URI to the server it names, and to its addresses.
 *
 * @module
 */

import { type CoapUri, isSecureScheme, parseCoapUri } from '../core/coap/uri.ts';
import { ApiMisuseError, isDecodeFault } from '../core/foundation/errors.ts';
import { lookUpHost } from '../node/host-lookup.ts';
import { CoapsuleError } from './errors.ts';

/** A URI this client can reach. */
export interface ServerUri {
  readonly uri: CoapUri;
  readonly secure: boolean;
}

/** Reads a URI; throws `ApiMisuseError` with the position for one that is wrong. */
export function parseServerUri(text: string): ServerUri {
  const uri = parseCoapUri(text);
  if (isDecodeFault(uri)) {
    throw new ApiMisuseError(`'${text}' is not a CoAP URI: ${uri.reason} (at character ${uri.offset + 1})`);
  }
  if (uri.port === 0) throw new ApiMisuseError(`'${text}' has port 0; expected 1 to 65535`);
  return { uri, secure: isSecureScheme(uri.scheme) };
}

/** The addresses of a host, best first; rejects with `ERR_ADDRESS`, or a CoapsuleError of `lookUp`. */
export async function resolveHost(
  uri: CoapUri,
  lookUp: (host: string) => Promise<readonly string[]> = lookUpHost,
): Promise<readonly string[]> {
  if (uri.hostIsIpLiteral) return [uri.host];
  try {
    const addresses = await lookUp(uri.host);
    if (addresses.length > 0) return addresses;
    throw Object.assign(new Error('no address'), { code: 'ENOTFOUND' });
  } catch (cause) {
    if (cause instanceof CoapsuleError) throw cause;
    throw new CoapsuleError(
      'ERR_ADDRESS',
      `the host name '${uri.host}' has no address (${(cause as NodeJS.ErrnoException).code ?? 'look-up failed'})`,
      'check the name, or use an IP address',
      { cause },
    );
  }
}
