/**
 * URIs of CoAP on a serial line: `coaps+serial://ttyUSB0:115200/temperature`.
 *
 * The authority is a device and its baud rate, no host and port: it keeps its case, the rate may be above 65,535, and
 * neither becomes an option of the request. A device is a name (`ttyUSB0`, `COM3`) or a path, percent-encoded
 * (`%2Ftmp%2Fline-a`). `coap+uart` of draft-bormann-t2trg-slipmux §5 is another name of `coap+serial`; an empty authority
 * means the default line. The syntax of RFC 3986 holds, and RFC 7252 §6.4 for path and query.
 *
 * @module
 */

import { type DecodeFault, isDecodeFault } from '../foundation/errors.ts';
import { type CharacterSet, percentDecode, percentEncode, regNameCharacters } from './percent-encoding.ts';
import { formatResource, parseResource, type UriResource } from './uri.ts';

/** What a line's scheme is called; `coap+uart` is read as `coap+serial`. */
export type SerialScheme = 'coap+serial' | 'coaps+serial';

/** The schemes, and whether the line is secured by DTLS. */
const schemes: Readonly<Record<string, boolean>> = {
  'coap+serial': false,
  'coaps+serial': true,
  'coap+uart': false,
};

/** The rate of a URI that has none (draft-bormann-t2trg-slipmux §2). */
const defaultBaudRate = 115_200;

/** No line is that fast; it is refused as a slip of the keyboard. */
const highestBaudRate = 100_000_000;

/** A URI of a serial line in parts, all percent-encodings resolved. */
export interface SerialUri extends UriResource {
  /** Whether the line is secured by DTLS. */
  readonly secure: boolean;
  /** Name or path of the device as the URI has it, its case kept; empty: the default line. */
  readonly device: string;
  /** 1 … 100,000,000 bits a second. */
  readonly baudRate: number;
}

/** Whether a text has one of the schemes of serial lines, whatever follows. */
export function hasSerialScheme(uri: string): boolean {
  return Object.hasOwn(schemes, schemeOf(uri));
}

/**
 * Parse the URI of a resource behind a serial line.
 *
 * @returns the parts, or a fault with the offset of a character: another scheme, user information, a fragment, a rate that
 *          is none, a character that should be percent-encoded, a part that no option can carry.
 */
export function parseSerialUri(uri: string): SerialUri | DecodeFault {
  const scheme = schemeOf(uri);
  const secure = schemes[scheme];
  if (!Object.hasOwn(schemes, scheme) || secure === undefined) {
    return fault(0, `scheme is not one of ${Object.keys(schemes).join(', ')}`);
  }
  const fragment = uri.indexOf('#');
  if (fragment >= 0) return fault(fragment, 'a CoAP URI has no fragment');
  if (!uri.startsWith('//', scheme.length + 1)) return fault(scheme.length + 1, 'expected "//" and a device');
  const start = scheme.length + 3;
  const length = uri.slice(start).search(/[/?]/);
  const resourceStart = length < 0 ? uri.length : start + length;
  const line = parseLine(uri.slice(start, resourceStart), start);
  if (isDecodeFault(line)) return line;
  const resource = parseResource(uri, resourceStart);
  return isDecodeFault(resource) ? resource : { secure, ...line, ...resource };
}

/** The URI of a line, without a resource: for messages and logs. */
export function serialLineUri(line: Pick<SerialUri, 'secure' | 'device' | 'baudRate'>): string {
  const device = percentEncode(line.device, regNameCharacters);
  return `${serialScheme(line.secure)}://${device}:${line.baudRate}`;
}

/** The whole URI. */
export function formatSerialUri(uri: SerialUri): string {
  return `${serialLineUri(uri)}${formatResource(uri)}`;
}

/** The scheme of a line. */
export function serialScheme(secure: boolean): SerialScheme {
  return secure ? 'coaps+serial' : 'coap+serial';
}

function schemeOf(uri: string): string {
  return uri.slice(0, Math.max(uri.indexOf(':'), 0)).toLowerCase();
}

function parseLine(text: string, offset: number): Pick<SerialUri, 'device' | 'baudRate'> | DecodeFault {
  const userEnd = text.indexOf('@');
  if (userEnd >= 0) return fault(offset + userEnd, 'a CoAP URI has no user information');
  const colon = text.lastIndexOf(':');
  const deviceEnd = colon < 0 ? text.length : colon;
  const device = percentDecode(text.slice(0, deviceEnd), deviceCharacters);
  if (typeof device !== 'string') return fault(offset + device.offset, device.reason);
  if (device.includes('\0')) return fault(offset, 'a device has no NUL in its name');
  const rate = text.slice(deviceEnd + 1);
  // As an empty port is the default port (RFC 7252 §6.1).
  if (rate === '') return { device, baudRate: defaultBaudRate };
  if (!/^\d+$/.test(rate)) return fault(offset + deviceEnd + 1, `"${rate}" is not a baud rate`);
  const baudRate = Number(rate);
  if (baudRate < 1 || baudRate > highestBaudRate) {
    return fault(offset + deviceEnd + 1, `baud rate is not between 1 and ${highestBaudRate}`);
  }
  return { device, baudRate };
}

/** The last colon of an authority is that before the rate; others belong to the device. */
const deviceCharacters: CharacterSet = new Set([...regNameCharacters, ':']);

function fault(offset: number, reason: string): DecodeFault {
  return { kind: 'decode-fault', layer: 'uri', offset, reason };
}
