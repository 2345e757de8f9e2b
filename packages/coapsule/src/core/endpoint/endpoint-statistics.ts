/**
 * What an endpoint counts and holds, as numbers by name: for whoever watches a server. Read when it is asked for.
 *
 * @module
 */

import type { AssociationTraffic } from '../dtls/dtls-layer.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { PeerTraffic } from '../message-layer/message-layer.ts';

/** Numbers by name. */
export type Counts = Readonly<Record<string, number>>;

/** What an endpoint has counted since it was made, and what it holds now. */
export interface EndpointStatistics {
  /** Now: security associations; over TCP, TLS and WebSocket connections. */
  readonly associations: number;
  /** Now: observers of resources here (RFC 7641). */
  readonly observers: number;
  /** Now: requests and answers under way, or that something may still come for. */
  readonly openExchanges: number;
  /** What was refused or went wrong; names differ between datagrams and streams. */
  readonly endpoint: Counts;
  /** Of the message layer; empty over streams, which have none. Some of them say what is now, such as `queued`. */
  readonly messages: Counts;
  /** Of requests and responses. */
  readonly exchanges: Counts;
  /** Of OSCORE. Requests refused are `refused:REASON`, responses dropped `discarded:REASON`. */
  readonly oscore: Counts;
  /** Records and handshake messages that DTLS dropped, by reason: `replayed-record`, `handshake-rate`, … */
  readonly droppedRecords: Counts;
}

/** What is known of the peer of an association besides who it is. */
export interface AssociationReport extends AssociationTraffic {
  /** Where it is now. */
  readonly address: PeerAddress;
  /** Since its latest authentic record. */
  readonly idleMs: number;
  readonly path: PeerTraffic;
  /** Resources that it observes. */
  readonly observations: number;
}

/** Nothing counted and nothing held. */
export const noStatistics: EndpointStatistics = {
  associations: 0,
  observers: 0,
  openExchanges: 0,
  endpoint: {},
  messages: {},
  exchanges: {},
  oscore: {},
  droppedRecords: {},
};

/** Of several endpoints together. */
export function statisticsSum(all: readonly EndpointStatistics[]): EndpointStatistics {
  const numbers = (of: (one: EndpointStatistics) => number): number =>
    all.reduce((sum, one) => sum + of(one), 0);
  const counts = (of: (one: EndpointStatistics) => Counts): Counts => {
    const sum: Record<string, number> = {};
    for (const one of all) {
      for (const [name, count] of Object.entries(of(one))) sum[name] = (sum[name] ?? 0) + count;
    }
    return sum;
  };
  return {
    associations: numbers((one) => one.associations),
    observers: numbers((one) => one.observers),
    openExchanges: numbers((one) => one.openExchanges),
    endpoint: counts((one) => one.endpoint),
    messages: counts((one) => one.messages),
    exchanges: counts((one) => one.exchanges),
    oscore: counts((one) => one.oscore),
    droppedRecords: counts((one) => one.droppedRecords),
  };
}
