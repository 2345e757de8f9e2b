/**
 * What a client can be asked for: a resource of a server in a network, or of whoever is at the other end of a serial line.
 *
 * A line looks like a server here, with the line as its host, so that nothing of it becomes Uri-Host or Uri-Port. The schemes
 * of lines are none of `CoapScheme`: who asks a forward-proxy for one is told that there is no such proxy.
 *
 * @module
 */

import type { OptionSet } from '../core/coap/option-set.ts';
import {
  formatSerialUri,
  hasSerialScheme,
  parseSerialUri,
  type SerialScheme,
  type SerialUri,
  serialScheme,
} from '../core/coap/serial-uri.ts';
import {
  type CoapUri,
  formatCoapUri,
  isSecureScheme,
  parseCoapUri,
  type UriDestination,
  uriOptions,
} from '../core/coap/uri.ts';
import { ApiMisuseError, type DecodeFault, isDecodeFault } from '../core/foundation/errors.ts';
import { devicePath, serialAddress } from '../node/serial-device.ts';

/** The URI of a resource behind a serial line. */
export interface SerialTarget extends SerialUri {
  readonly scheme: SerialScheme;
  /** The address of the line, `serial:/dev/ttyUSB0`; `serial:` alone is the default line. */
  readonly host: string;
  readonly port: 0;
  readonly hostIsIpLiteral: false;
}

/** See the module comment. */
export type TargetUri = CoapUri | SerialTarget;

/** Reads a URI of either kind; a fault has the offset of what is wrong. */
export function parseTargetUri(text: string): TargetUri | DecodeFault {
  if (!hasSerialScheme(text)) return parseCoapUri(text);
  const uri = parseSerialUri(text);
  if (isDecodeFault(uri)) return uri;
  const { host } = serialAddress(uri.device === '' ? '' : devicePath(uri.device));
  return { ...uri, scheme: serialScheme(uri.secure), host, port: 0, hostIsIpLiteral: false };
}

/** What a caller's URI was read as; throws `ApiMisuseError` with the position of what is wrong. */
export function expectUri<Uri>(text: string, read: Uri | DecodeFault): Uri {
  if (!isDecodeFault(read)) return read;
  throw new ApiMisuseError(`'${text}' is not a CoAP URI: ${read.reason} (at character ${read.offset + 1})`);
}

export function isSerialTarget(uri: TargetUri): uri is SerialTarget {
  return 'device' in uri;
}

/** Whether a target wants DTLS or TLS. */
export function isSecureTarget(uri: TargetUri): boolean {
  return isSerialTarget(uri) ? uri.secure : isSecureScheme(uri.scheme);
}

/** The text of a URI of either kind. */
export function formatTargetUri(uri: TargetUri): string {
  return isSerialTarget(uri) ? formatSerialUri(uri) : formatCoapUri(uri);
}

/** The options that say what is wanted of `destination`; of a line, path and query alone. */
export function targetUriOptions(uri: TargetUri, destination: UriDestination): OptionSet {
  return uriOptions(uri, isSerialTarget(uri) ? { host: '', port: 0, name: uri.host } : destination);
}
