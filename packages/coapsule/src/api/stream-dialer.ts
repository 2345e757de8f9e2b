/**
 * How a client opens transports to one server, and what the server has proved on the latest of them.
 *
 * RFC 8323 §8: which transport is in the scheme of the URI.
 *
 * @module
 */

import type { RequestError } from '../core/endpoint/outputs.ts';
import type { PeerAddress } from '../core/foundation/peer-address.ts';
import type { StreamTransport } from '../node/stream-transport.ts';
import { connectTcp } from '../node/tcp-socket.ts';
import type { ClientOptions } from './client-options.ts';
import type { ClientSecurity } from './client-security.ts';
import type { CoapsuleError } from './errors.ts';
import { noSecurity, type PeerSecurity } from './peer-info.ts';
import type { RemoteServer } from './remote-server.ts';

/** How long opening a transport may take, its TLS handshake included, unless `handshakeTimeoutMs` says otherwise. */
const defaultTimeoutMs = 30_000;

/** See the module comment. */
export class StreamDialer {
  readonly #options: ClientOptions;
  /** What the server has proved. */
  security: PeerSecurity = noSecurity;
  /** Why the latest transport could not be opened, where there is more to say than the connection knows. */
  #failure: CoapsuleError | undefined;

  constructor(_server: RemoteServer, options: ClientOptions, _security: ClientSecurity | undefined) {
    this.#options = options;
  }

  /** Opens a transport; rejects with `TransportFailure`. */
  async dial(remote: PeerAddress): Promise<StreamTransport> {
    this.#failure = undefined;
    const { bind, handshakeTimeoutMs: timeoutMs = defaultTimeoutMs } = this.#options;
    return connectTcp({ remote, timeoutMs, ...(bind === undefined ? {} : { bind }) });
  }

  /** The error of a request that failed because no transport could be opened. */
  errorOf(error: RequestError): CoapsuleError | undefined {
    if (error.kind !== 'connection-ended') return undefined;
    const { cause } = error.end;
    return cause === 'not-opened' || cause === 'not-secured' ? this.#failure : undefined;
  }
}
