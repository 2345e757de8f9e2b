import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { TraceEvent } from 'coapsule';
import { Code, encodeMessage, OptionNumber, OptionSet } from 'coapsule/message';
import { libraryError, response, run } from './recorded-environment.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const uri = 'coap://[::1]/a';
const notification = (sequence: number, payload: string) =>
  response(Code.Content, payload, new OptionSet().add(OptionNumber.Observe, sequence));

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'coapsule-verbs-'));
});
after(() => rmSync(folder, { recursive: true }));

/** A file with mode 0600. */
function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

describe('requests', () => {
  test('standard output carries the payload alone', async () => {
    const { exitCode, stdout, stderr, closed } = await run(['get', uri], {
      answers: [response(Code.Content, '22.5')],
    });
    assert.deepEqual([exitCode, stdout, stderr, closed], [0, '22.5', '', true]);
  });

  test('on a terminal a line feed follows', async () => {
    const { stdout } = await run(['get', uri], {
      answers: [response(Code.Content, '22.5')],
      isTerminal: true,
    });
    assert.equal(stdout, '22.5\n');
  });

  for (const [verb, method] of [
    ['get', 'GET'],
    ['put', 'PUT'],
    ['post', 'POST'],
    ['delete', 'DELETE'],
    ['fetch', 'FETCH'],
    ['patch', 'PATCH'],
    ['ipatch', 'IPATCH'],
  ]) {
    test(`${verb} sends ${method}`, async () => {
      const { requests } = await run([verb!, uri], { answers: [response(Code.Changed)] });
      assert.deepEqual(
        requests.map((request) => [request.method, request.uri]),
        [[method, uri]],
      );
    });
  }

  test('options of the request reach the library', async () => {
    const args = [
      'put',
      uri,
      '-N',
      '-e',
      'on',
      '-t',
      '0',
      '-A',
      'application/json',
      '-O',
      '258,0x02',
      '-O',
      '15,x=y',
      '-T',
      'cafe',
      '-b',
      '64',
      '-B',
      '2.5',
    ];
    const { requests } = await run(args, { answers: [response(Code.Changed)] });
    const { signal, ...options } = requests[0]!.options;
    assert.ok(signal instanceof AbortSignal);
    assert.deepEqual(options, {
      payload: bytes('on'),
      contentFormat: 0,
      accept: 'application/json',
      confirmable: false,
      blockSize: 64,
      token: Uint8Array.of(0xca, 0xfe),
      options: [
        { number: 258, value: Uint8Array.of(2) },
        { number: 15, value: 'x=y' },
      ],
      timeoutMs: 2500,
    });
  });

  for (const [args, cause] of [
    [['coap+ws://h/', '-w', 'never.pcapng'], /-w writes datagrams and the stream of coap\+tcp, not coap\+ws/],
    [['coaps+tcp://h/', '-w', 'never.pcapng'], /not coaps\+tcp/],
    [['coap+tcp://h/', '--loss', '10%'], /--loss drops datagrams, and coap\+tcp has none/],
  ] as const) {
    test(`${args.join(' ')} is refused before anything is opened`, async () => {
      const { exitCode, stderr, requests } = await run(['get', ...args], { answers: [] });
      assert.deepEqual([exitCode, requests.length], [64, 0]);
      assert.match(stderr, cause);
    });
  }

  test('options of the client reach the library', async () => {
    const args = [
      'get',
      'coaps://h/',
      '-u',
      'id',
      '-k',
      'MySecret16ByteK!',
      '--sni',
      'name',
      '--suite',
      'PSK-AES128-CCM8',
      '--no-ems',
      '--mtu',
      '256',
      '-l',
      '10',
    ];
    const { clientOptions, stderr } = await run(args, { answers: [response(Code.Content)] });
    const { trace, ...others } = clientOptions!;
    assert.equal(typeof trace, 'function', 'it watches how far the handshake comes');
    assert.deepEqual(others, {
      psk: { identity: 'id', key: bytes('MySecret16ByteK!') },
      serverName: 'name',
      suites: ['TLS_PSK_WITH_AES_128_CCM_8'],
      extendedMasterSecret: 'preferred',
      mtu: 256,
      lossRate: 0.1,
    });
    assert.equal(stderr, '');
  });

  test('a payload comes from standard input with -f -, from a file with -f FILE', async () => {
    const piped = await run(['put', uri, '-f', '-'], {
      answers: [response(Code.Changed)],
      input: 'from input',
    });
    assert.deepEqual(piped.requests[0]!.options.payload, bytes('from input'));
    const read = await run(['put', uri, '-f', file('body', 'from file')], {
      answers: [response(Code.Changed)],
    });
    assert.equal(Buffer.from(read.requests[0]!.options.payload as Uint8Array).toString(), 'from file');
  });

  test('-o writes the payload to a file, and nothing to standard output', async () => {
    const path = join(folder, 'out');
    const { stdout } = await run(['get', uri, '-o', path], {
      answers: [response(Code.Content, Uint8Array.of(0, 255))],
    });
    assert.deepEqual([stdout, [...readFileSync(path)]], ['', [0, 255]]);
  });

  test('-o keeps the old file until the new one is whole: an error response or no answer leaves it', async () => {
    const path = join(folder, 'kept');
    writeFileSync(path, 'old', { mode: 0o640 });
    for (const answer of [response(Code.NotFound, 'gone'), libraryError('ERR_TIMEOUT', 'no response')]) {
      await run(['get', uri, '-o', path], { answers: [answer] });
      assert.equal(readFileSync(path, 'utf8'), 'old');
    }
    await run(['get', uri, '-o', path], { answers: [response(Code.Content, 'new')] });
    assert.equal(readFileSync(path, 'utf8'), 'new');
    assert.equal(statSync(path).mode & 0o777, 0o640);
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith('kept')),
      ['kept'],
    );
    assert.equal(
      (await run(['get', uri, '-o', '/dev/null'], { answers: [response(Code.Content, 'x')] })).exitCode,
      0,
    );
  });

  test('the place of a created resource is told on standard error', async () => {
    const options = new OptionSet()
      .add(OptionNumber.LocationPath, 'store')
      .add(OptionNumber.LocationPath, '7');
    const { stdout, stderr } = await run(['post', uri], { answers: [response(Code.Created, '', options)] });
    assert.deepEqual([stdout, stderr], ['', '2.01 Created: /store/7\n']);
  });
});

describe('exit codes', () => {
  const responses: readonly [number, number][] = [
    [Code.Content, 0],
    [Code.Created, 0],
    [Code.Valid, 0],
    [Code.BadRequest, 4],
    [Code.NotFound, 4],
    [0x9f, 4],
    [Code.InternalServerError, 5],
    [Code.ServiceUnavailable, 5],
    [0x61, 1],
  ];
  for (const [code, exitCode] of responses) {
    test(`response code ${code >> 5}.${String(code & 31).padStart(2, '0')} is ${exitCode}`, async () => {
      assert.equal((await run(['get', uri], { answers: [response(code)] })).exitCode, exitCode);
    });
  }

  test('an error response is told on standard error with its diagnostic and a next step', async () => {
    const { stdout, stderr } = await run(['get', uri], {
      answers: [response(Code.NotFound, 'no such thing')],
    });
    assert.deepEqual(
      [stdout, stderr],
      [
        '',
        '4.04 Not Found: no such thing\n  list what there is with "coapsule discover"; the readings of a gateway are listed at /sensors\n',
      ],
    );
  });

  test('a diagnostic with control characters is not shown', async () => {
    const { stderr } = await run(['get', uri], { answers: [response(Code.BadRequest, '\u001b[2J')] });
    assert.ok(!stderr.includes('\u001b'));
  });

  const errors: readonly [string, Error, number][] = [
    ['no answer in time', libraryError('ERR_TIMEOUT', 'no response'), 6],
    [
      'a failed handshake',
      libraryError('ERR_HANDSHAKE', 'failed', { handshake: { cause: 'no-common-group' } }),
      7,
    ],
    [
      'a handshake that nobody answers',
      libraryError('ERR_HANDSHAKE', 'failed', { handshake: { cause: 'peer-silent' } }),
      6,
    ],
    ['credentials that are not taken', libraryError('ERR_CREDENTIALS', 'wrong'), 7],
    ['a name without address', libraryError('ERR_ADDRESS', 'no address'), 1],
    ['nobody listening', libraryError('ERR_NETWORK', 'unreachable'), 1],
    ['a Reset', libraryError('ERR_RESET', 'Reset'), 1],
    ['an association that ended', libraryError('ERR_ASSOCIATION_CLOSED', 'closed'), 1],
    ['a broken block-wise transfer', libraryError('ERR_BLOCKWISE', 'broken'), 1],
    ['misuse of the library', libraryError('ERR_API_MISUSE', 'bad value'), 64],
    ['an error nobody thought of', new Error('surprise'), 1],
  ];
  for (const [sentence, error, exitCode] of errors) {
    test(`${sentence} is ${exitCode}, and the cause is told`, async () => {
      const result = await run(['get', uri], { answers: [error] });
      assert.equal(result.exitCode, exitCode);
      assert.match(result.stderr, new RegExp(`^coapsule: ${error.message}\n`));
      if ('nextStep' in error) assert.match(result.stderr, /\n {2}library hint\n/);
      assert.ok(result.closed);
    });
  }

  test('a handshake that fails for identity or key says so in words that can be searched for', async () => {
    const error = libraryError('ERR_CREDENTIALS', 'alert', {
      handshake: { cause: 'identity-or-key' },
    });
    const { exitCode, stderr } = await run(['get', uri], { answers: [error] });
    assert.equal(exitCode, 7);
    assert.match(stderr, /^coapsule: identity unknown or key wrong: alert\n/);
  });

  const failures: readonly [sentence: string, handshake: object, exitCode: number, nextStep: RegExp][] = [
    ['silence', { cause: 'peer-silent' }, 6, /library hint/],
    ['datagrams too large for the path', { cause: 'mtu-too-large' }, 6, /--mtu/],
    ['no common suite', { cause: 'no-common-suite' }, 7, /--suite/],
    ['no extended master secret', { cause: 'no-extended-master-secret' }, 7, /--no-ems/],
    ['a client certificate that is missing', { cause: 'client-certificate-missing' }, 7, /-c and -j/],
    ['an authority that we do not know', { cause: 'unknown-ca' }, 7, /-C FILE/],
    [
      'an authority that the server does not know',
      { cause: 'unknown-ca', alertReceived: 48 },
      7,
      /library hint/,
    ],
    ['an expired certificate', { cause: 'certificate-expired' }, 7, /library hint/],
  ];
  for (const [sentence, handshake, exitCode, nextStep] of failures) {
    test(`a handshake that fails for ${sentence} is ${exitCode}, with what to do`, async () => {
      const error = libraryError('ERR_HANDSHAKE', 'the detail', { handshake });
      const result = await run(['get', uri], { answers: [error] });
      assert.equal(result.exitCode, exitCode);
      const [cause, step] = result.stderr.split('\n');
      assert.equal(cause, 'coapsule: the detail');
      assert.match(step ?? '', nextStep);
    });
  }

  const wrong: readonly [sentence: string, args: readonly string[], message: RegExp][] = [
    ['no command', ['frobnicate'], /unknown command 'frobnicate'/],
    ['no URI', ['get'], /missing required argument 'uri'/],
    ['two URIs', ['get', uri, uri], /too many arguments/],
    ['an option that there is not', ['get', uri, '--frob'], /unknown option '--frob'/],
    ['an option value that cannot be', ['get', uri, '-b', '17'], /Block sizes are 16/],
    ['-e with -f', ['put', uri, '-e', 'a', '-f', 'b'], /-e and -f cannot be used together/],
    ['-k without -u', ['get', 'coaps://h/', '-k', 'key'], /-k needs an identity/],
    ['-u without -k', ['get', 'coaps://h/', '-u', 'id'], /-u needs a key/],
    ['another scheme', ['get', 'http://h/'], /"http" is not a CoAP scheme/],
  ];
  for (const [sentence, args, message] of wrong) {
    test(`${sentence} is wrong usage: 64`, async () => {
      const result = await run(args);
      assert.equal(result.exitCode, 64);
      assert.match(result.stderr, message);
      assert.equal(result.stdout, '');
      assert.equal(result.clientOptions, undefined, 'no client is made');
    });
  }

  for (const args of [
    ['get', 'coaps://h/', '-u', 'id', '-k', '0xTopSecret'],
    ['get', 'coaps://h/', '-u', 'id', '--key=0xTopSecret'],
    ['get', 'coaps://h/', '-u', 'id', '-k0xTopSecret'],
    ['get', 'coaps://h/', '-u', 'id', '-k', 'a', 'TopSecret'],
    ['get', 'coaps://h/', '--keyy=TopSecret'],
    ['get', 'coaps://h/', "--keyy='\nTopSecret"],
    ['get', 'coaps://h/', '-KTopSecret'],
    ['device', 'add', 'id', 'TopSecret'],
    ['device', 'add', 'id', '--psk', '0xTopSecret'],
    ['device', 'add', 'id', '--pskk=TopSecret'],
    ['serve', '--pskk=id:TopSecret'],
    ['serve', '--psk', ':TopSecret'],
    ['serve', 'id:TopSecret'],
    ['keys', 'psk', 'id', 'TopSecret'],
  ]) {
    test(`a key in the wrong place is not repeated: ${args.join(' ')}`, async () => {
      const { exitCode, stdout, stderr } = await run(args);
      assert.equal(exitCode, 64, stderr);
      assert.ok(!`${stdout}${stderr}`.includes('TopSecret'), stderr);
    });
  }

  test('an unreadable file is 1, with path and reason', async () => {
    const { exitCode, stderr } = await run(['put', uri, '-f', join(folder, 'missing')]);
    assert.equal(exitCode, 1);
    assert.match(stderr, /cannot use .*missing: there is no such file/);
  });
});

describe('help', () => {
  for (const command of [
    'get',
    'put',
    'post',
    'delete',
    'fetch',
    'patch',
    'ipatch',
    'observe',
    'ping',
    'discover',
    'bench',
  ]) {
    test(`${command} --help has the options and an example, and is no failure`, async () => {
      const { exitCode, stdout } = await run([command, '--help']);
      assert.equal(exitCode, 0);
      assert.match(stdout, /--psk-file/);
      assert.match(stdout, new RegExp(`Examples?:\n  coapsule ${command} `));
      assert.match(stdout, /--oscore/);
    });
  }
  test('--version prints the version of the package', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    assert.deepEqual((await run(['--version'])).stdout, `${version}\n`);
  });
});

describe('credentials', () => {
  const secure = 'coaps://h/a';
  const answers = [response(Code.Content)];

  test('coaps without any is 7 and makes no client: there is no way back to coap', async () => {
    const { exitCode, stderr, clientOptions } = await run(['get', secure]);
    assert.deepEqual([exitCode, clientOptions], [7, undefined]);
    assert.match(stderr, /needs credentials\n {2}give identity and key with -u ID -k KEY/);
  });

  test('--psk-file with one identity needs no -u', async () => {
    const { clientOptions } = await run(
      ['get', secure, '--psk-file', file('one.psk', 'id:MySecret16ByteK!\n')],
      { answers },
    );
    assert.deepEqual(clientOptions?.psk, { identity: bytes('id'), key: bytes('MySecret16ByteK!') });
  });

  test('--psk-file with several wants -u to choose', async () => {
    const path = file('two.psk', 'a:AAAAAAAAAAAAAAAA\nb:BBBBBBBBBBBBBBBB\n');
    const unclear = await run(['get', secure, '--psk-file', path]);
    assert.equal(unclear.exitCode, 64);
    assert.match(unclear.stderr, /has 2 identities\n {2}choose one with -u ID/);
    const chosen = await run(['get', secure, '--psk-file', path, '-u', 'b'], { answers });
    assert.deepEqual(chosen.clientOptions?.psk, { identity: bytes('b'), key: bytes('BBBBBBBBBBBBBBBB') });
    const missing = await run(['get', secure, '--psk-file', path, '-u', 'c']);
    assert.equal(missing.exitCode, 7);
    assert.match(missing.stderr, /has no identity "c"/);
  });

  test('--credentials gives the one for the URI, and 7 when there is none', async () => {
    const path = file(
      'map.json',
      JSON.stringify({ 'coaps://h/*': { identity: 'id', key: 'MySecret16ByteK!' } }),
    );
    const found = await run(['get', secure, '--credentials', path], { answers });
    assert.deepEqual(found.clientOptions?.psk, { identity: bytes('id'), key: bytes('MySecret16ByteK!') });
    const missing = await run(['get', 'coaps://other/', '--credentials', path]);
    assert.equal(missing.exitCode, 7);
    assert.match(missing.stderr, /has no credential for coaps:\/\/other\//);
  });

  test('the port of the other scheme is warned about: nobody would answer', async () => {
    const { stderr } = await run(['get', 'coap://h:5684/'], { answers });
    assert.equal(stderr, 'coapsule: warning: port 5684 is usually the one of coaps\n');
    for (const [scheme, port, error, other] of [
      ['coap', 5684, libraryError('ERR_TIMEOUT', 'no response'), 'coaps'],
      [
        'coaps',
        5683,
        libraryError('ERR_HANDSHAKE', 'failed', { handshake: { cause: 'peer-silent' } }),
        'coap',
      ],
    ] as const) {
      const unanswered = await run(
        ['get', `${scheme}://host:${port}/x`, '-u', 'a', '-k', 'MySecretKey16Byt'],
        {
          answers: [error],
        },
      );
      assert.equal(unanswered.exitCode, 6);
      assert.match(
        unanswered.stderr,
        new RegExp(
          `\n {2}port ${port} is usually the one of ${other}: write ${other}://, or leave the port out\n$`,
        ),
      );
    }
  });

  test('a key under 16 bytes, and a key for coap, are warned about', async () => {
    assert.match(
      (await run(['get', secure, '-u', 'i', '-k', 'short'], { answers })).stderr,
      /warning: the key has 5 bytes/,
    );
    assert.match(
      (await run(['get', uri, '-u', 'i', '-k', 'short'], { answers })).stderr,
      /warning: the key is not used/,
    );
  });
});

describe('--json', () => {
  test('prints one object with a stable schema', async () => {
    const options = new OptionSet()
      .add(OptionNumber.ContentFormat, 50)
      .add(OptionNumber.ETag, Uint8Array.of(1, 2))
      .add(OptionNumber.MaxAge, 5);
    const { stdout } = await run(['get', uri, '--json'], {
      answers: [response(Code.Content, '{"a":1}', options)],
    });
    assert.equal(stdout.split('\n').length, 2);
    assert.deepEqual(JSON.parse(stdout), {
      uri,
      code: '2.05',
      name: 'Content',
      ok: true,
      contentFormat: 50,
      mediaType: 'application/json',
      maxAgeSeconds: 5,
      etag: '0102',
      observe: null,
      locationPath: null,
      options: [
        { number: 4, name: 'ETag', hex: '0102' },
        { number: 12, name: 'Content-Format', hex: '32' },
        { number: 14, name: 'Max-Age', hex: '05' },
      ],
      payload: '{"a":1}',
      payloadEncoding: 'utf-8',
      peer: {
        address: '[::1]:5683',
        transport: 'udp',
        security: 'none',
        identity: null,
        suite: null,
        extendedMasterSecret: null,
        association: null,
        authentication: null,
        fingerprint: null,
        certificateSubject: null,
        certificateExpiresAt: null,
        resumed: null,
        imported: null,
        recordOverhead: null,
        connectionIdLengths: null,
        protocol: null,
      },
      roundTripMs: 1.5,
      handshakeMs: null,
    });
  });

  test('a payload that is not UTF-8 is in Base64', async () => {
    const { stdout } = await run(['get', uri, '--json'], {
      answers: [response(Code.Content, Uint8Array.of(0xff, 0xfe))],
    });
    const { payload, payloadEncoding } = JSON.parse(stdout);
    assert.deepEqual([payload, payloadEncoding], ['//4=', 'base64']);
  });

  test('an error response is an object too', async () => {
    const { stdout, exitCode } = await run(['get', uri, '--json'], {
      answers: [response(Code.NotFound, 'gone')],
    });
    assert.deepEqual([JSON.parse(stdout).code, JSON.parse(stdout).payload, exitCode], ['4.04', 'gone', 4]);
  });
});

describe('observe', () => {
  test('each notification is followed by a line feed', async () => {
    const { stdout, exitCode } = await run(['observe', uri], {
      answers: [notification(1, 'a'), notification(2, 'b')],
    });
    assert.deepEqual([stdout, exitCode], ['a\nb\n', 0]);
  });

  test('an interrupt cancels the observation and is a success', async () => {
    const { exitCode, cancelled, closed } = await run(['observe', uri], {
      answers: [notification(1, 'a')],
      afterLast: 'interrupt',
    });
    assert.deepEqual([exitCode, cancelled, closed], [0, true, true]);
  });

  for (const verb of ['get', 'observe']) {
    test(`${verb} -s cancels when the time is over`, async () => {
      const result = await run([verb, uri, '-s', '60'], {
        answers: [notification(1, 'a')],
        afterLast: 'elapse',
      });
      assert.deepEqual([result.exitCode, result.cancelled, result.stdout], [0, true, 'a\n']);
      assert.equal(result.delays[0], 60_000);
    });
  }

  test('a resource that is not observable is printed once, and said to be so', async () => {
    const { stdout, stderr, exitCode } = await run(['observe', uri], {
      answers: [response(Code.Content, 'a')],
    });
    assert.deepEqual([stdout, exitCode], ['a\n', 0]);
    assert.match(stderr, /is not observable/);
  });

  test('an error response ends it with its exit code', async () => {
    assert.equal(
      (await run(['observe', uri], { answers: [notification(1, 'a'), response(Code.NotFound)] })).exitCode,
      4,
    );
    assert.equal(
      (await run(['observe', uri], { answers: [libraryError('ERR_TIMEOUT', 'no response')] })).exitCode,
      6,
    );
  });

  test('--json prints one object for each notification', async () => {
    const { stdout } = await run(['observe', uri, '--json'], {
      answers: [notification(1, 'a'), notification(2, 'b')],
    });
    assert.deepEqual(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).observe),
      [1, 2],
    );
  });
});

describe('a hostile server', () => {
  /** Carriage return, bidirectional override, isolate, line separator, CSI as C1 and C0, DEL, a tag character. */
  const hostile = 'x\r4.04\n  run: evil\u202e\u2066\u2028\u009b31m\u001b]0;pwn\u0007\u007f\u{e0041}';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const forging = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\p{Cf}\u2028\u2029]/u;

  test('a diagnostic text stays on its line and cannot steer the terminal', async () => {
    const { stderr } = await run(['get', uri], { answers: [response(Code.NotFound, hostile)] });
    assert.doesNotMatch(stderr, forging);
    assert.match(stderr, /^4\.04 Not Found: x\\u\{d\}4\.04\\u\{a\} {2}run: evil/);
    assert.equal(stderr.split('\n').length, 3, 'the line, the next step');
  });

  test('the place of a created resource is escaped', async () => {
    const options = new OptionSet().add(OptionNumber.LocationPath, hostile);
    const { stderr } = await run(['post', uri], { answers: [response(Code.Created, '', options)] });
    assert.doesNotMatch(stderr, forging);
    assert.equal(stderr.split('\n').length, 2);
  });

  test('attributes and targets of discovered links are escaped, as text and as JSON', async () => {
    const links = `</a\u202e\u009b>;title="${hostile}"`;
    for (const json of [false, true]) {
      const { stdout, exitCode } = await run(['discover', uri, ...(json ? ['--json'] : [])], {
        answers: [response(Code.Content, links)],
      });
      assert.equal(exitCode, 0);
      assert.doesNotMatch(stdout, forging);
      assert.equal(stdout.split('\n').length, 2, 'one line');
      if (json) assert.equal(JSON.parse(stdout).attributes[0].value, hostile);
    }
  });

  test('--json holds nothing that steers a terminal, and says the same', async () => {
    const { stdout } = await run(['get', uri, '--json'], { answers: [response(Code.Content, hostile)] });
    assert.doesNotMatch(stdout, forging);
    assert.equal(JSON.parse(stdout).payload, hostile);
  });

  test('an error that quotes the server is escaped', async () => {
    for (const args of [
      ['get', uri],
      ['client', uri],
    ]) {
      const { stderr } = await run(args, { answers: [libraryError('ERR_BAD_RESPONSE', hostile)] });
      assert.doesNotMatch(stderr, forging);
      assert.match(stderr, /evil/);
    }
  });

  test('traces of client -v 7 and -vvv are escaped', async () => {
    const message = encodeMessage({
      type: 'ACK',
      code: Code.Content,
      messageId: 1,
      token: new Uint8Array(),
      options: new OptionSet().add(OptionNumber.LocationPath, hostile),
      payload: bytes(hostile),
    });
    const event = { kind: 'message', direction: 'received', address: { key: 'h' }, bytes: message };
    for (const args of [
      ['client', '-v', '7', uri],
      ['get', uri, '-vvv'],
    ]) {
      const { stdout, stderr } = await run(args, {
        answers: [response(Code.Content)],
        trace: [event as unknown as TraceEvent],
      });
      assert.doesNotMatch(`${stdout}${stderr}`, forging);
      assert.match(`${stdout}${stderr}`, /evil/);
    }
  });
});

describe('ping and discover', () => {
  test('ping tells the times', async () => {
    const { stdout, exitCode } = await run(['ping', uri], { answers: [response(0)] });
    assert.deepEqual([stdout, exitCode], [`${uri} answers in 1.5 ms, after a handshake of 20.0 ms\n`, 0]);
    const json = await run(['ping', uri, '--json'], { answers: [response(0)] });
    assert.deepEqual(JSON.parse(json.stdout), { uri, roundTripMs: 1.5, handshakeMs: 20 });
  });

  test('ping without answer is 6', async () => {
    assert.equal(
      (await run(['ping', uri], { answers: [libraryError('ERR_TIMEOUT', 'no response')] })).exitCode,
      6,
    );
  });

  test('discover asks for /.well-known/core with the filters and prints one link on a line', async () => {
    const answers = [response(Code.Content, '</a>;rt="t";obs,</b>;ct=40')];
    const { stdout, requests } = await run(
      ['discover', 'coap://[::1]:5690/x?y', '-q', 'rt=t', '-q', 'href=/a*'],
      { answers },
    );
    assert.equal(requests[0]!.uri, 'coap://[::1]:5690/.well-known/core?rt%3Dt&href%3D%2Fa*');
    assert.equal(requests[0]!.options.accept, 'application/link-format');
    assert.equal(stdout, '</a>;rt="t";obs\n</b>;ct=40\n');
  });

  test('discover --json prints one object for each link', async () => {
    const { stdout } = await run(['discover', uri, '--json'], {
      answers: [response(Code.Content, '</a>;obs')],
    });
    assert.deepEqual(JSON.parse(stdout), { target: '/a', attributes: [{ name: 'obs', value: null }] });
  });

  test('discover has the exit code of the response', async () => {
    const { exitCode, stderr } = await run(['discover', uri], { answers: [response(Code.NotFound)] });
    assert.equal(exitCode, 4);
    assert.match(stderr, /^4\.04 Not Found/);
  });

  test('an answer that is no link format is told with the place', async () => {
    const { exitCode, stderr } = await run(['discover', uri], { answers: [response(Code.Content, '</a')] });
    assert.equal(exitCode, 1);
    assert.match(stderr, /is not in link format, character \d+/);
  });
});

describe('secrets and captures', () => {
  test('--keylog appends each line, mode 0600; SSLKEYLOGFILE does the same', async () => {
    for (const where of ['option', 'variable']) {
      const path = join(folder, `keys-${where}.log`);
      const args = ['get', 'coaps://h/', '-u', 'id', '-k', 'MySecret16ByteK!'];
      const { clientOptions } = await run(where === 'option' ? [...args, '--keylog', path] : args, {
        answers: [response(Code.Content)],
        ...(where === 'variable' && { variables: { SSLKEYLOGFILE: path } }),
      });
      assert.equal(typeof clientOptions?.keylog, 'function');
      assert.equal(statSync(path).mode & 0o777, 0o600);
    }
  });

  test('-w makes a capture that begins with a section header', async () => {
    const path = join(folder, 'capture.pcapng');
    const { clientOptions } = await run(['get', uri, '-w', path], { answers: [response(Code.Content)] });
    assert.equal(typeof clientOptions?.capture, 'function');
    assert.equal(readFileSync(path).readUInt32LE(0), 0x0a0d0d0a);
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  test('a capture or a key log that is there already is closed to others, and a key log keeps its lines', async () => {
    const capture = join(folder, 'wide.pcapng');
    const keylog = join(folder, 'wide.log');
    for (const path of [capture, keylog]) {
      writeFileSync(path, 'CLIENT_RANDOM 00 00\n');
      chmodSync(path, 0o644);
    }
    await run(['get', uri, '-w', capture, '--keylog', keylog], { answers: [response(Code.Content)] });
    assert.equal(statSync(capture).mode & 0o777, 0o600);
    assert.equal(statSync(keylog).mode & 0o777, 0o600);
    assert.equal(readFileSync(keylog, 'utf8'), 'CLIENT_RANDOM 00 00\n');
    assert.equal(readFileSync(capture).readUInt32LE(0), 0x0a0d0d0a);
  });

  test('a key log that is a device file is written as it is', async () => {
    const { exitCode } = await run(['get', uri, '--keylog', '/dev/null'], {
      answers: [response(Code.Content)],
    });
    assert.equal(exitCode, 0);
    assert.notEqual(statSync('/dev/null').mode & 0o777, 0o600);
  });

  test('a file that cannot be made is 1, before anything is sent', async () => {
    const { exitCode, stderr, requests } = await run(['get', uri, '-w', join(folder, 'no', 'such')]);
    assert.deepEqual([exitCode, requests.length], [1, 0]);
    assert.match(stderr, /cannot use .*such: there is no such file or folder/);
  });
});
