/**
 * A UDP socket that talks to one address, and what it hears while somebody listens.
 *
 * @module
 */

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';

/** IP literal and port. */
export interface ProbeAddress {
  readonly host: string;
  readonly port: number;
}

/** Bytes kept for who reads them; a peer that sends more is not heard further. */
const maxKeptBytes = 1 << 20;

/** See the module comment. Made by `open`. */
export class DatagramSocket {
  readonly #socket: Socket;
  #heard: ((datagram: Uint8Array) => void) | undefined;
  #failed: ((reason: string) => void) | undefined;
  #keptBytes = 0;

  /** @param port Of our own; a free one by default. */
  static async open(to: ProbeAddress, port = 0): Promise<DatagramSocket> {
    const socket = createSocket(isIPv6(to.host.replace(/%.*$/, '')) ? 'udp6' : 'udp4');
    try {
      socket.bind(port);
      await once(socket, 'listening');
      socket.connect(to.port, to.host);
      await once(socket, 'connect');
      return new DatagramSocket(socket);
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (datagram) => {
      this.#keptBytes += datagram.length;
      if (this.#keptBytes <= maxKeptBytes) this.#heard?.(datagram);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#failed?.(
        error.code === 'ECONNREFUSED'
          ? 'nobody listens there'
          : `the system says ${error.code ?? error.message}`,
      );
    });
  }

  send(datagram: Uint8Array): void {
    this.#socket.send(datagram);
  }

  /** Who is told of datagrams, and of the socket's failure, from now on. */
  listen(heard: (datagram: Uint8Array) => void, failed: (reason: string) => void): void {
    this.#keptBytes = 0;
    this.#heard = heard;
    this.#failed = failed;
  }

  async close(): Promise<void> {
    const closed = once(this.#socket, 'close');
    this.#socket.close();
    await closed;
  }
}

/** All that comes until it is enough, nobody is there, or the time is over. */
export async function collect(
  listen: DatagramSocket['listen'],
  send: () => void,
  {
    waitMs,
    isEnough,
  }: { readonly waitMs: number; readonly isEnough: (received: readonly Uint8Array[]) => boolean },
): Promise<{ readonly received: readonly Uint8Array[]; readonly unreachable?: string }> {
  const received: Uint8Array[] = [];
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const timer = setTimeout(() => resolve(undefined), waitMs);
  listen((datagram) => {
    received.push(datagram);
    if (isEnough(received)) resolve(undefined);
  }, resolve);
  send();
  const unreachable = await promise;
  clearTimeout(timer);
  return { received, ...(unreachable !== undefined && { unreachable }) };
}
