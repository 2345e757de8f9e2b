/** `coapsule tap` and `coapsule diagnose --live` as commands: their options, output, commands on standard input, files and exit codes. */
import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Client, content, Server } from 'coapsule';
import { readCapture } from '../../src/capture/capture-reader.ts';
import type { CommandEnvironment } from '../../src/cli/command-environment.ts';
import { runCommandLine } from '../../src/cli/command-line.ts';
import { CaptureDecoder } from '../../src/decode/capture-decoder.ts';
import { KnownSecrets } from '../../src/decode/secrets.ts';
import { issueAuthority, issueCertificate } from '../../src/keys/issue-certificate.ts';
import { run } from './recorded-environment.ts';

const key = 'MySecret16ByteK!';
const folder = mkdtempSync(join(tmpdir(), 'coapsule-tap-'));
const server = new Server();
let coap = '';
let coaps = '';

before(async () => {
  server.resource('/temp', { get: () => content('21'), put: (request) => content(request.text()) });
  coap = (await server.listen('coap://127.0.0.1:0')).uri;
  const psk = { lookup: new Map([['sensor-042', new TextEncoder().encode(key)]]) };
  coaps = (await server.listen('coaps://127.0.0.1:0', { psk })).uri;
  writeFileSync(join(folder, 'keys.psk'), `sensor-042:${key}\n`, { mode: 0o600 });
});
after(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

/** A command that runs until it is told to end. */
class Running {
  readonly lines: string[] = [];
  stderr = '';
  readonly exitCode: Promise<number>;
  #wake = (): void => {};
  #input: ((chunk: Uint8Array | undefined) => void) | undefined;
  readonly #waiting: Uint8Array[] = [];
  #interrupt = (): void => {};

  constructor(...args: readonly string[]) {
    const environment: CommandEnvironment = {
      stdout: {
        isTerminal: false,
        write: (data) => {
          this.lines.push(...String(data).trimEnd().split('\n'));
          this.#wake();
        },
      },
      stderr: {
        isTerminal: false,
        write: (data) => {
          this.stderr += String(data);
        },
      },
      variables: {},
      standardInput: () => this.#chunks(),
      readStandardInput: async () => new Uint8Array(),
      createClient: async () => {
        throw new Error('a tap has no client');
      },
      onInterrupt: (listener) => {
        this.#interrupt = listener;
        return () => {};
      },
      after: (delayMs, action) => {
        const timer = setTimeout(action, delayMs);
        return () => clearTimeout(timer);
      },
      randomBytes: (length) => new Uint8Array(length),
      wallTimeMs: () => Date.now(),
    };
    this.exitCode = runCommandLine(args, environment);
  }

  async *#chunks(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk =
        this.#waiting.shift() ??
        (await new Promise<Uint8Array | undefined>((resolve) => {
          this.#input = resolve;
        }));
      if (chunk === undefined) return;
      yield chunk;
    }
  }

  type(text: string): void {
    const chunk = new TextEncoder().encode(text);
    const take = this.#input;
    this.#input = undefined;
    if (take === undefined) this.#waiting.push(chunk);
    else take(chunk);
  }

  interrupt(): void {
    this.#interrupt();
  }

  /** The first line that matches. */
  async line(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      for (const line of this.lines) {
        const found = pattern.exec(line);
        if (found !== null) return found;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async listen(): Promise<string> {
    const [, listen = ''] = await this.line(/^ready .*"listen":"([^"]+)"/);
    return listen;
  }
}

describe('coapsule tap', () => {
  test('shows what passes, and ends with what it did', async () => {
    const tap = new Running(
      'tap',
      '--listen',
      '127.0.0.1:0',
      '--to',
      coap,
      '--rule',
      'code=PUT => edit payload=22',
    );
    await using client = new Client();
    const response = await client.request('PUT', `coap://${await tap.listen()}/temp`, { payload: '5' });
    assert.equal(response.text(), '22');
    await tap.line(
      /^1 [\d:.]+ 127\.0\.0\.1:\d+ → server CON PUT id [0-9a-f]{4} token [0-9a-f]+ \/temp 1 bytes "5"$/,
    );
    await tap.line(/^ {2}1 goes on as: CON PUT .* \/temp 2 bytes$/);
    await tap.line(/^2 .* ← server ACK 2\.05 Content .* 2 bytes "22"$/);
    tap.interrupt();
    assert.equal(await tap.exitCode, 0);
    assert.equal(tap.stderr, 'coapsule: 2 seen, 2 sent on, 0 dropped, 1 edited\n');
  });

  test('over DTLS writes a capture that opens itself and a key log, and never a key on its output', async () => {
    const [capture, keylog] = [join(folder, 'tap.pcapng'), join(folder, 'keys.log')];
    const tap = new Running(
      ...['tap', '--listen', '127.0.0.1:0', '--to', coaps, '--psk-file', join(folder, 'keys.psk'), '-v'],
      ...['--write', capture, '--keylog', keylog, '--commands', '-'],
    );
    const uri = `coaps://${await tap.listen()}/temp`;
    await using client = new Client({ psk: { identity: 'sensor-042', key: new TextEncoder().encode(key) } });
    assert.equal((await client.request('GET', uri)).text(), '21');
    const [, number = ''] = await tap.line(/^(\d+) .* \(sensor-042\) → server CON GET/);
    tap.type(`copy ${number} as coapsule\ncopy ${number} as coap-client\n`);
    await tap.line(/^coapsule get coaps:\/\/127\.0\.0\.1:\d+\/temp -u sensor-042 --psk-file keys\.psk$/);
    await tap.line(/^coap-client -m get -u sensor-042 -k "\$PSK_KEY" coaps:/);
    tap.type('quit\n');
    assert.equal(await tap.exitCode, 0);
    assert.ok(!`${tap.lines.join('\n')}${tap.stderr}`.includes(key));
    assert.equal(statSync(keylog).mode & 0o077, 0);
    const { packets, keyLog, fault } = readCapture(readFileSync(capture));
    assert.equal(fault, undefined);
    assert.equal(keyLog.length, 2);
    assert.deepEqual(readFileSync(keylog, 'utf8').trim().split('\n').sort(), [...keyLog].sort());
    const secrets = new KnownSecrets();
    for (const line of keyLog) secrets.addLine(line);
    const ports = [coaps, uri].map((one) => Number(/:(\d+)/.exec(one.slice(8))?.[1]));
    const decoder = new CaptureDecoder(secrets, ports);
    const requests = packets
      .map((packet) => decoder.decode(packet))
      .filter(({ summary }) => summary.includes('CON GET'));
    assert.equal(requests.length, 2, 'one on each side');
  });

  test('--json has an object for each event', async () => {
    const tap = new Running(
      'tap',
      '--listen',
      '127.0.0.1:0',
      '--to',
      coap,
      '--json',
      '--pause',
      'code=GET',
      '--commands',
      '-',
    );
    const [, listen] = await tap.line(/"event":"ready","listen":"([^"]+)"/);
    await using client = new Client();
    const asked = client.request('GET', `coap://${listen}/temp`);
    await tap.line(/"event":"held","number":1,"by":"pause"/);
    tap.type('resume\n');
    await asked;
    tap.type('quit\n');
    assert.equal(await tap.exitCode, 0);
    const events = tap.lines.map(
      (line) => JSON.parse(line) as { event: string; path?: string; code?: string },
    );
    const messages = events.filter(({ event }) => event === 'message');
    assert.deepEqual(
      messages.map(({ code, path }) => [code, path]),
      [
        ['GET', '/temp'],
        ['2.05 Content', '/temp'],
      ],
    );
    assert.equal(events.at(-1)?.event, 'end');
  });

  test('a finding is told once as it appears, and its count at the end', async () => {
    const rule = ['--rule', 'code=2.05 => edit code=5.01'];
    const tap = new Running('tap', '--listen', '127.0.0.1:0', '--to', coap, '--diagnose', ...rule);
    await using client = new Client();
    const uri = `coap://${await tap.listen()}/temp`;
    for (let count = 0; count < 3; count++) await client.request('GET', uri);
    await tap.line(/^! advice: method-answered-not-implemented, /);
    tap.interrupt();
    assert.equal(await tap.exitCode, 1);
    assert.equal(tap.lines.filter((line) => line.includes('method-answered-not-implemented')).length, 1);
    assert.match(tap.stderr, /method-answered-not-implemented, .*: 6 in all\ncoapsule: 1 finding\n$/);
  });

  test('diagnose --live shows findings alone, and ends with 0 where there are none', async () => {
    const live = new Running('diagnose', '--live', '--listen', '127.0.0.1:0', '--to', coap);
    await using client = new Client();
    assert.equal((await client.request('GET', `coap://${await live.listen()}/temp`)).text(), '21');
    live.interrupt();
    assert.equal(await live.exitCode, 0);
    assert.equal(live.lines.length, 1);
    assert.match(live.stderr, /2 seen.*\ncoapsule: 0 findings\n/);
  });

  test('with certificates the server is shown the tap’s, and so are devices', async (t) => {
    const now = Date.now();
    const validity = { notBefore: new Date(now - 3_600_000), notAfter: new Date(now + 3_600_000) };
    const ca = await issueAuthority('CA', { ...validity, type: 'p256' });
    const authority = ca.certificatePem;
    const issuer = {
      certificate: new X509Certificate(authority),
      privateKey: createPrivateKey(ca.privateKeyPem),
    };
    const issue = (role: 'server' | 'device', commonName: string, names: readonly string[]) =>
      issueCertificate(issuer, { role, commonName, names, type: 'p256' }, validity);
    const write = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text, { mode: 0o600 });
      return join(folder, name);
    };
    const [own, shown, towards, device] = [
      await issue('server', 'localhost', ['localhost', '127.0.0.1']),
      await issue('server', 'localhost', ['localhost', '127.0.0.1']),
      await issue('device', 'tap', ['tap']),
      await issue('device', 'sensor', ['sensor']),
    ];
    const secured = new Server();
    t.after(() => secured.close());
    secured.resource('/who', {
      get: ({ peer: { security } }) => content(security.kind === 'dtls' ? security.identity : 'nobody'),
    });
    const { port } = await secured.listen('coaps://127.0.0.1:0', {
      certificate: { chain: own.certificatePem, privateKey: own.privateKeyPem },
      clientCertificates: { trustAnchors: authority },
    });
    const tap = new Running(
      ...['tap', '--listen', '127.0.0.1:0', '--to', `coaps://127.0.0.1:${port}`],
      ...['-c', write('tap.pem', towards.certificatePem), '-j', write('tap.key', towards.privateKeyPem)],
      ...['-C', write('ca.pem', authority), '--device-ca', join(folder, 'ca.pem')],
      ...['--device-cert', write('shown.pem', `${shown.certificatePem}${shown.privateKeyPem}`)],
    );
    await using client = new Client({
      certificate: { chain: device.certificatePem, privateKey: device.privateKeyPem },
      trustAnchors: authority,
    });
    const response = await client.request('GET', `coaps://${await tap.listen()}/who`);
    assert.equal(response.text(), 'tap');
    await tap.line(/ \(sensor\) → server CON GET .* \/who$/);
    tap.interrupt();
    assert.equal(await tap.exitCode, 0);
  });

  test('wrong usage names what is missing and what would be right', async () => {
    const table: readonly (readonly [readonly string[], RegExp])[] = [
      [['tap'], /--listen is missing/],
      [['tap', '--listen', '0'], /--to is missing/],
      [['tap', '--listen', '0', '--to', 'coap://127.0.0.1/temp'], /by scheme, host and port alone/],
      [['tap', '--listen', '0', '--to', 'coaps+tcp://127.0.0.1'], /TLS is not opened by the tap/],
      [['tap', '--listen', '0', '--to', 'coap+ws://127.0.0.1'], /WebSockets are not relayed/],
      [['tap', '--listen', '0', '--to', 'coap+serial://ttyUSB0'], /a serial line has one device/],
      [['tap', '--listen', '0', '--to', 'coap://[ff02::fd]'], /is a multicast group/],
      [['tap', '--listen', '0', '--to', coap, '--rule', 'paht=/x => drop'], /at character 1, "paht/],
      [['tap', '--listen', '0', '--to', coap, '--pause', 'code=9.99'], /--pause at character 6/],
      [['tap', '--listen', '0', '--to', coaps, '-k', 'secret-of-mine'], /-k needs an identity/],
      [['diagnose'], /nothing to diagnose, or too much/],
      [['diagnose', '--live', 'file.pcapng'], /--live looks at the wire/],
    ];
    const missing = await run(['tap', '--listen', '0', '--to', coap, '--commands', join(folder, 'none')]);
    assert.equal(missing.exitCode, 1);
    assert.match(missing.stderr, /cannot use .*none: there is no such file/);
    for (const [args, expected] of table) {
      const { exitCode, stderr } = await run(args);
      assert.equal(exitCode, 64, args.join(' '));
      assert.match(stderr, expected);
      assert.ok(!stderr.includes('secret-of-mine'));
    }
  });
});
