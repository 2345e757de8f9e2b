/**
 * The example programs as processes.
 *
 * @module
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';

const running = new Set<ChildProcess>();
after(() => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts an example with the rest of the environment; it ends with the test file. */
export function example(name: string, ...args: string[]): ChildProcess {
  return exampleIn({}, name, ...args);
}

/** The same with environment variables of its own. */
export function exampleIn(
  variables: Readonly<Record<string, string>>,
  name: string,
  ...args: string[]
): ChildProcess {
  const file = fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));
  const child = spawn(process.execPath, ['--conditions=@coapsule/source', file, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...variables },
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/** Its first line. */
export async function firstLine(child: ChildProcess): Promise<string> {
  const [line] = (await once(createInterface({ input: child.stdout as NodeJS.ReadableStream }), 'line')) as [
    string,
  ];
  return line;
}

/** All that it writes until it ends. */
export async function allOutput(child: ChildProcess): Promise<string> {
  let text = '';
  child.stdout?.on('data', (chunk) => {
    text += chunk;
  });
  await once(child, 'close');
  return text;
}
