/**
 * One thing that the doctor looks at, and what it says about it. Types only.
 *
 * @module
 */

/** `trouble`: something of this product will not work; `notice`: something may not. */
export type CheckState = 'fine' | 'notice' | 'trouble';

/** What was found. */
export interface CheckResult {
  readonly state: CheckState;
  /** What was seen, with its value. */
  readonly found: string;
  /** What to do; undefined where it is fine. */
  readonly advice?: string;
}

/** One check. */
export interface Check {
  readonly name: string;
  run(): Promise<CheckResult>;
}

/** It is as it should be. */
export function fine(found: string): CheckResult {
  return { state: 'fine', found };
}

/** Something may not work. */
export function notice(found: string, advice: string): CheckResult {
  return { state: 'notice', found, advice };
}

/** Something will not work. */
export function trouble(found: string, advice: string): CheckResult {
  return { state: 'trouble', found, advice };
}
