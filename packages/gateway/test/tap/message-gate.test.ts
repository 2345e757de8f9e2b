/** The gate of a tap, by itself: rules in their order, what waits and how much of it, whatever is asked of it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type GateOutput, MessageGate } from '../../src/tap/message-gate.ts';
import type { PassingMessage } from '../../src/tap/passing-message.ts';
import { parseDuration, parseRule, type Rule } from '../../src/tap/rule.ts';

const link = { id: 1, peer: '192.0.2.1:40001', forward: () => {} };

function message(number: number, path = '/a'): PassingMessage {
  return {
    ...{ number, link, direction: 'to-server', wallTimeMs: 0, bytes: Uint8Array.of(number), summary: path },
    subject: { direction: 'to-server', protocol: 'coap', peer: link.peer, length: 1, path },
  };
}

function rule(text: string): Rule {
  const parsed = parseRule(text);
  assert.ok(!('kind' in parsed), `${text}: ${JSON.stringify(parsed)}`);
  return parsed;
}

function gateWith(mostWaiting: number, ...rules: readonly string[]): MessageGate {
  const gate = new MessageGate({
    mostWaiting,
    edit: (one) => ({ ...one, summary: `${one.summary} edited` }),
  });
  for (const text of rules) gate.addRule(rule(text));
  return gate;
}

function drain(gate: MessageGate): readonly string[] {
  const all: string[] = [];
  for (let output = gate.poll(); output !== undefined; output = gate.poll()) all.push(textOf(output));
  return all;
}

function textOf(output: GateOutput): string {
  return `${output.message.number} ${output.kind === 'forward' ? output.as : output.kind}`;
}

describe('the gate', () => {
  test('applies all rules that match, in their order; drop ends it', () => {
    const gate = gateWith(
      10,
      'path=/a => edit payload=x',
      'path=/a => duplicate',
      'path=/b => drop',
      '=> duplicate',
    );
    gate.arrive(message(1), 0);
    gate.arrive(message(2, '/b'), 0);
    assert.deepEqual(drain(gate), ['1 edited', '1 duplicate', '1 duplicate', '2 dropped']);
    assert.deepEqual(
      gate.rules.map(({ id, count }) => [id, count]),
      [
        [1, 1],
        [2, 1],
        [3, 1],
        [4, 1],
      ],
    );
    assert.equal(gate.removeRule(3), true);
    assert.equal(gate.removeRule(3), false);
    gate.arrive(message(3, '/b'), 0);
    assert.deepEqual(drain(gate), ['3 unchanged', '3 duplicate']);
  });

  test('lets delayed ones go by their time, not by their order', () => {
    const gate = gateWith(10, 'path=/a => delay 2s', 'path=/b => delay 1s');
    gate.arrive(message(1), 0);
    gate.arrive(message(2, '/b'), 100);
    assert.deepEqual(drain(gate), ['1 delayed', '2 delayed']);
    assert.equal(gate.nextTimeout(), 1100);
    gate.handleTimeout(1099);
    assert.deepEqual(drain(gate), []);
    gate.handleTimeout(5000);
    assert.deepEqual(drain(gate), ['2 delayed', '1 delayed']);
    assert.equal(gate.nextTimeout(), undefined);
  });

  test('what finds no room is dropped and counted; a replay without room is left out', () => {
    const gate = gateWith(2, '=> pause');
    for (let number = 1; number <= 3; number++) gate.arrive(message(number), 0);
    assert.deepEqual(drain(gate), ['1 held', '2 held', '3 dropped']);
    assert.equal(gate.replay(message(9), 1000, 0), false);
    assert.equal(gate.counts.overflowed, 2);
    assert.equal(gate.step()?.number, 1);
    assert.equal(gate.resume(7), 0);
    assert.equal(gate.drop(2, 'hand'), true);
    assert.deepEqual(drain(gate), ['1 resumed', '2 dropped']);
  });

  test('whatever is asked: each message leaves, is dropped or waits, and never more wait than may', () => {
    const command = fc.oneof(
      fc.record({ kind: fc.constant('arrive' as const), path: fc.constantFrom('/a', '/b', '/c', '/d') }),
      fc.record({ kind: fc.constantFrom('pause', 'resume', 'step', 'time', 'replay') }),
      fc.record({ kind: fc.constantFrom('drop', 'release'), number: fc.integer({ min: 1, max: 20 }) }),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 40 }), (commands) => {
        const gate = gateWith(3, 'path=/a => delay 5s', 'path=/b => drop', 'path=/c => pause');
        let arrived = 0;
        let now = 0;
        for (const one of commands) {
          now += 1000;
          if (one.kind === 'arrive' && 'path' in one) gate.arrive(message(++arrived, one.path), now);
          else if (one.kind === 'pause') gate.pause({ kind: 'any' });
          else if (one.kind === 'resume') gate.resume();
          else if (one.kind === 'step') gate.step();
          else if (one.kind === 'time') gate.handleTimeout(now);
          else if (one.kind === 'replay') gate.replay(message(1), 3000, now);
          else if (one.kind === 'drop' && 'number' in one) gate.drop(one.number, 'hand');
          else if ('number' in one) gate.resume(one.number);
          assert.ok(gate.held.length + gate.scheduled <= 3);
          drain(gate);
        }
        const waiting = gate.held.length + gate.scheduled;
        const { forwarded, dropped, replayed } = gate.counts;
        // Replays that wait, or were dropped while they waited, are messages more.
        assert.ok(forwarded - replayed + dropped + waiting >= arrived);
        gate.resume();
        gate.handleTimeout(Infinity);
        assert.equal(gate.held.length + gate.scheduled, 0);
      }),
    );
  });
});

describe('a rule', () => {
  test('has an action, and what it needs', () => {
    assert.deepEqual(rule('=> drop').action, { kind: 'drop' });
    assert.deepEqual(rule('code=GET => delay 1.5s').action, { kind: 'delay', ms: 1500 });
    assert.deepEqual(rule('=> replay after 2m').action, { kind: 'replay', ms: 120_000 });
    assert.deepEqual(rule('=> duplicate 3 times').action, { kind: 'duplicate', copies: 3 });
    const { probability, seed } = rule('=> drop probability 30% seed 7');
    assert.deepEqual([probability, seed], [0.3, 7]);
    assert.deepEqual(rule('=> edit payload=seed').action, {
      ...{ kind: 'edit', edits: [{ kind: 'payload', value: new TextEncoder().encode('seed') }] },
    });
  });

  test('without one is refused at its place', () => {
    for (const [text, reason] of [
      ['path=/a', /FILTER => ACTION/],
      ['=> explode', /an action is drop/],
      ['=> delay', /needs a time/],
      ['=> delay 2h', /at most an hour/],
      ['=> drop it', /nothing follows drop/],
      ['=> duplicate 101', /1 to 100/],
      ['=> edit', /an edit is missing/],
      ['=> edit type=XYZ', /CON, NON, ACK or RST/],
      ['=> drop probability 130%', /a probability is/],
      ['=> drop seed x', /a seed is/],
    ] as const) {
      const refused = parseRule(text);
      assert.ok('kind' in refused && refused.kind === 'fault', text);
      assert.match(refused.reason, reason, text);
    }
    assert.equal(parseDuration('61m'), undefined);
  });
});
