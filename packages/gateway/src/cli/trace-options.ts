/**
 * `-vv`: the options of each message, retransmissions, and what was dropped.
 *
 * @module
 */

import type { TraceEvent } from 'coapsule';
import { decodeMessage, decodeStreamMessage, isDecodeFault, isSignalingCode } from 'coapsule/message';
import { optionName, optionText } from './message-text.ts';

/** The further lines of an event. Kinds of event that are not known here show as their name and plain fields. */
export function detailLines(event: TraceEvent): string[] {
  switch (event.kind) {
    case 'message':
    case 'stream-message': {
      const { bytes } = event;
      const message =
        event.kind === 'message' ? decodeMessage(bytes) : decodeStreamMessage(bytes, event.transport);
      // The options of signaling messages have numbers of their own (RFC 8323 §5.2): the line above names the message.
      if (isDecodeFault(message) || isSignalingCode(message.code)) return [];
      return Array.from(message.options.entries(), (option) =>
        `    ${optionName(option.number)}: ${optionText(option)}`.trimEnd(),
      );
    }
    case 'retransmission':
      return [`→ ${event.address.key} retransmission ${event.attempt}`];
    case 'discarded':
      return [`← ${event.address.key} discarded (${event.layer}): ${event.reason}`];
    case 'connection-ended':
      return [];
    // Handshakes are shown by `trace-handshake.ts`, a whole datagram in a row.
    case 'handshake-trace':
    case 'connected':
    case 'closed':
    case 'handshake-failed':
      return [];
    default:
      return [plainFields(event)];
  }
}

function plainFields(event: { readonly kind: string; readonly address?: { readonly key: string } }): string {
  const fields = Object.entries(event)
    .filter(([name, value]) => name !== 'kind' && ['string', 'number', 'boolean'].includes(typeof value))
    .map(([name, value]) => `${name} ${value}`);
  return `* ${event.address?.key ?? ''} ${event.kind} ${fields.join(', ')}`.replace(/ {2,}/g, ' ').trimEnd();
}
