/**
 * `-vv`: the options of each message, retransmissions, handshake messages, and what was dropped.
 *
 * @module
 */

import type { TraceEvent } from 'coapsule';
import { decodeMessage, isDecodeFault } from 'coapsule/message';
import { optionName, optionText } from './message-text.ts';

/** The further lines of an event. Kinds of event that are not known here show as their name and plain fields. */
export function detailLines(event: TraceEvent): string[] {
  switch (event.kind) {
    case 'message': {
      const message = decodeMessage(event.bytes);
      if (isDecodeFault(message)) return [];
      return Array.from(message.options.entries(), (option) =>
        `    ${optionName(option.number)}: ${optionText(option)}`.trimEnd(),
      );
    }
    case 'retransmission':
      return [`→ ${event.address.key} retransmission ${event.attempt}`];
    case 'discarded':
      return [`← ${event.address.key} discarded (${event.layer}): ${event.reason}`];
    case 'handshake-trace':
      return [handshakeLine(event)];
    case 'connected':
    case 'closed':
    case 'handshake-failed':
      return [];
    default:
      return [plainFields(event)];
  }
}

/** `→ [::1]:5684 DTLS ClientHello (flight 1, message_seq 0, epoch 0)`. */
function handshakeLine(event: Extract<TraceEvent, { kind: 'handshake-trace' }>): string {
  const { flight, messageSeq, epoch, fragment, retransmit, reordered } = event;
  const parts = [
    ...(flight === undefined ? [] : [`flight ${flight}`]),
    ...(messageSeq === undefined ? [] : [`message_seq ${messageSeq}`]),
    `epoch ${epoch}`,
    ...(fragment === undefined
      ? []
      : [`bytes ${fragment.offset} to ${fragment.offset + fragment.length} of ${fragment.total}`]),
    ...(retransmit ? ['again'] : []),
    ...(reordered ? ['early'] : []),
  ];
  return `${event.direction === 'sent' ? '→' : '←'} ${event.address.key} DTLS ${event.name} (${parts.join(', ')})`;
}

function plainFields(event: { readonly kind: string; readonly address?: { readonly key: string } }): string {
  const fields = Object.entries(event)
    .filter(([name, value]) => name !== 'kind' && ['string', 'number', 'boolean'].includes(typeof value))
    .map(([name, value]) => `${name} ${value}`);
  return `* ${event.address?.key ?? ''} ${event.kind} ${fields.join(', ')}`.replace(/ {2,}/g, ' ').trimEnd();
}
