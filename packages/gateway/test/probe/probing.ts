/** Runs `coapsule probe` in this process, and reads its JSON. */
import assert from 'node:assert/strict';
import type { CommandEnvironment } from '../../src/cli/command-environment.ts';
import { runCommandLine } from '../../src/cli/command-line.ts';
import { processEnvironment } from '../../src/cli/process-environment.ts';

/** One line of `--json`. */
export interface ProbeLine {
  readonly group: string;
  readonly check: string;
  readonly title: string;
  readonly result: string;
  readonly evidence: string;
  readonly level: string;
  readonly rfc: number;
  readonly section: string;
  readonly link: string;
}

/** What a probe printed. */
export interface Probed {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** With `--json`. */
  readonly lines: readonly ProbeLine[];
  /** Result of a check; fails when there is no line for it. */
  result(check: string): string;
  evidence(check: string): string;
}

/** What a command needs, without its output. */
export function silentEnvironment(): CommandEnvironment {
  const nowhere = { isTerminal: false, write: (): void => {} };
  return { ...processEnvironment(), stdout: nowhere, stderr: nowhere };
}

/** Probes fast: a thousand datagrams a second. */
export async function probe(...args: readonly string[]): Promise<Probed> {
  const stdout: string[] = [];
  const stderr: string[] = [];
  const recorder = (into: string[]) => ({
    isTerminal: false,
    write: (data: Uint8Array | string): void => {
      into.push(typeof data === 'string' ? data : new TextDecoder().decode(data));
    },
  });
  const environment = { ...processEnvironment(), stdout: recorder(stdout), stderr: recorder(stderr) };
  const exitCode = await runCommandLine(['probe', ...args, '--rate', '1000'], environment);
  const text = stdout.join('');
  const lines = args.includes('--json')
    ? text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as ProbeLine)
    : [];
  const lineOf = (check: string): ProbeLine => {
    const line = lines.find((one) => one.check === check);
    assert.ok(line, `no finding about ${check} in ${text}${stderr.join('')}`);
    return line;
  };
  return {
    exitCode,
    stdout: text,
    stderr: stderr.join(''),
    lines,
    result: (check) => lineOf(check).result,
    evidence: (check) => lineOf(check).evidence,
  };
}

/** Results of all checks, for a table of what is expected; those that `expected` does not name are left out. */
export function resultsOf(lines: readonly ProbeLine[], expected: Readonly<Record<string, string>>): object {
  return Object.fromEntries(
    lines.filter(({ check }) => check in expected).map(({ check, result }) => [check, result]),
  );
}
