/** `--oscore FILE` on a disk that is full: nothing is sent that could repeat a number, and what is wrong is said. */
import assert from 'node:assert/strict';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { content, OscoreContext, OscoreContexts, openOscoreFile, Server } from 'coapsule';
import { openKeptOscore } from '../../src/cli/kept-oscore.ts';
import { parseOscoreConf } from '../../src/cli/oscore-conf.ts';
import { coapsule } from '../server/gateway-process.ts';
import { smallDisk } from '../store/small-disk.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { run } from './recorded-environment.ts';

test('the first use and a later one fail without a message on the way, and go on when there is space', {
  skip: process.platform !== 'linux' && 'a full disk is made with what Linux has for it',
}, async (t) => {
  const disk = smallDisk(t);
  const base = join(temporaryFolder(t), 'd');
  assert.equal((await run(['keys', 'oscore', 'd', '--out', base])).exitCode, 0);
  const device = join(disk.folder, 'device');
  cpSync(`${base}.oscore`, device);
  const other = `${base}.server.oscore`;
  await using oscore = await OscoreContext.open({
    ...parseOscoreConf(readFileSync(other, 'utf8'), other),
    store: await openOscoreFile(`${base}.state`),
    firstUse: true,
  });
  let asked = 0;
  await using server = new Server();
  server.resource('/temp', {
    requires: 'oscore',
    get: () => {
      asked++;
      return content('22.5');
    },
  });
  const { uri } = await server.listen('coap://127.0.0.1:0', { oscore: new OscoreContexts([oscore]) });

  disk.fill(process.pid);
  try {
    await assert.rejects(
      openKeptOscore({ path: device }, () => undefined),
      (error: Error & { nextStep?: string }) =>
        /sequence numbers cannot be kept: (ENOSPC|EFBIG)/.test(error.message) &&
        /free disk space; nothing was sent/.test(error.nextStep ?? ''),
    );
  } finally {
    disk.free(process.pid);
  }
  const first = await coapsule(t, 'get', `${uri}/temp`, '--oscore', device);
  assert.deepEqual([first.code, first.stdout, asked], [0, '22.5', 1], first.stderr);
  disk.fill(process.pid);
  let second: Awaited<typeof first>;
  try {
    second = await coapsule(t, 'get', `${uri}/temp`, '--oscore', device);
  } finally {
    disk.free(process.pid);
  }
  assert.equal(asked, 1);
  assert.notEqual(second.code, 0);
  assert.match(second.stderr, /(ENOSPC|EFBIG)/);
  const third = await coapsule(t, 'get', `${uri}/temp`, '--oscore', device);
  assert.deepEqual([third.code, third.stdout, asked], [0, '22.5', 2], third.stderr);
});
