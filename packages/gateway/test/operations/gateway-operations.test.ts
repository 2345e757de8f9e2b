/** What is told of all threads together. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { GatewayOperations } from '../../src/operations/gateway-operations.ts';
import type { AskThread } from '../../src/operations/operations-answers.ts';
import { ThreadOperations } from '../../src/operations/thread-operations.ts';
import type { Load } from '../../src/overload/admission.ts';
import { defaultOverload } from '../../src/overload/overload-options.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { VirtualTimer } from '../virtual-timer.ts';

const noCounts = { counts: [], sumSeconds: 0 };
const store = {
  fault: undefined,
  outboxSize: async () => ({ entries: 0, bytes: 0 }),
  load: {
    ...{ commits: 0, commitDurations: noCounts, failedCommits: 0 },
    ...{ waitingWrites: 0, waitingBytes: 0, waitingReads: 0 },
  },
};

function start(t: TestContext, loads: readonly Load[] = []) {
  const timer = new VirtualTimer();
  const log = { verbosity: 0, error: () => {}, warning: () => {}, detail: () => {} };
  const own = new ThreadOperations({
    ...{ worker: 0, listeners: [], store, log, timer },
    overload: () => defaultOverload,
    rateOf: () => undefined,
  });
  const asked: string[] = [];
  const others = loads.map(
    (load): AskThread =>
      async (kind) => {
        asked.push(kind);
        return load as never;
      },
  );
  const operations = new GatewayOperations({
    ...{ dataFolder: temporaryFolder(t), version: '1', own, listeners: [], store },
    others: () => others,
    devicesChanged: async () => {},
    broker: () => undefined,
    httpStreams: () => undefined,
  });
  t.after(() => operations.close());
  return { operations, timer, asked };
}

test('who asks for readiness takes nothing from the metrics: the longest delay is since they were read last', async (t) => {
  const { operations, timer } = start(t);
  timer.block(3000);
  assert.equal((await operations.readiness()).status, 'ready');
  const longest = /^coapsule_event_loop_delay_max_seconds\{worker="0"\} (\S+)$/m;
  assert.equal(longest.exec((await operations.metrics()).text)?.[1], '2.75');
  assert.equal(longest.exec((await operations.metrics()).text)?.[1], '0');
});

test('a gateway is as loaded as the most loaded of its threads', async (t) => {
  const { operations, asked } = start(t, ['busy', 'overloaded', 'normal']);
  const { reasons, checks } = await operations.readiness();
  assert.deepEqual(reasons, ['load: overloaded']);
  assert.deepEqual(checks['workers'], { ok: true, all: 4, answering: 4 });
  assert.deepEqual(asked, ['load', 'load', 'load']);
});
