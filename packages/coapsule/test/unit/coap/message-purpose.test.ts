/**
 * Confirmable or Non-confirmable by purpose (requirements L09, L10, L11).
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { TrafficHabits } from '../../../src/api/purposeful-sending.ts';
import { Code } from '../../../src/core/coap/code.ts';
import {
  chooseMessageType,
  type DeliveryPriority,
  type MessagePurpose,
  messagePurposes,
} from '../../../src/core/coap/message-purpose.ts';
import { OptionNumber } from '../../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../../src/core/coap/option-set.ts';
import { noBytes } from '../../../src/core/foundation/bytes.ts';

type Row = readonly [
  purpose: MessagePurpose,
  priority: DeliveryPriority,
  acceptableLoss: number,
  networkLoss: number | undefined,
  type: 'CON' | 'NON',
  warnings: number,
];

const table: readonly Row[] = [
  ['alert', 'battery', 0.5, 0, 'CON', 0],
  ['command', 'battery', 0.5, 0, 'CON', 0],
  ['configuration', 'battery', 0.5, 0, 'CON', 0],
  ['firmware', 'battery', 0.5, 0, 'CON', 0],
  ['telemetry', 'reliability', 0.05, 0.1, 'CON', 0],
  ['telemetry', 'reliability', 0.05, undefined, 'CON', 0],
  ['telemetry', 'reliability', 0.05, 0.05, 'NON', 0],
  ['telemetry', 'battery', 0.05, 0.4, 'NON', 1],
  ['telemetry', 'battery', 0.05, 0, 'NON', 0],
  ['telemetry', 'balanced', 0.05, 0.05, 'NON', 0],
  ['telemetry', 'balanced', 0.05, 0.1, 'NON', 1],
  ['telemetry', 'balanced', 0, 0, 'NON', 0],
  ['telemetry', 'balanced', 0.05, undefined, 'NON', 0],
  ['status', 'balanced', 0.05, 0.05, 'NON', 0],
  ['status', 'battery', 0.05, 0.01, 'NON', 0],
  ['status', 'balanced', 0.05, 0.1, 'CON', 0],
  ['status', 'reliability', 0.05, 0, 'CON', 0],
  ['status', 'battery', 0.05, undefined, 'CON', 0],
];

suite('the type of a message', () => {
  for (const [purpose, priority, acceptableLoss, networkLoss, type, warnings] of table) {
    test(`${purpose}, ${priority}, ${acceptableLoss} acceptable, ${networkLoss ?? 'unknown'} lost: ${type}`, () => {
      const advice = chooseMessageType({ purpose, priority, acceptableLoss, networkLoss });
      assert.equal(advice.type, type);
      assert.equal(advice.warnings.length, warnings, advice.warnings.join('\n'));
      assert.match(advice.reason, /onfirmable/);
    });
  }

  test('by default: priority balanced, 5 % acceptable; the reason names the numbers', () => {
    const { type, warnings } = chooseMessageType({ purpose: 'telemetry', networkLoss: 0.1 });
    assert.equal(type, 'NON');
    assert.match(warnings[0] ?? '', /^the network loses 10 %, where 5 % are acceptable: .*confirmEvery/);
    assert.match(
      chooseMessageType({ purpose: 'status', networkLoss: 0.123 }).reason,
      /loses 12\.3 %, where 5 % are acceptable/,
    );
  });

  test('what must arrive is Confirmable whatever else is said; every answer has a reason', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...messagePurposes),
        fc.constantFrom('battery', 'balanced', 'reliability'),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
        (purpose, priority, acceptableLoss, networkLoss) => {
          const { type, reason } = chooseMessageType({ purpose, priority, acceptableLoss, networkLoss });
          if (purpose !== 'telemetry' && purpose !== 'status') assert.equal(type, 'CON');
          assert.ok(reason.length > 20);
        },
      ),
    );
  });

  test('what is no purpose, priority or share is refused by name', () => {
    const refused = (question: object, message: RegExp): void =>
      assert.throws(() => chooseMessageType(question as never), { name: 'ApiMisuseError', message });
    refused({ purpose: 'alarm' }, /purpose is 'alarm'; expected one of telemetry, alert/);
    refused({ purpose: 'status', priority: 'speed' }, /priority is 'speed'/);
    refused({ purpose: 'status', acceptableLoss: 5 }, /acceptableLoss is 5; expected a share/);
    refused({ purpose: 'status', networkLoss: Number.NaN }, /networkLoss is NaN/);
  });
});

suite('what looks like a mistake (requirement L01)', () => {
  const request = (
    type: 'CON' | 'NON',
    path: string,
    more: object = {},
  ): Parameters<TrafficHabits['look']>[0] => ({
    code: Code.Put,
    type,
    options: new OptionSet().add(OptionNumber.UriPath, path),
    payload: noBytes,
    ...more,
  });

  test('Confirmable for all: twenty in a row to one resource, told once; other resources do not count', () => {
    const habits = new TrafficHabits();
    const told: number[] = [];
    for (let i = 1; i <= 60; i++) {
      if (habits.look(request('CON', 'temperature')) !== undefined) told.push(i);
      assert.equal(habits.look(request('CON', `${i % 10}`, { code: Code.Get })), undefined);
    }
    assert.deepEqual(told, [20]);
    for (let i = 0; i < 200; i++) assert.equal(habits.look(request('CON', `${i}`)), undefined);
  });

  test('a Non-confirmable one in between is the habit that is recommended', () => {
    const habits = new TrafficHabits();
    for (let i = 1; i <= 100; i++) {
      const type = i % 10 === 0 ? 'NON' : 'CON';
      assert.equal(habits.look(request(type, 'temperature', { expectResponse: type === 'CON' })), undefined);
    }
  });

  test('Non-confirmable for what has an effect, and whose answer is waited for', () => {
    const habits = new TrafficHabits();
    assert.equal(habits.look(request('NON', 'lock')), 'non-confirmable-command');
    assert.equal(habits.look(request('NON', 'lock', { code: Code.Delete })), 'non-confirmable-command');
    assert.equal(habits.look(request('NON', 'lock', { expectResponse: false })), undefined);
    assert.equal(habits.look(request('NON', 'lock', { code: Code.Get })), undefined);
  });

  test('a type that the caller chose against the purpose is kept, and told of', () => {
    const habits = new TrafficHabits();
    const command = habits.plan('command', { confirmable: false }, 0);
    assert.deepEqual([command.type, command.advice], ['NON', ['non-confirmable-command']]);
    assert.match(command.warnings[0] ?? '', /nobody knows whether it was carried out/);
    const reading = habits.plan('telemetry', { confirmable: true }, 0);
    assert.deepEqual([reading.type, reading.advice], ['CON', ['confirmable-readings']]);
    assert.deepEqual(habits.plan('alert', { confirmable: true }, 0).advice, []);
    assert.deepEqual(habits.plan('status', { confirmable: false }, 1).advice, []);
  });

  test('confirmEvery makes every so many-th reading Confirmable', () => {
    const habits = new TrafficHabits();
    const types = Array.from({ length: 9 }, () => habits.plan('telemetry', { confirmEvery: 4 }, 0).type);
    assert.equal(types.join(' '), 'NON NON NON CON NON NON NON CON NON');
    assert.throws(() => habits.plan('telemetry', { confirmEvery: 0 }, 0), /confirmEvery is 0/);
    assert.equal(habits.plan('telemetry', { networkLoss: 0.2 }, 0.01).networkLoss, 0.2);
    assert.equal(habits.plan('telemetry', {}, 0.01).networkLoss, 0.01);
  });
});
