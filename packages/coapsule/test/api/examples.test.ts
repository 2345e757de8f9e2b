import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Client, Code, changed, failure, Server } from '../../src/index.ts';
import { allOutput, example, firstLine } from './example-process.ts';

function portsOf(line: string): string[] {
  return [...line.matchAll(/:(\d+)(?= |$)/g)].map(([, port]) => port as string);
}

test('the secure client prints the secure response of the temperature server, and nothing else', async () => {
  const server = example('temperature-server.ts', '0');
  const [port] = portsOf(await firstLine(server));
  assert.equal(
    await allOutput(example('secure-client.ts', `coaps://localhost:${port}/temperature`)),
    'Secure response: 22.5\n',
  );
});

test('each identity of the temperature server has its own key, and no other opens it', async () => {
  const [port] = portsOf(await firstLine(example('temperature-server.ts', '0')));
  const uri = `coaps://localhost:${port}/temperature`;
  const outcome = async (identity: string, key: string): Promise<string> => {
    await using client = new Client({ psk: { identity, key: new TextEncoder().encode(key) } });
    return await client.get(uri).then(
      (response) => response.text(),
      (error) => error.code,
    );
  };
  assert.deepEqual(
    await Promise.all([
      outcome('sensor-042', 'MySecret16ByteK!'),
      outcome('sensor-043', 'AnotherKey16Byt!'),
      outcome('sensor-042', 'AnotherKey16Byt!'),
      outcome('sensor-999', 'MySecret16ByteK!'),
    ]),
    ['22.5', '22.5', 'ERR_CREDENTIALS', 'ERR_CREDENTIALS'],
  );
});

test('the PKI client and the PKI server know each other by certificate, and the server nobody else', async () => {
  const file = (name: string): string => fileURLToPath(new URL(`certificates/${name}`, import.meta.url));
  const files = (name: string): string[] => [file(`${name}.pem`), file(`${name}.key`), file('ca.pem')];
  const [port] = portsOf(await firstLine(example('pki-server.ts', '0', ...files('server'))));
  const uri = `coaps://localhost:${port}`;
  assert.equal(
    await allOutput(example('pki-client.ts', `${uri}/temperature`, ...files('device'))),
    'Secure response: 22.5\n',
  );
  assert.equal(
    await allOutput(example('pki-client.ts', `${uri}/whoami`, ...files('device'))),
    'Secure response: sensor-7\n',
  );
  await using stranger = new Client({ trustAnchors: readFileSync(file('ca.pem')) });
  await assert.rejects(stranger.get(`${uri}/temperature`), { name: 'CoapsuleError' });
});

test('the light is one resource on coap and coaps: what is put on one is observed on the other', async () => {
  const [port, securePort] = portsOf(await firstLine(example('light-server.ts', '0', '0')));
  const key = new TextEncoder().encode('esp32c3_key');
  await using client = new Client({ psk: { identity: 'any', key } });
  const plain = `coap://localhost:${port}/light`;
  const texts: string[] = [];
  for await (const notification of client.observe(`coaps://localhost:${securePort}/light`)) {
    texts.push(notification.text());
    if (texts.length === 2) break;
    assert.equal((await client.put(plain, { payload: '{"status": false}' })).codeText, '2.04');
  }
  assert.deepEqual(texts, ['{"status": true}', '{"status": false}']);
  assert.equal((await client.post(plain)).codeText, '4.05');
  assert.equal((await client.put(plain)).codeText, '4.00');
});

test('the telemetry client sends a reading by NON, a command and a setting, and reports what became of them', async () => {
  const seen: string[] = [];
  await using server = new Server();
  const note =
    (answer: () => ReturnType<typeof changed>) =>
    (request: { path: string; confirmable: boolean; text(): string }) => {
      seen.push(`${request.confirmable ? 'CON' : 'NON'} ${request.path} ${request.text()}`);
      return answer();
    };
  server
    .resource('/sensors/temp', { put: note(changed) })
    .resource('/lock', { put: note(changed) })
    .resource('/config/interval', { put: note(() => failure(Code.BadRequest)) });
  const lookup = new Map([['sensor-042', new TextEncoder().encode('MySecret16ByteK!')]]);
  const { uri } = await server.listen('coaps://127.0.0.1:0', { psk: { lookup } });
  assert.equal(await allOutput(example('telemetry-client.ts', uri)), 'unlocked: true\ninterval: 4.00\n');
  assert.deepEqual(seen, ['NON /sensors/temp 22.5', 'CON /lock unlock', 'CON /config/interval 60']);
});

test('the patterns are played message by message: a reading is 2 messages, discovery finds 4 resources on 2 devices', async () => {
  const output = await allOutput(example('patterns.ts'));
  const parts = output.split(/^(?=\d\. | {3}The same)/m);
  assert.equal(parts.length, 4, output);
  const [reading = '', push = '', observation = '', discovery = ''] = parts;
  assert.match(
    reading,
    /gateway +CON GET \/temperature \(.*\n.*sensor +ACK 2\.05 22\.5°C \(.*\n {2}2 messages, 36 bytes/,
  );
  assert.match(push, /sensor +NON PUT \/temperature 22\.5°C .*\n {2}1 message, /);
  assert.match(observation, /CON GET \/temperature Observe:0 /);
  for (const line of [
    'ACK 2.05 Observe:12 22.5°C',
    'CON 2.05 Observe:13 23.1°C',
    'CON 2.05 Observe:14 22.9°C',
  ]) {
    assert.ok(observation.includes(line), observation);
  }
  assert.match(observation, /polled every 30 s: 6 messages/);
  assert.match(
    observation,
    /an hour without a change: 10\d messages, and 2 where notifications have Max-Age 3600/,
  );
  assert.match(discovery, /client +NON GET \/\.well-known\/core/);
  assert.match(discovery, /device 1 offers <\/temperature>,<\/humidity>/);
  assert.match(discovery, /device 2 offers <\/pressure>,<\/light>/);
});

test('an eavesdropper reads path and reading of plain CoAP, the path with an encrypted payload, neither with DTLS or OSCORE', async () => {
  const lines = (await allOutput(example('what-an-eavesdropper-sees.ts'))).trimEnd().split('\n');
  assert.deepEqual(
    lines.map((line) => line.replace(/, \d+ datagrams$/, '')),
    [
      'plain CoAP: path read, reading read',
      'encrypted payload: path read, reading hidden',
      'DTLS: path hidden, reading hidden',
      'OSCORE: path hidden, reading hidden',
    ],
  );
  assert.match(lines[3] as string, /, 2 datagrams$/);
});
