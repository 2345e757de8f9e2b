/**
 * Randomness of a fleet: a stream for each device and each purpose, all from one seed, so that what one device draws does not
 * change what another one gets.
 *
 * @module
 */

import { SeededRandom } from 'coapsule/testing';

/** What a stream is for; streams of one device do not depend on each other. */
export type RandomStream = 'values' | 'churn' | 'occasions' | 'link';

const streams: readonly RandomStream[] = ['values', 'churn', 'occasions', 'link'];

/** The seed of a stream of a device, 0 … 2^32 - 1. */
export function streamSeed(seed: number, device: number, stream: RandomStream): number {
  let mixed = seed >>> 0;
  for (const part of [device, streams.indexOf(stream)]) {
    mixed = Math.imul(mixed ^ (part + 0x9e3779b9), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    mixed = (mixed ^ (mixed >>> 16)) >>> 0;
  }
  return mixed;
}

/** A stream of a device. */
export function randomStream(seed: number, device: number, stream: RandomStream): SeededRandom {
  return new SeededRandom(streamSeed(seed, device, stream));
}

/** A value that wanders: each step up or down by at most `step`, within bounds, drawn back to where it began. */
export class Wandering {
  readonly #random: SeededRandom;
  readonly #bounds: WanderingBounds;
  readonly #home: number;
  #value: number;

  constructor(random: SeededRandom, bounds: WanderingBounds) {
    this.#random = random;
    this.#bounds = bounds;
    this.#home = bounds.from + random.fraction() * (bounds.to - bounds.from);
    this.#value = this.#home;
  }

  /** The next value, with the digits of its bounds. */
  next(): number {
    const { least, most, step, digits } = this.#bounds;
    const pull = (this.#home - this.#value) * 0.05;
    const moved = this.#value + pull + (2 * this.#random.fraction() - 1) * step;
    this.#value = Math.min(most, Math.max(least, moved));
    return Number(this.#value.toFixed(digits));
  }
}

/** Where a value begins, how it moves, where it ends. */
export interface WanderingBounds {
  /** Its home lies between these. */
  readonly from: number;
  readonly to: number;
  readonly least: number;
  readonly most: number;
  readonly step: number;
  /** Behind the decimal point. */
  readonly digits: number;
}
