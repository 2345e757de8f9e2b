/**
 * Relays CoAP over TCP (RFC 8323): one connection of a device, one to the server, message by message.
 *
 * Messages that are not edited go on with the bytes that they came with, signaling messages too. A stream that makes no sense ends
 * both connections. No TLS: nobody but its ends can look into it.
 *
 * Bounded: `mostPeers` connections, a message of 1 MiB at most; who sends faster than the other side reads has to wait.
 *
 * @module
 */

import { connect, createServer, type Server, type Socket } from 'node:net';
import { ipAddress, type PeerAddress } from 'coapsule';
import { isDecodeFault, StreamDecoder } from 'coapsule/message';
import type { Direction } from '../filter/filter.ts';
import type { TapLink } from './passing-message.ts';
import type { Relay, RelayParts } from './relay.ts';
import type { Tap } from './tap.ts';

const limits = { maxMessageSize: 1024 * 1024, maxTokenLength: 8 };

/** Bytes that wait for a reader before the writer has to. */
const mostBuffered = 1024 * 1024;

/** Opens the socket that devices connect to. */
export async function openStreamRelay(tap: Tap, parts: RelayParts): Promise<Relay> {
  const connections = new Set<Connection>();
  const listener: Server = createServer((socket) => {
    if (connections.size >= parts.mostPeers) {
      tap.note(`more than ${parts.mostPeers} connections: one more was refused`);
      socket.destroy();
      return;
    }
    const connection = new Connection(tap, parts, socket, () => connections.delete(connection));
    connections.add(connection);
  });
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(parts.listen.port, parts.listen.host, () => {
      listener.off('error', reject);
      resolve();
    });
  });
  listener.on('error', (error) => tap.note(`the socket of the tap failed: ${error.message}`));
  const { address: host, port } = listener.address() as { address: string; port: number };
  return {
    local: { host, port },
    async close() {
      for (const connection of connections) connection.close();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

class Connection implements TapLink {
  readonly id: number;
  readonly peer: string;
  readonly #device: Socket;
  readonly #server: Socket;
  readonly #sent: (direction: Direction, bytes: Uint8Array) => void;

  constructor(tap: Tap, { server, capture }: RelayParts, device: Socket, onEnd: () => void) {
    this.id = tap.nextLink();
    const remote = ipAddress(device.remoteAddress ?? '::', device.remotePort ?? 0);
    this.peer = remote.key;
    this.#device = device;
    this.#server = connect(server.port, server.host);
    this.#sent = (direction, datagram) => {
      const [to, far] = direction === 'to-server' ? [this.#server, server] : [device, remote];
      capture({ direction: 'sent', transport: 'tcp', local: localOf(to), remote: far, datagram });
    };
    const sides: readonly (readonly [Direction, Socket, Socket])[] = [
      ['to-server', device, this.#server],
      ['to-device', this.#server, device],
    ];
    for (const [direction, from, to] of sides) {
      const decoder = new StreamDecoder(limits);
      from.setNoDelay(true);
      from.on('data', (chunk: Uint8Array) => {
        const far = direction === 'to-server' ? remote : server;
        const datagram = new Uint8Array(chunk);
        capture({ direction: 'received', transport: 'tcp', local: localOf(from), remote: far, datagram });
        decoder.push(datagram);
        for (let next = decoder.next(); next !== undefined; next = decoder.next()) {
          if (isDecodeFault(next)) {
            tap.note(
              `${this.peer}: the stream ${direction} makes no sense: ${next.reason}; both connections end`,
            );
            this.close();
            return;
          }
          tap.streamMessage(this, direction, next, next.bytes.slice());
        }
        if (to.writableLength > mostBuffered) {
          from.pause();
          to.once('drain', () => from.resume());
        }
      });
      from.on('end', () => to.end());
      from.on('error', (error) => {
        tap.note(`${this.peer}, ${direction}: ${error.message}`);
        to.destroy();
      });
      from.on('close', () => {
        to.end();
        onEnd();
      });
    }
  }

  forward(direction: Direction, bytes: Uint8Array): void {
    const to = direction === 'to-server' ? this.#server : this.#device;
    if (to.destroyed || !to.writable) return;
    this.#sent(direction, bytes);
    to.write(bytes);
  }

  close(): void {
    this.#device.destroy();
    this.#server.destroy();
  }
}

function localOf({ localAddress = '::', localPort = 0 }: Socket): PeerAddress {
  return ipAddress(localAddress, localPort);
}
