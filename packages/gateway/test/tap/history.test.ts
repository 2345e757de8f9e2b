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
