/**
 * `-v`: one line for each message, and what becomes of the association.
 *
 * @module
 */

import { describeCertificates, describePublicKey, recordOverhead, type TraceEvent } from 'coapsule';
import { decodeMessage, decodeStreamMessage, isDecodeFault } from 'coapsule/message';
import { codeLabel } from './message-text.ts';
import { hexText } from './option-values.ts';

/** The line of an event, or nothing for events of finer detail. @param session See `traceRenderer`. */
export function headerLine(event: TraceEvent, session?: string): string | undefined {
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
    case 'stream-message': {
      const arrow = event.direction === 'sent' ? '→' : '←';
      const message = decodeStreamMessage(event.bytes, event.transport);
      if (isDecodeFault(message)) return `${arrow} ${event.address.key} malformed: ${message.reason}`;
      const token = message.token.length === 0 ? '' : ` Token ${hexText(message.token)}`;
      const payload = message.payload.length === 0 ? '' : ` Payload ${message.payload.length}`;
      return `${arrow} ${event.address.key} ${codeLabel(message.code)}${token}${payload}`;
    }
    case 'connected':
      return `* ${event.address.key} DTLS association ${beginningText(event, session)}: ${associationText(event)}`;
    case 'closed':
      return `* ${event.address.key} DTLS association closed: ${event.reason}`;
    case 'handshake-failed':
      return `* ${event.address.key} DTLS handshake failed (${event.failure.cause}): ${event.failure.detail}`;
    case 'connection-ended':
      return `* ${event.address.key} connection ended (${event.cause}): ${event.detail}`;
    case 'address-changed': {
      const proof = event.validated ? '' : ', not proved yet';
      return `* ${event.from.key} DTLS association goes on at ${event.to.key}${proof}`;
    }
    case 'out-of-step':
      return `* ${event.address.key} ${event.records} records without effect: ${outOfStepText[event.likely]}`;
    default:
      return undefined;
  }
}

const outOfStepText: Readonly<Record<Extract<TraceEvent, { kind: 'out-of-step' }>['likely'], string>> = {
  'old-copy-restored':
    'they were seen before; the peer may have restored an old copy of its session, and needs a new handshake',
  'other-session':
    'they do not authenticate; the peer may have lost its session or have another one, and needs a new handshake',
  'session-unknown-here': 'no session with this peer is known here (any more); it needs a new handshake',
};

function beginningText(
  { resumed, imported }: Extract<TraceEvent, { kind: 'connected' }>,
  session: string | undefined,
): string {
  if (imported !== true) return resumed ? 'resumed' : 'established';
  return `taken over${session === undefined ? '' : ` from ${session}`}, no handshake`;
}

/** Suite, what it costs, and what was agreed on and proved. */
function associationText({
  suite,
  extendedMasterSecret,
  connectionIdLengths: ids,
  protocol,
  authentication,
}: Extract<TraceEvent, { kind: 'connected' }>): string {
  const sent = recordOverhead(suite, ids?.peer);
  const received = recordOverhead(suite, ids?.own);
  const overhead = sent === received ? `${sent} bytes` : `${sent} bytes sent, ${received} received`;
  return [
    suite,
    `extended master secret ${extendedMasterSecret ? 'yes' : 'no'}`,
    `${overhead} more in each record`,
    ...(ids === undefined ? [] : [`connection id of ${ids.own} bytes to us, ${ids.peer} to the peer`]),
    ...(protocol === undefined ? [] : [`protocol ${protocol}`]),
    ...proofText(authentication),
  ].join(', ');
}

function proofText(
  authentication: Extract<TraceEvent, { kind: 'connected' }>['authentication'],
): readonly string[] {
  switch (authentication.kind) {
    case 'psk':
    case 'none':
      return [];
    case 'raw-public-key':
      return [`raw public key ${describePublicKey(authentication.publicKey).fingerprint}`];
    case 'x509':
      return describeCertificates(authentication.certificate).map(
        ({ subject, notAfter }) => `certificate of ${subject} until ${notAfter.toISOString().slice(0, 10)}`,
      );
  }
}
