/**
 * `-v`: one line for each message, and what becomes of the association.
 *
 * @module
 */

import type { TraceEvent } from 'coapsule';
import { decodeMessage, isDecodeFault } from 'coapsule/message';
import { codeLabel } from './message-text.ts';
import { hexText } from './option-values.ts';

/** The line of an event, or nothing for events of finer detail. */
export function headerLine(event: TraceEvent): string | undefined {
  switch (event.kind) {
    case 'message': {
      const arrow = event.direction === 'sent' ? '→' : '←';
      const message = decodeMessage(event.bytes);
      if (isDecodeFault(message)) {
        return `${arrow} ${event.address.key} malformed at byte ${message.offset}: ${message.reason}`;
      }
      const token = message.token.length === 0 ? '' : ` Token ${hexText(message.token)}`;
      const payload = message.payload.length === 0 ? '' : ` Payload ${message.payload.length}`;
      const id = message.messageId.toString(16).padStart(4, '0');
      return `${arrow} ${event.address.key} ${message.type} ${codeLabel(message.code)} Message-ID ${id}${token}${payload}`;
    }
    case 'connected':
      return `* ${event.address.key} DTLS association established: ${event.suite}, extended master secret ${event.extendedMasterSecret ? 'yes' : 'no'}`;
    case 'closed':
      return `* ${event.address.key} DTLS association closed: ${event.reason}`;
    case 'handshake-failed':
      return `* ${event.address.key} DTLS handshake failed: ${event.failure.detail}`;
    default:
      return undefined;
  }
}
