/** Collections that are run from the console: step by step, and without what is of the gateway's machine. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { CollectionEvents } from '../../src/console/api-types.ts';
import { eventsOf, problemOf, startTestConsole } from './console-fixture.ts';

test('a collection runs step by step, with the variables that were given', async (t) => {
  const { as, coap, folder } = await startTestConsole(t, { demo: true });
  const user = await as('operate');
  const text = `
name: light
variables: { server: coap://nowhere.example }
requests:
  - name: read
    uri: \${server}/light
    expect: { code: '2.05' }
  - name: not there
    uri: \${server}/nothing
    expect: { code: '2.05' }
`;
  const events: string[] = [];
  let summary: CollectionEvents['summary'] | undefined;
  for await (const { event, data } of eventsOf(
    await user.ask('POST', '/api/collections/run', { text, environment: { server: coap } }),
  )) {
    if (event === 'step') {
      const { name, isOk, failures } = data as CollectionEvents['step'];
      events.push(`${name} ${isOk} ${failures.join()}`);
    }
    if (event === 'summary') summary = data as CollectionEvents['summary'];
    if (event === 'end') assert.equal(data, null);
  }
  assert.deepEqual(events.length, 2);
  assert.match(events[0] ?? '', /^read true $/);
  assert.match(events[1] ?? '', /^not there false .*4\.04/);
  assert.deepEqual([summary?.passed, summary?.failed], [1, 1]);
  const audit = readFileSync(join(folder, 'audit-console.ndjson'), 'utf8');
  for (const path of ['/light', '/nothing'])
    assert.ok(
      audit.includes(
        `"event":"request-sent","user":"operate","request":"GET","uri":"${coap}${path}","collection":"light"`,
      ),
    );
});

test('what a collection names of a machine is refused, before anything is sent', async (t) => {
  const { as, coap } = await startTestConsole(t, { demo: true });
  const user = await as('operate');
  const request = `requests: [{ name: a, uri: '${coap}/light'`;
  for (const text of [
    'requests: [',
    'requests: [{ name: a }]',
    `${request}, method: PUT, payload: { file: /etc/passwd } }]`,
    `${request}, expect: { body: { matches: '(a+)+$' } } }]`,
    `environments: { e: { secrets: { S: { env: HOME } } } }\n${request} }]`,
    `environments: { e: { secrets: { S: { file: /etc/passwd } } } }\n${request} }]`,
    `environments: { e: { credentials: { pskFile: /etc/passwd } } }\n${request} }]`,
  ]) {
    const answer = await user.ask('POST', '/api/collections/run', { text });
    assert.deepEqual([answer.status, (await problemOf(answer)).code], [400, 'invalid'], text);
  }
});
