/**
 * Where a listener of datagrams stands: on a UDP socket, or on a serial line.
 *
 * @module
 */

import { hasSerialScheme, parseSerialUri, type SerialScheme, serialScheme } from '../core/coap/serial-uri.ts';
import { ApiMisuseError, InvariantError, isDecodeFault } from '../core/foundation/errors.ts';
import type { PeerAddress } from '../core/foundation/peer-address.ts';
import type { SocketOpener } from '../node/datagram-socket.ts';
import type { DriverSocketOptions } from '../node/driver.ts';
import type { ListenOptions } from './listen-options.ts';
import { parseListenUri } from './listen-uri.ts';
import { isWildcard } from './listener-groups.ts';
import { type MulticastListening, multicastListening } from './multicast-options.ts';
import type { RemoteServer } from './remote-server.ts';
import { type LineAddress, namedLine, SerialLine } from './serial-line.ts';

interface SocketPlace {
  readonly transport: 'udp';
  readonly scheme: 'coap' | 'coaps';
  readonly isSecure: boolean;
  readonly socket: DriverSocketOptions;
  /** Undefined: it joins no group. */
  readonly multicast: MulticastListening | undefined;
  readonly line?: undefined;
}

interface LinePlace {
  readonly transport: 'serial';
  readonly scheme: SerialScheme;
  readonly isSecure: boolean;
  readonly socket: SocketOpener;
  readonly address: LineAddress;
  readonly line: SerialLine;
  readonly multicast?: undefined;
}

/** See the module comment. */
export type ListenerPlace = SocketPlace | LinePlace;

/** Reads what `uri` and the options say of the place. @throws ApiMisuseError for what names none, and for options of others. */
export function listenerPlace(uri: string, options: ListenOptions): ListenerPlace {
  return hasSerialScheme(uri) ? linePlace(uri, options) : socketPlace(uri, options);
}

/** What the URI of an open listener is. */
export function placeUri(place: ListenerPlace, local: PeerAddress): string {
  return place.transport === 'serial' ? place.line.uri : `${place.scheme}://${local.key.replace('%', '%25')}`;
}

/** A peer of a listener as the server of a request. */
export function placeServer(place: ListenerPlace, address: PeerAddress): RemoteServer {
  const common = { secure: place.isSecure, address, host: address.host, serverName: undefined };
  return place.transport === 'serial'
    ? { ...common, transport: 'serial', scheme: place.scheme, line: place.address }
    : { ...common, transport: 'udp', scheme: place.scheme };
}

function socketPlace(uri: string, options: ListenOptions): SocketPlace {
  const { scheme, host, port } = parseListenUri(uri);
  if (scheme !== 'coap' && scheme !== 'coaps') throw new InvariantError(`a UDP socket for ${scheme}`);
  if (options.client !== undefined) {
    throw new ApiMisuseError(`${uri}: client is for serial lines; in a network it has a socket of its own`);
  }
  const multicast = multicastListening(uri, scheme, options.multicast);
  const sharesPort = multicast !== undefined && isWildcard(host) && multicast.port === port;
  const socket = { host, port, receiveBufferBytes: 4 * 1024 * 1024, ...(sharesPort ? { sharesPort } : {}) };
  return { transport: 'udp', scheme, isSecure: scheme === 'coaps', socket, multicast };
}

function linePlace(uri: string, options: ListenOptions): LinePlace {
  const parsed = parseSerialUri(uri);
  if (isDecodeFault(parsed)) {
    throw new ApiMisuseError(
      `'${uri}' is not the URI of a serial line: ${parsed.reason} (at character ${parsed.offset + 1})`,
    );
  }
  if (parsed.path.length > 0 || parsed.query.length > 0) {
    throw new ApiMisuseError(`'${uri}' has a path; expected scheme, device and baud rate only`);
  }
  if (options.multicast !== undefined && options.multicast !== false) {
    throw new ApiMisuseError(`${uri}: multicast is for coap in a network; a line has one peer`);
  }
  const address = namedLine(parsed, options);
  const line = new SerialLine(address, options);
  const scheme = serialScheme(parsed.secure);
  return { transport: 'serial', scheme, isSecure: parsed.secure, socket: line.open, address, line };
}
