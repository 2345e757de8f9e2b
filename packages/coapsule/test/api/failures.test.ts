/**
 * How failures are told and taken: problem details, diagnostics, Max-Age that asks for time; and where a created
 * resource is.
 */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import {
  ApiMisuseError,
  Client,
  CoapsuleError,
  Code,
  content,
  failure,
  problemDetailsFormat,
  RequestFailure,
  Server,
} from '../../src/index.ts';

const errors: unknown[] = [];
const children: string[] = [];
const server = new Server({ onError: (error) => errors.push(error) })
  .resource('/busy', {
    get: () => failure(Code.ServiceUnavailable, 'the pump is off', { maxAgeSeconds: 30 }),
  })
  .resource('/often', { post: () => failure(Code.TooManyRequests, 'once a minute', { maxAgeSeconds: 60 }) })
  .resource('/ok', { get: () => content('ok'), post: () => content('ok') })
  .resource('/text', { get: () => failure(Code.Conflict, 'it is open') })
  .resource('/problem', {
    get: () => {
      throw new RequestFailure(Code.Conflict, {
        title: 'The door is open',
        detail: { text: 'Tür 3 ist offen', language: 'de' },
        custom: new Map([['tag:example,2026:door', new Map([['door', 3]])]]),
      });
    },
  })
  .resource('/always', { problemDetails: true, get: () => failure(Code.NotFound, 'no such door') })
  .resource('/wrong', { get: () => failure(Code.NotFound, { title: { text: 'x', language: '?' } }) })
  .resource('/sensors', {
    post: (request) => {
      children.push(request.text());
      return {
        code: Code.Created,
        locationPath: `/sensors/${41 + children.length}`,
        locationQuery: ['new', 'a=b c'],
      };
    },
  });
const { port } = await server.listen('coap://127.0.0.1:0');
const base = `coap://127.0.0.1:${port}`;
const open: Client[] = [];
function newClient(): Client {
  const client = new Client();
  open.push(client);
  return client;
}
after(async () => {
  await Promise.all(open.map((client) => client.close()));
  await server.close();
});

test('after 5.03 every request to the server fails at once with the time that is left, until a person insists', async () => {
  const client = newClient();
  const refused = await client.get(`${base}/busy`);
  assert.deepEqual(
    [refused.codeText, refused.diagnostic, refused.maxAgeSeconds],
    ['5.03', 'the pump is off', 30],
  );
  const error = await client.get(`${base}/ok`).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof CoapsuleError);
  assert.equal(error.code, 'ERR_RETRY_LATER');
  assert.ok((error.retryAfterMs ?? 0) > 20_000 && (error.retryAfterMs ?? 0) <= 30_000);
  assert.match(error.message, /5\.03 Service Unavailable.*another 30 s: nothing was sent/);
  assert.equal((await client.get(`${base}/ok`, { whenBusy: 'send' })).text(), 'ok');
  await assert.rejects(client.send('GET', `${base}/ok`), { code: 'ERR_RETRY_LATER' });
  await assert.rejects(client.get(`${base}/ok`, { whenBusy: 'later' as 'wait' }), ApiMisuseError);
});

test('after 4.29 only such requests are kept back', async () => {
  const client = newClient();
  assert.equal((await client.post(`${base}/often`)).codeText, '4.29');
  await assert.rejects(client.post(`${base}/often`), { code: 'ERR_RETRY_LATER' });
  assert.equal((await client.post(`${base}/ok`)).text(), 'ok');
});

test('a request that waits for a busy server can be aborted', async () => {
  const client = newClient();
  await client.get(`${base}/busy`);
  const signal = AbortSignal.timeout(20);
  await assert.rejects(client.get(`${base}/ok`, { whenBusy: 'wait', signal }), { code: 'ERR_ABORTED' });
  await assert.rejects(client.get(`${base}/ok`, { whenBusy: 'wait', timeoutMs: 1000 }), {
    code: 'ERR_RETRY_LATER',
  });
});

test('problem details go to a client that accepts them, whole; the code in them is that of the response', async () => {
  // An address that proved nothing gets three times its bytes: so this request has some.
  const uri = `${base}/problem?why=${'x'.repeat(50)}`;
  const response = await newClient().get(uri, { accept: problemDetailsFormat });
  assert.equal(response.contentFormat, 257);
  assert.equal(response.problem?.title, 'The door is open');
  assert.equal(response.problem?.responseCode, Code.Conflict);
  assert.deepEqual(response.problem?.detail, { text: 'Tür 3 ist offen', language: 'de' });
  assert.deepEqual(response.problem?.custom?.get('tag:example,2026:door'), new Map([['door', 3]]));
  assert.equal(response.diagnostic, 'Tür 3 ist offen');
});

test('any other client gets the detail as text without a content format', async () => {
  const response = await newClient().get(`${base}/problem`);
  assert.deepEqual(
    [response.codeText, response.contentFormat, response.text(), response.problem, response.diagnostic],
    ['4.09', undefined, 'Tür 3 ist offen', undefined, 'Tür 3 ist offen'],
  );
});

test('a diagnostic text becomes a title for who accepts problem details, and for all where the resource wants it', async () => {
  const client = newClient();
  const asked = await client.get(`${base}/text`, { accept: problemDetailsFormat });
  assert.deepEqual(asked.problem, { title: 'it is open', responseCode: Code.Conflict });
  const always = await client.get(`${base}/always`);
  assert.deepEqual(always.problem, { title: 'no such door', responseCode: Code.NotFound });
  const missing = await client.get(`${base}/nowhere`, { accept: problemDetailsFormat });
  assert.equal(missing.problem?.responseCode, Code.NotFound);
  assert.equal((await client.get(`${base}/text`)).diagnostic, 'it is open');
  assert.equal((await client.get(`${base}/ok`)).diagnostic, undefined);
});

test('problem details that cannot be encoded are a 5.00 for the client and an error for the log', async () => {
  errors.length = 0;
  const response = await newClient().get(`${base}/wrong`, { accept: problemDetailsFormat });
  assert.equal(response.codeText, '5.00');
  assert.equal(response.problem?.title, 'the server failed');
  assert.match(String(errors[0]), /language is '\?'/);
});

test('J01: a collection names each child that it creates, by Location-Path and Location-Query', async () => {
  const client = newClient();
  const first = await client.post(`${base}/sensors`, { payload: 'a' });
  const second = await client.post(`${base}/sensors`, { payload: 'b' });
  assert.deepEqual(
    [first.codeText, first.locationPath, second.locationPath],
    ['2.01', '/sensors/42', '/sensors/43'],
  );
  assert.deepEqual(first.locationQuery, ['new', 'a=b c']);
  assert.deepEqual((await client.get(`${base}/ok`)).locationQuery, []);
});
