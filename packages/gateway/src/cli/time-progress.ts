/**
 * How far something came that takes a known time, in a line of progress that moves each second.
 *
 * @module
 */

import type { CommandEnvironment } from './command-environment.ts';
import { ProgressLine } from './progress-line.ts';

const tickMs = 1000;

/** Shows it until the returned function is called. @param seconds it takes in all. */
export function showTime(
  environment: Pick<CommandEnvironment, 'stderr' | 'wallTimeMs' | 'variables' | 'after'>,
  seconds: number,
  what: string,
): () => void {
  const line = new ProgressLine(environment);
  if (!line.isShown) return () => {};
  const begunMs = environment.wallTimeMs();
  let clear = (): void => {};
  const tick = (): void => {
    const gone = Math.min(seconds, (environment.wallTimeMs() - begunMs) / 1000);
    line.show(`${what}: ${Math.floor(gone)} of ${seconds} s`, gone / seconds);
    clear = environment.after(tickMs, tick);
  };
  tick();
  return () => {
    clear();
    line.end();
  };
}
