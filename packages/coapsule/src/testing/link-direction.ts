/**
 * One direction of a simulated link: when a datagram is through the line, whether there is room for it, and whether its
 * frames arrive.
 *
 * @module
 */

import { after, elapsedMs, type Instant } from '../core/foundation/instant.ts';
import { datagramLossRate, framesOf, type NetworkConditions } from './network-conditions.ts';
import type { SeededRandom } from './seeded-random.ts';

/** A direction between two addresses, with what waits on it. */
export class LinkDirection {
  /** Datagrams handed over so far. */
  count = 0;
  /** When the line has sent all that was handed over. */
  #freeAt: Instant | undefined;
  #isBad = false;

  /** When a datagram that comes now has left the line, or `undefined` when there is no room for it. */
  transmit(datagramBytes: number, conditions: NetworkConditions, now: Instant): Instant | undefined {
    const { bitsPerSecond, bitsPerByte, frameBytes, frameOverheadBytes, queueBytes } = conditions;
    if (bitsPerSecond === Infinity) return now;
    const bytes = datagramBytes + framesOf(datagramBytes, frameBytes) * frameOverheadBytes;
    const bytesPerMs = bitsPerSecond / bitsPerByte / 1000;
    const start = this.#freeAt !== undefined && this.#freeAt > now ? this.#freeAt : now;
    const waiting = elapsedMs(now, start) * bytesPerMs;
    if (waiting > 0 && waiting + bytes > queueBytes) return undefined;
    this.#freeAt = after(start, bytes / bytesPerMs);
    return this.#freeAt;
  }

  /**
   * Whether a frame of a datagram is lost.
   *
   * @param luck 0 … 1, drawn for the datagram: what loss without bursts depends on.
   */
  loses(datagramBytes: number, conditions: NetworkConditions, luck: number, random: SeededRandom): boolean {
    const frames = framesOf(datagramBytes, conditions.frameBytes);
    const isLost = luck < datagramLossRate(conditions.lossRate, frames);
    return this.#losesInBurst(frames, conditions, random) || isLost;
  }

  #losesInBurst(frames: number, { burstLoss }: NetworkConditions, random: SeededRandom): boolean {
    if (burstLoss === undefined) return false;
    const leave = 1 / burstLoss.meanLength;
    const enter = (leave * burstLoss.rate) / (1 - burstLoss.rate);
    let isLost = false;
    for (let frame = 0; frame < frames; frame++) {
      this.#isBad = this.#isBad ? random.fraction() >= leave : random.fraction() < enter;
      isLost ||= this.#isBad;
    }
    return isLost;
  }
}
