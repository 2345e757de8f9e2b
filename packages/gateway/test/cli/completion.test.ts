import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
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
