/** Each action of a tap, shown by what the server or the client gets: our client ↔ tap ↔ our server, on loopback. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TapConsole } from '../../src/tap/tap-console.ts';
import { tappedPair } from './tapped-pair.ts';

describe('a tap over UDP', () => {
  test('relays a request and its response unchanged, and shows both with their numbers', async (t) => {
    const { client, uri, received, events } = await tappedPair(t);
    const response = await client.request('POST', `${uri}/echo`, { payload: 'hello', contentFormat: 0 });
    assert.equal(response.text(), 'hello');
    assert.deepEqual(received[0]?.options, [
      [11, '6563686f'],
      [12, ''],
    ]);
    const seen = events.flatMap((event) => (event.kind === 'passing' ? [event.message] : []));
    assert.deepEqual(
      seen.map(({ number, direction, subject: { path, protocol } }) => [number, direction, path, protocol]),
      [
        [1, 'to-server', '/echo', 'coap'],
        [2, 'to-device', '/echo', 'coap'],
      ],
    );
    assert.match(seen[0]?.summary ?? '', /^CON POST id [0-9a-f]{4} token [0-9a-f]+ \/echo 5 bytes$/);
    assert.equal(seen[1]?.answers, 1);
  });

  test('drop: the server never sees the first copy, and the retransmission is answered', async (t) => {
    const { client, uri, received, events } = await tappedPair(t, {
      rules: ['direction=to-server count=1 => drop'],
      client: { transmission: { ackTimeoutMs: 50 } },
    });
    assert.equal((await client.request('GET', `${uri}/temp`)).text(), '21');
    assert.equal(received.length, 1);
    assert.equal(events.filter(({ kind }) => kind === 'dropped').length, 1);
    assert.equal(events.filter(({ kind }) => kind === 'passing').length, 3);
  });

  test('edit: the server gets another payload, and the client another code', async (t) => {
    const { client, uri, received } = await tappedPair(t, {
      rules: [
        'code=PUT path=/echo => edit payload=99 option.Content-Format=50',
        'code=2.05 => edit code=4.04 payload="not here"',
      ],
    });
    const response = await client.request('PUT', `${uri}/echo`, { payload: '5' });
    assert.deepEqual([response.codeText, response.text()], ['4.04', 'not here']);
    assert.equal(received[0]?.payload, '99');
    assert.deepEqual(received[0]?.options, [
      [11, '6563686f'],
      [12, '32'],
    ]);
  });

  test('duplicate: a copy of a Non-confirmable request is known by its Message ID and not handled again', async (t) => {
    const { client, uri, received, events, until } = await tappedPair(t, {
      rules: ['code=POST => duplicate 2 times'],
    });
    await client.request('POST', `${uri}/echo`, { payload: 'once', confirmable: false });
    await until(
      () => events.filter((event) => event.kind === 'left' && event.as === 'duplicate').length === 2,
    );
    await client.request('GET', `${uri}/temp`);
    assert.deepEqual(
      received.map(({ method }) => method),
      ['POST', 'GET'],
    );
  });

  test('delay and replay: they leave after their time', async (t) => {
    const { client, uri, events, until } = await tappedPair(t, {
      rules: ['code=2.05 => delay 30ms', 'code=GET => replay after 60ms'],
    });
    assert.equal((await client.request('GET', `${uri}/temp`)).text(), '21');
    await until(() => events.some((event) => event.kind === 'left' && event.as === 'replay'));
    const kinds = events
      .filter(({ kind }) => kind !== 'passing')
      .map((event) => ('as' in event ? event.as : event.kind));
    assert.deepEqual(kinds.slice(0, 2), ['delayed', 'delayed']);
    assert.ok(kinds.includes('replay'));
  });

  test('probability with a seed drops the same messages each time', async (t) => {
    const decisions = async (): Promise<readonly boolean[]> => {
      const { client, uri, events } = await tappedPair(t, {
        rules: ['direction=to-server => drop probability 50% seed 9'],
        client: { transmission: { ackTimeoutMs: 20 } },
      });
      for (let count = 0; count < 12; count++) await client.request('GET', `${uri}/temp`);
      const dropped = new Set(
        events.flatMap((event) => (event.kind === 'dropped' ? [event.message.number] : [])),
      );
      const sent = events.flatMap((event) =>
        event.kind === 'passing' && event.message.direction === 'to-server' ? [event.message.number] : [],
      );
      // Each request comes at least once; on a busy machine also once more than its losses ask for.
      return sent.slice(0, 12).map((number) => dropped.has(number));
    };
    const first = await decisions();
    assert.equal(first.length, 12);
    assert.ok(first.includes(true) && first.includes(false));
    assert.deepEqual(await decisions(), first);
  });

  test('by hand: pause, list, edit, step, resume and replay', async (t) => {
    const { client, uri, received, running, events, until } = await tappedPair(t);
    const lines: string[] = [];
    const { tap } = running;
    const server = { scheme: 'coap' as const, host: '127.0.0.1', port: 5683 };
    const hand = new TapConsole({
      ...{ tap, server, credentials: () => undefined, quit: () => {} },
      write: (line) => lines.push(line),
    });
    hand.line('pause code=PUT');
    const first = client.request('PUT', `${uri}/echo`, { payload: 'a' });
    await until(() => events.some(({ kind }) => kind === 'held'));
    hand.line('edit 1 payload=b');
    hand.line('list');
    assert.match(lines.at(-2) ?? '', /^1 .* PUT .*"b"$/);
    assert.equal(lines.at(-1), '1 held, 0 wait for their time');
    hand.line('step');
    assert.equal((await first).text(), 'b');
    const second = client.request('PUT', `${uri}/echo`, { payload: 'c' });
    await until(() => events.filter(({ kind }) => kind === 'held').length === 2);
    hand.line('resume');
    assert.equal((await second).text(), 'c');
    hand.line('replay 1');
    // The answer to the replay is the fifth.
    await until(() => events.filter(({ kind }) => kind === 'passing').length === 5);
    hand.line('copy 1 as coap-client');
    assert.equal(lines.at(-1), 'coap-client -m put -e b coap://127.0.0.1/echo');
    // The server knows the Message ID: the replay is answered from what it has kept.
    assert.deepEqual(
      received.map(({ payload }) => payload),
      ['b', 'c'],
    );
    assert.deepEqual(
      tap.command((gate) => gate.counts),
      {
        ...{ forwarded: 6, dropped: 0, edited: 1, delayed: 0, duplicated: 0, replayed: 1, overflowed: 0 },
      },
    );
  });
});

describe('a tap over TCP', () => {
  test('relays messages of a connection, and edits them', async (t) => {
    const { client, uri, received, events } = await tappedPair(t, {
      scheme: 'coap+tcp',
      rules: ['code=PUT => edit payload=other'],
    });
    const response = await client.request('PUT', `${uri}/echo`, { payload: 'mine' });
    assert.equal(response.text(), 'other');
    assert.equal(received[0]?.payload, 'other');
    const summaries = events.flatMap((event) => (event.kind === 'passing' ? [event.message.summary] : []));
    assert.ok(
      summaries.some((text) => text.startsWith('7.01')),
      summaries.join(),
    );
    assert.ok(
      summaries.some((text) => /^PUT token [0-9a-f]+ \/echo 4 bytes$/.test(text)),
      summaries.join(),
    );
  });
});
