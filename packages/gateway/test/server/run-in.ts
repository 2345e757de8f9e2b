/** A program that runs to its end in a folder of its own. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import type { Ended } from './gateway-process.ts';

/** Runs it; it ends with the test whatever happens. */
export async function runIn(
  t: TestContext,
  program: string,
  args: readonly string[],
  { cwd, path }: { readonly cwd: string; readonly path: string },
): Promise<Ended> {
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, PATH: path },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: t.signal,
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal, stdout, stderr };
}
