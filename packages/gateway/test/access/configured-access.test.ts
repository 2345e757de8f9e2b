import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AccessSettings, ConfiguredAccess } from '../../src/access/configured-access.ts';
import { ruleCovers, ruleText } from '../../src/access/rule.ts';
import { keyValue } from '../../src/cli/option-values.ts';
import { parseConfig } from '../../src/config/config-file.ts';

function parse(text: string): ReturnType<typeof parseConfig> {
  const nothing = (): never => assert.fail('nothing is read');
  return parseConfig(text, {
    resolvePath: (path) => path,
    readSecret: nothing,
    keyOf: keyValue,
    variables: {},
  });
}

function accessOf(text: string): ConfiguredAccess {
  const file = parse(`access:\n${text}`);
  assert.ok('options' in file, JSON.stringify(file));
  return new ConfiguredAccess(file.options.access as AccessSettings);
}

const rulesOf = (access: ConfiguredAccess, identity: string): string[] =>
  access.rulesOf(identity).map(ruleText);

test('an identity has its own rules, those of its roles, and those of its groups', () => {
  const access = accessOf(`
  roles:
    reader: ["GET:/sensors/*"]
    operator: ["PUT,POST:/thermostat/*", "GET:/thermostat/*"]
  groups:
    nurses: { members: [tablet-1, "nurse-*"], roles: [reader], allow: ["GET:/ward/*"] }
    everyone: { members: ["*"], allow: ["GET:/help"] }
  identities:
    admin: { roles: [reader, operator], allow: ["*:/admin/*"] }
`);
  assert.deepEqual(rulesOf(access, 'admin'), [
    'GET:/sensors/*',
    'PUT,POST:/thermostat/*',
    'GET:/thermostat/*',
    '*:/admin/*',
    'GET:/help',
  ]);
  const nurse = ['GET:/sensors/*', 'GET:/ward/*', 'GET:/help'];
  assert.deepEqual(rulesOf(access, 'tablet-1'), nurse);
  assert.deepEqual(rulesOf(access, 'nurse-7'), nurse);
  for (const other of ['tablet-10', 'nurse', 'Nurse-7', '*'])
    assert.deepEqual(rulesOf(access, other), ['GET:/help']);
  assert.deepEqual([access.names('admin'), access.names('tablet-1')], [true, false]);
  assert.deepEqual(new ConfiguredAccess().rulesOf('admin'), []);
});

test('{id} is the identity that asks, and nothing in an identity means anything in a rule', () => {
  const access = accessOf(
    '  groups: { all: { members: ["*"], allow: ["PUT:/patients/{id}/*", "GET:/x-{id}"] } }',
  );
  assert.deepEqual(rulesOf(access, 'monitor-7'), ['PUT:/patients/monitor-7/*', 'GET:/x-monitor-7']);
  for (const identity of ['*', 'a/b', '..', '%2F', 'GET:/']) {
    const [rule] = access.rulesOf(identity);
    assert.ok(rule && ruleCovers(rule, 'PUT', ['patients', identity, 'pulse']), identity);
    for (const other of ['monitor-7', 'a', ''])
      assert.ok(!ruleCovers(rule, 'PUT', ['patients', other, 'pulse']));
    assert.ok(!ruleCovers(rule, 'PUT', ['patients', 'a', 'b', 'pulse']));
  }
});

test('what paths demand adds up: the shortest time, and every protection', () => {
  const access = accessOf(`
  resources:
    - { path: "/valves/*", requires: secured, freshWithin: 60 }
    - { path: /valves/main, requires: oscore, freshWithin: 5 }
    - { path: "/valves/main/*", requires: dtls }
    - { path: "/*", freshWithin: 30 }
    - { path: /open }
`);
  const demandOf = (path: string) => {
    const { requires, freshWithinSeconds } = access.demandOf(path.split('/').slice(1));
    return [requires, freshWithinSeconds];
  };
  assert.deepEqual(demandOf('/valves/north'), ['either', 30]);
  assert.deepEqual(demandOf('/valves/main'), ['oscore', 5]);
  assert.deepEqual(demandOf('/valves/main/x'), ['dtls', 30]);
  assert.deepEqual(demandOf('/valves'), [undefined, 30]);
  assert.equal(access.demandsFreshness, true);
  const both = accessOf('  resources: [{ path: /a, requires: oscore }, { path: /a, requires: dtls }]');
  assert.deepEqual(both.demandOf(['a']), { requires: 'both', freshWithinSeconds: undefined });
  assert.equal(both.demandsFreshness, false);
});

test('a rule, role or path that cannot be is refused with its line', () => {
  const file = parse(`access:
  roles:
    reader: ["GET /sensors"]
  groups:
    a: { members: [x], roles: [raeder] }
    b: { membres: [x] }
  resources:
    - { path: lock, freshWithin: 0 }
`);
  assert.ok('faults' in file);
  const shown = file.faults.map(({ line, key, problem }) => `${line} ${key} ${problem}`);
  assert.match(shown.join('\n'), /^3 access\.roles\.reader\[0\] "GET \/sensors" is not METHOD:PATH/m);
  assert.match(
    shown.join('\n'),
    /^6 access\.groups\.b\.membres is no key here: did you mean members\? \(keys: members, roles, allow, rate, burst\)/m,
  );
  assert.match(
    shown.join('\n'),
    /^8 access\.resources\[0\]\.freshWithin is 0; expected a whole number, 1 to 86400/m,
  );
  const roles = parse('access:\n  roles: { reader: ["GET:/x"] }\n  groups:\n    a: { roles: [raeder] }\n');
  assert.ok('faults' in roles);
  assert.deepEqual(
    roles.faults.map(({ line, key, problem }) => [line, key, problem]),
    [[4, 'access.groups.a.roles[0]', '"raeder" is no role (roles: reader)']],
  );
});
