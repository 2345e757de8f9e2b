/** docs/learning.md: its exercises, typed one after the other, give what it says. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { runCommandLine } from '../../src/cli/command-line.ts';
import { processEnvironment } from '../../src/cli/process-environment.ts';
import { startTestGateway } from '../gateway/test-gateway.ts';

const text = readFileSync(new URL('../../../../docs/learning.md', import.meta.url), 'utf8');

interface Typed {
  readonly command: string;
  readonly expected: readonly string[];
}

/** The commands of an exercise, each with the lines that follow it. */
const exercises = text
  .slice(text.indexOf('## Exercises'))
  .split('\n### ')
  .slice(1)
  .map((section) => {
    const [title = ''] = section.split('\n');
    const block = /^```sh\n(.*?)^```$/ms.exec(section)?.[1] ?? '';
    const typed = block
      .split(/^\$ /m)
      .slice(1)
      .map((part): Typed => {
        const [command = '', ...expected] = part.trimEnd().split('\n');
        return { command, expected };
      });
    return { title, typed };
  });

/** Words of a command line, of which some are in quotes. */
function words(command: string): string[] {
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '');
}

/** Lines as a pattern: `…` for anything in a line, on a line of its own for any lines, also none. */
function pattern(expected: readonly string[]): RegExp {
  const escaped = expected.map((line) =>
    line === '…' ? '(?:.*\n)*?' : `${line.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll('…', '.*')}\n`,
  );
  return new RegExp(`^${escaped.join('')}$`);
}

/** What a terminal shows of a command, line feeds at the end made one, and its exit code where it is not 0. */
async function type(args: readonly string[]): Promise<string> {
  let shown = '';
  const stream = {
    isTerminal: false,
    write: (data: Uint8Array | string): void => {
      shown += typeof data === 'string' ? data : new TextDecoder().decode(data);
    },
  };
  const environment = { ...processEnvironment(), stdout: stream, stderr: stream, variables: {} };
  const code = await runCommandLine(args, environment);
  const lines = shown.trimEnd();
  return `${lines === '' ? '' : `${lines}\n`}${code === 0 ? '' : `exit code ${code}\n`}`;
}

test('there are exercises, and each has commands', () => {
  assert.ok(exercises.length >= 10);
  for (const { title, typed } of exercises) assert.ok(typed.length > 0, title);
});

test('each command of the exercises shows what stands there', async (t) => {
  const { coap, coaps } = await startTestGateway(t, { demo: true });
  for (const { title, typed } of exercises) {
    for (const { command, expected } of typed) {
      const [program, ...args] = words(command).map((word) =>
        word.replace('coap://localhost', coap).replace('coaps://localhost', coaps),
      );
      assert.equal(program, 'coapsule', command);
      const shown = await type(args);
      assert.match(shown, pattern(expected), `${title}\n$ ${command}`);
    }
  }
});
