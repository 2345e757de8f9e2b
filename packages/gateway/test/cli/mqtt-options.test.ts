/** `serve --mqtt…`: what the options mean, and what is refused before anything is opened. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type MqttCommandOptions, mqttOptions } from '../../src/cli/mqtt-options.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';

const usual: MqttCommandOptions = {
  mqttVersion: '5',
  mqttBase: 'site/7',
  mqttQos: 1,
  mqttFormat: 'raw',
  mqttQueue: 1000,
  mqttShare: 25,
};
const url = 'mqtt://broker.example';

test('without a broker there is none, and options for one say so', () => {
  assert.equal(mqttOptions(usual), undefined);
  assert.throws(
    () => mqttOptions({ ...usual, mqttAllow: ['PUT:/a'] }),
    /--mqtt-allow is for a message broker/,
  );
  assert.throws(
    () => mqttOptions({ ...usual, mqttObserve: ['/a'] }),
    /--mqtt-observe is for a message broker/,
  );
});

test('readings go below the base, rules are read, and the password is what its file holds, without the line end', (t) => {
  const file = join(temporaryFolder(t), 'password');
  writeFileSync(file, 'secret word\r\n');
  const given = { mqtt: url, mqttUser: 'gateway', mqttPasswordFile: file, mqttAllow: ['PUT,GET:/light'] };
  const made = mqttOptions({ ...usual, ...given, mqttVersion: '3.1.1' });
  assert.deepEqual(
    [made?.topic, made?.protocol, made?.password, made?.allow.map(({ segments }) => segments)],
    ['site/7/telemetry/{path}', 4, 'secret word', [['light']]],
  );
});

test('what cannot be is refused with its reason, and no password is shown', () => {
  const refuses = (given: Partial<MqttCommandOptions>, cause: RegExp): void => {
    assert.throws(
      () => mqttOptions({ ...usual, mqtt: url, ...given }),
      (error: Error) => cause.test(error.message) && !error.message.includes('hunter2'),
      String(cause),
    );
  };
  refuses({ mqtt: 'http://broker' }, /is not mqtt:\/\/HOST:PORT/);
  refuses({ mqtt: 'mqtt://me:hunter2@broker' }, /a URL with a user or password ends up in logs/);
  refuses({ mqtt: 'xmqtt://me:hunter2@broker' }, /is not mqtt/);
  refuses({ mqtt: `${url}/topic` }, /more than host and port/);
  refuses({ mqttBase: 'a/#' }, /wildcard/);
  refuses({ mqttBase: 'a/{path}' }, /placeholder/);
  refuses({ mqttTopic: 'site/7/command/{path}' }, /readings would be commands/);
  refuses({ mqttTopic: '{name}' }, /known are \{path\} and \{identity\}/);
  refuses({ mqttAllow: ['FLY:/a'] }, /--mqtt-allow: "FLY" is no CoAP method/);
  refuses({ mqttObserve: ['a'] }, /does not start with \//);
  refuses({ mqttObserve: ['/a/%zz'] }, /broken percent escape/);
  refuses({ mqttObserve: ['/sensors/*'] }, /no single resource/);
  refuses({ mqttCa: '/nowhere/ca.pem' }, /--mqtt-ca .* cannot be read/);
});
