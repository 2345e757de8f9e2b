import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Method } from 'coapsule';
import { type AccessDecision, type Asker, decideAccess, type Protection } from '../../src/access/access.ts';
import { defaultRules, parseRule, type Rule, ruleCovers, ruleText } from '../../src/access/rule.ts';

const plain: Asker = { kind: 'plain' };
const sensor: Asker = { kind: 'identity', rules: defaultRules('sensor-042') };
const removed: Asker = { kind: 'identity', rules: undefined };
const strict = { dangerouslyAllowPlainWrites: false, openReads: false };
const demo = { dangerouslyAllowPlainWrites: false, openReads: true };
const open = { dangerouslyAllowPlainWrites: true, openReads: false };

const cases: readonly (readonly [
  string,
  Protection,
  Method,
  string,
  Asker,
  typeof strict,
  AccessDecision,
])[] = [
  ['everyone uses a public resource', 'public', 'PUT', '/light', plain, strict, 'allowed'],
  ['a removed device too', 'public', 'GET', '/light', removed, strict, 'allowed'],
  ['plain CoAP meets a secured one', 'secured', 'GET', '/lock', plain, strict, 'unauthorized'],
  ['also with plain writes allowed', 'secured', 'PUT', '/lock', plain, open, 'unauthorized'],
  ['also in the demo', 'secured', 'GET', '/lock', plain, demo, 'unauthorized'],
  ['an identity uses a secured one', 'secured', 'PUT', '/lock', sensor, strict, 'allowed'],
  ['a removed device does not', 'secured', 'PUT', '/lock', removed, strict, 'unauthorized'],
  ['a device writes its own path', 'guarded', 'PUT', '/sensors/sensor-042/temp', sensor, strict, 'allowed'],
  ['and the path itself', 'guarded', 'POST', '/sensors/sensor-042', sensor, strict, 'allowed'],
  ['and the shared one', 'guarded', 'POST', '/sensor', sensor, strict, 'allowed'],
  ['and reads it back', 'guarded', 'GET', '/sensors/sensor-042/temp', sensor, strict, 'allowed'],
  [
    'a device writes another’s path',
    'guarded',
    'PUT',
    '/sensors/sensor-043/temp',
    sensor,
    strict,
    'forbidden',
  ],
  ['one whose id only begins alike', 'guarded', 'PUT', '/sensors/sensor-0421', sensor, strict, 'forbidden'],
  [
    'a device reads another’s path',
    'guarded',
    'GET',
    '/sensors/sensor-043/temp',
    sensor,
    strict,
    'forbidden',
  ],
  ['a device reads the list', 'guarded', 'GET', '/sensors', sensor, strict, 'forbidden'],
  ['a device reads the list of what it may read', 'filtered', 'GET', '/sensors', sensor, strict, 'allowed'],
  ['a removed device does not', 'filtered', 'GET', '/sensors', removed, strict, 'unauthorized'],
  ['plain CoAP does not', 'filtered', 'GET', '/sensors', plain, strict, 'unauthorized'],
  ['plain CoAP does in the demo', 'filtered', 'GET', '/sensors', plain, demo, 'allowed'],
  ['a device deletes', 'guarded', 'DELETE', '/sensors/sensor-042', sensor, strict, 'forbidden'],
  ['plain CoAP writes', 'guarded', 'PUT', '/sensors/sensor-042', plain, strict, 'unauthorized'],
  ['plain CoAP reads', 'guarded', 'GET', '/sensors/sensor-042', plain, strict, 'unauthorized'],
  ['plain CoAP reads in the demo', 'guarded', 'GET', '/sensors/sensor-042', plain, demo, 'allowed'],
  ['plain CoAP writes in the demo', 'guarded', 'PUT', '/sensors/sensor-042', plain, demo, 'unauthorized'],
  ['cross-device write in the demo', 'guarded', 'PUT', '/sensors/sensor-043', sensor, demo, 'forbidden'],
  ['plain CoAP writes when told so', 'guarded', 'PUT', '/sensors/x', plain, open, 'allowed'],
  ['that gives a device no more', 'guarded', 'PUT', '/sensors/x', sensor, open, 'forbidden'],
  ['a removed device writes', 'guarded', 'PUT', '/sensors/sensor-042', removed, open, 'unauthorized'],
];

for (const [name, protection, method, path, asker, policy, expected] of cases) {
  test(`access: ${name}: ${method} ${path} is ${expected}`, () => {
    assert.equal(decideAccess(protection, method, path.slice(1).split('/'), asker, policy), expected);
  });
}

test('a rule covers everything below its path, its exact path, or any method, as written', () => {
  const below = parseRule('PUT,post:/a/*') as Rule;
  assert.equal(ruleCovers(below, 'POST', ['a', 'b', 'c']), true);
  assert.equal(ruleCovers(below, 'PUT', ['a']), false);
  assert.equal(ruleCovers(below, 'GET', ['a', 'b']), false);
  assert.equal(ruleCovers(parseRule('*:/*') as Rule, 'IPATCH', ['x']), true);
  assert.equal(ruleCovers(parseRule('GET:/a') as Rule, 'GET', ['a', 'b']), false);
  assert.equal(ruleCovers(parseRule('GET:/') as Rule, 'GET', []), true);
});

test('a path that a device writes as * or with an escaped slash is no wildcard and no other path', () => {
  const rules = defaultRules('a');
  assert.equal(
    rules.some((rule) => ruleCovers(rule, 'PUT', ['sensors', '*'])),
    false,
  );
  assert.equal(
    rules.some((rule) => ruleCovers(rule, 'PUT', ['sensors', 'a/b'])),
    false,
  );
});

test('a rule keeps its meaning in text form, also with a star or a slash in the device id', () => {
  for (const id of ['sensor-042', '*', 'a/b', 'ü %', 'x:y']) {
    for (const rule of defaultRules(id)) assert.deepEqual(parseRule(ruleText(rule)), rule);
  }
  assert.equal(ruleText(parseRule('*:/a/b%2Fc/*') as Rule), '*:/a/b%2Fc/*');
});

test('a rule that cannot be read is refused with what is wrong', () => {
  assert.match(parseRule('PUT') as string, /METHOD:PATH/);
  assert.match(parseRule('PULL:/a') as string, /PULL/);
  assert.match(parseRule('PUT:a') as string, /start with/);
  assert.match(parseRule('PUT:/a/*/b') as string, /last segment/);
  assert.match(parseRule('PUT:/%zz') as string, /escape/);
});
