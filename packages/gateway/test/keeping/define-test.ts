/** How a contract makes its tests: `test`, or one that first looks whether the engine is there. */
import type { TestContext } from 'node:test';

export type Define = (name: string, run: (t: TestContext) => Promise<void>) => void;
