/**
 * Runs checks one after the other: hands their steps to whoever carries them out, and what was seen back.
 *
 * @module
 */

import type { Finding, ProbeGroup } from './finding.ts';
import type { ProbeCheck, ProbeContext } from './probe-check.ts';
import type { ProbeStep, Seen } from './probe-step.ts';

/** Who carries steps out. */
export type CarryOut = (step: ProbeStep) => Promise<Seen>;

/** A finding, and the group it belongs to. */
export type GroupedFinding = Finding & { readonly group: ProbeGroup };

/** The findings of the checks of these groups, each as soon as its check ends. */
export async function* runProbe(
  checks: readonly ProbeCheck[],
  groups: ReadonlySet<ProbeGroup>,
  context: ProbeContext,
  carryOut: CarryOut,
): AsyncGenerator<GroupedFinding> {
  for (const { group, run } of checks) {
    if (!groups.has(group)) continue;
    const check = run(context);
    let turn = check.next();
    while (turn.done !== true) turn = check.next(await carryOut(turn.value));
    for (const finding of turn.value) yield { group, ...finding };
  }
}
