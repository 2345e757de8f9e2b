/**
 * The verbs with a multicast group in the URI.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ipAddress } from 'coapsule';
import { Code } from 'coapsule/message';
import { response, run } from './recorded-environment.ts';

const uri = 'coap://[ff02::fd%25eth0]/temperature';

test('get with a group prints each payload, and on standard error who sent it', async () => {
  const answers = [response(Code.Content, '22.5'), response(Code.Content, '18.0')];
  const { exitCode, stdout, stderr, requests } = await run(['get', uri], { answers });
  assert.equal(exitCode, 0);
  assert.equal(stdout, '22.5\n18.0\n');
  assert.deepEqual(stderr.match(/^coapsule: \[::1\]:5683 2\.05 Content after 0\.00 s$/gm)?.length, 2);
  assert.deepEqual(
    requests.map(({ method, uri: asked }) => [method, asked]),
    [['MULTICAST GET', uri]],
  );
});

test('with --json each response is an object that names its device', async () => {
  const { stdout, stderr } = await run(['get', uri, '--json'], { answers: [response(Code.Content, '22.5')] });
  const { peer, payload } = JSON.parse(stdout) as { peer: { address: string }; payload: string };
  assert.deepEqual([peer.address, payload, stderr], ['[::1]:5683', '22.5', '']);
});

test('window, interface, hop limit and unwanted responses come from the options', async () => {
  const args = [
    'put',
    'coap://224.0.1.187/light',
    '-e',
    'on',
    '-B',
    '3',
    '--interface',
    'eth0',
    '--hops',
    '4',
  ];
  const { requests, exitCode } = await run([...args, '--suppress', '2,5', '-N']);
  const { windowMs, interface: name, hopLimit, noResponse } = requests[0]!.options as Record<string, unknown>;
  assert.deepEqual([windowMs, name, hopLimit, noResponse], [3000, 'eth0', 4, [2, 5]]);
  assert.equal(exitCode, 0, 'silence was asked for');
});

test('a group without an answer is exit code 6, one with errors alone that of the error', async () => {
  const silent = await run(['get', uri]);
  assert.equal(silent.exitCode, 6);
  assert.match(silent.stderr, /no device of the group ff02::fd%eth0 answered\n.*--interface/);
  const refused = await run(['get', uri], { answers: [response(Code.NotFound)] });
  assert.equal(refused.exitCode, 4);
  const mixed = await run(['get', uri], { answers: [response(Code.NotFound), response(Code.Content, 'x')] });
  assert.equal(mixed.exitCode, 0);
});

test('observe with a group goes on until the time is over', async () => {
  const answers = [response(Code.Content, '1'), response(Code.Content, '2')];
  const { requests, stdout, cancelled } = await run(['observe', uri, '-s', '5'], {
    answers,
    afterLast: 'elapse',
  });
  assert.deepEqual([stdout, cancelled], ['1\n2\n', true]);
  assert.equal((requests[0]!.options as { observe?: boolean }).observe, true);
});

const devices = [
  {
    address: ipAddress('fe80::1%eth0', 5683),
    uri: 'coap://[fe80::1%25eth0]:5683',
    links: [
      { target: '/temperature', attributes: [['rt', 'temperature']] },
      { target: 'coap://elsewhere/x', attributes: [] },
    ],
    problem: undefined,
  },
  { address: ipAddress('192.0.2.7', 5690), uri: 'coap://192.0.2.7:5690', links: [], problem: '4.04' },
] as const;

test('discover with a group merges the links, each with the device it belongs to', async () => {
  const { stdout, stderr, exitCode, requests } = await run(
    ['discover', 'coap://[ff02::fd%25eth0]/', '-q', 'rt=t*'],
    {
      devices,
    },
  );
  assert.equal(stdout, '<coap://[fe80::1%25eth0]:5683/temperature>;rt="temperature"\n<coap://elsewhere/x>\n');
  assert.equal(
    stderr,
    'coapsule: coap://192.0.2.7:5690 sent no links: 4.04\ncoapsule: 2 devices, 2 resources\n',
  );
  assert.equal(exitCode, 0);
  assert.deepEqual((requests[0]!.options as { query?: unknown }).query, ['rt=t*']);
  const json = await run(['discover', 'coap://[ff02::fd%25eth0]/', '--json'], { devices });
  const [first] = json.stdout.split('\n').map((line) => (line === '' ? undefined : JSON.parse(line)));
  assert.deepEqual(first, {
    device: 'coap://[fe80::1%25eth0]:5683',
    target: '/temperature',
    attributes: [{ name: 'rt', value: 'temperature' }],
  });
  assert.equal((await run(['discover', 'coap://224.0.1.187/'])).exitCode, 6);
});

test('--suppress is sent with a request to one server, and its silence is a success', async () => {
  const silence = { ...response(Code.Empty), silent: true } as ReturnType<typeof response>;
  const { requests, exitCode, stdout } = await run(
    ['post', 'coap://localhost/log', '-e', '1', '--suppress', 'all'],
    {
      answers: [silence],
    },
  );
  assert.equal((requests[0]!.options as { noResponse?: unknown }).noResponse, 'all');
  assert.deepEqual([exitCode, stdout], [0, '']);
  assert.equal((await run(['get', 'coap://localhost/', '--suppress', '3'])).exitCode, 64);
});

test('ping and the command of coap-client refuse a group, and name the verbs that ask one', async () => {
  for (const args of [
    ['ping', uri],
    ['client', '-m', 'get', uri],
  ]) {
    const { exitCode, stderr } = await run(args);
    assert.match(stderr, /multicast group/, args.join(' '));
    assert.match(stderr, /coapsule discover/);
    assert.notEqual(exitCode, 0);
  }
});
