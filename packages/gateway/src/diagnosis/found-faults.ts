/**
 * What rules find as packets come, grouped by kind and place.
 *
 * @module
 */

import { type Finding, type FindingKind, findingOf } from './finding.ts';

interface FoundFault {
  readonly kind: FindingKind;
  readonly where: string;
  readonly frames: number[];
  evidence: string;
}

/** The faults of one rule. */
export class FoundFaults {
  readonly #found = new Map<string, FoundFault>();

  /** Once more: all frames count, and what was said first stays. */
  note(kind: FindingKind, where: string, frames: readonly number[], evidence: string): void {
    this.#fault(kind, where, evidence).frames.push(...frames);
  }

  /**
   * The same fault told anew as it grows: frames that were told before do not count again, and what was said last stays.
   *
   * @param frames in their order: those up to the last one that was told are known.
   */
  renew(kind: FindingKind, where: string, frames: readonly number[], evidence: string): void {
    const fault = this.#fault(kind, where, evidence);
    fault.evidence = evidence;
    const last = fault.frames.at(-1) ?? 0;
    for (const frame of frames) if (frame > last) fault.frames.push(frame);
  }

  /** One finding for each. */
  findings(): readonly Finding[] {
    return [...this.#found.values()].map(({ kind, ...seen }) => findingOf(kind, seen));
  }

  #fault(kind: FindingKind, where: string, evidence: string): FoundFault {
    const key = `${kind} ${where}`;
    const known = this.#found.get(key);
    if (known !== undefined) return known;
    const fault: FoundFault = { kind, where, frames: [], evidence };
    this.#found.set(key, fault);
    return fault;
  }
}
