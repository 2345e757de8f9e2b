/**
 * The server at the other end of a client's socket, or line.
 *
 * @module
 */

import type { SerialScheme } from '../core/coap/serial-uri.ts';
import type { CoapScheme, CoapTransport } from '../core/coap/uri.ts';
import type { PeerAddress } from '../core/foundation/peer-address.ts';
import type { LineAddress } from './serial-line.ts';

interface Server {
  readonly secure: boolean;
  readonly address: PeerAddress;
  /** The host as the URI has it; of a line, its address. */
  readonly host: string;
  /** A DNS name to announce in the handshake (RFC 6066 §3); never an IP literal. */
  readonly serverName: string | undefined;
}

/** One in a network. */
export interface NetworkServer extends Server {
  readonly scheme: CoapScheme;
  readonly transport: CoapTransport;
}

/** Whoever is at the other end of a serial line. */
export interface SerialServer extends Server {
  readonly scheme: SerialScheme;
  readonly transport: 'serial';
  readonly line: LineAddress;
}

/** Whom a client endpoint talks to. */
export type RemoteServer = NetworkServer | SerialServer;
