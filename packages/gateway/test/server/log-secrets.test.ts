/** No secret of any option gets into the output of the gateway, in either form of the log, at its greatest detail. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Client } from 'coapsule';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { CoapsuleProcess, coapsule } from './gateway-process.ts';

/** A secret that occurs nowhere else, as text of letters and digits. */
function secret(): string {
  return randomBytes(16).toString('hex');
}

for (const format of ['text', 'json']) {
  test(`with secrets in every option, the output as ${format} at -vvv has none of them`, async (t) => {
    const folder = temporaryFolder(t);
    const secrets: string[] = [];
    const fresh = (): string => {
      const made = secret();
      secrets.push(made);
      return made;
    };
    const file = (name: string, text: string): string => {
      const path = join(folder, name);
      writeFileSync(path, text, { mode: 0o600 });
      return path;
    };
    const passphrase = fresh();
    const { privateKey } = generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
    secrets.push(privateKey.split('\n')[1] as string);
    const known = fresh();
    const token = fresh();
    const data = join(folder, 'data');
    const masterKey = file('master.key', `${fresh()}${fresh()}\n`);
    const added = await coapsule(
      t,
      ...['device', 'add', 'stored', '--psk', fresh(), '--data', data, '--master-key', masterKey],
    );
    assert.equal(added.code, 0, added.stderr);
    const config = file('gateway.yaml', `psk:\n  keys:\n    - identity: in-file\n      key: ${fresh()}\n`);
    const gateway = new CoapsuleProcess(t, [
      ...[
        'serve',
        '--config',
        config,
        '--data',
        data,
        '--master-key',
        masterKey,
        '--log-format',
        format,
        '-vvv',
      ],
      ...['--coap', '127.0.0.1:0', '--coaps', '127.0.0.1:0', '--http', '0'],
      ...['--psk', `known:${known}`, '--psk', `other:${fresh()}`],
      ...['--private-key', file('key.pem', privateKey), '--passphrase-file', file('passphrase', passphrase)],
      ...['--http-tokens', file('tokens', `panel ${token} GET:/sensors/*\n`)],
      ...['--proxy', 'coaps://*.sensors.example'],
      ...[
        '--proxy-credentials',
        file('map', JSON.stringify({ 'coaps://*.sensors.example/*': { identity: 'gateway', key: fresh() } })),
      ],
      // Nobody is there: what goes wrong is told.
      ...['--mqtt', 'mqtt://127.0.0.1:1', '--mqtt-user', 'gateway'],
      ...['--mqtt-password-file', file('password', fresh())],
    ]);
    const { coaps, http } = (await gateway.ready()) as { coaps: string; http: string };
    await gateway.waitFor('stderr', /mqtt: /);
    const right = new Client({ psk: { identity: 'known', key: new TextEncoder().encode(known) } });
    t.after(() => right.close());
    await right.put(`coaps://${coaps}/sensors/known`, { payload: '1' });
    await fetch(`http://${http}/coap/sensors/known`, { headers: { authorization: `Bearer ${token}` } });
    await fetch(`http://${http}/coap/sensors/known?access_token=${token}`);
    const ended = await gateway.kill('SIGTERM');
    assert.equal(ended.code, 0, ended.stderr);
    // And what it leaves in its folder for people to read; the database has them sealed.
    const notes = readdirSync(data).filter((name) => name.endsWith('.ndjson'));
    assert.ok(notes.length > 0);
    const files = [...notes, ...readdirSync(data).filter((name) => /\.db/.test(name))];
    const output = [
      ended.stdout,
      ended.stderr,
      ...files.map((name) => readFileSync(join(data, name), 'latin1')),
    ].join('\n');
    assert.ok(output.includes('/sensors/known'), 'requests were told');
    for (const one of secrets) {
      const forms = [one, Buffer.from(one).toString('hex'), Buffer.from(one).toString('base64').slice(0, -2)];
      for (const form of forms) assert.ok(!output.toLowerCase().includes(form.toLowerCase()), form);
    }
    if (format === 'text') return;
    for (const line of ended.stderr.trimEnd().split('\n')) {
      const told = JSON.parse(line) as { level?: string; msg?: string };
      assert.ok(told.level !== undefined && told.msg !== undefined, line);
    }
  });
}
