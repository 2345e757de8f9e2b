import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SettingsBoard } from '../../src/fleet/settings-board.ts';

test('how long a command took to each device is told once, whatever it is notified of again', () => {
  const board = new SettingsBoard();
  assert.equal(board.heard('a', '/room', '10'), undefined, 'nobody has set it');
  board.set('/room', '10');
  assert.ok((board.heard('a', '/room', '10') ?? -1) >= 0);
  assert.equal(board.heard('a', '/room', '10'), undefined, 'it has observed anew');
  assert.ok((board.heard('b', '/room', '10') ?? -1) >= 0);
  board.set('/room', '20');
  assert.equal(board.heard('a', '/room', '10'), undefined, 'an older state');
  board.set('/room', '10');
  assert.ok((board.heard('a', '/room', '10') ?? -1) >= 0, 'another command of the same value');
});
