/**
 * What passes between the explorer and another server, step by step: messages with their fields, retransmissions, the handshake.
 */
import type { TraceEvent } from 'coapsule';
import { HandshakeRows } from '../cli/trace-handshake.ts';
import { headerLine } from '../cli/trace-headers.ts';
import { coapFields } from '../decode/coap-fields.ts';
import type { LadderStep } from './api-types.ts';
import { hexOf } from './hex.ts';

const mostSteps = 500;

/** Bytes of one message that are shown; what is longer has its payload cut. */
const mostBytes = 2048;

/** Takes the trace of a client. */
export class ExchangeLadder {
  readonly steps: LadderStep[] = [];
  isCut = false;
  readonly #now: () => number;
  readonly #startedAt: number;
  readonly #handshakes: HandshakeRows;

  /** @param now Milliseconds that never go back. @param notes What is to be known before anything passes. */
  constructor(now: () => number, notes: readonly string[] = []) {
    this.#now = now;
    this.#startedAt = now();
    this.#handshakes = new HandshakeRows((line) => this.#add('handshake', line), queueMicrotask, now);
    for (const text of notes) this.#add('note', text);
  }

  /** Since the exchange was begun. */
  get elapsedMs(): number {
    return Math.round((this.#now() - this.#startedAt) * 10) / 10;
  }

  readonly trace = (event: TraceEvent): void => {
    this.#handshakes.event(event);
    switch (event.kind) {
      case 'message': {
        const { summary, fields } = coapFields(event.bytes);
        this.#add(event.direction, summary, event.bytes, fields);
        return;
      }
      case 'stream-message':
        this.#add(event.direction, headerLine(event) ?? '', event.bytes);
        return;
      case 'retransmission':
        this.#add('retransmission', `nothing came back: sent again, ${event.attempt}`);
        return;
      case 'discarded':
        this.#add('note', `dropped (${event.layer}): ${event.reason}`);
        return;
      case 'advice':
        this.#add('note', event.detail);
        return;
      default: {
        const line = headerLine(event);
        if (line !== undefined) this.#add('note', line);
      }
    }
  };

  #add(kind: LadderStep['kind'], text: string, bytes?: Uint8Array, fields: LadderStep['fields'] = []): void {
    if (this.steps.length >= mostSteps) {
      this.isCut = true;
      return;
    }
    const shown = bytes?.subarray(0, mostBytes);
    this.steps.push({
      ...{ atMs: this.elapsedMs, kind, text },
      bytesHex: shown === undefined ? null : hexOf(shown),
      fields: shown === undefined ? [] : fields.filter(({ start }) => start <= shown.length),
    });
  }
}
