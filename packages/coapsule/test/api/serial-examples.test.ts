/**
 * The examples on a serial line: handshake, exchange of messages and secured exchange, each by itself and without hardware.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { PtyPair, withoutPty } from '../node/pty-pair.ts';
import { allOutput, example, exampleIn, firstLine } from './example-process.ts';

const file = (name: string): string => fileURLToPath(new URL(`certificates/${name}`, import.meta.url));
const files = (name: string): string[] => [file(`${name}.pem`), file(`${name}.key`), file('ca.pem')];

async function lineFor(t: TestContext): Promise<PtyPair> {
  const pair = await PtyPair.open();
  t.after(() => pair.close());
  return pair;
}

describe('the examples on a serial line', { skip: withoutPty }, () => {
  it('the handshake alone: each side has shown its certificate, and nothing was asked', async (t) => {
    const { a, b } = await lineFor(t);
    const server = example('secure-serial-server.ts', `${b}:115200`, ...files('server'));
    assert.match(await firstLine(server), /^listening on coaps\+serial:\/\/.*:115200$/);
    assert.match(
      await allOutput(example('serial-handshake.ts', `${a}:115200`, ...files('device'))),
      /^handshake completed with CN=localhost, TLS_\w+\n$/,
    );
  });

  it('the exchange of messages: a plain client gets Hello World, and 4.04 for what is not there', async (t) => {
    const { a, b } = await lineFor(t);
    await firstLine(example('serial-server.ts', b));
    assert.equal(await allOutput(example('serial-client.ts', a)), '2.05 Hello World\n');
    assert.equal(await allOutput(example('serial-client.ts', a, '/b')), '4.04 there is no /b\n');
  });

  it('the secured exchange: /a answers Hello World to a device of the authority, known by name', async (t) => {
    const { a, b } = await lineFor(t);
    const server = example('secure-serial-server.ts', b, ...files('server'));
    await firstLine(server);
    const asked = firstLine(server);
    assert.equal(
      await allOutput(example('secure-serial-client.ts', a, ...files('device'))),
      '2.05 Hello World\n',
    );
    assert.equal(await asked, 'asked by sensor-7');
  });

  it('without a line they use a virtual one, in two commands', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'coapsule-line-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const place = { TMPDIR: folder };
    const server = exampleIn(place, 'serial-server.ts');
    await firstLine(server);
    assert.equal(await allOutput(exampleIn(place, 'serial-client.ts')), '2.05 Hello World\n');
  });
});
