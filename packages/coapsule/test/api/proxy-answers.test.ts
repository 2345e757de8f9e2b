/** Where the answers of a proxy come from, as it tells for figures (RFC 7252 §5.7.1, RFC 7641 §5). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, Code, content, type ProxyAnswerSource, reverseProxy, Server } from '../../src/index.ts';

test('answers are cached, validated, forwarded, observed or failed, and each is told once', async (t) => {
  const origin = new Server()
    .resource('/fresh', { get: () => content('1', { maxAgeSeconds: 60 }) })
    .resource('/tagged', { get: () => content('1', { maxAgeSeconds: 0, etag: Uint8Array.of(1) }) })
    .resource('/seen', { get: () => content('1'), observable: true });
  const { uri } = await origin.listen('coap://127.0.0.1:0');
  const told: ProxyAnswerSource[] = [];
  const proxy = new Server().resource(
    '/*',
    reverseProxy({ to: uri, onAnswer: (source) => told.push(source), timeoutMs: 500 }),
  );
  const { uri: place } = await proxy.listen('coap://127.0.0.1:0');
  await using client = new Client({ cache: false });
  t.after(() => proxy.close());
  const source = async (path: string): Promise<ProxyAnswerSource[]> => {
    told.length = 0;
    await client.get(`${place}${path}`);
    return [...told];
  };
  assert.deepEqual(await source('/fresh'), ['forwarded']);
  assert.deepEqual(await source('/fresh'), ['cached']);
  assert.deepEqual(await source('/tagged'), ['forwarded']);
  assert.deepEqual(await source('/tagged'), ['validated']);
  assert.deepEqual(await source('/nothing'), ['forwarded']);
  told.length = 0;
  for await (const _state of client.observe(`${place}/seen`)) break;
  assert.deepEqual(told, ['observed']);
  await origin.close();
  // The observation may be looked after once more before.
  assert.equal((await source('/other')).at(-1), 'failed');
});

for (const streamBodies of [false, true]) {
  test(`an answer that cannot be passed on has failed, ${streamBodies ? 'as it comes too' : 'though it came'}`, async (t) => {
    const origin = new Server()
      // Elective, and not safe to forward by who does not know it (RFC 7252 §5.4.6).
      .resource('/unsafe', {
        get: () => content('1', { options: [{ number: 2050, value: new Uint8Array() }] }),
      })
      // Nobody has asked with an ETag.
      .resource('/valid', { get: () => ({ code: Code.Valid, etag: Uint8Array.of(1) }) });
    const { uri } = await origin.listen('coap://127.0.0.1:0');
    const told: ProxyAnswerSource[] = [];
    const proxy = new Server().resource(
      '/*',
      reverseProxy({ to: uri, streamBodies, onAnswer: (source) => told.push(source) }),
    );
    const { uri: place } = await proxy.listen('coap://127.0.0.1:0');
    await using client = new Client({ cache: false });
    t.after(async () => {
      await proxy.close();
      await origin.close();
    });
    for (const path of ['/unsafe', '/valid'])
      assert.equal((await client.get(`${place}${path}`)).codeText, '5.02', path);
    assert.deepEqual(told, ['failed', 'failed']);
  });
}
