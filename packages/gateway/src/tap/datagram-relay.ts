/**
 * Relays UDP datagrams as they are: plain CoAP, or DTLS between device and server of which the tap is no end.
 *
 * Each device gets a socket of its own towards the server, so that the server tells devices apart as it does without a tap.
 *
 * Bounded: `mostPeers` devices; the one that was silent for longest gives way to a new one. While a socket opens, a few datagrams wait.
 *
 * @module
 */

import type { PeerAddress } from 'coapsule';
import { openUdpSocket, type UdpSocket } from 'coapsule/node';
import type { DatagramDecoder } from '../decode/datagram-decoder.ts';
import type { Direction } from '../filter/filter.ts';
import type { TapLink } from './passing-message.ts';
import type { CaptureSink, Relay, RelayParts } from './relay.ts';
import type { Tap } from './tap.ts';

/** Datagrams that wait for a socket to open. */
const mostEarly = 16;

/** Opens the socket that devices send to. */
export async function openDatagramRelay(
  tap: Tap,
  { listen, server, mostPeers, capture }: RelayParts,
  decoder: DatagramDecoder,
): Promise<Relay> {
  const devices = new Map<string, Device>();
  const socket: UdpSocket = await openUdpSocket({
    ...listen,
    onDatagram(datagram, from) {
      const bytes = datagram.slice();
      capture({ direction: 'received', local: socket.local, remote: from, datagram: bytes });
      tap.datagram(deviceAt(from), 'to-server', bytes, decoder);
    },
    onError: (error) => tap.note(`the socket of the tap failed: ${error.message}`),
  });

  /** Known ones become the newest. */
  function deviceAt(from: PeerAddress): Device {
    const known = devices.get(from.key);
    const device = known ?? new Device({ tap, socket, from, server, decoder, capture });
    devices.delete(from.key);
    devices.set(from.key, device);
    if (devices.size > mostPeers) {
      const [oldest] = devices.values();
      devices.delete((oldest as Device).from.key);
      void (oldest as Device).close();
      tap.note(
        `more than ${mostPeers} devices: ${(oldest as Device).peer} was silent for longest and is forgotten`,
      );
    }
    return device;
  }

  return {
    local: socket.local,
    async close() {
      await Promise.all([...devices.values()].map((device) => device.close()));
      await socket.close();
    },
  };
}

interface DeviceParts {
  readonly tap: Tap;
  readonly socket: UdpSocket;
  readonly from: PeerAddress;
  readonly server: PeerAddress;
  readonly decoder: DatagramDecoder;
  readonly capture: CaptureSink;
}

class Device implements TapLink {
  readonly id: number;
  readonly peer: string;
  readonly from: PeerAddress;
  readonly #parts: DeviceParts;
  readonly #opening: Promise<UdpSocket | undefined>;
  #upstream: UdpSocket | undefined;
  #early: Uint8Array[] = [];
  #isClosed = false;

  constructor(parts: DeviceParts) {
    const { tap, from, server, decoder, capture } = parts;
    this.#parts = parts;
    this.id = tap.nextLink();
    this.from = from;
    this.peer = from.key;
    this.#opening = openUdpSocket({
      remote: server,
      onDatagram: (datagram) => {
        const bytes = datagram.slice();
        const local = this.#upstream?.local;
        if (local !== undefined) capture({ direction: 'received', local, remote: server, datagram: bytes });
        tap.datagram(this, 'to-device', bytes, decoder);
      },
      onError: (error) => tap.note(`${tap.server} cannot be reached for ${this.peer}: ${error.message}`),
    }).then(
      (socket) => this.#opened(socket),
      (error: Error) => {
        tap.note(`no socket for ${this.peer}: ${error.message}`);
        return undefined;
      },
    );
  }

  forward(direction: Direction, bytes: Uint8Array): void {
    if (this.#isClosed) return;
    if (direction === 'to-server') {
      if (this.#upstream !== undefined) this.#send(this.#upstream, bytes);
      else if (this.#early.length < mostEarly) this.#early.push(bytes);
      return;
    }
    const { socket, from, capture } = this.#parts;
    capture({ direction: 'sent', local: socket.local, remote: from, datagram: bytes });
    socket.send(bytes, from);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await (await this.#opening)?.close();
  }

  #opened(socket: UdpSocket): UdpSocket {
    this.#upstream = socket;
    for (const bytes of this.#early.splice(0)) this.#send(socket, bytes);
    return socket;
  }

  #send(socket: UdpSocket, bytes: Uint8Array): void {
    const { server, capture } = this.#parts;
    capture({ direction: 'sent', local: socket.local, remote: server, datagram: bytes });
    socket.send(bytes, server);
  }
}
