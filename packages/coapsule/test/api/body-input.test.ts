/** Bodies that are read as they are sent, and what is closed of them when nobody reads on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SuppliedBody } from '../../src/api/body-input.ts';

function stream(cancelled: () => void): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull: (controller) => controller.enqueue(Uint8Array.of(1, 2, 3)),
    cancel: cancelled,
  });
}

test('a stream of which nothing was read is cancelled when the body is closed', async () => {
  let cancelled = 0;
  const body = new SuppliedBody(stream(() => cancelled++));
  await body.close();
  await body.close();
  assert.equal(cancelled, 1);
});

test('so is one of which some was read', async () => {
  let cancelled = 0;
  const body = new SuppliedBody(stream(() => cancelled++));
  await body.read(0, 3);
  await body.close();
  assert.equal(cancelled, 1);
});

test('a stream that somebody else reads is left to them', async () => {
  const input = stream(() => assert.fail('cancelled'));
  const reader = input.getReader();
  await new SuppliedBody(input).close();
  assert.deepEqual((await reader.read()).value, Uint8Array.of(1, 2, 3));
});
