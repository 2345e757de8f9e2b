/** Datagrams between gateways: they open once, for whom they were sealed, soon, and under the shared key. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type NodeFrame, NodeFrames } from '../../src/shared/node-frames.ts';
import { Sealing } from '../../src/shared/sealing.ts';

const numRuns = process.env['COAPSULE_LONG'] === '1' ? 20_000 : 500;
const key = new Uint8Array(32).fill(7);
const frame: NodeFrame = {
  ...{ kind: 'forward', from: 1, host: '192.0.2.7', port: 40_000 },
  datagram: Uint8Array.of(25, 254, 253, 0, 1),
};

function pair(nowMs = 1_700_000_000_000) {
  const clock = { nowMs };
  return {
    clock,
    north: new NodeFrames(key, () => clock.nowMs),
    south: new NodeFrames(key, () => clock.nowMs),
  };
}

test('what one gateway seals the other opens, and nobody reads it on its way', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('forward' as const, 'answer' as const),
      fc.integer({ min: 0, max: 255 }),
      fc.integer({ min: 0, max: 255 }),
      fc.oneof(fc.ipV4(), fc.constantFrom('::1', '2001:db8::7')),
      fc.integer({ min: 0, max: 65_535 }),
      fc.uint8Array({ minLength: 1, maxLength: 1500 }),
      (kind, from, to, host, port, datagram) => {
        const { north, south } = pair();
        const sent: NodeFrame = { kind, from, host, port, datagram };
        assert.deepEqual(south.open(north.seal(sent, to), to), sent);
      },
    ),
    { numRuns: Math.min(numRuns, 300) },
  );
  const { north } = pair();
  const sealed = Buffer.from(north.seal({ ...frame, datagram: Buffer.from('a plain text that is long') }, 2));
  assert.ok(!sealed.includes('plain text') && !sealed.includes('192.0.2.7'));
});

test('a frame opens once, in any order within a window, and not for another gateway', () => {
  const { north, south } = pair();
  const frames = Array.from({ length: 200 }, (_, index) =>
    north.seal({ ...frame, datagram: Uint8Array.of(index + 1) }, 2),
  );
  assert.equal(south.open(frames[0] as Uint8Array, 3), undefined, 'another receiver');
  const opens = (index: number): boolean => south.open(frames[index] as Uint8Array, 2) !== undefined;
  assert.deepEqual([opens(1), opens(0), opens(1), opens(0)], [true, true, false, false]);
  assert.deepEqual(
    [opens(100), opens(60), opens(60), opens(36), opens(37)],
    [true, true, false, false, true],
  );
  assert.deepEqual([opens(199), opens(100), opens(135), opens(136)], [true, false, false, true]);
  const renamed = new Uint8Array(frames[150] as Uint8Array);
  renamed[0] = 9;
  assert.equal(south.open(renamed, 2), undefined, 'another sender');
});

test('an old frame does not open, nor one of a clock that is far away', () => {
  for (const [later, opens] of [
    [29_000, true],
    [31_000, false],
    [-31_000, false],
  ] as const) {
    const { north, south, clock } = pair();
    const sealed = north.seal(frame, 2);
    clock.nowMs += later;
    assert.equal(south.open(sealed, 2) !== undefined, opens, String(later));
  }
});

test('nothing opens that was changed, cut, made up, sealed under another key or for another purpose', () => {
  const { north, south } = pair();
  const sealed = north.seal(frame, 2);
  for (let at = 0; at < sealed.length; at++) {
    const changed = new Uint8Array(sealed);
    changed[at] = (changed[at] as number) ^ 1;
    assert.equal(south.open(changed, 2), undefined, `byte ${at}`);
    assert.equal(south.open(sealed.subarray(0, at), 2), undefined, `cut at ${at}`);
  }
  const other = new NodeFrames(new Uint8Array(32), () => 1_700_000_000_000);
  assert.equal(other.open(sealed, 2), undefined);
  const purpose = new Sealing(key).sealBytes('node link 1 2', new Uint8Array(20));
  assert.equal(south.open(Buffer.concat([Uint8Array.of(1), purpose]), 2), undefined);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      assert.equal(south.open(bytes, 2), undefined);
    }),
    { numRuns },
  );
  // What whoever has the key makes up opens only when it is a frame.
  const insider = new Sealing(key, 'coapsule node link');
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const opened = south.open(
        Buffer.concat([Uint8Array.of(1), insider.sealBytes('node link 1 2', bytes)]),
        2,
      );
      if (opened !== undefined) assert.ok(opened.datagram.length > 0);
    }),
    { numRuns },
  );
  assert.notEqual(south.open(sealed, 2), undefined, 'and the one itself still does');
});
