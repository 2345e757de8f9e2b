/** What makes a gateway ready, degraded or not ready. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ReadinessFacts, readinessOf } from '../../src/operations/readiness.ts';

const well: ReadinessFacts = {
  isStopping: false,
  storeFault: undefined,
  freeDiskBytes: 1e9,
  broker: { isConnected: true },
  lines: [{ uri: 'coap+serial://ttyUSB0:115200', isOpen: true }],
  workers: { all: 2, answering: 2 },
  load: 'normal',
};

test('a gateway with all its parts is ready', () => {
  const { status, reasons } = readinessOf(well);
  assert.deepEqual([status, reasons], ['ready', []]);
});

test('what it can do without for a while makes it degraded, and is named', () => {
  const cases: readonly (readonly [Partial<ReadinessFacts>, string])[] = [
    [{ broker: { isConnected: false } }, 'broker: away'],
    [{ lines: [{ uri: 'coap+serial://ttyUSB0:115200', isOpen: false }] }, 'lines: missing'],
    [{ workers: { all: 2, answering: 1 } }, 'workers: not-answering'],
    [{ freeDiskBytes: 1e6 }, 'disk: low'],
    [{ load: 'busy' }, 'load: busy'],
    [{ load: 'overloaded' }, 'load: overloaded'],
  ];
  for (const [fact, reason] of cases) {
    const { status, reasons } = readinessOf({ ...well, ...fact });
    assert.deepEqual([status, reasons], ['degraded', [reason]]);
  }
});

test('a store that cannot be written, and the end, make it not ready; a queue that was full once does not', () => {
  for (const code of ['disk-full', 'failed', 'no-permission', 'closed', 'in-use'] as const) {
    const { status, reasons } = readinessOf({ ...well, storeFault: { code } });
    assert.deepEqual([status, reasons], ['not-ready', [`store: ${code}`]]);
  }
  assert.equal(readinessOf({ ...well, isStopping: true }).status, 'not-ready');
  assert.equal(readinessOf({ ...well, storeFault: { code: 'overloaded' } }).status, 'ready');
});

test('parts that are not there are not judged', () => {
  const { status, checks } = readinessOf({ ...well, broker: undefined, lines: [], freeDiskBytes: undefined });
  assert.equal(status, 'ready');
  assert.deepEqual(Object.keys(checks), ['store', 'disk', 'load', 'workers']);
});
