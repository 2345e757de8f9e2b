import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { PskCredential } from 'coapsule';
import { Code, OptionNumber, OptionSet } from 'coapsule/message';
import { coapClientFlags } from '../../src/cli/coap-client-flag-table.ts';
import { type CoapClientRequest, parseCoapClientFlags } from '../../src/cli/coap-client-flags.ts';
import { percentDecoded } from '../../src/text/percent-encoding.ts';
import { libraryError, response, run } from './recorded-environment.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const uri = 'coap://[::1]/a';
let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'coapsule-client-'));
});
after(() => rmSync(folder, { recursive: true }));

/** The parsed form of flags in front of a URI. */
function parsed(...flags: readonly string[]): CoapClientRequest {
  const request = parseCoapClientFlags([...flags, uri]);
  assert.ok(!('refused' in request), 'refused' in request ? request.refused : '');
  return request;
}

describe('flags of coap-client', () => {
  const flags: readonly [sentence: string, flags: readonly string[], expected: Partial<CoapClientRequest>][] =
    [
      [
        'the defaults',
        [],
        { method: 'get', confirmable: true, logLevel: 4, repeatCount: 1, waitSeconds: undefined },
      ],
      ['-m in any case', ['-m', 'PUT'], { method: 'put' }],
      ['-N', ['-N'], { confirmable: false }],
      [
        '-e is percent-decoded',
        ['-e', 'a%20b%e2%82%ac'],
        { payload: { kind: 'bytes', bytes: bytes('a b€') } },
      ],
      ['-f names a file', ['-f', '-'], { payload: { kind: 'file', path: '-' } }],
      ['-t takes a number', ['-t', '50'], { contentFormat: 50 }],
      ['-t takes a short name', ['-t', 'json'], { contentFormat: 50 }],
      [
        '-t takes the beginning of a name, as coap-client does',
        ['-t', 'application/j'],
        { contentFormat: 50 },
      ],
      ['-A takes a media type', ['-A', 'application/link-format'], { accept: 40 }],
      ['-O with text', ['-O', '15,a=b'], { options: [{ number: 15, value: 'a=b' }] }],
      ['-O with hex', ['-O', '2049,0x00ff'], { options: [{ number: 2049, value: Uint8Array.of(0, 255) }] }],
      ['-T is text, not hex', ['-T', 'cafe'], { token: bytes('cafe') }],
      ['-H makes a Hop-Limit option', ['-H', '5'], { options: [{ number: 16, value: Uint8Array.of(5) }] }],
      ['-b', ['-b', '32'], { blockSize: 32, blockNumber: undefined }],
      ['-b with a size between two takes the one below', ['-b', '100'], { blockSize: 64 }],
      ['-b with more than there is takes the largest', ['-b', '4096'], { blockSize: 1024 }],
      ['-r', ['-r'], { reliable: true }],
      ['-X', ['-X', '1152'], { maxMessageSize: 1152 }],
      ['-K', ['-K', '5'], { keepAliveSeconds: 5 }],
      ['-K with 0 never pings', ['-K', '0'], { keepAliveSeconds: undefined }],
      ['-T of more than 8 bytes', ['-T', '123456789'], { token: bytes('123456789') }],
      ['-T is cut at 24 bytes', ['-T', 'x'.repeat(30)], { token: bytes('x'.repeat(24)) }],
      ['-b with a block number', ['-b', '3,64'], { blockSize: 64, blockNumber: 3 }],
      ['-s', ['-s', '60'], { observeSeconds: 60 }],
      ['-B', ['-B', '6'], { waitSeconds: 6 }],
      ['-G', ['-G', '3'], { repeatCount: 3 }],
      ['-o and -w', ['-o', 'out', '-w'], { output: 'out', appendLineFeed: true }],
      ['-k as text, -u', ['-k', 'secret', '-u', 'id'], { key: bytes('secret'), identity: 'id' }],
      ['-k as hex', ['-k', '0x00ff'], { key: Uint8Array.of(0, 255) }],
      ['-k 0x alone is text', ['-k', '0x'], { key: bytes('0x') }],
      ['-a and -p', ['-a', '127.0.0.1', '-p', '5700'], { bindHost: '127.0.0.1', bindPort: 5700 }],
      ['-l with a percentage', ['-l', '25%'], { loss: 0.25 }],
      [
        '-c, -j, -C, -R, -M and -n',
        ['-c', 'c.pem', '-j', 'c.key', '-C', 'ca.pem', '-R', 'roots', '-M', 'rpk.pem', '-n'],
        {
          certFile: 'c.pem',
          keyFile: 'c.key',
          caFile: 'ca.pem',
          rootsFile: 'roots',
          rpkFile: 'rpk.pem',
          skipVerification: true,
        },
      ],
      ['-E with a file', ['-E', 'conf'], { oscore: { path: 'conf' } }],
      ['-E with two files', ['-E', 'conf,seq'], { oscore: { path: 'conf', sequenceFile: 'seq' } }],
      ['-v and -x', ['-v', '7', '-x'], { logLevel: 7, hidePayloadInLog: true }],
      ['-L with 4 tries Q-Block', ['-L', '5'], { qBlock: true }],
      [
        'flags without effect here',
        ['-U', '-V', '3', '-L', '3', '-3', '-y', '-J', '1234', '-d', '0'],
        { warnings: [] },
      ],
      [
        'clustered and attached',
        ['-Nwv6', '-mpost'],
        { confirmable: false, appendLineFeed: true, logLevel: 6, method: 'post' },
      ],
    ];
  for (const [sentence, given, expected] of flags) {
    test(sentence, () => {
      const request: Record<string, unknown> = { ...parsed(...given) };
      for (const [name, value] of Object.entries(expected)) assert.deepEqual(request[name], value, name);
    });
  }

  test('what coap-client only warns about is left out with a warning', () => {
    const request = parsed('-t', 'bogus', '-G', '256', '-H', '0', '-e', 'a%2');
    assert.deepEqual(request.warnings.length, 4);
    assert.deepEqual(
      [request.contentFormat, request.repeatCount, request.options, request.payload],
      [undefined, 1, [], undefined],
    );
  });

  const refused = [
    '-E ,x',
    '-d 1',
    '-X 0',
    '-c pkcs11:token=x',
    '-q x',
    '-2',
    '-z',
    '-Y',
    '-l 1,2',
    '-b 15',
    '-L 2',
    '-O x',
    '-k ',
  ];
  for (const flag of refused) {
    test(`${flag} is refused by name`, () => {
      const request = parseCoapClientFlags([...flag.split(' '), uri]);
      assert.ok('refused' in request && !request.showUsage);
      assert.match(request.refused, new RegExp(`^-${flag[1]}: `));
    });
  }

  test('every flag of the manual of coap-client 4.3.5 is mapped, or refused with the reason', () => {
    // Letter, and whether a value follows.
    const manual = 'a:b:c:d:e:f:h:j:k:l:m:no:p:q:rs:t:u:v:wxA:B:C:E:G:H:J:K:L:M:NO:P:R:T:UV:X:2';
    for (const [, letter = '', colon] of manual.matchAll(/(.)(:?)/g)) {
      const flag = coapClientFlags.find((one) => one.letter === letter);
      assert.equal(flag?.value !== undefined, colon === ':', `-${letter} and its value`);
      assert.ok(flag!.meaning.length > 5, letter);
      const value =
        { h: 'no such file', O: '1,x', b: '64', l: '1%', d: '0', E: 'file', e: 'x' }[letter] ?? '1';
      const request = parseCoapClientFlags([`-${letter}`, ...(colon === ':' ? [value] : []), uri]);
      const reason = 'refused' in request ? request.refused : '';
      if (flag?.refused !== undefined) assert.equal(reason, `-${letter}: ${flag.refused}`);
      else if (letter === 'h') assert.match(reason, /Hint file: no such file/);
      else assert.equal(reason, '', letter);
    }
  });

  test('a flag is refused with what to do, or why it cannot be', () => {
    const refusedOnes = coapClientFlags.filter(({ refused: reason }) => reason !== undefined);
    assert.deepEqual(refusedOnes.map(({ letter }) => letter).sort(), ['2', 'Y', 'q', 'z']);
    for (const { refused: reason } of refusedOnes) assert.ok(reason!.length > 30, reason);
  });

  test('percent-decoding keeps all else, and refuses what is no escape', () => {
    assert.deepEqual(percentDecoded('%00%fFé'), Uint8Array.from([0, 255, ...bytes('é')]));
    assert.equal(percentDecoded('50%'), undefined);
  });
});

describe('coapsule client', () => {
  test('prints the payload and one line feed at the end', async () => {
    const { stdout, exitCode } = await run(['client', uri], { answers: [response(Code.Content, '22.5')] });
    assert.deepEqual([stdout, exitCode], ['22.5\n', 0]);
  });

  test('prints nothing for a response without payload', async () => {
    assert.equal((await run(['client', '-m', 'put', uri], { answers: [response(Code.Changed)] })).stdout, '');
  });

  test('an error response is its code and diagnostic on standard error, and exit code 0', async () => {
    const { stdout, stderr, exitCode } = await run(['client', uri], {
      answers: [response(Code.NotFound, 'Not\u001bFound')],
    });
    assert.deepEqual([stdout, stderr, exitCode], ['', '4.04 Not.Found\n', 0]);
    assert.equal((await run(['client', uri], { answers: [response(Code.NotFound)] })).stderr, '4.04\n');
  });

  test('-w adds a line feed to each payload, beside the one at the end', async () => {
    assert.equal(
      (await run(['client', '-w', uri], { answers: [response(Code.Content, 'a')] })).stdout,
      'a\n\n',
    );
  });

  test('-o writes payloads as they are, - to standard output', async () => {
    const path = join(folder, 'out');
    assert.equal(
      (await run(['client', '-o', path, uri], { answers: [response(Code.Content, 'a')] })).stdout,
      '',
    );
    assert.equal(readFileSync(path, 'utf8'), 'a');
    assert.equal(
      (await run(['client', '-o', '-', uri], { answers: [response(Code.Content, 'a')] })).stdout,
      'a',
    );
  });

  test('-s prints notifications one behind the other, then cancels', async () => {
    const notify = (sequence: number) =>
      response(Code.Content, `n${sequence}`, new OptionSet().add(OptionNumber.Observe, sequence));
    const result = await run(['client', '-s', '60', uri], {
      answers: [notify(1), notify(2)],
      afterLast: 'elapse',
    });
    assert.deepEqual([result.stdout, result.exitCode, result.cancelled], ['n1n2\n', 0, true]);
  });

  test('-G repeats the request a second apart, with the next token', async () => {
    const answers = [response(Code.Content, 'a'), response(Code.Content, 'b')];
    const { stdout, requests, delays } = await run(['client', '-G', '2', '-T', 'aaaz', uri], { answers });
    assert.equal(stdout, 'ab\n');
    assert.deepEqual(
      requests.map(({ options }) => options.token),
      [bytes('aaaz'), bytes('aaa{')],
    );
    assert.deepEqual(delays, [1000]);
  });

  test('-r asks over TCP, -X and -K are the client of the library, a long token makes it speak RFC 8974', async () => {
    const args = ['client', '-r', '-X', '2048', '-K', '5', '-T', '123456789', 'coap://h/'];
    const { requests, clientOptions } = await run(args, { answers: [response(Code.Content, 'a')] });
    assert.equal(requests[0]!.uri, 'coap+tcp://h/');
    const { maxMessageSize, keepAliveMs, maxTokenLength } = clientOptions!;
    assert.deepEqual([maxMessageSize, keepAliveMs, maxTokenLength], [2048, 5000, 9]);
  });

  test('with -r and -P it is the way to the proxy that is TCP', async () => {
    const args = ['client', '-r', '-P', 'coap://proxy', 'coap://h/'];
    const { requests, clientOptions } = await run(args, { answers: [response(Code.Content, 'a')] });
    assert.equal(requests[0]!.uri, 'coap://h/');
    assert.deepEqual(clientOptions!.proxy, { uri: 'coap+tcp://proxy' });
  });

  test('a server that does not speak RFC 8974 is asked again with the first 8 bytes of a token', async () => {
    const answers = [libraryError('ERR_RESET', 'reset'), response(Code.Content, 'a')];
    const { stdout, requests } = await run(['client', '-T', '123456789', uri], { answers });
    assert.equal(stdout, 'a\n');
    assert.deepEqual(
      requests.map(({ options }) => options.token),
      [bytes('123456789'), bytes('12345678')],
    );
  });

  test('the request reaches the library', async () => {
    const args = [
      'client',
      '-m',
      'put',
      '-e',
      'x',
      '-t',
      'cbor',
      '-A',
      'json',
      '-N',
      '-B',
      '6',
      '-b',
      '64',
      uri,
    ];
    const { requests } = await run(args, { answers: [response(Code.Changed)] });
    const { signal, ...options } = requests[0]!.options;
    assert.ok(signal);
    assert.deepEqual(
      [requests[0]!.method, options],
      [
        'PUT',
        {
          payload: bytes('x'),
          contentFormat: 60,
          accept: 50,
          confirmable: false,
          blockSize: 64,
          timeoutMs: 6000,
        },
      ],
    );
  });

  test('-b num,size asks for that block', async () => {
    const { requests } = await run(['client', '-b', '3,64', uri], { answers: [response(Code.Content)] });
    assert.deepEqual(requests[0]!.options.options, [
      { number: OptionNumber.Block2, value: Uint8Array.of(0x32) },
    ]);
  });

  test('-k and -u are the credential; peers without extended master secret are taken, as libcoap does', async () => {
    const { clientOptions } = await run(['client', '-k', 'secret', '-u', 'id', 'coaps://h/'], {
      answers: [response(Code.Content)],
    });
    assert.deepEqual(
      [clientOptions?.psk, clientOptions?.extendedMasterSecret],
      [{ identity: 'id', key: bytes('secret') }, 'preferred'],
    );
  });

  test('-h chooses identity and key by the hint of the server', async () => {
    const path = join(folder, 'hints');
    writeFileSync(path, '# comment\nCoAP,other,key,with,commas\n');
    const args = ['client', '-h', path, '-k', 'secret', '-u', 'id', 'coaps://h/'];
    const { clientOptions } = await run(args, { answers: [response(Code.Content)] });
    const choose = clientOptions?.psk as (server: {
      host: string;
      port: number;
      hint: string | undefined;
    }) => PskCredential;
    const chosen = choose({ host: 'h', port: 1, hint: 'CoAP' });
    assert.deepEqual([chosen.identity, chosen.key], ['other', bytes('key,with,commas')]);
    assert.deepEqual(choose({ host: 'h', port: 1, hint: undefined }), {
      identity: 'id',
      key: bytes('secret'),
    });
  });

  test('a request that cannot be sent is logged in the form of libcoap, the cause on standard error, exit code 0', async () => {
    const { stdout, stderr, exitCode } = await run(['client', uri], {
      answers: [libraryError('ERR_NETWORK', 'nobody listens')],
    });
    assert.match(stdout, /^[A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d\.\d{3} ERR {2}cannot send CoAP pdu\n$/);
    assert.equal(stderr, 'coap-client: nobody listens\n  library hint\n');
    assert.equal(exitCode, 0);
  });

  test('an unknown host and a bad URI are exit code 1', async () => {
    const host = await run(['client', uri], { answers: [libraryError('ERR_ADDRESS', 'no address')] });
    assert.equal(host.exitCode, 1);
    assert.match(host.stdout, /failed to resolve address/);
    const bad = await run(['client', 'http://h/']);
    assert.equal(bad.exitCode, 1);
    assert.match(bad.stdout, /invalid CoAP URI 'http:\/\/h\/'/);
  });

  test('when the time of -B is over nothing stands on standard output', async () => {
    const { stdout, exitCode } = await run(['client', uri], {
      answers: [libraryError('ERR_TIMEOUT', 'no response')],
    });
    assert.deepEqual([stdout, exitCode], ['', 0]);
  });

  test('wrong usage prints the usage and is exit code 1', async () => {
    for (const args of [['client'], ['client', '-Z', uri]]) {
      const { exitCode, stderr, stdout } = await run(args);
      assert.deepEqual([exitCode, stdout], [1, '']);
      assert.match(stderr, /Usage: coapsule client/);
    }
  });

  test('an unknown method is answered as servers do', async () => {
    const { exitCode, stderr } = await run(['client', '-m', 'brew', uri]);
    assert.deepEqual([exitCode, stderr], [0, '4.05 Method Not Allowed\n']);
  });
});
