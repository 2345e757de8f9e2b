/**
 * Datagrams on their way from one gateway to another: sealed under the key that all gateways have, for one receiver, once.
 *
 * A frame says what it is, when it was sent, whose datagram it carries (the address of the peer) and the datagram. What is older than
 * half a minute, comes a second time, or was sealed for another gateway does not open; clocks of gateways agree anyway
 * (docs/scale-out.md). Nothing here sends.
 */
import { isIP } from 'node:net';
import { BoundedMap } from '../memory/bounded-map.ts';
import type { WallClock } from '../server/wall-clock.ts';
import { type SealedPlace, Sealing } from './sealing.ts';

/** What a frame carries. */
export interface NodeFrame {
  /** `forward`: it came from the peer; `answer`: it is to go to the peer. */
  readonly kind: 'forward' | 'answer';
  /** Number of the gateway that sent it. */
  readonly from: number;
  readonly host: string;
  readonly port: number;
  readonly datagram: Uint8Array;
}

const kinds = ['forward', 'answer'] as const;

/** How far the clocks of two gateways, and the way between them, may lie apart. */
const longestAgeMs = 30_000;

/** Kind, time, port and length of the host. */
const headLength = 1 + 6 + 2 + 1;

/** Frames of one sender that may come in another order. */
const windowSize = 64n;

/** Senders, one for each start of each gateway; only those whose frames open are among them. */
const mostSenders = 1000;

/** See the module comment. */
export class NodeFrames {
  readonly #sealing: Sealing;
  readonly #clock: WallClock;
  readonly #seen = new BoundedMap<string, { highest: number; window: bigint }>(mostSenders);

  /** @param sharedKey 32 bytes. */
  constructor(sharedKey: Uint8Array, clock: WallClock) {
    this.#sealing = new Sealing(sharedKey, 'coapsule node link');
    this.#clock = clock;
  }

  /** @param to Number of the gateway that may open it. */
  seal({ kind, from, host, port, datagram }: NodeFrame, to: number): Uint8Array {
    const name = Buffer.from(host, 'latin1');
    const head = Buffer.alloc(headLength);
    head[0] = kinds.indexOf(kind);
    head.writeUIntBE(this.#clock(), 1, 6);
    head.writeUInt16BE(port, 7);
    head[9] = name.length;
    const sealed = this.#sealing.sealBytes(frameName(from, to), Buffer.concat([head, name, datagram]));
    return Buffer.concat([Uint8Array.of(from), sealed]);
  }

  /** Undefined for what is no frame for this gateway, or not any more. @param own Its number. */
  open(bytes: Uint8Array, own: number): NodeFrame | undefined {
    const from = bytes[0];
    if (from === undefined) return undefined;
    const opened = this.#sealing.openBytes(frameName(from, own), bytes.subarray(1));
    if (opened === undefined || opened.value.length < headLength || !this.#isFirst(opened.place))
      return undefined;
    const value = Buffer.from(opened.value.buffer, opened.value.byteOffset, opened.value.length);
    const kind = kinds[value[0] as number];
    const behindHost = headLength + (value[9] as number);
    const host = value.toString('latin1', headLength, behindHost);
    const isPresent = Math.abs(this.#clock() - value.readUIntBE(1, 6)) <= longestAgeMs;
    if (kind === undefined || !isPresent || isIP(host) === 0 || behindHost >= value.length) return undefined;
    return {
      kind,
      from,
      host,
      port: value.readUInt16BE(7),
      datagram: new Uint8Array(value.subarray(behindHost)),
    };
  }

  /** RFC 4303 §3.4.3 does it so: a window behind the greatest number that came. */
  #isFirst({ sender, number }: SealedPlace): boolean {
    const seen = this.#seen.get(sender) ?? { highest: 0, window: 0n };
    if (number > seen.highest) {
      const ahead = BigInt(number - seen.highest);
      const moved = ahead >= windowSize ? 0n : seen.window << ahead;
      seen.window = BigInt.asUintN(Number(windowSize), moved | 1n);
      seen.highest = number;
    } else {
      const bit = 1n << BigInt(seen.highest - number);
      if (seen.highest - number >= windowSize || (seen.window & bit) !== 0n) return false;
      seen.window |= bit;
    }
    this.#seen.set(sender, seen);
    return true;
  }
}

function frameName(from: number, to: number): string {
  return `node link ${from} ${to}`;
}
