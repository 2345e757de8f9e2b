/**
 * A socket that is open, whatever its transport.
 *
 * @module
 */

import type { SerialScheme } from '../core/coap/serial-uri.ts';
import type { EndpointStatistics } from '../core/endpoint/endpoint-statistics.ts';
import type { GroupMembership } from '../node/group-memberships.ts';
import type { ListenAddress } from './listen-uri.ts';
import type { PeerSecurity } from './peer-info.ts';
import type { PeerPage, PeerPageOptions } from './peer-report.ts';
import type { RenewedCredentials } from './renewable-security.ts';
import type { SerialLineStatus } from './serial-options.ts';
import type { ServerObserver } from './server-observer.ts';

/** A socket or serial line that is open. Made by `Server.listen`. */
export interface Listener {
  readonly scheme: ListenAddress['scheme'] | SerialScheme;
  /** IP literal it is bound to; of a line, which has none, 0.0.0.0. */
  readonly host: string;
  /** The real port, also when 0 was asked for; of a line 0. */
  readonly port: number;
  /** `coaps://[::]:5684`; of a line `coaps+serial://ttyUSB0:115200`. */
  readonly uri: string;
  /** How its serial line fares; undefined for sockets. */
  readonly line?: SerialLineStatus | undefined;
  /** The multicast groups this listener has joined, or could not join, on each interface. */
  readonly groups: readonly GroupMembership[];
  /** Who observes what, with the token of each (RFC 7641 §4.1). */
  observers(): readonly ServerObserver[];
  /** The secured peers there are now. */
  peers(): readonly PeerSecurity[];
  /** What is known of each secured peer, a page at a time. In a worker: of that worker. */
  peerReports(page?: PeerPageOptions): PeerPage;
  /** What was counted since it was opened, and what it holds now. In a worker: of that worker. */
  statistics(): EndpointStatistics;
  /**
   * Ends associations, or secured connections, such as those of an identity whose key was changed.
   *
   * @param which An identity, or what tells which of the secured peers.
   * @returns how many there were.
   */
  disconnect(which: string | ((security: PeerSecurity) => boolean)): number;
  /**
   * What handshakes show and trust from now on, in place of `certificate`, `rawPublicKey` and `clientCertificates` of
   * `Server.listen`: all that shall go on counting has to be given again. Associations and connections go on as they are, and
   * sessions are resumed.
   *
   * @throws ApiMisuseError for a listener that is not secured, for what cannot be used, and for other kinds of credentials
   *         than before; then nothing has changed.
   */
  renewCredentials(credentials: RenewedCredentials): void;
  /** Tells observers of `path` that it changed. */
  notify(path: string): void;
  /**
   * Ends all associations with close_notify, or leaves them to `associationStore`, releases all connections, and closes
   * the socket.
   */
  close(): Promise<void>;
}
