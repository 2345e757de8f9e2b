/**
 * The secured peers of one thread, as an operator sees them: who, from where, how protected, and how the path to it is. Those with
 * an association first, then those under OSCORE alone.
 */
import type { Listener, PeerReport } from 'coapsule';
import type { OscorePeer, OscorePeers } from './oscore-peers.ts';

/** One peer, as `/api/peers` gives it. */
export interface PeerView {
  /** Who it has proved to be; empty for a peer that has proved nothing. */
  readonly identity: string;
  readonly address: string;
  /** The endpoint: `coaps`, `coaps+tcp`, … */
  readonly scheme: string;
  /** Number of the worker that has it. */
  readonly worker: number;
  /** `psk`, `x509`, `raw-public-key` or `none`; `oscore` where there is no association. */
  readonly authentication: string;
  /** Empty without an association. */
  readonly suite: string;
  readonly resumed: boolean;
  /** Of DTLS; null over TLS. */
  readonly epoch: number | null;
  /** Lengths of the Connection IDs in records to the gateway and to the peer; null without. */
  readonly connectionId: { readonly own: number; readonly peer: number } | null;
  /** Since the handshake; under OSCORE since its first request in this process. */
  readonly ageSeconds: number;
  /** Since its latest record, or request under OSCORE; null over TLS. */
  readonly idleSeconds: number | null;
  readonly bytesReceived: number | null;
  readonly bytesSent: number | null;
  /** Of messages that were not sent again; null before the first that was acknowledged. */
  readonly roundTripMs: number | null;
  /** Share of datagrams lost on one way, 0 … 1; null before there were four. */
  readonly lossRate: number | null;
  /** Messages that wait for this peer to answer others. */
  readonly waitingMessages: number;
  /** Under OSCORE those of its address, which may be a proxy's. */
  readonly observations: number;
}

/** Which peers of one endpoint. */
export interface PeersQuestion {
  /** Index of the endpoint among those of the thread, behind them one for OSCORE; and where its page begins. */
  readonly endpoint: number;
  readonly after: number | undefined;
  readonly limit: number;
}

/** A page, and where the next one begins; undefined after the last endpoint. */
export interface PeersAnswer {
  readonly peers: readonly PeerView[];
  readonly next: Pick<PeersQuestion, 'endpoint' | 'after'> | undefined;
}

/** What there is of a thread. */
export interface PeersParts {
  readonly listeners: readonly Listener[];
  readonly oscorePeers: Pick<OscorePeers, 'after' | 'nowMs'>;
  readonly worker: number;
}

/** A page of the peers of the endpoints of a thread, one endpoint after the other. */
export function peersOf(
  { listeners, oscorePeers, worker }: PeersParts,
  { endpoint, after, limit }: PeersQuestion,
): PeersAnswer {
  const listener = listeners[endpoint];
  if (listener === undefined) {
    if (endpoint !== listeners.length) return { peers: [], next: undefined };
    const found = oscorePeers.after(after ?? 0, limit);
    const next = found.length < limit ? undefined : { endpoint, after: found.at(-1)?.number };
    return { peers: oscoreViews(found, oscorePeers.nowMs(), listeners, worker), next };
  }
  const page = listener.peerReports({ limit, ...(after === undefined ? {} : { after }) });
  const peers = page.peers.map((report) => peerView(report, listener.scheme, worker));
  if (page.next !== undefined) return { peers, next: { endpoint, after: page.next } };
  return { peers, next: { endpoint: endpoint + 1, after: undefined } };
}

function oscoreViews(
  peers: readonly OscorePeer[],
  nowMs: number,
  listeners: readonly Listener[],
  worker: number,
): readonly PeerView[] {
  const plain = listeners.filter(({ scheme }) => !scheme.startsWith('coaps'));
  const observers = peers.length === 0 ? [] : plain.flatMap((listener) => listener.observers());
  return peers.map(({ identity, address, transport, firstMs, lastMs }) => ({
    ...{ identity, address, worker, authentication: 'oscore', suite: '', resumed: false },
    scheme: transport === 'udp' ? 'coap' : `coap+${transport}`,
    ...{ epoch: null, connectionId: null, bytesReceived: null, bytesSent: null },
    ageSeconds: Math.round((nowMs - firstMs) / 1000),
    idleSeconds: Math.round((nowMs - lastMs) / 1000),
    ...{ roundTripMs: null, lossRate: null, waitingMessages: 0 },
    // Their observers are named by a number before the address.
    observations: observers.filter(({ peer }) => peer.endsWith(`:${address}`)).length,
  }));
}

function peerView({ peer, path, ...report }: PeerReport, scheme: string, worker: number): PeerView {
  const { security, address } = peer;
  const isKnown = security.kind !== 'none';
  const isDtls = security.kind === 'dtls';
  return {
    identity: isKnown && security.authentication.kind !== 'none' ? security.identity : '',
    address: address.key,
    scheme,
    worker,
    authentication: isKnown ? security.authentication.kind : 'none',
    suite: isKnown ? security.suite : '',
    resumed: isDtls && security.resumed,
    epoch: report.epoch ?? null,
    connectionId: (isDtls ? security.connectionIdLengths : undefined) ?? null,
    ageSeconds: report.ageSeconds,
    idleSeconds: report.idleMs === undefined ? null : Math.round(report.idleMs / 1000),
    bytesReceived: report.bytesReceived ?? null,
    bytesSent: report.bytesSent ?? null,
    roundTripMs: rounded(path?.roundTripMs, 10),
    lossRate: rounded(path?.lossRate, 1000),
    waitingMessages: (path?.waitingReplies ?? 0) + (path?.waitingRequests ?? 0),
    observations: report.observations,
  };
}

function rounded(value: number | undefined, parts: number): number | null {
  return value === undefined ? null : Math.round(value * parts) / parts;
}
