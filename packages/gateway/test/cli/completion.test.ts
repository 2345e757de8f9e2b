import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { coapsuleProgram } from '../../src/cli/command-line.ts';
import { processEnvironment } from '../../src/cli/process-environment.ts';
import { type CommandText, commandText } from '../../src/manual/command-text.ts';
import { peerTest } from '../interop/peer.ts';
import { run } from './recorded-environment.ts';

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'coapsule-completion-'));
});
after(() => rmSync(folder, { recursive: true }));

const script = async (shell: string): Promise<string> => {
  const { exitCode, stdout, stderr } = await run(['completion', shell]);
  assert.deepEqual([exitCode, stderr], [0, '']);
  return stdout;
};

describe('bash', () => {
  /** What bash offers for the last of the words. */
  async function offered(...words: string[]): Promise<readonly string[]> {
    const file = join(folder, 'coapsule.bash');
    writeFileSync(file, await script('bash'));
    const program = `source ${file}; COMP_WORDS=(${['coapsule', ...words].map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}; _coapsule; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout, status, stderr } = spawnSync('bash', ['-c', program], { encoding: 'utf8', cwd: folder });
    assert.equal(status, 0, stderr);
    return stdout.split('\n').filter(Boolean);
  }

  test('offers commands', async () => {
    const commands = await offered('');
    for (const command of ['get', 'observe', 'serve', 'device', 'diagnose', 'completion']) {
      assert.ok(commands.includes(command), command);
    }
    assert.deepEqual(await offered('diag'), ['diagnose']);
  });

  test('offers sub-commands and their options', async () => {
    assert.ok((await offered('device', '')).includes('rotate'));
    assert.deepEqual(await offered('device', 'rotate', '--over'), ['--overlap']);
  });

  test('offers options of a verb, behind its URI too', async () => {
    assert.deepEqual(await offered('get', 'coap://localhost', '--block'), ['--block-size']);
  });

  test('offers the values of an option that is a choice', async () => {
    assert.deepEqual(await offered('recommend', 'block-size', '--link', '6'), ['6lowpan']);
    assert.deepEqual(await offered('completion', 'f'), ['fish']);
  });

  test('offers files where a file may stand', async () => {
    writeFileSync(join(folder, 'keys.psk'), '');
    assert.deepEqual(await offered('get', '--psk-file', 'key'), ['keys.psk']);
  });
});

/** All commands, and the flags of each. */
async function allFlags(): Promise<ReadonlyMap<string, readonly string[]>> {
  const program = await coapsuleProgram({
    environment: processEnvironment(),
    end: () => {},
    isNeeded: () => true,
  });
  const found = new Map<string, readonly string[]>();
  const add = ({ name, options, commands }: CommandText): void => {
    const flags = options.flatMap(({ term }) => term.match(/(?<![\w<-])--?[\w-]+/g) ?? []);
    found.set(name, flags);
    for (const command of commands) add(command);
  };
  for (const command of commandText(program).commands) add(command);
  return found;
}

/** What a shell offered for flags of each command: lines `coapsule device add` TAB flags with spaces between. */
function offeredFlags(output: string): ReadonlyMap<string, ReadonlySet<string>> {
  return new Map(
    output
      .split('\n')
      .filter((line) => line.includes('\t'))
      .map((line) => line.split('\t'))
      .map(([name = '', flags = '']) => [name, new Set(flags.split(' ').filter(Boolean))] as const),
  );
}

/** Runs a shell once for all commands; `each` is what it does for one of them. */
async function expectAll(
  shell: 'bash' | 'zsh' | 'fish',
  begin: string,
  each: (name: string) => string,
): Promise<void> {
  const file = join(folder, `coapsule.${shell}`);
  writeFileSync(file, await script(shell));
  const commands = await allFlags();
  const program = [begin.replaceAll('FILE', file), ...[...commands.keys()].map(each)].join('\n');
  // Without the settings of whoever runs the test.
  const args = { bash: ['--norc', '-c'], zsh: ['-f', '-c'], fish: ['--no-config', '-c'] }[shell];
  const { stdout, status, stderr } = spawnSync(shell, [...args, program.replaceAll('FILE', file)], {
    encoding: 'utf8',
    cwd: folder,
  });
  assert.deepEqual([status, stderr], [0, '']);
  const offered = offeredFlags(stdout);
  for (const [name, flags] of commands)
    assert.deepEqual([...(offered.get(name) ?? [])].sort(), [...new Set(flags)].sort(), name);
}

describe('all commands with all their options are offered', () => {
  test('by bash', () =>
    expectAll('bash', 'source FILE', (name) => {
      const words = name.split(' ');
      return `COMP_WORDS=(${words.join(' ')} -); COMP_CWORD=${words.length}; _coapsule; printf '%s\\t%s\\n' '${name}' "\${COMPREPLY[*]}"`;
    }));

  // The functions of zsh's own completion, which want a terminal, print what they are given.
  const zsh = `compadd() { print -n -- " \${(j: :)@}" }
_files() { print -n -- ' FILES' }
_describe() { local each; for each in \${(P)2}; do [[ $each = -* ]] && print -n -- " \${each%%:*}"; done; true }
words=(coapsule ''); CURRENT=2; source FILE > /dev/null`;
  peerTest('by zsh', ['zsh'], () =>
    expectAll('zsh', zsh, (name) => {
      const words = name.split(' ');
      return `words=(${words.join(' ')} -); CURRENT=${words.length + 1}; print -n '${name}\t'; _coapsule; print`;
    }),
  );

  peerTest('by fish', ['fish'], () =>
    expectAll('fish', 'source FILE', (name) => {
      return `printf '%s\\t%s\\n' '${name}' (complete -C '${name} -' | string replace -r '\\t.*' '' | string join ' ')`;
    }),
  );
});

describe('values and sub-commands', () => {
  peerTest('fish offers sub-commands, choices, and what belongs to the command alone', ['fish'], async () => {
    const file = join(folder, 'coapsule.fish');
    writeFileSync(file, await script('fish'));
    const offered = (line: string): readonly string[] =>
      spawnSync('fish', ['--no-config', '-c', `source ${file}; complete -C '${line}'`], {
        encoding: 'utf8',
        cwd: folder,
      })
        .stdout.split('\n')
        .map((one) => one.split('\t')[0]!)
        .filter(Boolean);
    assert.ok(offered('coapsule device ').includes('rotate'));
    assert.deepEqual(offered('coapsule recommend block-size --link 6'), ['6lowpan']);
    assert.ok(!offered('coapsule firmware get --').includes('--accept'), 'that one is of "coapsule get"');
    assert.ok(offered('coapsule diag').includes('diagnose'));
  });
});

describe('the others', () => {
  test('zsh, fish and PowerShell have every command, and quotes are closed', async () => {
    for (const shell of ['zsh', 'fish', 'powershell']) {
      const text = await script(shell);
      for (const word of ['observe', 'diagnose', '--psk-file', '6lowpan']) {
        assert.ok(text.includes(shell === 'fish' ? word.replace(/^--/, '-l ') : word), `${shell} ${word}`);
      }
      assert.equal(text.replaceAll("\\'", '').match(/'/g)!.length % 2, 0, shell);
    }
  });

  test('another shell is refused with those that there are', async () => {
    const { exitCode, stderr } = await run(['completion', 'tcsh']);
    assert.equal(exitCode, 64);
    assert.match(stderr, /Allowed choices are bash, zsh, fish, powershell/);
  });
});
