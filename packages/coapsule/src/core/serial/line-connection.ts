/**
 * A serial line as a connection of packets: what may be sent on it, what came from it, and how its buffers fared.
 *
 * | name | unit | default | allowed |
 * |---|---|---|---|
 * | framing | | slipmux | slipmux, slip, raw |
 * | mtu | bytes of a packet | 1024 | 128 … 65535, and it fits the buffers |
 * | bufferBytes | bytes of our read buffer | 2048 | what the framing needs for the mtu, or more |
 * | peerBuffer | bytes of the peer's, and what it holds | as ours | |
 * | secured | | false | true: nothing but DTLS passes, in either direction |
 *
 * The decoder unescapes bytes as they arrive, so its buffer holds a frame as it was before escaping, and 1,024 bytes always
 * fit into 2,048. A peer may keep the escaped frame instead: slipmux makes up to 2,055 bytes of 1,024. Towards such a
 * buffer packets are made so short that the worst of them fits. No clock and no port: see `node/serial-port.ts`.
 *
 * @module
 */

import { ApiMisuseError } from '../foundation/errors.ts';
import {
  type LineDecoder,
  type LineFraming,
  type LineFramingName,
  type LineLoss,
  packetKind,
} from './line-framing.ts';
import { plainSlip, rawReads } from './plain-framings.ts';
import { slipmux } from './slipmux.ts';

/** A buffer at the other end of the line. */
export interface PeerBuffer {
  readonly bytes: number;
  /** `packets`: the peer unescapes as bytes arrive, as we do; `frames`: it keeps them as they are on the line. */
  readonly holds: 'packets' | 'frames';
}

/** See the table in the module comment. */
export interface LineOptions {
  readonly framing?: LineFramingName;
  readonly mtu?: number;
  readonly bufferBytes?: number;
  readonly peerBuffer?: PeerBuffer;
  readonly secured?: boolean;
}

/** Why something on the line went no further: `unsecured` is a CoAP message on a line that is secured only. */
export type LineDropReason = LineLoss | 'unsecured';

/** What passed a line since it was opened. */
export interface LineCounters {
  readonly packetsSent: number;
  readonly packetsReceived: number;
  /** On the line, with framing. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Largest packet of either direction. */
  readonly largestPacket: number;
  /** Longest frame that was sent. */
  readonly longestFrame: number;
  /** Most bytes that were in the read buffer. */
  readonly bufferPeak: number;
  /** Packets that were longer than the mtu, or not secured, and were not sent. */
  readonly refused: number;
  /** Largest packet that was sent and followed by one from the peer before the next. */
  readonly largestAnswered: number;
  /** What was sent since the last packet of the peer. */
  readonly unanswered: { readonly packets: number; readonly largest: number };
  readonly lost: Readonly<Partial<Record<LineDropReason, number>>>;
}

/** What a chunk of the line brought. */
export type LineInput =
  | { readonly kind: 'packet'; readonly packet: Uint8Array }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'lost'; readonly reason: LineDropReason; readonly length: number };

const framings: Readonly<Record<LineFramingName, LineFraming>> = { slipmux, slip: plainSlip, raw: rawReads };

/** What an endpoint needs at least (`endpoint-config.ts`). */
const smallestMtu = 128;
const largestMtu = 65_535;

/** Both directions of one line. */
export class LineConnection {
  /** Most bytes of a packet, for the endpoint's own mtu: what was asked for, or less where the peer's buffer wants it. */
  readonly mtu: number;
  readonly secured: boolean;
  readonly framing: LineFramingName;
  readonly bufferBytes: number;
  readonly #framing: LineFraming;
  readonly #decoder: LineDecoder;
  readonly #lost: Partial<Record<LineDropReason, number>> = {};
  #packetsSent = 0;
  #packetsReceived = 0;
  #bytesSent = 0;
  #bytesReceived = 0;
  #largestPacket = 0;
  #longestFrame = 0;
  #refused = 0;
  #largestAnswered = 0;
  #unanswered = { packets: 0, largest: 0 };

  /** Throws `ApiMisuseError` for an mtu that does not fit a buffer; it names both and the value that would fit. */
  constructor(options: LineOptions = {}) {
    const { framing = 'slipmux', mtu = 1024, bufferBytes = 2048, peerBuffer, secured = false } = options;
    this.#framing = framings[framing];
    if (this.#framing === undefined) {
      throw new ApiMisuseError(`framing is '${framing}'; expected slipmux, slip or raw`);
    }
    this.secured = secured;
    this.framing = framing;
    this.bufferBytes = bufferBytes;
    this.mtu = fittingMtu(this.#framing, mtu, bufferBytes, peerBuffer);
    this.#decoder = this.#framing.decoder(bufferBytes);
  }

  get counters(): LineCounters {
    return {
      packetsSent: this.#packetsSent,
      packetsReceived: this.#packetsReceived,
      bytesSent: this.#bytesSent,
      bytesReceived: this.#bytesReceived,
      largestPacket: this.#largestPacket,
      longestFrame: this.#longestFrame,
      bufferPeak: this.#decoder.peak,
      refused: this.#refused,
      largestAnswered: this.#largestAnswered,
      unanswered: this.#unanswered,
      lost: { ...this.#lost },
    };
  }

  /** Longest packet that our read buffer takes: an mtu that the peer may have. */
  get largestReceivable(): number {
    return longestFitting(this.#framing.bufferNeeded, this.bufferBytes);
  }

  /**
   * A packet as it goes on the line.
   *
   * @returns `undefined` for one that must not go there: longer than `mtu`, or not DTLS on a secured line.
   */
  send(packet: Uint8Array): Uint8Array | undefined {
    if (packet.length > this.mtu || !this.#mayPass(packet)) {
      this.#refused++;
      return undefined;
    }
    const frame = this.#framing.encode(packet);
    this.#packetsSent++;
    this.#bytesSent += frame.length;
    this.#largestPacket = Math.max(this.#largestPacket, packet.length);
    this.#longestFrame = Math.max(this.#longestFrame, frame.length);
    const { packets, largest } = this.#unanswered;
    this.#unanswered = { packets: packets + 1, largest: Math.max(largest, packet.length) };
    return frame;
  }

  /** What a chunk from the line brought, split and merged in any way. The chunk is not kept. */
  receive(chunk: Uint8Array): LineInput[] {
    this.#bytesReceived += chunk.length;
    return this.#decoder.receive(chunk).map((event): LineInput => {
      if (event.kind === 'text') return event;
      if (event.kind === 'lost') return this.#drop(event.reason, event.length);
      const { packet } = event;
      if (!this.#mayPass(packet)) return this.#drop('unsecured', packet.length);
      this.#packetsReceived++;
      this.#largestPacket = Math.max(this.#largestPacket, packet.length);
      // One packet, one answer: with more of them it is not known which one arrived.
      if (this.#unanswered.packets === 1) {
        this.#largestAnswered = Math.max(this.#largestAnswered, this.#unanswered.largest);
      }
      this.#unanswered = { packets: 0, largest: 0 };
      return event;
    });
  }

  /** The line was interrupted: a frame that had begun will not be ended. */
  reset(): void {
    this.#decoder.reset();
  }

  #mayPass(packet: Uint8Array): boolean {
    return !this.secured || packetKind(packet) === 'dtls';
  }

  #drop(reason: LineDropReason, length: number): LineInput {
    this.#lost[reason] = (this.#lost[reason] ?? 0) + 1;
    return { kind: 'lost', reason, length };
  }
}

function fittingMtu(
  framing: LineFraming,
  mtu: number,
  bufferBytes: number,
  peerBuffer: PeerBuffer | undefined,
): number {
  if (!Number.isInteger(mtu) || mtu < smallestMtu || mtu > largestMtu) {
    throw new ApiMisuseError(`mtu is ${mtu}; expected ${smallestMtu} to ${largestMtu} bytes`);
  }
  const own = longestFitting(framing.bufferNeeded, bufferBytes);
  if (mtu > own) {
    throw new ApiMisuseError(
      `mtu ${mtu} does not fit bufferBytes ${bufferBytes}: ${framing.name} needs ${framing.bufferNeeded(mtu)} bytes for it; ` +
        `expected an mtu of at most ${Math.max(own, 0)}, or a larger buffer`,
    );
  }
  if (peerBuffer === undefined) return mtu;
  const { bytes, holds } = peerBuffer;
  const lengthOf = holds === 'frames' ? framing.worstCaseLength : framing.bufferNeeded;
  const peers = longestFitting(lengthOf, bytes);
  if (peers < smallestMtu) {
    throw new ApiMisuseError(
      `peerBuffer has ${bytes} bytes for ${holds}: packets of ${Math.max(peers, 0)} bytes would fit; ` +
        `expected room for at least ${smallestMtu}, ${lengthOf(smallestMtu)} bytes`,
    );
  }
  return Math.min(mtu, peers);
}

/** The longest packet whose length, as `lengthOf` has it, is within a limit; less than 0 when none is. */
function longestFitting(lengthOf: (packetLength: number) => number, limit: number): number {
  const overhead = lengthOf(0);
  return Math.floor((limit - overhead) / (lengthOf(1) - overhead));
}
