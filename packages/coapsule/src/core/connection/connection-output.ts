/**
 * What one connection wants done and tells, and how it ends.
 *
 * @module
 */

import type { Capabilities, ReleaseNotice } from '../coap/signaling.ts';
import type { StreamMessage } from '../coap/stream-codec.ts';

/** Names a Ping of ours on its connection. */
export type PingId = number;

/** Why a connection ended, or never was. */
export type ConnectionEndCause =
  /** The transport could not be opened. */
  | 'not-opened'
  /** The TLS handshake failed, or the peer was not accepted. */
  | 'not-secured'
  /** The peer closed the transport. */
  | 'closed'
  /** The transport broke: reset, unreachable. */
  | 'transport-failed'
  /** The peer took nothing of what was sent for too long. */
  | 'stalled'
  /** The peer sent an Abort (RFC 8323 §5.6). */
  | 'aborted'
  /** A Release of either side was carried out (§5.5). */
  | 'released'
  /** What came is no message (§5.6). */
  | 'format-error'
  /** The first message was no CSM, or none came in time (§3.3). */
  | 'missing-csm'
  /** A CSM has an option that cannot be processed (§5.3). */
  | 'bad-csm'
  /** Another signaling message has a critical option (§5.2). */
  | 'bad-signaling'
  /** A message took too long to come. */
  | 'message-timeout'
  /** A Ping was not answered in time. */
  | 'pong-timeout'
  /** There is no room for another connection, or for what this one sends. */
  | 'no-room'
  /** This side was closed. */
  | 'shut-down';

/** The end of a connection. */
export interface ConnectionEnd {
  readonly cause: ConnectionEndCause;
  /** In words; of the peer's diagnostic text what prints. */
  readonly detail: string;
  /** What the peer's Release said, if there was one. */
  readonly release?: ReleaseNotice;
}

/** What a connection wants done. */
export type ConnectionOutput =
  | { readonly kind: 'transmit'; readonly bytes: Uint8Array }
  /** The peer's first CSM came: requests may be sent. */
  | { readonly kind: 'established'; readonly peer: Capabilities }
  /** A later CSM of the peer. */
  | { readonly kind: 'capabilities'; readonly peer: Capabilities }
  /** A request or response. */
  | { readonly kind: 'message'; readonly message: StreamMessage }
  /** The peer asks to be told when all that came before is processed; answer with `Connection.pong`. */
  | { readonly kind: 'custody-asked'; readonly token: Uint8Array }
  | { readonly kind: 'pong'; readonly ping: PingId; readonly custody: boolean }
  /** The peer wants the connection to be closed: answer what is to be answered, then `Connection.close`. */
  | { readonly kind: 'release-asked'; readonly release: ReleaseNotice }
  /** Where a trace is wanted: a signaling message came, and what follows from it comes next. */
  | { readonly kind: 'signal'; readonly message: StreamMessage }
  /** Something was received and ignored, by a rule. */
  | { readonly kind: 'ignored'; readonly reason: string }
  /** Nothing follows. What was to be transmitted should still be, then the transport be closed. */
  | { readonly kind: 'ended'; readonly end: ConnectionEnd };
