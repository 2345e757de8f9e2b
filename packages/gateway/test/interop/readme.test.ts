/** The first secured exchange of the README, each command line as it stands there but for host, port and folder. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { peerTest } from './peer.ts';
import { run, start, temporaryFolder } from './process.ts';
import { commandLine, startGateway } from './programs.ts';

const root = join(import.meta.dirname, '../../../..');

/** The commands of a section of the README, block by block. */
function blocks(title: string): string[][] {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const begin = readme.indexOf(`## ${title}`);
  const section = readme.slice(begin, readme.indexOf('\n## ', begin + 1));
  return [...section.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block.trimEnd().split('\n'));
}

peerTest(
  'every command of the first secured exchange works in the order of the README',
  ['coap-client-openssl'],
  async (t) => {
    const lines = blocks('A first secured exchange').flat();
    assert.ok(lines.length >= 7, lines.join('\n'));

    const gateway = await startGateway(t);
    const outputs: string[] = [];
    let key = '';
    for (const line of lines) {
      const command = line
        .replace('npx coapsule', `node ${join(root, 'packages/gateway/bin/coapsule.js')}`)
        .replace('coaps://localhost', gateway.coaps)
        .replace('-s 10', '-s 1')
        .replace('device add', `device add --data ${gateway.folder}`)
        .replace('0x…', key);
      const { code, stdout, output } = await run(t, 'sh', ['-c', command]);
      assert.equal(code, 0, `${line}\n${output}`);
      assert.doesNotMatch(output, /ERR |4\.0\d/, line);
      outputs.push(stdout.toString().trim());
      key = /0x[0-9a-f]+/.exec(stdout.toString())?.[0] ?? key;
    }
    for (const temperature of [outputs[0], outputs[2]]) assert.match(temperature ?? '', /^\d+(\.\d+)?°C$/);
    assert.equal(outputs[3], '22.5');
    assert.match(outputs[4] ?? '', /tick \d+\ntick \d+/);
    assert.notEqual(key, '');
  },
);

peerTest(
  'the examples on a serial line run as the README says, with the keys that it says',
  ['socat'],
  async (t) => {
    const folder = temporaryFolder(t);
    const place = { cwd: folder, env: { TMPDIR: folder } };
    const keys = async (...args: string[]): Promise<void> => {
      const { code, output } = await run(
        t,
        process.execPath,
        ['--conditions=@coapsule/source', commandLine, 'keys', ...args],
        place,
      );
      assert.equal(code, 0, output);
    };
    await keys('ca');
    await keys('cert', 'localhost', '--server');
    await keys('cert', 'sensor-7');
    const outputs: string[] = [];
    const [plain = [], secured = []] = blocks('A device on a serial line');
    for (const [server = '', ...clients] of [plain, secured]) {
      const words = (command: string): string[] => {
        const [, file = ''] = /^npx node --conditions=@coapsule\/source (\S+)/.exec(command) ?? [];
        assert.notEqual(file, '', command);
        return ['--conditions=@coapsule/source', join(root, file)];
      };
      const serving = start(t, process.execPath, words(server), place);
      await serving.waitFor(/^listening on /m);
      for (const command of clients) {
        const { code, stdout, output } = await run(t, process.execPath, words(command), place);
        assert.equal(code, 0, `${command}\n${output}`);
        outputs.push(stdout.toString().trim());
      }
      await serving.stop();
    }
    assert.deepEqual(outputs.slice(0, 2), ['2.05 Hello World', '2.05 Hello World']);
    assert.match(outputs[2] ?? '', /^handshake completed with CN=localhost, /);
  },
);
