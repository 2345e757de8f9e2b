/** The support of these tests itself: peers that are missing, processes that end, output that never comes. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { missingPeer } from './peer.ts';
import { freeUdpPorts, run, start } from './process.ts';

test('a missing peer is named with the line that installs it', () => {
  assert.equal(
    missingPeer(['coap-client-openssl'], '/nowhere'),
    'needs coap-client-openssl: apt-get install libcoap3-bin',
  );
  assert.equal(
    missingPeer(['coap-client-openssl', 'coap-server-gnutls', 'tshark'], ''),
    'needs coap-client-openssl, coap-server-gnutls, tshark: apt-get install libcoap3-bin tshark',
  );
  assert.equal(missingPeer([], '/nowhere'), undefined);
});

test('a peer that is no Debian package is named with the script that installs it', () => {
  const missing = missingPeer(['scandium', 'openssl'], '/nowhere');
  assert.match(
    missing ?? '',
    /^needs (scandium, )?openssl: (scripts\/install-peers\.sh|apt-get install openssl)$/,
  );
});

test('docs/interop.md names every test file of this folder, and no other', () => {
  const matrix = readFileSync(join(import.meta.dirname, '../../../../docs/interop.md'), 'utf8');
  const named = [...matrix.matchAll(/`([\w-]+\.test\.ts)`/g)].map(([, name]) => name);
  const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.test.ts'));
  assert.deepEqual(named.sort(), files.sort());
});

test('a finished process gives its exit code, its output and its standard output as bytes', async (t) => {
  const finished = await run(t, 'sh', ['-c', 'cat; echo oops >&2; exit 3'], { input: 'hello' });
  assert.equal(finished.code, 3);
  assert.equal(finished.stdout.toString(), 'hello');
  assert.match(finished.output, /oops/);
});

test('waiting for output that never comes fails when the process ends, with what it wrote', async (t) => {
  const running = start(t, 'sh', ['-c', 'echo something else']);
  await assert.rejects(running.waitFor(/ready/), /ended without \/ready\/:\nsomething else/);
});

test('a command that does not exist fails by its name', async (t) => {
  const running = start(t, 'no-such-program-here', []);
  await assert.rejects(running.waitFor(/ready/), /no-such-program-here/);
});

test('a process that runs too long is killed', async (t) => {
  const running = start(t, 'sleep', ['30']);
  await assert.rejects(running.finished(50), /still ran after 50 ms/);
});

test('ports in a row are free', async () => {
  assert.ok((await freeUdpPorts(2)) >= 20_000);
});
