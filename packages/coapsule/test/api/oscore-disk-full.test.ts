/** OSCORE on a disk that is full (RFC 8613 §7.5): nothing that could repeat a number, a clear error, and service beside. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { decodeMessage } from '../../src/core/coap/message-codec.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { toHex } from '../../src/core/foundation/bytes.ts';
import {
  type CapturedDatagram,
  Client,
  CoapsuleError,
  changed,
  content,
  OscoreContext,
  OscoreContexts,
  openOscoreFile,
  type Response,
  Server,
} from '../../src/index.ts';
import { smallDisk } from '../node/small-disk.ts';

const skip = process.platform !== 'linux' && 'a full disk is made with what Linux has for it';

const masterSecret = Buffer.from('0102030405060708090a0b0c0d0e0f10', 'hex');
const serverId = Uint8Array.of(0x05);

async function clientEnd(path: string, senderId: Uint8Array, firstUse = true): Promise<OscoreContext> {
  const store = await openOscoreFile(path);
  return OscoreContext.open({ masterSecret, senderId, recipientId: serverId, store, firstUse });
}

async function serverEnd(path: string, recipientId: Uint8Array): Promise<OscoreContext> {
  const store = await openOscoreFile(path);
  return OscoreContext.open({ masterSecret, senderId: serverId, recipientId, store, firstUse: true });
}

async function openServer(
  t: TestContext,
  contexts: readonly OscoreContext[],
): Promise<{ uri: string; carriedOut: string[]; errors: unknown[] }> {
  const carriedOut: string[] = [];
  const errors: unknown[] = [];
  const server = new Server({ onError: (error) => errors.push(error) });
  t.after(() => server.close());
  server.resource('/value', {
    get: () => content('22.5'),
    post: (request) => {
      carriedOut.push(request.text());
      return changed();
    },
  });
  const { uri } = await server.listen('coap://127.0.0.1:0', { oscore: new OscoreContexts(contexts) });
  return { uri, carriedOut, errors };
}

/** The OSCORE options of the datagrams of one direction: with a Partial IV each stands for a number of the sender. */
function recorder(direction: CapturedDatagram['direction']): {
  readonly capture: (event: CapturedDatagram) => void;
  readonly options: string[];
} {
  const options: string[] = [];
  return {
    options,
    capture: (event) => {
      if (event.direction !== direction) return;
      const message = decodeMessage(event.datagram);
      if (!('options' in message)) return;
      const value = message.options.first(OptionNumber.Oscore);
      if (value !== undefined && ((value[0] ?? 0) & 7) !== 0) options.push(toHex(value));
    },
  };
}

test('a client on a full disk stops before it would use a number twice, and says why', {
  skip,
}, async (t) => {
  const disk = smallDisk(t);
  const other = smallDisk(t);
  const [clientFile, otherFile] = [join(disk.folder, 'client'), join(other.folder, 'client-2')];
  const [firstId, secondId] = [Uint8Array.of(1), Uint8Array.of(2)];
  await using atServer1 = await serverEnd(join(other.folder, 'server-1'), firstId);
  await using atServer2 = await serverEnd(join(other.folder, 'server-2'), secondId);
  const { uri, carriedOut } = await openServer(t, [atServer1, atServer2]);
  const { capture, options } = recorder('sent');

  const full = await clientEnd(clientFile, firstId);
  const client = new Client({ oscore: full, capture });
  await client.post(`${uri}/value`, { payload: 'first' });
  let sent = 1;
  const failure = await (async (): Promise<unknown> => {
    for (;;) {
      // A write that was under way leaves the space of the file that it replaces.
      disk.fill(clientFile);
      try {
        await client.post(`${uri}/value`, { payload: String(sent) });
        sent++;
      } catch (error) {
        return error;
      }
      assert.ok(sent <= 300, 'more numbers than were reserved');
    }
  })();
  assert.ok(failure instanceof CoapsuleError);
  assert.equal(failure.code, 'ERR_OSCORE');
  assert.match(failure.message, /could not be stored: a number might be used twice \(ENOSPC/);
  assert.match(failure.nextStep, /make the store of the Security Context work again/);
  const { senderEdge } = JSON.parse(readFileSync(clientFile, 'utf8')) as { senderEdge: number };
  assert.equal(sent, senderEdge, 'what is reserved is used, and no more');
  assert.equal(carriedOut.length, sent);
  for (let again = 0; again < 3; again++) {
    disk.fill(clientFile);
    await assert.rejects(client.post(`${uri}/value`, { payload: 'no' }), { code: 'ERR_OSCORE' });
  }
  assert.equal(carriedOut.length, sent);

  // Beside it: another context whose disk has space, and no context at all.
  await using neighbour = await clientEnd(otherFile, secondId);
  await using beside = new Client({ oscore: neighbour });
  for (let round = 0; round < 150; round++) await beside.get(`${uri}/value`);
  await using plain = new Client();
  assert.equal((await plain.get(`${uri}/value`)).text(), '22.5');

  // A process that ends in this state: the file is that of before.
  await client.close();
  disk.fill(clientFile);
  await assert.rejects(full.close(), { code: 'ENOSPC' });
  disk.free();
  await using last = await clientEnd(clientFile, firstId, false);
  await using sender = new Client({ oscore: last, capture });
  await sender.post(`${uri}/value`, { payload: 'last' });
  assert.equal(carriedOut.at(-1), 'last');
  assert.equal(new Set(options).size, options.length, 'no Partial IV twice');
  assert.equal(options.length, sent + 1);
});

/** The server says 5.03 under a number of its own; where none of them was stored in time, without protection. */
async function codeOf(response: Promise<Response>): Promise<string> {
  try {
    return (await response).codeText;
  } catch (error) {
    const isRefusal = error instanceof CoapsuleError && error.code === 'ERR_OSCORE';
    if (isRefusal && error.message.endsWith('without OSCORE: 5.03')) return '5.03';
    throw error;
  }
}

test('a server whose disk is full carries out nothing that it could not remember, and serves what is not under that context', {
  skip,
}, async (t) => {
  const disk = smallDisk(t);
  const other = smallDisk(t);
  const serverFile = join(disk.folder, 'server');
  const [firstId, secondId] = [Uint8Array.of(1), Uint8Array.of(2)];
  await using onFullDisk = await serverEnd(serverFile, firstId);
  await using beside = await serverEnd(join(other.folder, 'server-2'), secondId);
  const { uri, carriedOut, errors } = await openServer(t, [onFullDisk, beside]);
  const { capture, options } = recorder('received');
  await using atClient = await clientEnd(join(other.folder, 'client'), firstId);
  await using client = new Client({ oscore: atClient, capture });

  await client.post(`${uri}/value`, { payload: 'first' });
  const codes: string[] = [];
  for (let round = 0; round < 120; round++) {
    disk.fill(serverFile);
    codes.push(await codeOf(client.post(`${uri}/value`, { payload: String(round) })));
  }
  const refused = codes.indexOf('5.03');
  assert.ok(refused > 0, codes.join(' '));
  assert.deepEqual([...new Set(codes.slice(refused))], ['5.03'], 'no request is carried out any more');
  assert.equal(carriedOut.length, 1 + refused);
  const { recipientEdge } = JSON.parse(readFileSync(serverFile, 'utf8')) as { recipientEdge: number };
  assert.equal(carriedOut.length, recipientEdge, 'what is covered is carried out, and no more');
  assert.ok(errors.some((error) => (error as NodeJS.ErrnoException).code === 'ENOSPC'));

  await using neighbour = await clientEnd(join(other.folder, 'client-2'), secondId);
  await using healthy = new Client({ oscore: neighbour });
  for (let round = 0; round < 80; round++)
    assert.equal((await healthy.get(`${uri}/value`)).text(), '22.5', 'another device under OSCORE');
  await using plain = new Client();
  assert.equal((await plain.get(`${uri}/value`)).text(), '22.5');

  disk.free();
  assert.equal((await client.post(`${uri}/value`, { payload: 'again' })).codeText, '2.04');
  assert.equal(carriedOut.at(-1), 'again');
  assert.equal(new Set(options).size, options.length, 'no Partial IV of the server twice');
});
