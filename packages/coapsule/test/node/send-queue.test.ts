/**
 * What waits for a socket: in order, handed over in bounded pieces, and told of when it moves.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { SendQueue } from '../../src/node/send-queue.ts';

/** A socket that is rid of what it holds when the test says so, all of it at once as those of Node are. */
class PlayedSocket {
  readonly written: number[] = [];
  readonly told: string[] = [];
  mostBuffered = 0;
  #held: { readonly length: number; readonly done: (error?: Error | null) => void }[] = [];
  readonly queue: SendQueue = new SendQueue({
    write: (bytes, done) => {
      this.written.push(bytes[0] as number);
      this.#held.push({ length: bytes.length, done });
      this.mostBuffered = Math.max(this.mostBuffered, this.buffered);
    },
    buffered: () => this.buffered,
    progress: () => this.told.push('progress'),
    drained: () => this.told.push('drained'),
  });

  get buffered(): number {
    return this.#held.reduce((sum, { length }) => sum + length, 0);
  }

  flush(error?: Error): void {
    const held = this.#held;
    this.#held = [];
    for (const { done } of held) done(error);
  }
}

const message = (name: number, length: number): Uint8Array => new Uint8Array(length).fill(name);

suite('what waits for a socket', () => {
  test('below 64 KiB nothing is told, and nothing waits', () => {
    const socket = new PlayedSocket();
    for (let i = 0; i < 4; i++) assert.equal(socket.queue.send(message(i, 16_000)), true);
    socket.flush();
    assert.deepEqual(socket.written, [0, 1, 2, 3]);
    assert.deepEqual(socket.told, []);
  });

  test('above it the rest waits; each piece that goes is told, and when all are gone that is told once', () => {
    const socket = new PlayedSocket();
    for (let i = 0; i < 15; i++) assert.equal(socket.queue.send(message(i, 15_000)), i < 4, String(i));
    assert.deepEqual(socket.written, [0, 1, 2, 3, 4], 'a piece is little more than 64 KiB');
    while (socket.buffered > 0) socket.flush();
    assert.deepEqual(socket.written, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    assert.equal(socket.told.at(-1), 'drained');
    assert.ok(socket.told.slice(0, -1).every((one) => one === 'progress'));
    assert.ok(socket.told.length >= 3, 'and before the end');
    assert.equal(socket.queue.send(message(15, 10)), true, 'as at first');
  });

  test('a socket that broke is given nothing more, and tells nothing', () => {
    const socket = new PlayedSocket();
    for (let i = 0; i < 10; i++) socket.queue.send(message(i, 15_000));
    socket.flush(new Error('ECONNRESET'));
    assert.equal(socket.written.length, 5);
    assert.deepEqual(socket.told, []);
  });

  test('before it is closed all is handed over', () => {
    const socket = new PlayedSocket();
    for (let i = 0; i < 10; i++) socket.queue.send(message(i, 15_000));
    socket.queue.flush();
    assert.deepEqual(socket.written, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test('whatever is sent and whenever it goes: the order stays, and what the socket holds is bounded', () => {
    const steps = fc.array(fc.oneof(fc.constant('flush' as const), fc.integer({ min: 1, max: 40_000 })), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(steps, (all) => {
        const socket = new PlayedSocket();
        let sent = 0;
        let isFull = false;
        for (const step of all) {
          if (step === 'flush') socket.flush();
          else isFull = !socket.queue.send(message(sent++, step)) || isFull;
        }
        while (socket.buffered > 0) socket.flush();
        assert.deepEqual(
          socket.written,
          Array.from({ length: sent }, (_, i) => i),
        );
        assert.ok(socket.mostBuffered < 64 * 1024 + 40_000);
        assert.equal(socket.told.includes('drained'), isFull);
        assert.ok(socket.told.at(-1) !== 'progress', 'the last thing told is that all is gone');
      }),
      { seed: 8323, numRuns: process.env['COAPSULE_LONG'] === '1' ? 5000 : 300 },
    );
  });
});
