/**
 * What a listener can tell of each of its secured peers, some at a time: for operators, and for programs that watch a server.
 *
 * @module
 */

import type { PeerTraffic } from '../core/message-layer/message-layer.ts';
import type { PeerInfo } from './peer-info.ts';

/** One secured peer, as it is now. */
export interface PeerReport {
  readonly peer: PeerInfo;
  /** Of the keys in use, over DTLS; there is no renegotiation, so 1. Undefined over TLS. */
  readonly epoch: number | undefined;
  /** Since the handshake, or since this process took the association over. */
  readonly ageSeconds: number;
  /** Since its latest authentic record; undefined over TLS. */
  readonly idleMs: number | undefined;
  /** Records with their headers, 2^32 - 1 at most; over TLS what is inside of it. Undefined over WebSocket. */
  readonly bytesReceived: number | undefined;
  readonly bytesSent: number | undefined;
  /** Round trip and loss, what is on its way and what waits; undefined over TLS, where the transport knows it. */
  readonly path: PeerTraffic | undefined;
  /** Resources that it observes. */
  readonly observations: number;
}

/** Which of them. */
export interface PeerPageOptions {
  /** `next` of the page before; from the first one by default. */
  readonly after?: number;
  /** Peers on the page; 100 by default. */
  readonly limit?: number;
}

/** Peers in the order in which they connected. */
export interface PeerPage {
  readonly peers: readonly PeerReport[];
  /** For `after` of the next page; undefined on the last one. */
  readonly next: number | undefined;
}

/** No peers. */
export const noPeers: PeerPage = { peers: [], next: undefined };

/**
 * One page out of all numbers that peers have.
 *
 * @param reportOf Undefined for one that is gone, or not secured.
 */
export function peerPage(
  ids: Iterable<number>,
  { after = -1, limit = 100 }: PeerPageOptions,
  reportOf: (id: number) => PeerReport | undefined,
): PeerPage {
  const rest = [...ids].filter((id) => id > after).sort((one, other) => one - other);
  const peers: PeerReport[] = [];
  for (const [index, id] of rest.entries()) {
    const report = reportOf(id);
    if (report !== undefined) peers.push(report);
    if (peers.length >= limit) return { peers, next: index === rest.length - 1 ? undefined : id };
  }
  return { peers, next: undefined };
}
