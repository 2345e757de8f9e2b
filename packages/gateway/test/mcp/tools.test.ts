/** The tools of `coapsule mcp` against a gateway of ours: what they answer, and what they refuse. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { targetUri } from '../../src/cli/target-uri.ts';
import { AllowedTargets } from '../../src/mcp/allowed-targets.ts';
import { startTestGateway } from '../gateway/test-gateway.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { connectedClient } from './mcp-client.ts';

const key = 'AKeyOfTheLab1234';

/** A gateway, and a credentials map for it. */
async function startLab(t: TestContext) {
  const lab = await startTestGateway(t, {
    demo: true,
    psks: [{ identity: 'lab', key: new TextEncoder().encode(key) }],
  });
  const credentials = join(temporaryFolder(t), 'credentials.json');
  writeFileSync(credentials, JSON.stringify({ 'coaps://127.0.0.1:*/*': { identity: 'lab', key } }), {
    mode: 0o600,
  });
  return { ...lab, credentials };
}

describe('tools that read', () => {
  test('get, fetch, observe, discover, ping and probe ask a server on this machine, secured with the credentials map', async (t) => {
    const { coap, coaps, credentials } = await startLab(t);
    const client = await connectedClient(t, '--credentials', credentials);
    const got = await client.call('get', { uri: `${coaps}/hello` });
    assert.equal(got.isError, false, got.text);
    const response = JSON.parse(got.text.split('\n')[0] ?? '') as {
      payload: string;
      peer: { security: string };
    };
    assert.equal(response.payload, 'Hello, world!');
    assert.equal(response.peer.security, 'dtls');

    const missing = await client.call('get', { uri: `${coap}/nothing` });
    assert.equal(missing.isError, false);
    assert.match(missing.text, /"code":"4\.04".*\nexit code 4/s);

    const observed = await client.call('observe', { uri: `${coap}/obs`, seconds: 0.8 });
    assert.match(observed.text, /"payload":"tick \d+"/);
    assert.equal(observed.isError, false);

    const links = await client.call('discover', { uri: coap, query: ['href=/hello'] });
    assert.match(links.text, /"target":"\/hello"/);
    assert.match((await client.call('ping', { uri: coap })).text, /"roundTripMs":/);

    const probed = await client.call('probe', { uri: `${coap}/hello`, only: ['messages'] });
    assert.match(probed.text, /"check":"unknown-method".*"result":"supported"/);

    const fetched = await client.call('fetch', {
      uri: `${coap}/hello`,
      payloadHex: 'a0',
      contentFormat: '60',
    });
    assert.match(fetched.text, /"code":"4\.05"/);
    assert.ok(!client.output.includes(key), 'a key is in the output');
  });

  test('codes, recommend, calculate, doctor and decode need no server', async (t) => {
    const client = await connectedClient(t);
    assert.match((await client.call('codes', { search: 'not found' })).text, /4\.04/);
    assert.match((await client.call('recommend', { arguments: ['security', '--sensitive'] })).text, /\w/);
    assert.match((await client.call('calculate', { arguments: ['--help'] })).text, /retransmission/);
    assert.match((await client.call('doctor')).text, /"name":"cryptography"/);
    const decoded = await client.call('decode', { hex: '44 01 84 9e 51 55 77 e8 b2 48 69 04 54 65 73 74' });
    assert.match(decoded.text, /GET/);
    const wrong = await client.call('recommend', { arguments: ['weather'] });
    assert.ok(wrong.isError);
    assert.match(wrong.text, /exit code 64/);
  });

  test('captures are read in the folder that was named, and nowhere else', async (t) => {
    const folder = temporaryFolder(t);
    const captures = join(folder, 'captures');
    mkdirSync(captures);
    const source = join(import.meta.dirname, '../vectors/captures/golioth_basics_psk.pcapng');
    copyFileSync(source, join(captures, 'one.pcapng'));
    copyFileSync(source, join(folder, 'outside.pcapng'));
    symlinkSync(join(folder, 'outside.pcapng'), join(captures, 'link.pcapng'));
    const client = await connectedClient(t, '--captures', captures);
    const inside = await client.call('decode', { capture: 'one.pcapng' });
    assert.equal(inside.isError, false, inside.text);
    assert.match(inside.text, /DTLS/);
    const { isError, text: findings } = await client.call('diagnose', { capture: 'one.pcapng' });
    assert.equal(isError, false, findings);
    for (const capture of ['../outside.pcapng', 'link.pcapng', '/etc/passwd', '.', '', 'none.pcapng']) {
      const { isError, text } = await client.call('decode', { capture });
      assert.ok(isError, capture);
      assert.match(text, /no such capture/);
    }
    const none = await connectedClient(t);
    assert.match((await none.call('diagnose', { capture: 'one.pcapng' })).text, /--captures FOLDER/);
  });

  test('the devices of a gateway are listed where its data folder was named, without keys', async (t) => {
    const { folder } = await startLab(t);
    const without = await connectedClient(t);
    assert.equal((await without.ask('tools/call', { name: 'device_list' })).error?.code, -32602);
    const client = await connectedClient(t, '--data', folder);
    const { isError, text } = await client.call('device_list');
    assert.equal(isError, false, text);
    assert.match(text, /^\[/);
  });

  test('output is bounded', async (t) => {
    const { coap } = await startLab(t);
    const client = await connectedClient(t, '--max-output', '1000');
    const { text } = await client.call('get', { uri: `${coap}/large` });
    assert.ok(text.length < 1200);
    assert.match(text, /… cut: \d+ bytes in all/);
  });
});

describe('what is refused', () => {
  test('methods that change something, with the option that allows them; with it they are carried out', async (t) => {
    const { coap } = await startLab(t);
    const reader = await connectedClient(t);
    for (const name of ['put', 'post', 'patch', 'ipatch', 'delete']) {
      const { isError, text } = await reader.call(name, { uri: `${coap}/store` });
      assert.ok(isError);
      assert.match(
        text,
        new RegExp(`^${name} changes something, and this server is read-only.*--allow-write`),
      );
    }
    const malformed = await reader.call('probe', { uri: `${coap}/hello`, malformed: true });
    assert.match(malformed.text, /may harm a device.*--allow-write/);

    const writer = await connectedClient(t, '--allow-write');
    const put = await writer.call('put', { uri: `${coap}/store`, payload: '--not an option' });
    assert.equal(put.isError, false, put.text);
    assert.match((await writer.call('get', { uri: `${coap}/store` })).text, /"payload":"--not an option"/);
    assert.match((await writer.call('delete', { uri: `${coap}/store` })).text, /"code":"2\.02"/);
  });

  test('targets that the user did not allow', async (t) => {
    const client = await connectedClient(t);
    for (const uri of [
      'coap://192.0.2.1/a',
      'coap://device.example/',
      'coap://[2001:db8::1]/',
      'coap://224.0.1.187/',
    ]) {
      const { isError, text } = await client.call('get', { uri });
      assert.ok(isError);
      assert.match(text, /not among the targets that the user allowed.*--allow coap:/);
    }
    const wrong = await client.call('get', { uri: '--credentials=/etc/passwd' });
    assert.ok(wrong.isError);
    assert.match(wrong.text, /not a URI/);
  });

  test('a pattern for some paths opens no others: not by .., not by discover, not by probe', async (t) => {
    const { coap } = await startLab(t);
    const host = coap.replace('127.0.0.1', 'lab.invalid');
    const client = await connectedClient(t, '--allow', `${host}/public/*`, '--allow', `${host}/other`);
    const notAllowed = /not among the targets that the user allowed/;
    for (const path of [
      '/public/../store',
      '/public/./../store',
      '/public/..',
      '/public/a/../..?b',
      '/store',
    ])
      assert.match((await client.call('get', { uri: `${host}${path}` })).text, notAllowed, path);
    for (const name of ['discover', 'probe'])
      assert.match((await client.call(name, { uri: `${host}/public/a` })).text, notAllowed, name);
    assert.doesNotMatch((await client.call('get', { uri: `${host}/public/a..b` })).text, notAllowed);
  });

  test('arguments that do not fit are told to the assistant', async (t) => {
    const client = await connectedClient(t);
    const problems = [
      ['get', {}, '"uri" is missing'],
      ['get', { uri: 7 }, '"uri" has to be a text'],
      ['get', { uri: 'coap://localhost/', key: 'secret' }, 'there is no argument of this name'],
      [
        'get',
        { uri: 'coap://localhost/', timeoutSeconds: 1e9 },
        '"timeoutSeconds" has to be a number, 0.1 to 120',
      ],
      ['probe', { uri: 'coap://localhost/', only: ['all'] }, '"only" has an entry that has to be one of'],
      ['codes', { class: '3' }, '"class" has to be one of 2, 4, 5'],
      ['decode', {}, 'give "hex" or "capture"'],
    ] as const;
    for (const [name, given, problem] of problems) {
      const { isError, text } = await client.call(name, given);
      assert.ok(isError);
      assert.ok(text.includes(problem), text);
    }
  });

  test('what is no target ends the command with 64', async (t) => {
    for (const target of ['lab', '10.0.0.0/99', 'coap://10.0.0.*/']) {
      const client = await startAndEnd(t, '--allow', target);
      assert.equal(client, 64);
    }
  });
});

async function startAndEnd(t: TestContext, ...args: readonly string[]): Promise<number> {
  const { McpClient } = await import('./mcp-client.ts');
  return new McpClient(t, ...args).end();
}

describe('targets', () => {
  const allows = (allowed: readonly string[], uri: string): boolean => {
    const targets = new AllowedTargets();
    for (const text of allowed) assert.equal(targets.add(text), undefined);
    return targets.allows(targetUri(uri));
  };

  test('are this machine alone without --allow', () => {
    for (const uri of [
      'coap://127.0.0.1/',
      'coaps://[::1]:9/a',
      'coap+tcp://localhost/',
      'coap://127.8.9.1/',
    ]) {
      assert.ok(allows([], uri), uri);
    }
    for (const uri of [
      'coap://10.0.0.1/',
      'coap://0.0.0.0/',
      'coap://2130706433/',
      'coap://localhost.example/',
      'coap://[::ffff:10.0.0.1]/',
      'coap+serial://ttyUSB0/',
    ]) {
      assert.ok(!allows([], uri), uri);
    }
  });

  test('are networks, private ones, and patterns that the user named', () => {
    assert.ok(allows(['192.168.7.0/24'], 'coaps://192.168.7.9/a'));
    assert.ok(!allows(['192.168.7.0/24'], 'coaps://192.168.8.9/a'));
    assert.ok(allows(['private'], 'coap://10.1.2.3/'));
    assert.ok(allows(['private'], 'coap://[fe80::1%25eth0]/'));
    assert.ok(!allows(['private'], 'coap://198.51.100.1/'));
    assert.ok(allows(['coaps://*.lab.example/*'], 'coaps://a.lab.example/x'));
    assert.ok(!allows(['coaps://*.lab.example/*'], 'coap://a.lab.example/x'));
    // A pattern for one port is none for the host.
    const targets = new AllowedTargets();
    targets.add('coap://device.example/*');
    assert.ok(!targets.allowsWholeHost(targetUri('coap://device.example/')));
    assert.ok(targets.allowsWholeHost(targetUri('coap://127.0.0.1/')));
  });
});
