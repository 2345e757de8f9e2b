/**
 * What the messages of an exchange say in figures. Pure functions.
 *
 * @module
 */

import type { LadderStep } from '../../src/console/api-types.ts';

/** Of the message with the response, and of all. */
export interface ExchangeFacts {
  /** Type, Message ID and Token of the message that brought the response; null over a connection, or without one. */
  readonly type: string | null;
  readonly messageId: string | null;
  readonly token: string | null;
  readonly sent: number;
  readonly received: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly retransmissions: number;
}

/** From what went over the wire; of messages that are shown in part, the bytes that are shown. */
export function exchangeFacts(ladder: readonly LadderStep[]): ExchangeFacts {
  const of = (kind: LadderStep['kind']): readonly LadderStep[] => ladder.filter((step) => step.kind === kind);
  const [sent, received] = [of('sent'), of('received')];
  const bytes = (steps: readonly LadderStep[]): number =>
    steps.reduce((sum, { bytesHex }) => sum + (bytesHex?.length ?? 0) / 2, 0);
  const response = received.findLast(({ fields }) =>
    fields.some(({ name, value }) => name === 'Code' && /^[2-5]\./.test(value)),
  );
  const field = (wanted: string): string | null =>
    response?.fields.find(({ name }) => name === wanted)?.value ?? null;
  return {
    ...{ type: field('Type'), messageId: field('Message ID'), token: field('Token') },
    ...{ sent: sent.length, received: received.length },
    ...{ sentBytes: bytes(sent), receivedBytes: bytes(received) },
    retransmissions: of('retransmission').length,
  };
}

/** A step of a handshake without what all of them have: where it goes, and what it is. */
export function handshakeStep(text: string): {
  readonly side: 'client' | 'server' | 'between';
  readonly text: string;
} {
  const [, arrow = '', what = text] = /^([→←*])\s+\S+\s+DTLS\s+(?:\d+\.\d ms\s+)?(.*)$/s.exec(text) ?? [];
  const side = arrow === '→' ? 'client' : arrow === '←' ? 'server' : 'between';
  return { side, text: arrow === '' || arrow === '*' ? what : `${arrow} ${what}` };
}
