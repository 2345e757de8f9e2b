/** What the page of bridge and proxies tells to type in begins a gateway as it stands there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { words } from '../../console/wording.ts';
import { coapsule } from '../interop/programs.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';

test('the commands for a bridge and for proxies are ones that serve takes', async (t) => {
  const commands = [words.bridge.bridgeCommand, words.bridge.proxyCommand].flatMap((text) =>
    text.split('\n'),
  );
  assert.equal(commands.length, 3);
  for (const command of commands) {
    const [program, verb, ...args] = command.replaceAll("'", '').split(' ');
    assert.deepEqual([program, verb], ['coapsule', 'serve']);
    const { code, output } = await coapsule(
      t,
      ...['serve', ...args, '--check', '--data', temporaryFolder(t)],
      ...['--coap', '127.0.0.1:0', '--coaps', '127.0.0.1:0'],
    );
    assert.equal(code, 0, `${command}\n${output}`);
  }
});
