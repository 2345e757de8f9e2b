/**
 * What an endpoint tells about its work: the events that the command line prints and tests look at.
 * An endpoint makes them only when its configuration asks for a trace.
 *
 * @module
 */

import type { StreamFraming } from '../coap/stream-codec.ts';
import type { ConnectionEndCause } from '../connection/connection-output.ts';
import type { DtlsOutput } from '../dtls/dtls-layer.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';

/** One event. Times are not in it: whoever takes it out of the machine knows the time. */
export type TraceEvent =
  | {
      /** One CoAP message, before encryption or after decryption. */
      readonly kind: 'message';
      readonly direction: 'sent' | 'received';
      readonly address: PeerAddress;
      readonly secure: boolean;
      /** The encoded message; read it with `decodeMessage`. */
      readonly bytes: Uint8Array;
    }
  | {
      /** One CoAP message over a reliable transport, before encryption or after decryption. */
      readonly kind: 'stream-message';
      readonly direction: 'sent' | 'received';
      readonly address: PeerAddress;
      readonly transport: StreamFraming;
      readonly secure: boolean;
      /** The encoded message; read it with `decodeStreamMessage(bytes, transport)`. */
      readonly bytes: Uint8Array;
    }
  | {
      /** A connection over a reliable transport is over, or could not be made. */
      readonly kind: 'connection-ended';
      readonly address: PeerAddress;
      readonly cause: ConnectionEndCause;
      /** In words; of the peer's diagnostic text what prints. */
      readonly detail: string;
    }
  | {
      /** A Confirmable message is sent again (RFC 7252 §4.2). */
      readonly kind: 'retransmission';
      readonly address: PeerAddress;
      /** 1 for the first retransmission. */
      readonly attempt: number;
    }
  | {
      /** Something received was dropped, or an option of it ignored, or it was refused with an error code. */
      readonly kind: 'discarded';
      readonly layer: 'dtls' | 'message' | 'connection' | 'oscore' | 'request-response';
      readonly address: PeerAddress;
      readonly reason: string;
    }
  | {
      /** Something this endpoint sends looks like a mistake; it was sent all the same. */
      readonly kind: 'advice';
      readonly address: PeerAddress;
      readonly rule: AdviceRule;
      /** One sentence. */
      readonly detail: string;
    }
  | DtlsTraceEvent;

/** Readings that are Confirmable all the time, and commands that are not. */
export type AdviceRule = 'confirmable-readings' | 'non-confirmable-command';

/** What the DTLS layer tells, as it is. */
export type DtlsTraceEvent =
  | Omit<Extract<DtlsOutput, { kind: 'closed' }>, 'was'>
  | Extract<
      DtlsOutput,
      {
        kind:
          | 'handshake-trace'
          | 'connected'
          | 'handshake-failed'
          | 'address-changed'
          | 'amplification-limit'
          | 'renew-association'
          | 'out-of-step';
      }
    >;
