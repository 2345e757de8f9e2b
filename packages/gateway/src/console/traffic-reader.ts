/**
 * The ring of datagrams, decoded for who looks at it in the console: as far as somebody looks, some at a time, and the newest only.
 *
 * What is decoded is kept while somebody looks, and a while longer. A reader that cannot keep up misses what is in between, and is told
 * how much: it is in the ring for a while, and in the exported file.
 */
import type { CapturedPacket } from '../capture/capture-reader.ts';
import { readCapture } from '../capture/capture-reader.ts';
import { CapturedBlocks } from '../capture/captured-blocks.ts';
import { pcapngHeader } from '../capture/pcapng.ts';
import { CaptureDecoder, type DecodedPacket } from '../decode/capture-decoder.ts';
import type { DecodedField } from '../decode/decoded-field.ts';
import { KnownSecrets } from '../decode/secrets.ts';
import { Diagnosis } from '../diagnosis/diagnosis.ts';
import type { Finding } from '../diagnosis/finding.ts';
import type { TickTimer } from '../resources/periodic-tick.ts';
import type { TrafficItem, TrafficRing } from '../traffic/traffic-ring.ts';
import type { TrafficMessage } from './api-types.ts';
import { type SeenTraffic, TrafficMessages } from './traffic-messages.ts';

/** What it works with. */
export interface TrafficReaderParts {
  readonly ring: TrafficRing;
  /** Ports where CoAP and DTLS are, besides the usual ones. */
  readonly ports: () => readonly number[];
  /** Who is where, by address. */
  readonly identities: () => Promise<ReadonlyMap<string, string>>;
  readonly timer: TickTimer;
}

/** Messages that are kept decoded, and that are decoded in one go; secrets. */
const most = { kept: 2000, atOnce: 200, secrets: 10_000 } as const;

/**
 * Fields of messages that are kept, and that are decoded before others get their turn. A byte may be a field of its own, with hundreds
 * of bytes of memory: a peer can send datagrams of nothing else.
 */
const mostFields = { kept: 200_000, inOneTurn: 1000 } as const;

/** What rules of the diagnosis remember. */
const mostDiagnosed = 2000;

/** After so long without anybody who looks, what was decoded is forgotten. */
const forgottenMs = 5 * 60_000;

/** One of the ring, decoded. */
export interface TrafficEntry extends SeenTraffic {
  readonly item: TrafficItem;
  readonly packet: DecodedPacket;
  /** Parts, and fields of all levels. */
  readonly fieldCount: number;
}

/** What belongs to one time of looking. */
interface Decoded {
  readonly decoder: CaptureDecoder;
  readonly blocks: CapturedBlocks;
  readonly secrets: KnownSecrets;
  readonly messages: TrafficMessages;
  readonly diagnosis: Diagnosis;
  secretsPassed: number;
  entries: TrafficEntry[];
  /** Of all entries. */
  fieldCount: number;
  /** Up to this number of the ring all is decoded, or left out. */
  until: number;
  leftOut: number;
}

/** See the module comment. */
export class TrafficReader {
  readonly #parts: TrafficReaderParts;
  #decoded: Decoded | undefined;
  #reading: Promise<Decoded> | undefined;
  #cancelForget: () => void = () => {};

  constructor(parts: TrafficReaderParts) {
    this.#parts = parts;
  }

  /** Decodes what is new. @returns all that is kept, the oldest first, and how many were left out so far. */
  async read(): Promise<{ readonly entries: readonly TrafficEntry[]; readonly leftOut: number }> {
    this.#forgetLater();
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    const { entries, leftOut } = await this.#reading;
    return { entries, leftOut };
  }

  /** What is wrong in what was decoded. */
  async findings(): Promise<readonly Finding[]> {
    await this.read();
    return this.#decoded?.diagnosis.findings() ?? [];
  }

  /** Is called at each new one, until the returned function is. */
  watch(changed: () => void): () => void {
    return this.#parts.ring.watch(changed);
  }

  close(): void {
    this.#cancelForget();
    this.#decoded = undefined;
  }

  async #read(): Promise<Decoded> {
    const { ring, identities } = this.#parts;
    const isFirst = this.#decoded === undefined;
    this.#decoded ??= this.#begin();
    const decoded = this.#decoded;
    const known = await identities();
    // Of a full log the oldest go: their places say nothing.
    const { lines, passed } = ring.secretsSince(decoded.secretsPassed);
    for (const line of lines) decoded.secrets.addLine(line);
    decoded.secretsPassed = passed;
    const items = ring.items({ after: decoded.until, most: isFirst ? most.kept : most.atOnce });
    const last = items.at(-1)?.number ?? decoded.until;
    if (!isFirst) decoded.leftOut += last - decoded.until - items.length;
    decoded.until = last;
    let inTurn = 0;
    for (const item of items) {
      if (inTurn > mostFields.inOneTurn) {
        inTurn = 0;
        await new Promise(setImmediate);
      }
      inTurn += this.#decode(decoded, item, known);
    }
    return decoded;
  }

  #begin(): Decoded {
    const secrets = new KnownSecrets([], most.secrets);
    return {
      decoder: new CaptureDecoder(secrets, this.#parts.ports()),
      blocks: new CapturedBlocks(),
      secrets,
      messages: new TrafficMessages(),
      diagnosis: new Diagnosis(undefined, mostDiagnosed),
      ...{ secretsPassed: 0, entries: [], fieldCount: 0, until: 0, leftOut: 0 },
    };
  }

  /** @returns how many fields it has. */
  #decode(decoded: Decoded, item: TrafficItem, identities: ReadonlyMap<string, string>): number {
    let fields = 0;
    for (const packet of packetsOf(decoded.blocks, item)) {
      const decodedPacket = decoded.decoder.decode(packet);
      decoded.diagnosis.see(decodedPacket);
      const identity = identities.get(item.captured.remote.key) ?? null;
      const fieldCount = decodedPacket.parts.reduce((sum, part) => sum + 1 + countOf(part.fields), 1);
      fields += fieldCount;
      decoded.fieldCount += fieldCount;
      decoded.entries.push({
        ...{ item, packet: decodedPacket, fieldCount },
        ...decoded.messages.seen(item, decodedPacket, identity),
      });
    }
    let gone = 0;
    const { entries } = decoded;
    while (entries.length - gone > most.kept || decoded.fieldCount > mostFields.kept)
      decoded.fieldCount -= entries[gone++]!.fieldCount;
    if (gone > 0) decoded.entries = entries.slice(gone);
    return fields;
  }

  #forgetLater(): void {
    this.#cancelForget();
    this.#cancelForget = this.#parts.timer.after(forgottenMs, () => {
      this.#decoded = undefined;
    });
  }
}

function countOf(fields: readonly DecodedField[]): number {
  return fields.reduce((sum, { fields: inner = [] }) => sum + 1 + countOf(inner), 0);
}

/** As a capture file has it: one packet, or some for a long piece of a stream. */
function packetsOf(blocks: CapturedBlocks, { number, captured }: TrafficItem): readonly CapturedPacket[] {
  const file = Buffer.concat([pcapngHeader(), ...blocks.of(captured)]);
  return readCapture(file).packets.map((packet) => ({ ...packet, frame: number }));
}

/** Those of the same exchange: of the same peer with the same token, or the same Message ID. */
export function exchangeOf(entries: readonly TrafficEntry[], { message }: TrafficEntry): readonly number[] {
  const isSame = (other: TrafficMessage): boolean =>
    other.peer === message.peer &&
    ((message.tokenHex !== null && message.tokenHex !== '' && other.tokenHex === message.tokenHex) ||
      (message.messageId !== null && other.messageId === message.messageId));
  return entries.filter((other) => isSame(other.message)).map(({ message: { number } }) => number);
}
