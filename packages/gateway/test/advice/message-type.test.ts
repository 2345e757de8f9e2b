import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { adviseMessageType, type MessageTypeQuestion } from '../../src/advice/message-type.ts';

const cases: readonly (readonly [string, MessageTypeQuestion, 'CON' | 'NON', warns: boolean])[] = [
  ['a safety alert', { purpose: 'alert' }, 'CON', false],
  ['a command to an actuator', { purpose: 'command' }, 'CON', false],
  ['a setting', { purpose: 'configuration' }, 'CON', false],
  ['a block of firmware', { purpose: 'firmware', priority: 'battery' }, 'CON', false],
  [
    'telemetry, reliability, loss above what is acceptable',
    { purpose: 'telemetry', priority: 'reliability' },
    'CON',
    false,
  ],
  [
    'telemetry, battery, loss above what is acceptable',
    { purpose: 'telemetry', priority: 'battery' },
    'NON',
    true,
  ],
  ['telemetry, balanced, loss that is acceptable', { purpose: 'telemetry', networkLoss: 0.05 }, 'NON', false],
  ['telemetry, balanced, the default losses of 5 % and 10 %', { purpose: 'telemetry' }, 'NON', true],
  ['a status, loss that is acceptable', { purpose: 'status', networkLoss: 0.05 }, 'NON', false],
  ['a status, loss above what is acceptable', { purpose: 'status' }, 'CON', false],
  ['a status, reliability', { purpose: 'status', networkLoss: 0, priority: 'reliability' }, 'CON', false],
];

describe('Confirmable or not', () => {
  for (const [what, question, type, warns] of cases) {
    test(`${what}: ${type}${warns ? ', with a warning' : ''}`, () => {
      const advice = adviseMessageType(question);
      assert.deepEqual([advice.type, advice.warnings.length > 0], [type, warns]);
      assert.notEqual(advice.reason, '');
    });
  }

  test('nothing lost, nothing acceptable: a NON arrives with certainty, in one transmission', () => {
    const { type, delivered, odds, isLossAcceptable } = adviseMessageType({
      purpose: 'telemetry',
      acceptableLoss: 0,
      networkLoss: 0,
    });
    assert.deepEqual([type, delivered, odds.transmissions, isLossAcceptable], ['NON', 1, 1, true]);
  });

  test('at 40 % a CON is acknowledged with 89.26 %, after 2.48 transmissions', () => {
    const { odds } = adviseMessageType({ purpose: 'alert', networkLoss: 0.4 });
    assert.equal((100 * odds.confirmableAcknowledged).toFixed(2), '89.26');
    assert.equal(odds.transmissions.toFixed(3), '2.480');
  });

  test('five times the battery life needs 5 ms of sending against 20 ms more of listening', () => {
    assert.equal(adviseMessageType({ purpose: 'telemetry', networkLoss: 0 }).radioTimeOverNonConfirmable, 5);
  });
});
