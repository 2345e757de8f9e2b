/**
 * The server at the other end of a client's socket.
 *
 * @module
 */

import type { CoapScheme, CoapTransport } from '../core/coap/uri.ts';
import type { PeerAddress } from '../core/foundation/peer-address.ts';

/** Whom a client endpoint talks to. */
export interface RemoteServer {
  readonly scheme: CoapScheme;
  readonly transport: CoapTransport;
  readonly secure: boolean;
  readonly address: PeerAddress;
  /** The host as the URI has it. */
  readonly host: string;
  /** A DNS name to announce in the handshake (RFC 6066 §3); never an IP literal. */
  readonly serverName: string | undefined;
}
