/** Firmware at the gateway: uploads that are checked and go on, downloads from any block, versions, room and rights (requirement K08). */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Client, CoapsuleError, OptionNumber, type RequestOptions } from 'coapsule';
import { decodeLinkFormat, isDecodeFault } from 'coapsule/message';
import { LinkRelay, SeededRandom } from 'coapsule/testing';
import type { AccessSettings } from '../../src/access/configured-access.ts';
import type { GatewayOptions } from '../../src/gateway/gateway-options.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { startTestGateway, type TestGateway } from './test-gateway.ts';

const bounded = { timeout: 120_000 };
const keys = { ci: 'key of the build server', device: 'key of one device', other: 'key of another one' };
const access: AccessSettings = {
  identities: new Map([
    ['ci', ['GET,PUT,DELETE:/firmware/*']],
    ['device', ['GET:/firmware/*']],
    ['other', []],
  ]),
  groups: [],
  resources: [],
};
const psks = Object.entries(keys).map(([identity, key]) => ({
  identity,
  key: new TextEncoder().encode(key),
}));

/** A gateway with a build server that brings firmware, and devices. */
function start(t: TestContext, options: Partial<GatewayOptions> = {}): Promise<TestGateway> {
  return startTestGateway(t, { psks, access, ...options });
}

function image(length: number, seed = length): Uint8Array {
  return new SeededRandom(seed).fill(new Uint8Array(length));
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

const etagOf = (bytes: Uint8Array): Uint8Array =>
  Uint8Array.from(Buffer.from(digest(bytes).slice(0, 16), 'hex'));

/** Waits until an upload has come so far. */
async function hasReceived(client: Client, uri: string, bytes: number): Promise<number> {
  for (;;) {
    const state = await client.get(`${uri}/upload`);
    const { received } = state.ok ? JSON.parse(state.text()) : { received: 0 };
    if (received >= bytes) return received;
  }
}

for (const [size, name] of [
  [50_000, '50 KB'],
  [5_000_000, '5 MB'],
] as const) {
  for (const scheme of ['coaps', 'coaps+tcp'] as const) {
    test(
      `${name} go up and come down over ${scheme} with the same SHA-256, ETag and size`,
      bounded,
      async (t) => {
        const gateway = await start(t, {
          ...(scheme === 'coaps+tcp' && { streams: [{ scheme, address: { host: '127.0.0.1', port: 0 } }] }),
        });
        const base = scheme === 'coaps' ? gateway.coaps : `${scheme}://${gateway.gateway.endpoints.tls}`;
        const bytes = image(size);
        const uri = `${base}/firmware/pump/1.0`;
        const ci = gateway.client('ci', keys.ci);
        const put = await ci.put(`${uri}?sha256=${digest(bytes)}`, { payload: bytes });
        assert.deepEqual([put.codeText, put.locationPath], ['2.01', '/firmware/pump/1.0']);
        assert.deepEqual(put.etag, etagOf(bytes));
        const device = gateway.client('device', keys.device);
        const response = await device.stream('GET', uri);
        assert.deepEqual([response.codeText, response.contentFormat, response.size], ['2.05', 42, size]);
        assert.deepEqual(response.etag, etagOf(bytes));
        const hash = createHash('sha256');
        for await (const part of response.body) hash.update(part);
        assert.equal(hash.digest('hex'), digest(bytes));
      },
    );
  }
}

test('its SHA-256 stands in the list as a link attribute, and in descriptions as JSON', async (t) => {
  const { coaps, client } = await start(t);
  const [one, two] = [image(3000, 1), image(4000, 2)];
  const ci = client('ci', keys.ci);
  await ci.put(`${coaps}/firmware/pump/1.0`, { payload: one });
  await ci.put(`${coaps}/firmware/pump/1.1`, { payload: two });
  const list = await ci.get(`${coaps}/firmware`);
  const links = decodeLinkFormat(list.text());
  assert.ok(!isDecodeFault(links));
  assert.deepEqual(
    links.map(({ target, attributes }) => [target, Object.fromEntries(attributes)]),
    [
      ['/firmware/pump/1.0', { rt: 'coapsule.firmware', ct: '42', sz: '3000', sha256: digest(one) }],
      ['/firmware/pump/1.1', { rt: 'coapsule.firmware', ct: '42', sz: '4000', sha256: digest(two) }],
    ],
  );
  const json = JSON.parse((await ci.get(`${coaps}/firmware`, { accept: 50 })).text());
  assert.deepEqual(
    json.map(({ version, sha256 }: { version: string; sha256: string }) => [version, sha256]),
    [
      ['1.0', digest(one)],
      ['1.1', digest(two)],
    ],
  );
  const newest = JSON.parse((await ci.get(`${coaps}/firmware/pump`, { accept: 50 })).text());
  assert.deepEqual([newest.version, newest.size, newest.versions], ['1.1', 4000, ['1.0', '1.1']]);
  assert.ok(Math.abs(Date.parse(newest.uploaded) - Date.now()) < 600_000);
});

test('the path without a version is the newest one; who observes it as JSON hears of the next', async (t) => {
  const { coaps, client } = await start(t);
  const ci = client('ci', keys.ci);
  const [one, two] = [image(2000, 1), image(2000, 2)];
  const first = await ci.put(`${coaps}/firmware/pump`, { payload: one });
  assert.equal(first.locationPath, `/firmware/pump/${digest(one).slice(0, 12)}`);
  const device = client('device', keys.device);
  const observation = device.observe(`${coaps}/firmware/pump`, { accept: 50 })[Symbol.asyncIterator]();
  assert.equal(JSON.parse((await observation.next()).value?.text() ?? '').sha256, digest(one));
  assert.equal((await ci.put(`${coaps}/firmware/pump/2`, { payload: two })).codeText, '2.01');
  assert.equal(JSON.parse((await observation.next()).value?.text() ?? '').version, '2');
  assert.deepEqual((await device.get(`${coaps}/firmware/pump`)).payload, two);
  assert.equal((await ci.delete(`${coaps}/firmware/pump/2`)).codeText, '2.02');
  assert.deepEqual((await device.get(`${coaps}/firmware/pump`)).payload, one);
  assert.equal((await device.get(`${coaps}/firmware/pump/2`)).codeText, '4.04');
  assert.equal((await ci.delete(`${coaps}/firmware/pump`)).codeText, '4.05', 'one after the other');
});

test('a download goes on from any block in a session of its own, and an ETag that is current is answered 2.03', async (t) => {
  const { coaps, client } = await start(t);
  const bytes = image(50_000);
  await client('ci', keys.ci).put(`${coaps}/firmware/pump/1`, { payload: bytes });
  const uri = `${coaps}/firmware/pump/1`;
  const later = client('device', keys.device);
  const block = await later.get(uri, { singleBlock: { num: 30, size: 1024 } });
  assert.deepEqual([block.codeText, block.block], ['2.05', { num: 30, more: true, size: 1024 }]);
  assert.deepEqual(block.payload, bytes.subarray(30 * 1024, 31 * 1024));
  assert.deepEqual(block.etag, etagOf(bytes), 'it is the same firmware still');
  const last = await client('device', keys.device).get(uri, { singleBlock: { num: 781, size: 64 } });
  assert.deepEqual(last.block, { num: 781, more: false, size: 64 });
  assert.deepEqual(last.payload, bytes.subarray(781 * 64));
  const current = await later.get(uri, { etag: etagOf(bytes) });
  assert.deepEqual([current.codeText, current.payload.length], ['2.03', 0]);
});

test('what has another SHA-256 than was said is never seen, and nothing of it stays', async (t) => {
  const { coaps, client, folder } = await start(t);
  const ci = client('ci', keys.ci);
  const bytes = image(20_000);
  const uri = `${coaps}/firmware/pump/1`;
  const wrong = await ci.put(`${uri}?sha256=${digest(bytes)}`, { payload: bytes.with(10_000, 0) });
  assert.equal(wrong.codeText, '4.00');
  assert.match(wrong.diagnostic ?? '', /^the SHA-256 is [0-9a-f]{64}: the upload begins again$/);
  assert.equal((await ci.get(uri)).codeText, '4.04');
  assert.equal((await ci.get(`${uri}/upload`)).codeText, '4.04');
  assert.deepEqual(readdirSync(join(folder, 'firmware')), []);
  assert.equal((await ci.put(`${uri}?sha256=${digest(bytes)}`, { payload: bytes })).codeText, '2.01');
  // The same once more changes nothing; another firmware in its place is no creation.
  assert.equal((await ci.put(`${uri}?sha256=${digest(bytes)}`, { payload: bytes })).codeText, '2.04');
  assert.equal((await ci.put(uri, { payload: image(10, 3), ifNoneMatch: true })).codeText, '4.12');
  assert.equal((await ci.put(uri, { payload: image(10, 3), ifMatch: etagOf(bytes) })).codeText, '2.04');
  assert.deepEqual(readdirSync(join(folder, 'firmware')), [`${digest(image(10, 3))}.bin`]);
});

test('what a request can say wrong is answered 4.00 with a sentence, or 4.04', async (t) => {
  const { coaps, client } = await start(t);
  const ci = client('ci', keys.ci);
  const put = async (path: string, payload = 'x'): Promise<string> => {
    const { codeText, diagnostic } = await ci.put(`${coaps}/firmware/${path}`, { payload });
    return `${codeText} ${diagnostic}`;
  };
  assert.match(await put('a/..%2Fb'), /^4\.00 names and versions/);
  assert.match(await put('a/1?sha256=12'), /^4\.00 the query is/);
  assert.match(await put('a/1?from=10'), /^4\.00 an upload goes on by its sha256/);
  assert.match(await put('a/1?speed=10'), /^4\.00 the query is/);
  assert.match(await put('a/1', ''), /^4\.00 a firmware has at least one byte/);
  assert.match(await put('a/1/b'), /^4\.04/);
  assert.match(await put('a/1/upload'), /^4\.05/);
});

test('who may bring firmware, and who may have it, is said by rules; nobody has it over plain CoAP', async (t) => {
  const { coap, coaps, client } = await start(t, { dangerouslyAllowPlainWrites: true });
  const bytes = image(5000);
  const codes = async (base: string, who?: keyof typeof keys): Promise<string> => {
    const asker = who === undefined ? client() : client(who, keys[who]);
    const put = await asker.put(`${base}/firmware/pump/1`, { payload: bytes });
    const get = await asker.get(`${base}/firmware/pump/1`);
    const list = await asker.get(`${base}/firmware`);
    return `${put.codeText} ${get.codeText} ${list.codeText} ${list.ok ? list.text().length > 0 : ''}`.trim();
  };
  assert.equal(await codes(coaps, 'ci'), '2.01 2.05 2.05 true');
  assert.equal(await codes(coaps, 'device'), '4.03 2.05 2.05 true');
  assert.equal(await codes(coaps, 'other'), '4.03 4.03 2.05 false');
  assert.equal(await codes(coap), '4.01 4.01 4.01');
});

test('the quota counts all firmware and what is unfinished; 4.13 says with Size1 what there is room for', async (t) => {
  const { coaps, client } = await start(t, { maxFirmwareBytes: 100_000 });
  const ci = client('ci', keys.ci);
  const put = (version: number, size: number, options: RequestOptions = {}) =>
    ci.put(`${coaps}/firmware/pump/${version}`, { payload: image(size, version), ...options });
  assert.equal((await put(1, 60_000)).codeText, '2.01');
  const announced = await put(2, 50_000);
  assert.deepEqual([announced.codeText, announced.options.uint(OptionNumber.Size1)], ['4.13', 40_000]);
  // A body that does not say how long it is.
  const parts = image(50_000, 3);
  const silent = await put(3, 0, {
    payload: (async function* () {
      yield parts;
    })(),
  });
  assert.equal(silent.codeText, '4.13');
  assert.equal((await put(4, 40_000)).codeText, '2.01', 'nothing of those that were refused is in the way');
  assert.equal((await put(5, 1)).codeText, '4.13');
  assert.equal((await ci.delete(`${coaps}/firmware/pump/1`)).codeText, '2.02');
  assert.equal((await put(5, 60_000)).codeText, '2.01');
});

for (const [size, name, lossRate, seed] of [
  [50_000, '50 KB', 0.1, 4],
  [5_000_000, '5 MB', 0.01, 5],
] as const) {
  test(
    `${name} arrive over a link that loses ${lossRate * 100} % and is cut at random points, and the upload goes on`,
    bounded,
    async (t) => {
      const gateway = await start(t);
      const bytes = image(size);
      const random = new SeededRandom(seed);
      const port = Number(gateway.coaps.split(':').at(-1));
      const relay = await LinkRelay.open({ server: { port }, conditions: { delayMs: 0, lossRate }, seed });
      t.after(() => relay.close());
      const watcher = gateway.client('ci', keys.ci);
      const direct = `${gateway.coaps}/firmware/pump/1`;
      const uri = `coaps://127.0.0.1:${relay.port}/firmware/pump/1?sha256=${digest(bytes)}`;
      const cuts = 3;
      let from = 0;
      for (let attempt = 0; attempt <= cuts; attempt++) {
        const key = new TextEncoder().encode(keys.ci);
        await using client = new Client({
          psk: { identity: 'ci', key },
          transmission: { ackTimeoutMs: 100, ackRandomFactor: 1, maxRetransmit: 6 },
        });
        const stop = new AbortController();
        // Of the datagrams that this attempt needs at least, one for each block: how many get through.
        const through = attempt === cuts ? Infinity : 20 + random.integer((size - from) / 1024 - 25);
        let seen = 0;
        relay.network.hook = ({ to }) => {
          if (to.port === port) seen++;
          if (seen <= through) return undefined;
          stop.abort();
          return { kind: 'drop' };
        };
        const outcome = await client
          .put(`${uri}&from=${from}`, { payload: bytes.subarray(from), signal: stop.signal })
          .then(({ codeText }) => codeText)
          .catch((error: unknown) => error);
        if (attempt === cuts) assert.equal(outcome, '2.01');
        else {
          assert.ok(outcome instanceof CoapsuleError);
          const before = from;
          from = JSON.parse((await watcher.get(`${direct}/upload`)).text()).received;
          assert.ok(from > before && from < size, `${from} after ${before}`);
        }
        relay.network.hook = undefined;
      }
      assert.equal(digest((await watcher.get(direct)).payload), digest(bytes));
      assert.equal(
        (await watcher.get(`${direct}/upload`)).codeText,
        '4.04',
        'no upload is under way any more',
      );
    },
  );
}

test('an upload that goes on where nothing is gets 4.09 and where to go on; one of another content begins anew', async (t) => {
  const { coaps, client } = await start(t);
  const ci = client('ci', keys.ci);
  const bytes = image(30_000);
  const uri = `${coaps}/firmware/pump/1`;
  const early = await ci.put(`${uri}?sha256=${digest(bytes)}&from=5000`, { payload: bytes.subarray(5000) });
  assert.deepEqual([early.codeText, early.diagnostic], ['4.09', 'there are 0 bytes of it: go on from=0']);
  await begin(ci, uri, bytes, 10_000);
  const other = image(30_000, 7);
  const late = await ci.put(`${uri}?sha256=${digest(other)}&from=5000`, { payload: other.subarray(5000) });
  assert.equal(late.codeText, '4.09', 'what is there is of another firmware');
  assert.equal((await ci.put(`${uri}?sha256=${digest(other)}`, { payload: other })).codeText, '2.01');
  assert.deepEqual((await ci.get(uri)).payload, other);
});

test('a second upload of the same takes the place of one that is stuck, and DELETE gives one up', async (t) => {
  const { coaps, client, folder } = await start(t);
  const ci = client('ci', keys.ci);
  const bytes = image(30_000);
  const uri = `${coaps}/firmware/pump/1`;
  const stuck = new AbortController();
  t.after(() => stuck.abort());
  const first = client('ci', keys.ci).put(`${uri}?sha256=${digest(bytes)}`, {
    payload: stalling(bytes, 10_000, stuck.signal),
  });
  const ended = first.then(({ codeText }) => codeText).catch((error: unknown) => error);
  const from = await hasReceived(ci, uri, 8192);
  const put = await ci.put(`${uri}?sha256=${digest(bytes)}&from=${from}`, { payload: bytes.subarray(from) });
  assert.equal(put.codeText, '2.01');
  assert.deepEqual((await ci.get(uri)).payload, bytes);
  stuck.abort();
  assert.notEqual(await ended, '2.01');

  await begin(ci, `${coaps}/firmware/pump/2`, bytes, 10_000);
  assert.equal((await ci.delete(`${coaps}/firmware/pump/2/upload`)).codeText, '2.02');
  assert.equal((await ci.get(`${coaps}/firmware/pump/2/upload`)).codeText, '4.04');
  assert.deepEqual(readdirSync(join(folder, 'firmware')), [`${digest(bytes)}.bin`]);
});

test('after a restart of the gateway its firmware is there, and an upload goes on', async (t) => {
  const dataFolder = temporaryFolder(t);
  const bytes = image(30_000);
  const done = image(2000);
  {
    const { coaps, client, gateway } = await start(t, { dataFolder });
    const ci = client('ci', keys.ci);
    await ci.put(`${coaps}/firmware/valve/3`, { payload: done });
    await begin(ci, `${coaps}/firmware/pump/1`, bytes, 10_000);
    await ci.close();
    await gateway.close();
  }
  const { coaps, client } = await start(t, { dataFolder });
  const ci = client('ci', keys.ci);
  assert.deepEqual((await ci.get(`${coaps}/firmware/valve`)).payload, done);
  const uri = `${coaps}/firmware/pump/1`;
  const { received, size, sha256 } = JSON.parse((await ci.get(`${uri}/upload`)).text());
  assert.ok(received >= 8192 && received < bytes.length, `${received}`);
  assert.equal(sha256, digest(bytes));
  assert.equal(size, undefined, 'a stream does not say how long it is');
  const put = await ci.put(`${uri}?sha256=${sha256}&from=${received}`, { payload: bytes.subarray(received) });
  assert.equal(put.codeText, '2.01');
  assert.deepEqual((await ci.get(uri)).payload, bytes);
  const audit = readFileSync(join(dataFolder, 'audit-changes.ndjson'), 'utf8');
  assert.deepEqual(
    audit
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .map(({ event, identity, name }) => `${event} ${name} ${identity}`),
    ['firmware-uploaded valve ci', 'firmware-uploaded pump ci'],
  );
});

test('an upload whose last answer was lost is over: whoever goes on with it gets 2.04', async (t) => {
  const { coaps, client } = await start(t);
  const ci = client('ci', keys.ci);
  const bytes = image(5000);
  const uri = `${coaps}/firmware/pump/1?sha256=${digest(bytes)}`;
  assert.equal((await ci.put(uri, { payload: bytes })).codeText, '2.01');
  assert.equal((await ci.put(`${uri}&from=4096`, { payload: bytes.subarray(4096) })).codeText, '2.04');
  assert.equal((await ci.put(`${uri}&from=5000`)).codeText, '2.04');
});

test('a version whose file is gone is seen by nobody and told of; it is there with its file again, or when it is uploaded again', async (t) => {
  const dataFolder = temporaryFolder(t);
  const [one, two] = [image(3000, 1), image(3000, 2)];
  const files = join(dataFolder, 'firmware');
  const restart = async (use: (gateway: TestGateway, ci: Client) => Promise<void>): Promise<void> => {
    const gateway = await start(t, { dataFolder });
    const ci = gateway.client('ci', keys.ci);
    await use(gateway, ci);
    await ci.close();
    await gateway.gateway.close();
  };
  await restart(async ({ coaps }, ci) => {
    await ci.put(`${coaps}/firmware/pump/1`, { payload: one });
    await ci.put(`${coaps}/firmware/pump/2`, { payload: two });
  });
  renameSync(join(files, `${digest(one)}.bin`), join(dataFolder, 'elsewhere'));
  rmSync(join(files, `${digest(two)}.bin`));
  await restart(async ({ coaps, log }, ci) => {
    await log.waitFor(/^the file of firmware \/firmware\/pump\/1 is missing in /);
    assert.equal((await ci.get(`${coaps}/firmware/pump`)).codeText, '4.04');
    assert.equal((await ci.put(`${coaps}/firmware/pump/2`, { payload: two })).codeText, '2.01');
    assert.deepEqual((await ci.get(`${coaps}/firmware/pump`)).payload, two);
  });
  renameSync(join(dataFolder, 'elsewhere'), join(files, `${digest(one)}.bin`));
  await restart(async ({ coaps }, ci) => {
    assert.deepEqual((await ci.get(`${coaps}/firmware/pump/1`)).payload, one);
    assert.deepEqual((await ci.get(`${coaps}/firmware/pump/2`)).payload, two);
  });
});

test('a version whose file is gone can be removed: it does not come back with its file', async (t) => {
  const dataFolder = temporaryFolder(t);
  const bytes = image(3000);
  const file = join(dataFolder, 'firmware', `${digest(bytes)}.bin`);
  const restart = async (use: (gateway: TestGateway, ci: Client) => Promise<void>): Promise<void> => {
    const gateway = await start(t, { dataFolder });
    const ci = gateway.client('ci', keys.ci);
    await use(gateway, ci);
    await ci.close();
    await gateway.gateway.close();
  };
  await restart(async ({ coaps }, ci) => {
    assert.equal((await ci.put(`${coaps}/firmware/pump/1`, { payload: bytes })).codeText, '2.01');
  });
  renameSync(file, join(dataFolder, 'elsewhere'));
  await restart(async ({ coaps }, ci) => {
    assert.equal((await ci.delete(`${coaps}/firmware/pump/1`)).codeText, '2.02');
  });
  renameSync(join(dataFolder, 'elsewhere'), file);
  await restart(async ({ coaps, log }, ci) => {
    assert.equal((await ci.get(`${coaps}/firmware/pump/1`)).codeText, '4.04');
    assert.ok(!log.lines.some((line) => line.includes('is missing')));
  });
});

test('in the demo everyone reads firmware, and the demo identities bring it', async (t) => {
  const { coap, coaps, client } = await startTestGateway(t, { demo: true });
  const bytes = image(50_000);
  const device = client('sensor-042', 'MySecret16ByteK!');
  assert.equal((await client().put(`${coap}/firmware/x`, { payload: bytes })).codeText, '4.01');
  assert.equal((await device.put(`${coaps}/firmware/x`, { payload: bytes })).codeText, '2.01');
  assert.deepEqual((await client().get(`${coap}/firmware/x`)).payload, bytes);
});

/** Begins an upload and leaves it when the gateway has some of it; fulfils with how much. */
async function begin(client: Client, uri: string, bytes: Uint8Array, length: number): Promise<void> {
  const stop = new AbortController();
  const putting = client
    .put(`${uri}?sha256=${digest(bytes)}`, {
      payload: stalling(bytes, length, stop.signal),
      signal: stop.signal,
    })
    .catch(() => undefined);
  await hasReceived(client, uri, length - 2048);
  stop.abort();
  await putting;
}

/** Some bytes, and then nothing until it is told to end. */
async function* stalling(bytes: Uint8Array, length: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  yield bytes.subarray(0, length);
  await new Promise((resolve) => signal.addEventListener('abort', resolve));
}
