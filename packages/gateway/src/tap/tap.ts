/**
 * The tap between devices and a server: what passes is seen, kept for a while, judged by the gate, and goes on.
 *
 * Relays (`datagram-relay.ts`, `dtls-relay.ts`, `stream-relay.ts`) bring what comes from their sockets and carry on what leaves.
 *
 * @module
 */

import { decodeStreamMessage, isDecodeFault, type Message, type MessageContent } from 'coapsule/message';
import { codeLabel } from '../cli/message-text.ts';
import { coapFields, streamCoapFields } from '../decode/coap-fields.ts';
import type { DatagramDecoder, DecodedDatagram } from '../decode/datagram-decoder.ts';
import { problemsOf } from '../decode/decoded-field.ts';
import type { Direction, FilterSubject } from '../filter/filter.ts';
import { type Edit, type EditableMessage, editedBytes } from './edit.ts';
import { History } from './history.ts';
import type { LiveDiagnosis, PassedDatagram } from './live-diagnosis.ts';
import { type GateOutput, type Leaving, MessageGate } from './message-gate.ts';
import type { PassingMessage, TapLink } from './passing-message.ts';

/** What a tap tells as it runs. */
export type TapEvent =
  | { readonly kind: 'passing'; readonly message: PassingMessage }
  | { readonly kind: 'left'; readonly message: PassingMessage; readonly as: Exclude<Leaving, 'unchanged'> }
  | Exclude<GateOutput, { kind: 'forward' }>
  /** A datagram of DTLS of which the tap is an end, with no message in it. */
  | { readonly kind: 'handshake'; readonly datagram: PassedDatagram }
  | { readonly kind: 'note'; readonly text: string };

/** What it works with. */
export interface TapParts {
  readonly mostWaiting: number;
  readonly mostKept: number;
  /** The server as messages name it: `host:port`. */
  readonly server: string;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
  readonly wallTimeMs: () => number;
  /** Calls back once, unless the function that it returns is called before. */
  readonly after: (delayMs: number, action: () => void) => () => void;
  readonly onEvent: (event: TapEvent) => void;
  readonly diagnosis?: LiveDiagnosis | undefined;
}

/** See the module comment. */
export class Tap {
  readonly history: History;
  readonly #gate: MessageGate;
  readonly #parts: TapParts;
  #number = 0;
  #links = 0;
  #cancelTimer: (() => void) | undefined;
  #timerAt = Infinity;
  #isDraining = false;

  constructor(parts: TapParts) {
    this.#parts = parts;
    this.history = new History(parts.mostKept);
    this.#gate = new MessageGate({
      mostWaiting: parts.mostWaiting,
      edit: (message, edits) => this.#edited(message, edits),
    });
  }

  /** All that passed so far. */
  get passed(): number {
    return this.#number;
  }

  get server(): string {
    return this.#parts.server;
  }

  /** Milliseconds since 1970. */
  wallTimeMs(): number {
    return this.#parts.wallTimeMs();
  }

  /** The number of the next thing that passes. */
  nextNumber(): number {
    this.#number += 1;
    return this.#number;
  }

  /** An id for a link. */
  nextLink(): number {
    this.#links += 1;
    return this.#links;
  }

  // What comes.

  /** A datagram as it is on the wire, plain or encrypted. */
  datagram(link: TapLink, direction: Direction, bytes: Uint8Array, decoder: DatagramDecoder): void {
    const [source, destination] = this.#ends(link, direction);
    const decoded = withoutFields(decoder.decode(source, destination, bytes));
    const inside = decoded.parts.find(({ message }) => message !== undefined)?.message;
    const isPlain = decoded.dtls === undefined && inside !== undefined;
    const message = this.#passing(link, direction, bytes, {
      number: this.nextNumber(),
      protocol: decoded.dtls === undefined ? (inside === undefined ? 'other' : 'coap') : 'dtls',
      summary: decoded.summary,
      decoded,
      ...(inside !== undefined && { message: inside, header: inside }),
      ...(isPlain && { editable: { transport: 'datagram', message: inside } }),
    });
    // The other way it is seen as it leaves: as beside the device.
    if (direction === 'to-server') this.#diagnose(message);
    this.#arrive(message);
  }

  /** A message out of DTLS of which the tap is an end. */
  message(link: TapLink, direction: Direction, bytes: Uint8Array, number: number): void {
    const { message, summary } = coapFields(bytes);
    this.#arrive(
      this.#passing(link, direction, bytes, {
        ...{ number, summary, protocol: message === undefined ? 'other' : 'coap' },
        ...(message !== undefined && { message, header: message }),
        ...(message !== undefined && { editable: { transport: 'datagram', message } }),
      }),
    );
  }

  /** A message of a stream. */
  streamMessage(link: TapLink, direction: Direction, message: MessageContent, bytes: Uint8Array): void {
    const passing = this.#passing(link, direction, bytes, {
      ...{ number: this.nextNumber(), protocol: 'coap', message, ...streamDecoded(message, bytes) },
      editable: { transport: 'stream', message },
    });
    if (direction === 'to-server') this.#diagnose(passing);
    this.#arrive(passing);
  }

  /** A datagram of DTLS of which the tap is an end; shown where there is no message in it. */
  ownDatagram(datagram: PassedDatagram, isShown: boolean): void {
    this.#parts.diagnosis?.see(datagram);
    if (isShown) this.#parts.onEvent({ kind: 'handshake', datagram });
  }

  /** Something to tell. */
  note(text: string): void {
    this.#parts.onEvent({ kind: 'note', text });
  }

  /** Asks or changes the gate, and lets go what leaves by that. */
  command<Result>(run: (gate: MessageGate, now: number) => Result): Result {
    const result = run(this.#gate, this.#parts.now());
    this.#drain();
    return result;
  }

  /** What waits for its time waits for ever. */
  close(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#timerAt = Infinity;
  }

  #passing(
    link: TapLink,
    direction: Direction,
    bytes: Uint8Array,
    {
      number,
      protocol,
      summary,
      message,
      header,
      editable,
      decoded,
    }: {
      readonly number: number;
      readonly protocol: FilterSubject['protocol'];
      readonly summary: string;
      readonly message?: MessageContent;
      /** The same, where it has a type and a Message ID. */
      readonly header?: Message;
      readonly editable?: EditableMessage;
      readonly decoded?: DecodedDatagram;
    },
  ): PassingMessage {
    const {
      path,
      query,
      number: answers,
    } = message === undefined ? {} : this.history.exchange(link, direction, message, number);
    return {
      ...{ number, link, direction, bytes, summary, wallTimeMs: this.#parts.wallTimeMs() },
      subject: {
        ...{ direction, protocol, peer: link.peer, length: bytes.length },
        ...(message !== undefined && {
          ...{ code: message.code, token: message.token, options: message.options, payload: message.payload },
        }),
        ...(header !== undefined && { type: header.type, messageId: header.messageId }),
        ...(path !== undefined && { path }),
        ...(query !== undefined && { query }),
      },
      ...(message !== undefined && { message }),
      ...(editable !== undefined && { editable }),
      ...(decoded !== undefined && { decoded }),
      ...(answers !== undefined && { answers }),
    };
  }

  #edited(before: PassingMessage, edits: readonly Edit[]): PassingMessage | string {
    const { link, direction, number, editable, decoded } = before;
    if (editable === undefined)
      return before.subject.protocol === 'dtls'
        ? 'it is encrypted between the two: the tap has to be an end of DTLS to edit it'
        : 'it is no message that could be read';
    const bytes = editedBytes(editable, edits);
    if (typeof bytes === 'string') return bytes;
    if (editable.transport === 'stream') {
      const message = decodeStreamMessage(bytes, 'tcp');
      if (isDecodeFault(message)) return message.reason;
      return this.#passing(link, direction, bytes, {
        ...{ number, protocol: 'coap', message, ...streamDecoded(message, bytes) },
        editable: { transport: 'stream', message },
      });
    }
    const { message, summary, fields } = coapFields(bytes);
    if (message === undefined) return summary;
    const problems = problemsOf(fields);
    const part = { name: 'CoAP message', bytes, fields: [], problems, message } as const;
    return this.#passing(link, direction, bytes, {
      ...{ number, protocol: 'coap', summary, message, header: message },
      editable: { transport: 'datagram', message },
      ...(decoded !== undefined && { decoded: { parts: [part], summary } }),
    });
  }

  // What leaves.

  #arrive(message: PassingMessage): void {
    this.history.add(message);
    this.#parts.onEvent({ kind: 'passing', message });
    this.command((gate, now) => gate.arrive(message, now));
  }

  #drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    try {
      for (let output = this.#gate.poll(); output !== undefined; output = this.#gate.poll())
        this.#output(output);
    } finally {
      this.#isDraining = false;
    }
    this.#setTimer();
  }

  #output(output: GateOutput): void {
    if (output.kind !== 'forward') {
      this.#parts.onEvent(output);
      return;
    }
    const { message, as } = output;
    if (as !== 'unchanged') {
      this.history.add(message);
      this.#parts.onEvent({ kind: 'left', message, as });
    }
    const { link, direction, bytes, number } = message;
    if (direction === 'to-device') this.#diagnose(message);
    link.forward(direction, bytes, number);
  }

  #diagnose(message: PassingMessage): void {
    const { number, bytes, decoded, editable, link, direction } = message;
    if (this.#parts.diagnosis === undefined || decoded === undefined) return;
    const [source, destination] = this.#ends(link, direction);
    const wallTimeMs = direction === 'to-server' ? message.wallTimeMs : this.#parts.wallTimeMs();
    const isStream = editable?.transport === 'stream';
    const { length } = bytes;
    this.#parts.diagnosis.see({ number, wallTimeMs, source, destination, length, decoded, isStream });
  }

  #ends({ peer }: TapLink, direction: Direction): readonly [source: string, destination: string] {
    const { server } = this.#parts;
    return direction === 'to-server' ? [peer, server] : [server, peer];
  }

  #setTimer(): void {
    const next = this.#gate.nextTimeout() ?? Infinity;
    if (next === this.#timerAt && this.#cancelTimer !== undefined) return;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#timerAt = next;
    if (next === Infinity) return;
    this.#cancelTimer = this.#parts.after(Math.max(1, Math.ceil(next - this.#parts.now())), () => {
      this.#cancelTimer = undefined;
      this.command((gate, now) => gate.handleTimeout(now));
    });
  }
}

/** A message of a stream, as the decoder of captures has it; one of signaling is its code alone. */
function streamDecoded(
  { code }: MessageContent,
  bytes: Uint8Array,
): { readonly summary: string; readonly decoded: DecodedDatagram } {
  const coap = streamCoapFields(bytes, 'tcp');
  const { message, fields } = coap;
  const summary = message === undefined ? codeLabel(code) : coap.summary;
  const part = {
    name: 'CoAP message',
    bytes,
    fields: [],
    problems: problemsOf(fields),
    isReliable: true,
  } as const;
  return { summary, decoded: { parts: [{ ...part, ...(message !== undefined && { message }) }], summary } };
}

/** A tap shows and keeps none: they are many times as large as the datagram. */
function withoutFields(decoded: DecodedDatagram): DecodedDatagram {
  return { ...decoded, parts: decoded.parts.map((part) => ({ ...part, fields: [] })) };
}
