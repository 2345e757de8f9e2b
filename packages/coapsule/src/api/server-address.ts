/**
 * From a URI to the server it names, and to its addresses.
 *
 * @module
 */

import { ApiMisuseError } from '../core/foundation/errors.ts';
import { lookUpHost } from '../node/host-lookup.ts';
import { CoapsuleError } from './errors.ts';
import { expectUri, isSecureTarget, isSerialTarget, parseTargetUri, type TargetUri } from './target-uri.ts';

/** A URI this client can reach. */
export interface ServerUri {
  readonly uri: TargetUri;
  readonly secure: boolean;
}

/** Reads a URI; throws `ApiMisuseError` with the position for one that is wrong. */
export function parseServerUri(text: string): ServerUri {
  const uri = expectUri(text, parseTargetUri(text));
  if (uri.port === 0 && !isSerialTarget(uri))
    throw new ApiMisuseError(`'${text}' has port 0; expected 1 to 65535`);
  return { uri, secure: isSecureTarget(uri) };
}

/** The addresses of a host, best first, or of a line; rejects with `ERR_ADDRESS`, or a CoapsuleError of `lookUp`. */
export async function resolveHost(
  uri: TargetUri,
  lookUp: (host: string) => Promise<readonly string[]> = lookUpHost,
): Promise<readonly string[]> {
  if (uri.hostIsIpLiteral || isSerialTarget(uri)) return [uri.host];
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
