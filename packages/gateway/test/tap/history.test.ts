/** What a tap keeps of messages: the newest, and to which request a response belongs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, type MessageContent, OptionNumber, OptionSet } from 'coapsule/message';
import { History } from '../../src/tap/history.ts';

const link = { id: 1, peer: '192.0.2.1:40001', forward: () => {} };

function message(code: number, token: number, ...path: readonly string[]): MessageContent {
  const options = path.reduce((set, segment) => set.add(OptionNumber.UriPath, segment), new OptionSet());
  return { code, token: Uint8Array.of(token), options, payload: new Uint8Array() };
}

test('notifications belong to their registration as long as they come, whatever else is asked meanwhile', () => {
  const history = new History(10);
  history.exchange(link, 'to-server', message(Code.Get, 1, 'obs'), 1);
  history.exchange(link, 'to-server', message(Code.Get, 2, 'once'), 2);
  for (let count = 0; count < 30; count++) {
    history.exchange(link, 'to-server', message(Code.Get, 100 + count, 'other'), 10 + count);
    const { path, number } = history.exchange(link, 'to-device', message(Code.Content, 1), 0);
    assert.deepEqual([path, number], ['/obs', 1]);
  }
  assert.deepEqual(history.exchange(link, 'to-device', message(Code.Content, 2), 0), {});
});

test('tokens belong to who asks: a server that asks a device has its own', () => {
  const history = new History(10);
  history.exchange(link, 'to-server', message(Code.Get, 1, 'at-server'), 1);
  history.exchange(link, 'to-device', message(Code.Get, 1, 'at-device'), 2);
  assert.equal(history.exchange(link, 'to-device', message(Code.Content, 1), 3).path, '/at-server');
  assert.equal(history.exchange(link, 'to-server', message(Code.Content, 1), 4).path, '/at-device');
});

test('messages of very many options are kept in smaller number, the newest always', () => {
  const history = new History(1000);
  const add = (number: number, options: OptionSet): void => {
    const content = { code: Code.Get, token: new Uint8Array(), options, payload: new Uint8Array() };
    history.add({
      ...{ number, link, direction: 'to-server', bytes: new Uint8Array(), summary: '', wallTimeMs: 0 },
      subject: { direction: 'to-server', protocol: 'coap', peer: link.peer, length: 0 },
      message: content,
    });
  };
  const many = OptionSet.from(
    Array.from({ length: 60_000 }, () => ({ number: OptionNumber.UriPath, value: new Uint8Array() })),
  );
  for (let number = 1; number <= 20; number++) add(number, many);
  assert.deepEqual(
    history.all().map(({ number }) => number),
    [13, 14, 15, 16, 17, 18, 19, 20],
  );
  // A message that is edited takes its own place.
  for (let count = 0; count < 20; count++) add(20, many);
  assert.equal(history.all().length, 8);
  for (let number = 21; number <= 1500; number++) add(number, new OptionSet());
  assert.equal(history.all().length, 1000);
  assert.equal(history.get(500), undefined);
});
