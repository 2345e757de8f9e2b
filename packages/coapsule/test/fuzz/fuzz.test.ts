/**
 * Feeds every fuzz target of this folder with seeded mutations of its corpus.
 *
 * A target fails when it throws, when one input takes more than 50 ms of CPU again and again, or when memory
 * grows. The seed is fixed, so a failure repeats; the message holds the input.
 *
 * COAPSULE_FUZZ_COUNT  inputs for each target; otherwise 100,000, or 1,000,000 with COAPSULE_LONG=1
 * COAPSULE_FUZZ_SEED   another seed than 1
 */

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { suite, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { toHex } from '../../src/core/foundation/bytes.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import type { FuzzTarget } from './fuzz-target.ts';
import { mutate } from './mutate.ts';

const shortCount = 100_000;
const longCount = 1_000_000;
const maxCpuMs = 50;
/** Garbage that a collection may leave behind, and caches that fill once. */
const maxHeapGrowth = 24 * 2 ** 20;

const collectGarbage = exposeGarbageCollector();
const seed = Number(process.env['COAPSULE_FUZZ_SEED'] ?? 1);
const unloadable: string[] = [];
const targets = await loadTargets();
const count = countPerTarget();

suite('fuzzing', () => {
  test('every file of this folder loads', () => {
    assert.deepEqual(unloadable, []);
  });

  test('there are targets, and each has a corpus its decoder takes without throwing', () => {
    assert.ok(targets.length > 0);
    assert.ok(Number.isInteger(count) && count > 0, `count ${count}`);
    assert.equal(new Set(targets.map(({ name }) => name)).size, targets.length, 'names are unique');
    for (const target of targets) {
      assert.ok(target.corpus.length > 0, target.name);
      for (const input of target.corpus) target.run(input.slice());
    }
  });

  for (const target of targets) {
    test(`${target.name}: ${count} mutated inputs, no exception, no stall, no growth`, async (context) => {
      const random = new SeededRandom(seed);
      // The first part fills caches and compiles; growth is counted from there.
      const warmUp = Math.floor(count / 5);
      fuzz(target, random, warmUp);
      const before = await settledHeap();
      fuzz(target, random, count - warmUp);
      const growth = (await settledHeap()) - before;
      context.diagnostic(`heap ${Math.round(growth / 1024)} KiB`);
      assert.ok(growth < maxHeapGrowth, `heap grew by ${growth} bytes over ${count - warmUp} inputs`);
    });
  }

  test('the driver sees an exception, a stall and growth when there is one', () => {
    const corpus = [Uint8Array.of(1, 2, 3, 4)];
    const throwing: FuzzTarget = {
      name: 'throwing',
      corpus,
      run: (input) => {
        if (input.length > 5) throw new TypeError('broken');
      },
    };
    assert.throws(() => fuzz(throwing, new SeededRandom(1), 1000), /throwing.*input [0-9a-f]{12,}/s);
    const stalling: FuzzTarget = {
      name: 'stalling',
      corpus,
      run: () => {
        const end = process.cpuUsage().user + 2 * maxCpuMs * 1000;
        // Reading the counter is itself slow, so it is read rarely.
        for (let spin = 0; ; spin++) if (spin % 1_000_000 === 0 && process.cpuUsage().user >= end) return;
      },
    };
    assert.throws(() => fuzz(stalling, new SeededRandom(1), 1), /stalling.*ms of CPU/s);
    const kept: Uint8Array[][] = [];
    const before = heapUsed();
    kept.push(Array.from({ length: 2 ** 15 }, () => new Uint8Array(1024)));
    assert.ok(heapUsed() - before > maxHeapGrowth);
    assert.equal(kept.length, 1);
  });
});

/** Runs `inputs` mutations; throws at the first that breaks a promise. */
function fuzz(target: FuzzTarget, random: SeededRandom, inputs: number): void {
  for (let i = 0; i < inputs; i++) {
    const input = mutate(target.corpus, random);
    const start = performance.now();
    runOnce(target, input);
    if (performance.now() - start > maxCpuMs) repeatSlow(target, input);
  }
}

function runOnce(target: FuzzTarget, input: Uint8Array): void {
  // The target gets a copy, so that the message shows what went in.
  const own = input.slice();
  try {
    target.run(own);
  } catch (error) {
    throw new Error(`${target.name} (seed ${seed}) threw for input ${toHex(input)}: ${error}`, {
      cause: error,
    });
  }
}

/** A busy machine makes any run slow once; only CPU time spent again and again is the target's own. */
function repeatSlow(target: FuzzTarget, input: Uint8Array): void {
  let least = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 3; attempt++) {
    const begin = process.cpuUsage();
    runOnce(target, input);
    const { user, system } = process.cpuUsage(begin);
    least = Math.min(least, (user + system) / 1000);
    if (least <= maxCpuMs) return;
  }
  throw new Error(`${target.name} (seed ${seed}) took ${least} ms of CPU for input ${toHex(input)}`);
}

function countPerTarget(): number {
  const given = process.env['COAPSULE_FUZZ_COUNT'];
  if (given !== undefined) return Number(given);
  return process.env['COAPSULE_LONG'] === '1' ? longCount : shortCount;
}

/** `target` of every other file in this folder that exports one. */
async function loadTargets(): Promise<readonly FuzzTarget[]> {
  const files = readdirSync(new URL('.', import.meta.url)).filter(
    (file) => file.endsWith('.ts') && !file.endsWith('.test.ts'),
  );
  const found: FuzzTarget[] = [];
  for (const file of files.sort()) {
    try {
      const module = (await import(new URL(file, import.meta.url).href)) as { readonly target?: FuzzTarget };
      if (module.target !== undefined) found.push(module.target);
    } catch (error) {
      // The other targets run all the same.
      unloadable.push(`${file}: ${error}`);
    }
  }
  return found;
}

/**
 * What is in use when finalizers have run: keys of OpenSSL are given back one turn of the event loop after the
 * collection, and what other test files of this process left goes with them.
 */
async function settledHeap(): Promise<number> {
  let least = heapUsed();
  for (let turn = 0; turn < 5; turn++) {
    await new Promise(setImmediate);
    least = Math.min(least, heapUsed());
  }
  return least;
}

function heapUsed(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function exposeGarbageCollector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}
