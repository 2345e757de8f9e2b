import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { run } from './recorded-environment.ts';

const output = async (...args: string[]): Promise<string> => {
  const { exitCode, stdout, stderr } = await run(args);
  assert.deepEqual([exitCode, stderr], [0, '']);
  return stdout;
};

describe('coapsule recommend', () => {
  test('message-type with the default inputs: NON, with a warning, and what it comes to', async () => {
    assert.equal(
      await output('recommend', 'message-type'),
      `NON: a reading that is lost is made up for by the next one: Non-confirmable saves the battery
warning: the network loses 10 %, where 5 % are acceptable: send every few readings Confirmable (confirmEvery), or give priority 'reliability'
reliability: NON arrives with 90 %, CON with 99.999 % and is acknowledged with 99.9752 %
messages: a CON takes 1.234 transmissions until its acknowledgement, a NON one
energy: with 5 ms to send and 20 ms to listen for the acknowledgement, a CON keeps the radio on for 6.2 times as long as a NON
`,
    );
  });

  test('security asks until a question decides', async () => {
    assert.equal(
      await output('recommend', 'security', '--sensitive', '--pre-provisioned'),
      `are the data sensitive or regulated (personal, medical, financial)? yes
is there a public key infrastructure (an authority, certificates that are renewed)? no
can keys be given to devices safely when they are made? yes
do messages pass proxies or gateways that must not read them? no
is there room for fewer than 10 bytes more in a message? no
dtls-psk: a handshake of some hundred bytes, then 29 bytes a message; the usual tools for TLS understand it
`,
    );
  });

  test('--json is one object on one line', async () => {
    const text = await output(
      'recommend',
      'security',
      '--sensitive',
      '--pki',
      '--untrusted-proxies',
      '--json',
    );
    assert.equal(text.trimEnd().includes('\n'), false);
    const { mode, warnings } = JSON.parse(text) as { mode: string; warnings: readonly string[] };
    assert.equal(mode, 'dtls-certificate');
    assert.equal(warnings.length, 1);
  });

  test('protocol names what fits and what joins it', async () => {
    assert.equal(
      await output('recommend', 'protocol', 'constrained', 'low-power', 'broker'),
      `CoAP
CoAP: 29 % (devices are constrained: 8-bit processors, little memory; they live on batteries)
MQTT: 20 % (a central broker is acceptable)
HTTP: 0 %
hint: devices speak CoAP, the cloud MQTT: "coapsule serve --mqtt" bridges
hint: protection has a price: 29 bytes a message with DTLS, 14 a request and 11 a response with OSCORE
`,
    );
  });

  test('sleep: what is not recommended says so', async () => {
    assert.match(
      await output('recommend', 'sleep', '--deep-sleep', '--dtls'),
      /^handshake-every-wake \(not recommended\)/,
    );
    assert.match(await output('recommend', 'sleep', '--deep-sleep'), /^oscore: /);
  });

  test('block-size counts the blocks of a body, and warns of one that does not suit the link', async () => {
    assert.equal(
      await output('recommend', 'block-size', '--link', '6lowpan', '--secured', '--body', '51200'),
      `32 bytes (-b 32): 80 on 6lowpan, less 16 for header and options and 29 for DTLS
51200 bytes are 1600 blocks
warning: 51200 bytes are more than the 128 that suit 6lowpan: every block can be lost
`,
    );
  });

  test('deployment prints all of it, and with --config the file for the gateway', async () => {
    const text = await output('recommend', 'deployment', 'agriculture');
    assert.match(text, /^soil sensors: 500 devices, a report of 16 bytes every 3600 s, wifi\n/);
    assert.match(text, /\nprotection: oscore, since devices sleep\n/);
    assert.equal(
      await output('recommend', 'deployment', 'hospital', '--config'),
      `# hospital: 200 devices.
# Devices are added with: coapsule device add ID --psk generate
data: ./data
endpoints:
  coap: off
  coaps: "[::]:5684"
access:
  resources:
    - path: /sensors/*
      requires: secured
`,
    );
  });

  test('a word that is none is refused with those that are', async () => {
    const { exitCode, stderr } = await run(['recommend', 'protocol', 'blockchain']);
    assert.equal(exitCode, 64);
    assert.match(stderr, /Allowed choices are constrained, low-power/);
  });
});

describe('coapsule codes', () => {
  test('finds by code, name and meaning, and counts', async () => {
    assert.equal(
      await output('codes', '4.04'),
      `code  name       HTTP           meaning                   example
4.04  Not Found  404 Not Found  Nothing is at this path.  GET /sensors/999
1 of 17 shown
`,
    );
  });

  test('says so when there is none, and prints nothing that moves the cursor', async () => {
    assert.equal(
      await output('codes', '\u001b[2J'),
      'no response code has "\\u{1b}[2J" in it\n0 of 17 shown\n',
    );
  });
});
