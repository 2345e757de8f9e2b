/**
 * What a driver needs of whatever carries its datagrams: a UDP socket (`udp-socket.ts`) or a serial line
 * (`serial-port.ts`).
 *
 * @module
 */

import type { PeerAddress } from '../core/foundation/peer-address.ts';

/** An open socket, or line. */
export interface DatagramSocket {
  /** Where it is bound; of a line, the line itself. */
  readonly local: PeerAddress;
  /** Sends a datagram. One that cannot go is lost, as on any network. */
  send(datagram: Uint8Array, to: PeerAddress): void;
  /** Sends at once what waits for the end of the turn of the event loop; absent where nothing does. */
  flush?(): void;
  /** Keeps datagrams to a group out of it; absent where there are no groups. */
  keepOut?(group: string, interfaceAddress: string): void;
  close(): Promise<void>;
}

/** Called for each datagram that comes; `datagram` belongs to the callee. */
export type DatagramReceiver = (datagram: Uint8Array, from: PeerAddress) => void;

/** What a socket that looks after itself tells. */
export interface SocketEvents {
  readonly receive: DatagramReceiver;
  /** It had failed, and what was sent meanwhile is lost; now it is open again. */
  readonly reopened: () => void;
}

/**
 * Opens a socket that looks after itself: when it fails it opens itself again, and ends with `close` alone. Rejects when it
 * cannot be opened at all.
 */
export type SocketOpener = (events: SocketEvents) => Promise<DatagramSocket>;
