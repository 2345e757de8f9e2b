/** The first secured exchange of the README, each command line as it stands there but for host, port and folder. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { peerTest } from './peer.ts';
import { run } from './process.ts';
import { startGateway } from './programs.ts';

const root = join(import.meta.dirname, '../../../..');

peerTest(
  'every command of the first secured exchange works in the order of the README',
  ['coap-client-openssl'],
  async (t) => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8');
    const begin = readme.indexOf('## A first secured exchange');
    const section = readme.slice(begin, readme.indexOf('\n## ', begin + 1));
    const lines = [...section.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block = '']) =>
      block.trimEnd().split('\n'),
    );
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
