import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  commandOf,
  isAnswerTopic,
  responseTopic,
  topicFault,
  topicOf,
} from '../../src/bridge/mqtt-topics.ts';

test('a reading goes where the template says, by path and identity', () => {
  const value = { path: '/sensors/patient-1/hr', identity: 'patient-1' };
  assert.equal(topicOf('coapsule/telemetry/{path}', value), 'coapsule/telemetry/sensors/patient-1/hr');
  assert.equal(topicOf('ward/{identity}/{path}/raw', value), 'ward/patient-1/sensors/patient-1/hr/raw');
  assert.equal(topicOf('{identity}', { path: '/a', identity: undefined }), '-');
});

test('no name that a device has chosen makes a wildcard or another level (MQTT 5.0 §4.7)', () => {
  assert.equal(
    topicOf('{identity}/{path}', { path: '/a%2Fb/+/#', identity: 'x/+' }),
    'x%2F%2B/a%2Fb/%2B/%23',
  );
  assert.equal(topicOf('{path}', { path: `/${'x'.repeat(65_536)}`, identity: undefined }), undefined);
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (identity, segment) => {
      const path = `/sensors/${encodeURIComponent(segment.toWellFormed())}`;
      const topic = topicOf('a/{identity}/{path}/b', { path, identity });
      assert.equal(topic?.split('/').length, 5);
      assert.ok(topic.split('/').every((level) => level !== ''));
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
      assert.doesNotMatch(topic, /[+#\u0000-\u001f\u007f]/);
    }),
  );
});

test('two paths or identities never get the same topic', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (one, other) => {
      const [a, b] = [one, other].map((identity) => topicOf('{identity}', { path: '/a', identity }));
      // A device may be called `-`, as those without identity are, and no device has an empty name.
      if (one !== other && one !== '' && other !== '') assert.notEqual(a, b);
    }),
  );
});

test('a template without names between its slashes, with wildcards or unknown placeholders is refused', () => {
  for (const good of ['a', 'site-7/{path}', '{identity}/x']) assert.equal(topicFault(good), undefined, good);
  for (const bad of ['', '/a', 'a/', 'a//b', '$SYS/a', 'a/+', 'a/#', 'a/{name}', 'a/{path', 'a\u0000']) {
    assert.equal(typeof topicFault(bad), 'string', bad);
  }
});

test('a command topic names method and path', () => {
  assert.deepEqual(commandOf('coapsule', 'coapsule/command/put/light'), { method: 'PUT', path: '/light' });
  assert.deepEqual(commandOf('a/b', 'a/b/command/GET/x y/%'), { method: 'GET', path: '/x%20y/%25' });
  for (const bad of [
    'x',
    'coapsule/command',
    'coapsule/command/',
    'coapsule/command/put',
    'coapsule/command/fly/light',
    'coapsule/command/put//a',
    'coapsule/command/put/a/',
  ]) {
    assert.equal(typeof commandOf('coapsule', bad), 'string', bad);
  }
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (topic) => void commandOf('c', `c/command/${topic}`)));
});

test('an answer goes to no command topic, no filter and nothing of the broker', () => {
  assert.equal(responseTopic('coapsule', 'coapsule/command/put/light'), 'coapsule/response/put/light');
  assert.ok(isAnswerTopic('coapsule', 'my/answers'));
  for (const bad of ['', 'a/+', '#', '$SYS/x', 'coapsule/command', 'coapsule/command/put/light']) {
    assert.ok(!isAnswerTopic('coapsule', bad), bad);
  }
});
