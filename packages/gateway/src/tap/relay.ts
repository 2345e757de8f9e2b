/**
 * What all relays of a tap have. Types only.
 *
 * @module
 */

import type { CapturedDatagram, PeerAddress } from 'coapsule';

/** Takes what was on a wire, on either side of the tap. */
export type CaptureSink = (
  datagram: Omit<CapturedDatagram, 'wallTimeMs'> & { /** Now without it. */ readonly wallTimeMs?: number },
) => void;

/** Where a relay stands. */
export interface RelayParts {
  readonly listen: { readonly host: string; readonly port: number };
  readonly server: PeerAddress;
  /** Devices at a time. */
  readonly mostPeers: number;
  readonly capture: CaptureSink;
}

/** An open one. */
export interface Relay {
  /** Where devices send to. */
  readonly local: { readonly host: string; readonly port: number };
  close(): Promise<void>;
}
