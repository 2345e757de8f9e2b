/**
 * Sockets that were accepted and are not connections yet: in their handshake of TLS or WebSocket. Bounded: where there are too
 * many the oldest goes, since a client that means it is done in a moment, and one that does nothing must not keep others out.
 *
 * @module
 */

import type { Socket } from 'node:net';
import type { PeerAddress } from '../core/foundation/peer-address.ts';

/** So many handshakes are under way at most. */
const mostOpening = 1000;

/** See the module comment. */
export class OpeningSockets {
  /** By remote address and port. */
  readonly #sockets = new Map<string, Socket>();

  /** Takes one in, until it is deleted or closed. */
  add(socket: Socket, { key }: PeerAddress): void {
    if (this.#sockets.size >= mostOpening) {
      for (const [name, oldest] of this.#sockets) {
        this.#sockets.delete(name);
        oldest.destroy();
        break;
      }
    }
    this.#sockets.set(key, socket);
    socket.once('close', () => {
      if (this.#sockets.get(key) === socket) this.#sockets.delete(key);
    });
  }

  /** It is a connection now, or gone. */
  delete({ key }: PeerAddress): void {
    this.#sockets.delete(key);
  }
}
