/**
 * No command shows a key: with secrets in every option that takes one, used rightly and wrongly, at the greatest detail, nothing that is
 * printed, logged, noted in the audit files or captured has one of them as text, hex, base64 or numbers. What is asked to show a
 * key (`keys psk`, `--reveal`, `--qr`) is not among the lines; files that are made to hold keys are not read.
 *
 * What `serve` prints with all of its secrets is in test/server/log-secrets.test.ts.
 */
import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { coapsuleProgram } from '../../src/cli/command-line.ts';
import { processEnvironment } from '../../src/cli/process-environment.ts';
import { type CommandText, commandText } from '../../src/manual/command-text.ts';
import { startTestGateway } from '../gateway/test-gateway.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { runLive } from './live-environment.ts';

/** Secrets, and where one of them shows up. */
class Secrets {
  readonly #forms = new Map<string, string>();

  /** A secret in letters and digits. */
  text(name: string): string {
    const made = `Zq${randomBytes(14).toString('hex')}`;
    this.add(name, new TextEncoder().encode(made));
    return made;
  }

  /** A secret in bytes. */
  bytes(name: string, length = 16): Uint8Array {
    const made = randomBytes(length);
    this.add(name, made);
    return made;
  }

  add(name: string, bytes: Uint8Array): void {
    const buffer = Buffer.from(bytes);
    const printable = /^[ -~]+$/.test(buffer.toString('latin1'));
    const texts = [buffer.toString('hex'), [...buffer].join(','), [...buffer].join(', ')];
    if (printable) texts.push(buffer.toString('latin1'));
    // Wherever it begins in what was encoded; characters that others share are left off.
    for (const before of [0, 1, 2]) {
      const encoded = Buffer.concat([Buffer.alloc(before), buffer])
        .toString('base64')
        .replace(/=+$/, '');
      const own = encoded.slice(before === 0 ? 0 : before + 1, -2);
      texts.push(own, own.replaceAll('+', '-').replaceAll('/', '_'));
    }
    for (const text of texts) this.#forms.set(text.toLowerCase(), name);
  }

  /** The private key of a PEM text, as its lines and as its number. */
  privateKey(name: string, pem: string): void {
    const encrypted = pem.includes('ENCRYPTED');
    for (const line of pem.split('\n').filter((one) => /^[\w+/=]{40,}$/.test(one))) {
      // The public half of a key stands in the last lines of its PEM.
      if (!encrypted && line !== pem.split('\n')[1]) continue;
      this.#forms.set(line.slice(-40).toLowerCase(), name);
    }
    if (!encrypted) this.addPrivate(name, createPrivateKey(pem));
  }

  addPrivate(name: string, key: KeyObject): void {
    this.add(name, Buffer.from(key.export({ format: 'jwk' }).d!, 'base64url'));
  }

  /** Fails when a text has one of them. */
  expectNone(text: string, where: string): void {
    const lower = text.toLowerCase();
    for (const [form, name] of this.#forms) {
      const at = lower.indexOf(form);
      assert.ok(
        at < 0,
        `${where} shows ${name}: …${text.slice(Math.max(0, at - 80), at + form.length + 20)}`,
      );
    }
  }
}

test('no command shows a key, whatever it is told and however much it is asked to say', async (t) => {
  const secrets = new Secrets();
  const folder = temporaryFolder(t);
  const file = (name: string, content: string | Uint8Array): string => {
    const path = join(folder, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  };
  const at = (name: string): string => join(folder, name);

  const keyText = secrets.text('the key in text');
  const keyBytes = secrets.bytes('the key in hex');
  const keyHex = `0x${Buffer.from(keyBytes).toString('hex')}`;
  const logged: string[] = [];
  const told = (text: string): void => void logged.push(text);
  const gateway = await startTestGateway(t, {
    demo: true,
    psks: [
      { identity: 'texty', key: new TextEncoder().encode(keyText) },
      { identity: 'hexed', key: keyBytes },
    ],
    log: { verbosity: 3, error: told, warning: told, detail: (_, text) => told(text) },
  });

  let runs = 0;
  /** Runs a line and expects its exit code: so it went the way that is meant. */
  const line = async (
    exitCode: number,
    args: readonly string[],
    surroundings: Parameters<typeof runLive>[1] = {},
  ): Promise<string> => {
    const ended = await runLive(args, surroundings);
    const name = `coapsule ${args.join(' ')}`;
    assert.equal(ended.exitCode, exitCode, `${name}: ${ended.stderr}`);
    secrets.expectNone(`${ended.stdout}\n${ended.stderr}`, name);
    runs++;
    return ended.stdout + ended.stderr;
  };
  const uri = (path: string): string => `${gateway.coaps}${path}`;

  await t.test('keys and certificates are made without being shown', async () => {
    await line(0, ['keys', 'psk', 'a', '--file', at('made.psk')]);
    await line(0, ['keys', 'psk', 'b', '--text', '--file', at('made.psk'), '--qr-file', at('b.svg')]);
    for (const [, key = ''] of readFileSync(at('made.psk'), 'utf8').matchAll(/^a:0x(.*)$/gm))
      secrets.add('a key of keys psk', Buffer.from(key, 'hex'));
    await line(0, ['keys', 'ca', '--out', at('ca')]);
    const ca = ['--ca', at('ca.pem')];
    await line(0, ['keys', 'cert', 'localhost', '--server', ...ca, '--out', at('server')]);
    await line(0, ['keys', 'cert', 'sensor-7', ...ca, '--out', at('sensor-7')]);
    await line(0, ['keys', 'rpk', 'sensor-8', '--out', at('sensor-8')]);
    await line(0, ['keys', 'oscore', 'sensor-9', '--out', at('sensor-9')]);
    await line(0, ['keys', 'oscore', 'sensor-5', '--format', 'aiocoap', '--out', at('sensor-5')]);
    await line(0, ['keys', 'master', at('master.key')]);
    for (const name of ['ca', 'server', 'sensor-7', 'sensor-8'])
      secrets.privateKey(`the private key of ${name}`, readFileSync(at(`${name}.key`), 'utf8'));
    const [, secret = ''] = /^master_secret,hex,"?([0-9a-f]+)/m.exec(
      readFileSync(at('sensor-9.oscore'), 'utf8'),
    )!;
    secrets.add('a Master Secret', Buffer.from(secret, 'hex'));
    const settings = readFileSync(at('sensor-5.oscore/settings.json'), 'utf8');
    secrets.add('a Master Secret', Buffer.from(JSON.parse(settings).secret_hex, 'hex'));
    const master = readFileSync(at('master.key'));
    secrets.add(
      'the master key',
      /^[\da-f]{64}/.test(master.toString()) ? Buffer.from(master.toString().trim(), 'hex') : master,
    );
    await line(0, ['keys', 'show', at('ca.pem'), at('sensor-7.pem'), at('sensor-8.pub')]);
    await line(0, ['keys', 'show', '--json', at('sensor-7.pem')]);
    await line(0, ['keys', 'renew', at('sensor-7.pem'), ...ca, '--out', at('renewed.pem')]);
    // What holds a private key is shown without it.
    for (const name of ['sensor-7.key', 'sensor-8.key', 'made.psk', 'sensor-9.oscore', 'master.key'])
      for (const more of [[], ['--json']]) {
        const { stdout, stderr } = await runLive(['keys', 'show', at(name), ...more]);
        secrets.expectNone(stdout + stderr, `keys show ${name}`);
        runs++;
      }
    await line(1, ['keys', 'psk', 'a', '--file', at('made.psk')]);
    await line(64, ['keys', 'psk', 'c', '--qr']);
    await line(1, ['keys', 'ca', '--out', at('ca')]);
  });

  const pskFile = file('keys.psk', `texty:${keyText}\nhexed:${keyHex}\n`);
  const map = file(
    'map.json',
    JSON.stringify({ 'coaps://127.0.0.1:*/*': { identity: 'texty', key: keyText } }),
  );

  await t.test('client verbs with the right key, at the greatest detail', async () => {
    const psk = ['-u', 'texty', '-k', keyText];
    const detail = ['-vvv', '--keylog', at('keylog')];
    await line(0, ['get', uri('/hello'), ...psk, ...detail, '-w', at('text.pcapng')]);
    await line(0, [
      'get',
      uri('/hello'),
      '-u',
      'hexed',
      '-k',
      keyHex,
      ...detail,
      '--json',
      '-w',
      at('hex.pcapng'),
    ]);
    await line(0, ['get', uri('/hello'), '-u', 'hexed', '--psk-file', pskFile, ...detail]);
    await line(0, ['get', uri('/hello'), '--credentials', map, ...detail]);
    await line(0, ['put', uri('/sensors/texty'), '-e', '1', ...psk, ...detail]);
    await line(0, ['observe', uri('/sensors/texty'), '-s', '0.05', ...psk, ...detail, '--json']);
    await line(0, ['ping', gateway.coaps, ...psk, ...detail]);
    await line(0, ['discover', gateway.coaps, ...psk, ...detail, '--json']);
    const session = ['--session', at('session')];
    await line(0, ['get', uri('/hello'), ...psk, ...detail, ...session]);
    await line(0, ['get', uri('/hello'), ...psk, ...detail, ...session, '--json']);
    const sessionKey = ['--session-key', file('session-key', secrets.text('the session key'))];
    await line(0, ['get', uri('/hello'), ...psk, ...detail, '--session', at('session-2'), ...sessionKey]);
    await line(0, ['client', '-v', '9', '-k', keyText, '-u', 'texty', uri('/hello')]);
    await line(0, ['client', '-v', '9', '-k', keyHex, '-u', 'hexed', uri('/hello')]);
    const hints = file('hints', `,texty,${keyText}\n`);
    await line(0, ['client', '-v', '9', '-h', hints, '-k', 'x', '-u', 'y', uri('/hello')]);
    await line(0, [
      'bench',
      uri('/hello'),
      ...psk,
      '--clients',
      '1',
      '-s',
      '0.2',
      '--warm-up',
      '0',
      '--json',
    ]);
  });

  await t.test('devices of the gateway, from their adding to their removal', async () => {
    const data = ['--data', gateway.folder];
    const given = secrets.text('a key of device add');
    await line(0, ['device', 'add', 'one', '--psk', given, ...data]);
    await line(0, ['device', 'add', 'sensor-8', '--rpk', at('sensor-8.pub'), ...data]);
    await line(0, ['device', 'add', 'sensor-7', '--cert', at('sensor-7.pem'), ...data]);
    await line(0, ['device', 'add', 'sensor-9', '--oscore', at('sensor-9.server.oscore'), ...data]);
    const rotated = secrets.bytes('a key of device rotate');
    const hex = `0x${Buffer.from(rotated).toString('hex')}`;
    await line(0, ['device', 'rotate', 'one', '--psk', hex, '--overlap', '1d', ...data]);
    const [first, second] = [secrets.text('a key of an import'), secrets.bytes('a key of an import')];
    const fleet = file('fleet.csv', `id,psk\nf1,${first}\nf2,0x${Buffer.from(second).toString('hex')}\n`);
    await line(0, ['device', 'import', fleet, ...data]);
    for (const more of [[], ['--json']]) {
      await line(0, ['device', 'list', ...data, ...more]);
      for (const id of ['one', 'sensor-7', 'sensor-8', 'sensor-9', 'f2'])
        await line(0, ['device', 'show', id, ...data, ...more]);
      await line(0, ['device', 'denied', ...data, ...more]);
    }
    await line(0, ['device', 'allow', 'one', 'GET:/hello', ...data]);
    await line(0, ['get', `${gateway.coap}/hello`, '--oscore', at('sensor-9.oscore'), '-vvv', '--json']);
    await line(0, [
      'put',
      `${gateway.coap}/sensors/sensor-9`,
      '-e',
      '1',
      '--oscore',
      at('sensor-9.oscore'),
      '-vvv',
    ]);
    await line(0, ['device', 'deny', at('sensor-7.pem'), ...data]);
    await line(0, ['device', 'retire', 'one', ...data]);
    await line(0, ['device', 'remove', 'one', ...data]);
    await line(0, ['backup', at('backup.db'), ...data]);
    const beside = join(gateway.folder, 'master.key');
    secrets.add('the master key of the gateway', Buffer.from(readFileSync(beside, 'utf8').trim(), 'hex'));
    const restored = ['--data', at('restored'), '--master-key', beside];
    await line(1, ['restore', at('backup.db'), '--data', at('not-restored')]);
    await line(0, ['restore', at('backup.db'), ...restored]);
    await line(0, ['store', 'rekey', ...restored, '--new-master-key', at('master.key')]);
  });

  await t.test('captures are read with keys that stay unseen', async () => {
    const key = ['-k', keyText, '-u', 'texty'];
    for (const verb of ['decode', 'diagnose'])
      for (const more of [[], ['--json'], ...(verb === 'decode' ? [['-v']] : [])])
        await line(0, [verb, at('text.pcapng'), ...key, ...more]);
    await line(0, ['decode', at('hex.pcapng'), '--psk-file', pskFile, '--json']);
  });

  await t.test('wrong keys, and files that are not what they should be', async () => {
    const get = ['get', uri('/hello'), '-vvv', '-B', '5'];
    const wrong = secrets.text('a wrong key');
    // A server says after a while that a key is wrong: all of them wait together.
    await Promise.all([
      line(7, [...get, '-u', 'texty', '-k', wrong]),
      line(7, [...get, '-u', wrong.slice(0, 2), '-k', wrong, '--json']),
      line(7, [...get, '-u', '', '-k', keyText]),
      line(0, ['client', '-v', '9', '-B', '5', '-k', wrong, '-u', 'texty', uri('/hello')]),
    ]);
    await line(64, [...get, '-u', 'hexed', '-k', `${keyHex}f`]);
    await line(64, [...get, '-u', 'hexed', '-k', `${keyHex}zz`]);
    await line(64, [...get, `--kee=${keyText}`]);
    await line(64, [...get, `--key-text=${keyText}`]);
    await line(64, ['get', '-u', 'texty', `-K${keyText}`, uri('/hello')]);
    await line(64, [...get, keyText, '-u', 'texty']);
    for (const [name, content] of [
      ['no-colon', keyText],
      ['bad-hex', `hexed:${keyHex}f`],
      ['twice', `texty:${keyText}\ntexty:${keyText}`],
      ['bad-percent', `te%xty:${keyText}`],
      ['empty-key', `texty:\nother:${keyText}`],
    ] as const)
      await line(64, [...get, '-u', 'texty', '--psk-file', file(name, content)]);
    for (const [name, content] of [
      ['no-json', `{"coaps://127.0.0.1:*/*": {"identity": "texty", "key": ${keyText}}}`],
      ['number-for-key', `{"coaps://127.0.0.1:*/*": {"identity": "texty", "key": ["${keyText}"]}}`],
      ['strange-field', `{"coaps://127.0.0.1:*/*": {"identity": "texty", "kee": "${keyText}"}}`],
      ['no-identity', `{"coaps://127.0.0.1:*/*": {"key": "${keyText}"}}`],
      ['odd-hex', `{"coaps://127.0.0.1:*/*": {"identity": "hexed", "key": "${keyHex}f"}}`],
      ['bad-pattern', `{"coaps://127.0.0.1:*/*/[": {"identity": "texty", "key": "${keyText}"}}`],
    ] as const) {
      const ended = await runLive([...get, '--credentials', file(name, content)]);
      assert.ok([7, 64].includes(ended.exitCode), `${name}: ${ended.exitCode} ${ended.stderr}`);
      secrets.expectNone(ended.stdout + ended.stderr, name);
      runs++;
    }
    const conf = readFileSync(at('sensor-9.oscore'), 'utf8');
    const [secretLine = ''] = /^master_secret.*$/m.exec(conf)!;
    for (const [name, content] of [
      ['conf-twice', `${conf}\n${secretLine}\n`],
      ['conf-encoding', conf.replace('master_secret,hex', 'master_secret,integer')],
      ['conf-keyword', conf.replace('master_secret', 'master_secrett')],
      ['conf-odd', conf.replace(secretLine, secretLine.replace(/"?$/, 'f"'))],
      ['conf-no-commas', conf.replace(secretLine, secretLine.replaceAll(',', ' '))],
    ] as const)
      await line(64, ['get', `${gateway.coap}/hello`, '-vvv', '--oscore', file(name, content)]);
    const settings = readFileSync(at('sensor-5.oscore/settings.json'), 'utf8');
    for (const [name, content] of [
      [
        'folder-no-json',
        settings.replace('"secret_hex": ', '"secret_hex": x').replace('"secret_hex":"', '"secret_hex":x"'),
      ],
      ['folder-odd', settings.replace(/("secret_hex": ?"[0-9a-f]+)/, '$1f')],
      ['folder-name', settings.replace('secret_hex', 'secret_hexx')],
    ] as const) {
      mkdirSync(at(name));
      file(`${name}/settings.json`, content);
      await line(64, ['get', `${gateway.coap}/hello`, '-vvv', '--oscore', at(name)]);
    }
    const passphrase = secrets.text('a passphrase');
    const { privateKey } = generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
    secrets.privateKey('an encrypted key', privateKey);
    const certificate = ['-c', at('sensor-7.pem'), '--insecure'];
    const encrypted = file('encrypted.key', privateKey);
    const key = readFileSync(at('sensor-7.key'), 'utf8');
    for (const more of [
      ['-j', encrypted],
      ['-j', encrypted, '--passphrase-file', file('wrong-passphrase', secrets.text('a wrong passphrase'))],
      // It is opened, and is not the key of the certificate.
      ['-j', encrypted, '--passphrase-file', file('passphrase', passphrase)],
      ['-j', file('damaged.key', key.replace(/\n(.{10})/, '\n$1%'))],
      ['-j', file('one-line.key', key.replaceAll('\n', ''))],
      ['-j', at('sensor-8.key')],
      ['-j', at('sensor-9.oscore')],
    ]) {
      const ended = await runLive([...get, ...certificate, ...more]);
      assert.ok([1, 7, 64].includes(ended.exitCode), `${more}: ${ended.exitCode} ${ended.stderr}`);
      secrets.expectNone(ended.stdout + ended.stderr, `get ${more.join(' ')}`);
      runs++;
    }
    // A key in the place of a file.
    for (const option of [
      '--psk-file',
      '--session-key',
      '--passphrase-file',
      '--credentials',
      '--oscore',
      '-j',
    ]) {
      const more =
        option === '-j' || option === '--passphrase-file' ? certificate : ['-u', 'texty', '-k', keyText];
      const session = option === '--session-key' ? ['--session', at('session-3')] : [];
      const others = option === '--psk-file' || option === '--credentials' ? [] : [...more, ...session];
      for (const value of [keyHex, keyHex.slice(2)]) {
        const ended = await runLive([...get, ...others, option, value]);
        assert.notEqual(ended.exitCode, 0, `${option}: ${ended.stderr}`);
        secrets.expectNone(ended.stdout + ended.stderr, `get ${option} KEY`);
        runs++;
      }
    }
    await line(1, ['client', '-v', '9', '-k', '', '-u', keyText.slice(0, 2), uri('/hello')]);
    await line(1, ['client', '-h', file('bad-hints', keyText), '-k', keyText, '-u', 'texty', uri('/hello')]);
    for (const verb of ['decode', 'diagnose']) {
      await line(64, [verb, at('text.pcapng'), '-k', `${keyHex}f`]);
      await line(64, [verb, at('text.pcapng'), '--psk-file', at('no-colon')]);
      await line(0, [verb, at('text.pcapng'), '-k', wrong]);
    }
    await line(64, ['simulate', 'hospital', gateway.coaps, '--psk-file', at('no-colon')]);
    await line(64, ['simulate', 'hospital', gateway.coaps, '--devices', '3', '--psk-file', pskFile]);
  });

  await t.test('devices added and changed wrongly', async () => {
    const data = ['--data', gateway.folder];
    await line(64, ['device', 'add', 'two', '--psk', `${keyHex}f`, ...data]);
    await line(64, ['device', 'add', 'two', keyText, ...data]);
    await line(64, ['device', 'rotate', 'sensor-8', keyHex, ...data]);
    await line(1, ['device', 'add', 'sensor-8', '--psk', keyText, ...data]);
    await line(1, ['device', 'rotate', 'nobody', '--psk', keyText, ...data]);
    await line(64, ['device', 'add', 'two', '--psk', keyText, '--rpk', at('sensor-8.pub'), ...data]);
    await line(1, ['device', 'add', 'two', '--rpk', at('sensor-9.oscore'), ...data]);
    await line(64, ['device', 'show', 'f1', '--qr', ...data]);
    for (const [name, content] of [
      ['odd.csv', `id,psk\nthree,${keyHex}f\n`],
      ['twice.csv', `id,psk\nthree,${keyText}\nthree,${keyText}\n`],
      ['columns.csv', `id,psk\nthree,${keyText},more,${keyText}\n`],
      ['header.csv', `three,${keyText}\n`],
      ['quotes.csv', `id,psk\nthree,"${keyText}\n`],
      ['broken.json', `[{"id": "three", "psk": "${keyText}"`],
      ['type.json', `[{"id": "three", "psk": ["${keyText}"]}]`],
      ['field.json', `[{"id": "three", "pskk": "${keyText}"}]`],
    ] as const) {
      const ended = await runLive(['device', 'import', file(name, content), ...data]);
      assert.ok([1, 64].includes(ended.exitCode), `${name}: ${ended.exitCode} ${ended.stderr}`);
      secrets.expectNone(ended.stdout + ended.stderr, `device import ${name}`);
      runs++;
    }
    const master = readFileSync(at('master.key'), 'utf8').trim();
    for (const path of [file('short.key', master.slice(3)), file('long.key', `${master}${master}`), master]) {
      const ended = await runLive(['device', 'list', '--data', at('restored'), '--master-key', path]);
      assert.notEqual(ended.exitCode, 0);
      secrets.expectNone(ended.stdout + ended.stderr, 'device list --master-key');
      runs++;
    }
  });

  await t.test('an option that is misspelt does not show its value, with any command', async () => {
    const program = commandText(
      await coapsuleProgram({ environment: processEnvironment(), end: () => {}, isNeeded: () => true }),
    );
    const below = (command: CommandText): readonly CommandText[] => [
      command,
      ...command.commands.flatMap(below),
    ];
    const keys =
      /--(key|psk|psk-file|private-key|passphrase-file|oscore|credentials|session-key|master-key|\S*token\S*|\S*password\S*)\b/;
    for (const { name, options, commands } of program.commands.flatMap(below)) {
      if (commands.length > 0 || name === 'coapsule client') continue;
      const words = name.split(' ').slice(1);
      await line(64, [...words, `--kez=${keyText}`]);
      await line(64, [...words, `-Q${keyText}`]);
      for (const { term } of options) {
        const [flag] = keys.exec(term) ?? [];
        if (flag !== undefined) await line(64, [...words, `${flag}x=${keyText}`]);
      }
    }
  });

  await t.test('what shows a key on purpose is found by this test, in each form', async () => {
    const data = ['--data', gateway.folder, '--reveal'];
    const shown = (await runLive(['device', 'show', 'f1', ...data])).stdout;
    assert.throws(() => secrets.expectNone(shown, 'shown'), /shows a key of an import/);
    const json = (await runLive(['device', 'show', 'f2', ...data, '--json'])).stdout;
    assert.throws(() => secrets.expectNone(json, 'shown'), /shows a key of an import/);
    const forms = [
      `"${keyText}"`,
      Buffer.from(`user:${keyText}`).toString('base64'),
      Buffer.from(`no:${keyText}!`).toString('base64url'),
      `Uint8Array(16) [ ${[...keyBytes].join(', ')} ]`,
      JSON.stringify(keyBytes).replaceAll(/"\d+":/g, ''),
      Buffer.from(keyBytes).toString('hex').toUpperCase(),
    ];
    for (const form of forms) assert.throws(() => secrets.expectNone(form, 'it'), /shows the key in/, form);
  });

  await t.test('what was captured and noted beside has none of them either', () => {
    for (const name of ['text.pcapng', 'hex.pcapng', 'keylog'])
      secrets.expectNone(readFileSync(at(name)).toString('latin1'), name);
    secrets.expectNone(logged.join('\n'), 'the log of the gateway');
    assert.ok(logged.length > 50);
    const audits = readdirSync(gateway.folder).filter((name) => name.endsWith('.ndjson'));
    assert.ok(audits.length > 0);
    for (const name of audits) secrets.expectNone(readFileSync(join(gateway.folder, name), 'utf8'), name);
    assert.ok(runs > 200, `${runs} runs`);
  });
});
