/**
 * What is to be done when a test has ended, the last first: a process stops before the folder goes away in which it writes.
 *
 * `t.after` alone does the first first.
 *
 * @module
 */

import type { TestContext } from 'node:test';

const endings = new WeakMap<TestContext, (() => unknown)[]>();

/** Does something when the test has ended, before all that was asked for earlier. All is done, whatever fails; the first error counts. */
export function atEnd(t: TestContext, action: () => unknown): void {
  const known = endings.get(t);
  if (known !== undefined) {
    known.push(action);
    return;
  }
  const actions = [action];
  endings.set(t, actions);
  t.after(async () => {
    const errors: unknown[] = [];
    for (const one of actions.reverse()) {
      try {
        await one();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  });
}
