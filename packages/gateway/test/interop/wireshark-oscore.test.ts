/** tshark on captures of OSCORE: what it shows with `--dangerously-log-oscore`, and that it shows nothing of it without. */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { content, OscoreContext, OscoreContexts, openOscoreFile, Server } from 'coapsule';
import { parseOscoreConf } from '../../src/cli/oscore-conf.ts';
import { CoapsuleProcess, coapsule } from '../server/gateway-process.ts';
import { peerTest } from './peer.ts';
import { run, temporaryFolder } from './process.ts';

describe('tshark on OSCORE', () => {
  peerTest(
    'shows path and payload with the file of the client as a profile, and not without',
    ['tshark'],
    async (t) => {
      const folder = temporaryFolder(t);
      const base = join(folder, 'd');
      const made = await coapsule(t, 'keys', 'oscore', 'd', '--out', base);
      assert.equal(made.code, 0, made.stderr);
      const other = `${base}.server.oscore`;
      await using oscore = await OscoreContext.open({
        ...parseOscoreConf(readFileSync(other, 'utf8'), other),
        store: await openOscoreFile(`${base}.state`),
        firstUse: true,
      });
      await using server = new Server();
      server.resource('/deeply/hidden', { requires: 'oscore', get: () => content('twenty-two') });
      const { uri } = await server.listen('coap://127.0.0.1:0', { oscore: new OscoreContexts([oscore]) });
      const port = uri.slice(uri.lastIndexOf(':') + 1);
      const [capture, log] = [join(folder, 'capture.pcapng'), join(folder, 'contexts')];
      const get = [
        'get',
        `${uri}/deeply/hidden`,
        '--oscore',
        `${base}.oscore`,
        '--dangerously-log-oscore',
        log,
      ];
      const ended = await coapsule(t, ...get, '-w', capture);
      assert.deepEqual([ended.code, ended.stdout], [0, 'twenty-two'], ended.stderr);
      assert.match(ended.stderr, /warning: .*contexts has the Master Secrets .*decrypt AND FORGE/);
      assert.equal(statSync(log).mode & 0o777, 0o600);
      // The next process adds nothing that is there.
      await coapsule(t, ...get);
      const [line = '', ...more] = readFileSync(log, 'utf8').split('\n');
      assert.deepEqual(more, ['']);

      const decoded = async (...options: string[]): Promise<string> => {
        const args = ['-n', '-r', capture, '-d', `udp.port==${port},coap`, '-O', 'coap,oscore', '-x'];
        const { code, output } = await run(t, 'tshark', [...options, ...args]);
        assert.equal(code, 0, output);
        return output;
      };
      const closed = await decoded();
      assert.match(closed, /OSCORE/);
      assert.doesNotMatch(closed, /hidden|twenty-two/);
      const open = await decoded('-o', `uat:oscore_contexts:${line}`);
      assert.match(open, /Uri-Path: deeply[\s\S]*Uri-Path: hidden/);
      assert.match(open, /twenty-two/);

      const profile = join(folder, 'profile');
      mkdirSync(profile);
      cpSync(log, join(profile, 'oscore_contexts'));
      const { output } = await run(t, 'env', [
        `WIRESHARK_CONFIG_DIR=${profile}`,
        ...['tshark', '-n', '-r', capture, '-d', `udp.port==${port},coap`, '-O', 'coap,oscore'],
      ]);
      assert.match(output, /Uri-Path: hidden/);
    },
  );

  peerTest(
    'has the contexts of the devices of a gateway, and leaves out those that it cannot read',
    ['tshark'],
    async (t) => {
      const folder = temporaryFolder(t);
      const [data, log] = [join(folder, 'data'), join(folder, 'contexts')];
      await coapsule(t, 'keys', 'oscore', 'g', '--out', join(folder, 'g'), '--aead', 'A128GCM');
      for (const [id, ...context] of [
        ['s1', 'generate', '--oscore-file', join(folder, 's1')],
        ['s2', join(folder, 'g.server.oscore')],
      ] as const) {
        const added = await coapsule(t, 'device', 'add', id, '--data', data, '--oscore', ...context);
        assert.equal(added.code, 0, added.stderr);
      }
      const gateway = new CoapsuleProcess(t, [
        ...['serve', '--data', data, '--coap', '127.0.0.1:0', '--coaps', 'off', '--http', 'off'],
        ...['--dangerously-log-oscore', log],
      ]);
      const { coap = '' } = await gateway.ready();
      await gateway.waitFor('stderr', /context of s2 is not in .*: Wireshark does not have its algorithms/);
      assert.match(gateway.stderr, /decrypt AND FORGE/);
      const capture = join(folder, 'capture.pcapng');
      const own = `coap://${coap}/sensors/s1`;
      const put = await coapsule(
        t,
        ...['put', own, '-e', 'reading', '--oscore', join(folder, 's1'), '-w', capture],
      );
      assert.equal(put.code, 0, put.stderr);
      const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
      assert.equal(lines.length, 1);
      const port = coap.slice(coap.lastIndexOf(':') + 1);
      const { output } = await run(t, 'tshark', [
        ...['-n', '-r', capture, '-d', `udp.port==${port},coap`, '-O', 'coap,oscore'],
        ...['-o', `uat:oscore_contexts:${lines[0]}`],
      ]);
      assert.match(output, /Uri-Path: s1/);
      await gateway.kill('SIGTERM');
    },
  );
});
