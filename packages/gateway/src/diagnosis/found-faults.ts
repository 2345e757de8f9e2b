/**
 * What rules find as packets come, grouped by kind and place.
 *
 * @module
 */

import { BoundedMap } from '../memory/bounded-map.ts';
import { type Finding, type FindingKind, findingOf } from './finding.ts';
import { SeenFrames } from './seen-frames.ts';

interface FoundFault {
  readonly kind: FindingKind;
  readonly where: string;
  readonly frames: SeenFrames;
  evidence: string;
}

/** Kinds and places that are told apart. */
const mostFaults = 10_000;

/** The faults of one rule. */
export class FoundFaults {
  readonly #found = new BoundedMap<string, FoundFault>(mostFaults);

  /** Once more: all frames count, and what was said first stays. */
  note(kind: FindingKind, where: string, frames: readonly number[], evidence: string): void {
    this.#fault(kind, where, evidence).frames.add(...frames);
  }

  /**
   * The same fault told anew as it grows: frames that were told before do not count again, and what was said last stays.
   *
   * @param frames in their order: those up to the last one that was told are known.
   */
  renew(kind: FindingKind, where: string, frames: readonly number[], evidence: string): void {
    const fault = this.#fault(kind, where, evidence);
    fault.evidence = evidence;
    const { last } = fault.frames;
    for (const frame of frames) if (frame > last) fault.frames.add(frame);
  }

  /** As `note`, but what was said last stays. */
  add(kind: FindingKind, where: string, frames: readonly number[], evidence: string): void {
    const fault = this.#fault(kind, where, evidence);
    fault.evidence = evidence;
    fault.frames.add(...frames);
  }

  /** One finding for each. */
  findings(): readonly Finding[] {
    return [...this.#found.values()].map(({ kind, where, evidence, frames: { first, count } }) =>
      findingOf(kind, { where, evidence, frames: first, count }),
    );
  }

  #fault(kind: FindingKind, where: string, evidence: string): FoundFault {
    return this.#found.ensure(`${kind} ${where}`, () => ({
      kind,
      where,
      frames: new SeenFrames(),
      evidence,
    }));
  }
}
