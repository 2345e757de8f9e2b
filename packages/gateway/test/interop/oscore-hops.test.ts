/** What a gateway between two ends of OSCORE learns (RFC 8613 §10): nothing that its log, its store or the wire could show. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Client, changed, content, OscoreContext, OscoreContexts, openOscoreFile, Server } from 'coapsule';
import { temporaryFolder } from './process.ts';
import { coapsule, startGateway } from './programs.ts';

const masterSecret = Buffer.from('0102030405060708090a0b0c0d0e0f10', 'hex');
const [clientId, serverId] = [Uint8Array.of(0x0c), Uint8Array.of(0x05)];

async function end(
  file: string,
  senderId: Uint8Array,
  recipientId: Uint8Array,
  context?: string,
): Promise<OscoreContext> {
  const store = await openOscoreFile(file);
  return OscoreContext.open({ masterSecret, senderId, recipientId, store, firstUse: true, context });
}

/** All bytes of all files below a folder, as Latin-1 text. */
function allFiles(folder: string): string {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join('\n');
}

/** The log, and once more all bytes of messages that `-vvv` shows in it. */
function logged(log: string): string {
  const rows = log.matchAll(/^ +[0-9a-f]{4} {2}((?:[0-9a-f]{2} )+)/gm);
  return (
    log +
    Buffer.from(
      [...rows]
        .map(([, bytes]) => bytes)
        .join('')
        .replaceAll(' ', ''),
      'hex',
    ).toString('latin1')
  );
}

test('through the gateway as a forward-proxy: neither its log with -vvv, nor its store, nor the wire has path or payload', async (t) => {
  const folder = temporaryFolder(t);
  await using atServer = await end(join(folder, 'server'), serverId, clientId);
  await using atClient = await end(join(folder, 'client'), clientId, serverId);
  const wire: Uint8Array[] = [];
  const capture = ({ datagram }: { datagram: Uint8Array }): void => void wire.push(datagram.slice());
  await using origin = new Server();
  let valve = 'shut-tight';
  const reading = { get: () => content(valve), put: write };
  function write({ payload }: { payload: Uint8Array }): ReturnType<typeof changed> {
    valve = Buffer.from(payload).toString();
    return changed();
  }
  origin.resource('/secret-valve', { ...reading, requires: 'oscore', observable: true });
  origin.resource('/open-valve', { get: () => content('wide-open') });
  const { uri } = await origin.listen('coap://127.0.0.1:0', {
    oscore: new OscoreContexts([atServer]),
    capture,
  });
  const gateway = await startGateway(
    t,
    ...['--proxy', 'coap://127.0.0.1:*', '--proxy-network', '127.0.0.1', '--dangerously-open-proxy', '-vvv'],
  );
  // It has a device under OSCORE of its own: what is for another server is not for that context.
  const added = await coapsule(
    t,
    ...['device', 'add', 'sensor-7', '--data', gateway.folder],
    ...['--oscore', 'generate', '--oscore-file', join(folder, 'sensor-7')],
  );
  assert.equal(added.code, 0, added.output);
  await using client = new Client({ oscore: atClient, proxy: gateway.coap, capture });
  assert.equal((await client.get(`${uri}/secret-valve`)).text(), 'shut-tight');
  const states: string[] = [];
  for await (const response of client.observe(`${uri}/secret-valve`)) {
    states.push(response.text());
    if (states.length === 2) break;
    assert.equal((await client.put(`${uri}/secret-valve`, { payload: 'half-open' })).codeText, '2.04');
    origin.notify('/secret-valve');
  }
  assert.deepEqual(states, ['shut-tight', 'half-open']);
  const protectedBytes = Buffer.concat(wire).toString('latin1');

  // What is looked for would be found: a plain request shows all of it.
  await using plain = new Client({ proxy: gateway.coap, capture });
  assert.equal((await plain.get(`${uri}/open-valve`)).text(), 'wide-open');
  await gateway.process.waitFor(/open-valve 2\.05/);
  await gateway.process.stop();
  const log = logged(gateway.process.output);
  assert.match(log, /open-valve.*wide-open/s);
  assert.match(Buffer.concat(wire).toString('latin1'), /open-valve.*wide-open/s);

  const store = allFiles(gateway.folder);
  assert.ok(store.includes('sensor-7'));
  for (const word of ['secret-valve', 'shut-tight', 'half-open']) {
    assert.ok(!protectedBytes.includes(word), `${word} on the wire`);
    assert.ok(!log.includes(word), `${word} in the log`);
    assert.ok(!store.includes(word), `${word} in the store`);
  }
});
