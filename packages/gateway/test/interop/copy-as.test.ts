/** The commands that `copy as` makes for libcoap and aiocoap, run as a person would: what arrives at our server is what was seen. */
import assert from 'node:assert/strict';
import { existsSync, symlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';
import { copyForms } from '../../src/copy-as/copy-as.ts';
import { recordingServer } from '../copy-as/recording-server.ts';
import { requestRows } from '../copy-as/requests.ts';
import { peerPython, peerTest } from './peer.ts';
import { run, temporaryFolder } from './process.ts';
import { demo } from './programs.ts';

/** Runs a command line; `coap-client` is the build that is named. */
async function shell(t: TestContext, text: string, client?: string): Promise<string> {
  const folder = temporaryFolder(t);
  const path = [folder, join(peerPython, '..'), process.env['PATH'] ?? ''].join(delimiter);
  if (client !== undefined) {
    const [program = ''] = path
      .split(delimiter)
      .map((place) => join(place, client))
      .filter((file) => existsSync(file));
    symlinkSync(program, join(folder, 'coap-client'));
  }
  const { output } = await run(t, 'sh', ['-c', text], { env: { PATH: path, PSK_KEY: demo.key } });
  return output;
}

peerTest('libcoap sends each request as it was seen', ['coap-client-openssl'], async (t) => {
  const { port, arrived } = await recordingServer(t, 'coap');
  for (const row of requestRows) {
    const { text } = copyForms['coap-client'](row.seen('coap', port));
    const output = await shell(t, text, 'coap-client-openssl');
    assert.deepEqual(arrived.pop(), row.arrived, `${row.name}: ${text}\n${output}`);
  }
});

peerTest(
  'libcoap sends it over DTLS with the key from the environment',
  ['coap-client-openssl'],
  async (t) => {
    const psk = { lookup: new Map([[demo.identity, new TextEncoder().encode(demo.key)]]) };
    const { port, arrived } = await recordingServer(t, 'coaps', { psk });
    const row = requestRows[2]!;
    const { text } = copyForms['coap-client'](
      row.seen('coaps', port, { kind: 'psk', identity: demo.identity }),
    );
    const output = await shell(t, text, 'coap-client-openssl');
    assert.deepEqual(arrived.pop(), row.arrived, output);
  },
);

peerTest(
  'aiocoap sends each request as it was seen, but for options that it cannot',
  ['aiocoap'],
  async (t) => {
    const { port, arrived } = await recordingServer(t, 'coap');
    for (const row of requestRows) {
      const { text, notes } = copyForms['aiocoap-client'](row.seen('coap', port));
      const output = await shell(t, text);
      const expected = row.isPlain ? row.arrived : { ...row.arrived, options: [] };
      assert.deepEqual(arrived.pop(), expected, `${row.name}: ${text}\n${output}`);
      assert.equal(notes.length, row.arrived.options.length);
    }
  },
);
