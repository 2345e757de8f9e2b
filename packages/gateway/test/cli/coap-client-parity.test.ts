/**
 * The same command lines with libcoap's coap-client and with `coapsule client`, against servers of both: the same on standard output
 * and the same exit code, for every flag of coap-client 4.3.1. Runs side by side; ours runs in this process, as the program would.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Code, changed, content, failure, Server } from 'coapsule';
import { getopt } from '../../src/cli/getopt.ts';
import { startTestGateway } from '../gateway/test-gateway.ts';
import { endEntity, rawKey, trustAnchor } from '../interop/certificates.ts';
import { ownCertificate, ownRawKey } from '../interop/own-endpoint.ts';
import { missingPeer } from '../interop/peer.ts';
import { freeUdpPorts, run, start, temporaryFolder, untilBound } from '../interop/process.ts';
import { runLive } from './live-environment.ts';

const launcher = fileURLToPath(new URL('../../bin/coapsule.js', import.meta.url));
const skip = missingPeer(['coap-client-openssl', 'coap-client-gnutls', 'coap-server-openssl', 'openssl']);

/** Letters of coap-client 4.3.1, from its source of options, for getopt(3). */
const letters431 = 'a:b:e:f:h:j:k:l:m:no:p:rs:t:u:v:wA:B:C:G:H:J:K:L:M:NO:P:R:T:UX:c:';

/** What a line is compared by. */
type Scope =
  /** Standard output and standard error. */
  | 'all'
  /** Standard output without lines of the log, of which the time differs; standard error says more here. */
  | 'payload';

interface Row {
  readonly line: string;
  readonly scope: Scope;
  readonly build: 'openssl' | 'gnutls';
  readonly input?: string;
}

const all = (...lines: string[]): Row[] => lines.map((line) => ({ line, scope: 'all', build: 'openssl' }));
const payload = (...lines: string[]): Row[] =>
  lines.map((line) => ({ line, scope: 'payload', build: 'openssl' }));

/** Words in capitals stand for servers, ports and files; each of a pair has its own `MINE`. */
const rows: readonly Row[] = [
  ...all(
    // A server of the library.
    'OWN/value',
    '-m get OWN/value -w',
    '-w OWN/empty',
    'OWN/empty',
    'OWN/large',
    '-b 64 OWN/large',
    '-b 2,64 OWN/large',
    '-m GET -N OWN/value',
    '-A json OWN/json',
    '-A 50 OWN/json',
    'OWN/missing',
    'OWN/refuses',
    '-m delete OWN/value',
    '-m put -e a%20b%2Fc -t 0 OWN/store/MINE',
    '-m post -e x -t text/plain OWN/echo',
    '-m put -f FILE -t binary OWN/echo',
    '-m fetch -e x -t 0 OWN/echo',
    '-m patch -e x -t 0 OWN/echo',
    '-m ipatch -e x -t 0 OWN/echo',
    '-T cafe -O 15,a=b OWN/value',
    '-O 2049,0x00ff -O 4,0xcafe OWN/value',
    '-O 65001,x OWN/value',
    '-O 65003 OWN/value',
    '-G 2 OWN/value',
    '-o - OWN/value',
    '-U -H 5 OWN/value',
    '-a 127.0.0.1 OWN/value',
    '-p PORT OWN/value',
    '-l 0% OWN/value',
    '-K 1 OWN/value',
    '-L 1 OWN/large',
    '-L 3 OWN/large',
    '-v 0 OWN/value',
    '-v 4 OWN/value',
    '-s 1 OWN/ticks',
    '-r OWN/value',
    '-X 1152 -r OWN/large',
    'OWNTCP/value',
    '-k MySecret16ByteK! -u sensor-042 OWNS/value',
    '-mget -kMySecret16ByteK! OWNS/value -u sensor-042 -w',
    '-h HINTS -k wrong -u nobody OWNS/value',
    '-c CERT -j KEY -C CA OWNCERT/value',
    '-c BOTH -C CA OWNCERT/value',
    '-c BOTH -C CA -R CA OWNCERT/value',
    '-J 1234 -c BOTH -C CA OWNCERT/value',
    // The gateway with its demo resources.
    'GATEWAY/hello',
    'GATEWAY/large',
    '-b 256 GATEWAY/large',
    'GATEWAY/light',
    'GATEWAY/sensors',
    '-m put -e 1 GATEWAY/sensors/x',
    '-m put -f LARGE GATEWAY/store/MINE',
    '-k MySecret16ByteK! -u sensor-042 GATEWAYS/hello',
    '-m put -e 21.5 -k MySecret16ByteK! -u sensor-042 GATEWAYS/sensors/sensor-042/MINE',
    '-k MySecret16ByteK! -u sensor-042 GATEWAYS/sensors/other',
    '-P GATEWAY OWN/value',
    // libcoap's own server.
    'LIB/',
    'LIB/.well-known/core',
    'LIB/missing',
    '-m put -e value LIB/MINE',
    '-m put -f LARGE -b 128 LIB/MINE',
    '-m delete LIB/MINE',
    '-m post -e x LIB/',
    '-r LIB/',
    'LIBTCP/',
    '-k MySecret16ByteK! -u sensor-042 LIBS/',
    '-r -k MySecret16ByteK! -u sensor-042 LIBS/',
    '-P LIBPROXY OWN/value',
  ),
  { line: '-m put -e%66%6f -f - OWN/echo', scope: 'all', build: 'openssl', input: 'from standard input' },
  ...payload(
    // What libcoap says on standard error or in its log is less, or has another time.
    '-T 123456789 OWN/value',
    '-B 1 OWN/silent',
    '-m brew OWN/value',
    '-m put -f NOFILE OWN/echo',
    '-e a%2 -m put OWN/echo',
    '-G 0 OWN/value',
    '-G 256 OWN/value',
    '-H 0 OWN/value',
    '-t bogus -m put -e x OWN/echo',
    '-A bogus OWN/value',
    '-n -c CERT -j KEY OWNCERT/value',
    '-n OWNONLY/value',
    '-C OTHERCA -c CERT -j KEY -B 3 OWNCERT/value',
    '-k WrongKey -u sensor-042 -B 3 OWNS/value',
    'http://127.0.0.1/',
    '-Z OWN/value',
    '-b 17 OWN/large',
    '-b 4096 OWN/large',
    '-h NOFILE OWN/value',
    '-B 1 coap://127.0.0.1:CLOSED/',
  ),
  { line: '-M RAWKEY -n OWNRAW/value', scope: 'payload', build: 'gnutls' },
  { line: '-k MySecret16ByteK! -u sensor-042 OWNS/value', scope: 'all', build: 'gnutls' },
  { line: '-c CERT -j KEY -C CA OWNCERT/value', scope: 'all', build: 'gnutls' },
];

/** Log lines of libcoap: `Nov 21 07:56:48.061 ERR  text`. */
const logLine = /^[A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d.*\n/gm;

test('coapsule client prints what coap-client 4.3.1 prints, with its exit code', {
  skip: skip ?? false,
  concurrency: 8,
}, async (t) => {
  const folder = temporaryFolder(t);
  const file = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const psk = new TextEncoder().encode('MySecret16ByteK!');

  const server = new Server();
  t.after(() => server.close());
  server
    .resource('/value', { get: () => content('22.5') })
    .resource('/empty', { get: () => content('') })
    .resource('/large', { get: () => content('ABCDEFGHIJKLMNOPQRSTUVWXYZ'.repeat(315)) })
    .resource('/json', { get: () => content('{}', { contentFormat: 'application/json' }) })
    .resource('/refuses', { get: () => failure(Code.Forbidden, 'not\tyou') })
    .resource('/ticks', { observable: true, get: () => content('tick 0') })
    .resource('/silent', { get: () => new Promise<never>(() => {}) })
    .resource('/echo', {
      put: (request) => content(`${request.contentFormat ?? 'none'}:${request.text()}`),
      post: (request) => content(`${request.contentFormat ?? 'none'}:${request.text()}`),
      fetch: (request) => content(`${request.contentFormat ?? 'none'}:${request.text()}`),
      patch: (request) => content(`${request.contentFormat ?? 'none'}:${request.text()}`),
      ipatch: (request) => content(`${request.contentFormat ?? 'none'}:${request.text()}`),
    })
    .resource('/store/*', { put: () => changed() });
  const plain = await server.listen('coap://127.0.0.1:0', {
    // What a server has for an address that nothing proves is less, for a while, on a machine that is busy.
    dangerouslyUnlimitedAmplification: true,
  });
  const stream = await server.listen(`coap+tcp://127.0.0.1:${plain.port}`);
  const secure = await server.listen('coaps://127.0.0.1:0', {
    psk: { lookup: new Map([['sensor-042', psk]]), hint: 'CoAP' },
  });
  const certificate = ownCertificate(endEntity({ role: 'server' }));
  const certified = await server.listen('coaps://127.0.0.1:0', {
    certificate,
    clientCertificates: { trustAnchors: readFileSync(trustAnchor(), 'utf8') },
  });
  const serverOnly = await server.listen('coaps://127.0.0.1:0', { certificate });
  const raw = await server.listen('coaps://127.0.0.1:0', {
    rawPublicKey: ownRawKey(rawKey('server')),
    clientPublicKeys: new Map([['sensor-7', readFileSync(rawKey('client').publicKey, 'utf8')]]),
  });
  const gateway = await startTestGateway(t, {
    demo: true,
    psks: [{ identity: 'sensor-042', key: psk }],
    proxy: { targets: [{ uri: 'coap://*:*' }], networks: ['127.0.0.1/32'], dangerouslyForEveryone: true },
  });
  const [closed, libProxy] = [await freeUdpPorts(1), await freeUdpPorts(2)];
  // Its TLS has no ALPN, and without that only port 5684 is one of CoAP (RFC 8323 §8.2): it has an address of its own.
  const lib = `127.0.83.${10 + Number(process.env['COAPSULE_TEST_SLOT'] ?? 0)}`;
  start(t, 'coap-server-openssl', [
    ...['-A', lib, '-p', '5683', '-d', '100', '-k', 'MySecret16ByteK!', '-h', 'hint'],
  ]);
  start(t, 'coap-server-openssl', ['-A', '127.0.0.1', '-p', String(libProxy), '-P', ',myproxy']);
  await Promise.all([untilBound(5684), untilBound(libProxy)]);

  const client = endEntity({ role: 'client' });
  const words: Readonly<Record<string, string>> = {
    OWN: `coap://127.0.0.1:${plain.port}`,
    OWNTCP: `coap+tcp://127.0.0.1:${stream.port}`,
    OWNS: `coaps://127.0.0.1:${secure.port}`,
    OWNCERT: `coaps://127.0.0.1:${certified.port}`,
    OWNONLY: `coaps://127.0.0.1:${serverOnly.port}`,
    OWNRAW: `coaps://127.0.0.1:${raw.port}`,
    GATEWAY: gateway.coap,
    GATEWAYS: gateway.coaps,
    LIB: `coap://${lib}`,
    LIBTCP: `coap+tcp://${lib}`,
    LIBS: `coaps://${lib}`,
    LIBPROXY: `coap://127.0.0.1:${libProxy}`,
    FILE: file('body', 'a body'),
    LARGE: file('large', 'x'.repeat(3000)),
    NOFILE: join(folder, 'none'),
    HINTS: file('hints', '# comment\nCoAP,sensor-042,MySecret16ByteK!\n'),
    CERT: client.certificate,
    KEY: client.key,
    BOTH: file('both.pem', readFileSync(client.both, 'utf8')),
    CA: trustAnchor(),
    OTHERCA: trustAnchor('other-ca'),
    RAWKEY: rawKey('client').both,
    CLOSED: String(closed),
  };

  const argumentsOf = (line: string, own: Readonly<Record<string, string>>): string[] =>
    line.split(' ').map((word) => word.replaceAll(/[A-Z]{2,}/g, (name) => own[name] ?? words[name] ?? name));
  const compared = (scope: Scope, code: number | null, stdout: string, stderr: string) => ({
    code,
    stdout: scope === 'all' ? stdout : stdout.replaceAll(logLine, ''),
    ...(scope === 'all' && { stderr }),
  });

  await t.test('for every flag that it has', () => {
    const given = new Set<string>();
    for (const { line } of rows) {
      const parsed = getopt(line.split(' '), letters431);
      if (parsed.kind === 'parsed') for (const { letter } of parsed.flags) given.add(letter);
    }
    const missing = letters431
      .replaceAll(':', '')
      .split('')
      .filter((letter) => !given.has(letter));
    assert.deepEqual(missing, []);
  });

  await Promise.all(
    rows.map(async ({ line, scope, build, input = '' }, index) =>
      t.test(`${build === 'gnutls' ? 'GnuTLS: ' : ''}${line}`, async (t) => {
        const port = await freeUdpPorts(2);
        const [theirs, ours] = await Promise.all([
          run(t, `coap-client-${build}`, argumentsOf(line, { MINE: `theirs${index}`, PORT: String(port) }), {
            input,
          }),
          runLive(['client', ...argumentsOf(line, { MINE: `ours${index}`, PORT: String(port + 1) })], {
            input,
          }),
        ]);
        const said = theirs.stdout.toString();
        assert.deepEqual(
          compared(scope, ours.exitCode, ours.stdout, ours.stderr),
          compared(scope, theirs.code, said, theirs.output.replace(said, '')),
        );
      }),
    ),
  );

  // 4.3.1 ends with exit(-1) there, which is 255; its manual says 1.
  await t.test('a host that there is not is a failure with both', async (t) => {
    const uri = 'coap://no-such-host.invalid/';
    assert.equal((await run(t, 'coap-client-openssl', [uri])).code, 255);
    assert.equal((await runLive(['client', uri])).exitCode, 1);
  });

  // 4.3.1 takes it for text; 4.3.5 has it as hex.
  await t.test('a key in hex is the one of 4.3.5', async () => {
    const key = `0x${Buffer.from(psk).toString('hex')}`;
    const { stdout } = await runLive(['client', '-k', key, '-u', 'sensor-042', `${words['OWNS']}/value`]);
    assert.equal(stdout, '22.5\n');
  });

  await t.test('-o FILE writes the same file', async (t) => {
    const [theirs, ours] = [join(folder, 'theirs'), join(folder, 'ours')];
    const uri = `${words['OWN']}/value`;
    const { code, output } = await run(t, 'coap-client-openssl', ['-o', theirs, uri]);
    assert.deepEqual([code, output], [0, '']);
    const { exitCode, output: said } = await runLive(['client', '-o', ours, uri]);
    assert.deepEqual([exitCode, said], [0, '']);
    assert.equal(readFileSync(ours, 'utf8'), readFileSync(theirs, 'utf8'));
  });

  await t.test('the program itself ends so', async (t) => {
    const answered = await run(t, process.execPath, [launcher, 'client', '-w', `${words['OWN']}/value`]);
    assert.deepEqual([answered.code, answered.output], [0, '22.5\n\n']);
    const refused = await run(t, process.execPath, [launcher, 'client', 'http://127.0.0.1/']);
    assert.equal(refused.code, 1);
  });
});
