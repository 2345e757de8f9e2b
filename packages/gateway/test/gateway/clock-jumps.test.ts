/** The wall clock is set by a year, forth and back: while the gateway runs, and while it does not. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { startTestGateway, type TestGateway } from './test-gateway.ts';

const yearMs = 365 * 86_400_000;

/** CON PUT of `/sensors/NAME`, always the same bytes from the same port. */
async function device(t: TestContext, name: string): Promise<(gateway: TestGateway) => Promise<string>> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  t.after(() => socket.close());
  await once(socket, 'listening');
  const segment = (text: string, delta: number): Buffer =>
    Buffer.concat([Buffer.of((delta << 4) | text.length), Buffer.from(text)]);
  const put = Buffer.concat([
    Buffer.of(0x40, 3, 0x12, 0x34),
    ...[segment('sensors', 11), segment(name, 0)],
    Buffer.of(0xff, 0x31),
  ]);
  return async (gateway) => {
    socket.send(put, Number(gateway.coap.split(':').at(-1)), '127.0.0.1');
    const [answer] = (await once(socket, 'message')) as [Buffer];
    const code = answer[1] ?? 0;
    return `${code >> 5}.${String(code & 31).padStart(2, '0')}`;
  };
}

function readings(folder: string): unknown {
  const database = new DatabaseSync(join(folder, 'coapsule.db'), { readOnly: true });
  try {
    return database.prepare('SELECT count(*) AS n FROM reading').get()?.['n'];
  } finally {
    database.close();
  }
}

for (const [what, jump] of [
  ['forth', yearMs],
  ['back', -yearMs],
] as const) {
  test(`a request that comes again after the clock was set ${what} by a year, and after a restart, is recorded once`, async (t) => {
    let nowMs = 1_700_000_000_000;
    const options = {
      ...{ dataFolder: temporaryFolder(t), dangerouslyAllowPlainWrites: true, coaps: undefined },
      clock: () => nowMs,
    };
    const [first, second] = [await device(t, 'a'), await device(t, 'b')];
    const one = await startTestGateway(t, options);
    assert.equal(await first(one), '2.01');
    nowMs += jump;
    // What is recorded now takes nothing away that still counts.
    assert.equal(await second(one), '2.01');
    await one.gateway.close();
    const two = await startTestGateway(t, options);
    assert.deepEqual([await first(two), await second(two)], ['2.01', '2.01']);
    await two.gateway.close();
    nowMs -= jump;
    const three = await startTestGateway(t, options);
    assert.deepEqual([await first(three), await second(three)], ['2.01', '2.01']);
    assert.equal(readings(options.dataFolder), 2);
  });
}
