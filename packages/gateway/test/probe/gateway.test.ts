/** What `coapsule probe` says of our own gateway, where the answers are known. */
import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { content, OptionNumber, Server, valid } from 'coapsule';
import { runCommandLine } from '../../src/cli/command-line.ts';
import { issueAuthority, issueCertificate } from '../../src/keys/issue-certificate.ts';
import { startTestGateway, type TestGateway } from '../gateway/test-gateway.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { probe, resultsOf, silentEnvironment } from './probing.ts';

const key = 'AKeyOfTheProbe16';
const credentials = ['-u', 'probe', '-k', key];

function start(t: TestContext): Promise<TestGateway> {
  return startTestGateway(t, {
    demo: true,
    psks: [{ identity: 'probe', key: new TextEncoder().encode(key) }],
    streams: [{ scheme: 'coap+tcp', address: { host: '127.0.0.1', port: 0 } }],
  });
}

const portOf = (uri: string | undefined): string => uri?.slice(uri.lastIndexOf(':') + 1) ?? '';

describe('coapsule probe at our own gateway', () => {
  test('finds what it has over plain UDP, and no rule that it breaks', async (t) => {
    const { coap, coaps, gateway } = await start(t);
    const ports = [
      '--port',
      `dtls=${portOf(coaps)}`,
      '--port',
      `tcp=${portOf(gateway.endpoints.tcp)}`,
      // Nobody listens there.
      ...['--port', 'tls=9', '--port', 'ws=9', '--port', 'wss=9'],
    ];
    const { exitCode, lines } = await probe(
      `${coap}/large`,
      '--json',
      '--malformed',
      '--wait',
      '0.5',
      ...ports,
    );
    const expected = {
      request: 'supported',
      ping: 'supported',
      'unknown-critical-option': 'supported',
      'unknown-elective-option': 'supported',
      'unknown-method': 'supported',
      'method-get': 'supported',
      'method-put': 'unknown',
      'method-delete': 'unknown',
      'block2-1024': 'supported',
      'block2-512': 'supported',
      'block2-16': 'supported',
      'block2-next': 'supported',
      block1: 'unknown',
      'q-block2': 'supported',
      observe: 'absent',
      // It tells the blocks of a body apart, and is not validated.
      etag: 'absent',
      // It pings who is new, and gives little until then.
      echo: 'unknown',
      oscore: 'supported',
      'transport-dtls': 'supported',
      'transport-tcp': 'supported',
      'csm-tcp': 'supported',
      'bert-tcp': 'supported',
      'transport-tls': 'absent',
      'transport-ws': 'absent',
      'transport-wss': 'absent',
      'dtls-1.0': 'absent',
      'dtls-1.2': 'supported',
      'dtls-1.3': 'absent',
      cookie: 'supported',
      'extended-master-secret': 'supported',
      'connection-id': 'supported',
      'renegotiation-info': 'supported',
      'raw-public-key': 'absent',
      TLS_PSK_WITH_AES_128_CCM_8: 'supported',
      TLS_PSK_WITH_AES_256_GCM_SHA384: 'supported',
      TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8: 'absent',
      TLS_PSK_WITH_NULL_SHA256: 'absent',
      'mandatory-psk': 'supported',
      'amplification-coap': 'supported',
      'amplification-dtls': 'supported',
      'truncated-header': 'supported',
      'version-2': 'supported',
      'token-length-9': 'supported',
      'token-length-15': 'supported',
      'empty-with-bytes': 'supported',
      'block-size-7': 'supported',
      'garbage-record': 'supported',
    };
    assert.deepEqual(resultsOf(lines, expected), expected);
    assert.deepEqual(
      lines.filter(({ result }) => result === 'violates'),
      [],
    );
    assert.equal(exitCode, 0);
    for (const { rfc, section, link } of lines) {
      assert.equal(link, `https://www.rfc-editor.org/rfc/rfc${rfc}#section-${section}`);
    }
  });

  test('asks inside of DTLS, with malformed messages too, after a handshake with its credentials', async (t) => {
    const { coaps } = await start(t);
    const groups = ['--only', 'messages', 'observe', 'malformed', '--malformed'];
    const { exitCode, lines, stderr } = await probe(`${coaps}/obs`, '--json', ...credentials, ...groups);
    const expected = {
      request: 'supported',
      ping: 'supported',
      'unknown-critical-option': 'supported',
      observe: 'supported',
      'observe-cancel': 'supported',
      'truncated-token': 'supported',
      'code-class-7': 'supported',
    };
    assert.deepEqual(resultsOf(lines, expected), expected, stderr);
    assert.equal(
      lines.find(({ result }) => result === 'violates'),
      undefined,
    );
    assert.equal(exitCode, 0);
  });

  test('writes only where it is told to, and then under a condition that no resource meets', async (t) => {
    const { coap, client } = await start(t);
    const uri = `${coap}/store`;
    const own = client();
    await own.request('PUT', uri, { payload: 'kept' });
    const { result } = await probe(uri, '--json', '--allow-write', '--only', 'messages', 'methods', 'blocks');
    assert.equal(result('method-put'), 'supported');
    assert.equal(result('method-delete'), 'supported');
    assert.equal(result('method-post'), 'absent');
    assert.equal(result('block1'), 'supported');
    assert.equal((await own.request('GET', uri)).text(), 'kept');
  });

  test('asks over TCP', async (t) => {
    const { gateway } = await start(t);
    const { result, lines } = await probe(
      `coap+tcp://${gateway.endpoints.tcp}/large`,
      '--json',
      ...['--only', 'messages', 'methods', 'blocks', 'etag'],
    );
    assert.equal(result('request'), 'supported');
    assert.equal(result('unknown-method'), 'unknown');
    assert.equal(result('block2-64'), 'supported');
    assert.equal(result('etag'), 'absent');
    assert.equal(
      lines.find(({ result }) => result === 'violates'),
      undefined,
    );
  });

  test('finds what a server of the library offers on one resource: FETCH, ETag, Observe', async (t) => {
    const server = new Server();
    const etag = Uint8Array.of(1, 2, 3);
    server.resource('/a', {
      get: ({ options }) => (options.has(OptionNumber.ETag) ? valid(etag) : content('text', { etag })),
      fetch: () => content('part'),
      observable: true,
    });
    t.after(() => server.close());
    const { port } = await server.listen('coap://127.0.0.1:0');
    const groups = ['--only', 'methods', 'blocks', 'observe', 'etag'];
    const { result, evidence } = await probe(`coap://127.0.0.1:${port}/a`, '--json', ...groups);
    assert.equal(result('method-fetch'), 'supported');
    assert.equal(result('etag'), 'supported');
    assert.equal(evidence('etag'), 'ETag 010203: 2.03 Valid');
    assert.equal(result('observe'), 'supported');
    assert.equal(result('observe-cancel'), 'supported');
    assert.equal(evidence('block2-16'), '2.05 Content, 4 bytes, the only one');
  });

  test('finds raw public keys, and the suites that go with them', async (t) => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { coap, coaps } = await startTestGateway(t, {
      credentials: {
        certificate: undefined,
        authorities: undefined,
        rawPublicKey: { privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() },
      },
    });
    const { result, lines } = await probe(
      coap,
      '--json',
      ...['--port', `dtls=${portOf(coaps)}`, '--only', 'dtls', 'suites'],
    );
    assert.equal(result('raw-public-key'), 'supported');
    assert.equal(result('TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'), 'supported');
    assert.equal(result('TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA'), 'absent');
    assert.equal(result('mandatory-ecdsa'), 'supported');
    assert.equal(
      lines.find(({ result }) => result === 'violates'),
      undefined,
    );
  });

  test('finds TLS and WebSocket beside UDP, and asks over them', async (t) => {
    const validity = { notBefore: new Date(Date.now() - 1000), notAfter: new Date(Date.now() + 86_400_000) };
    const ca = await issueAuthority('CA', { ...validity, type: 'p256' });
    const authority = {
      certificate: new X509Certificate(ca.certificatePem),
      privateKey: createPrivateKey(ca.privateKeyPem),
    };
    const names = ['127.0.0.1'];
    const issued = await issueCertificate(
      authority,
      { role: 'server', commonName: 'lab', names, type: 'p256' },
      validity,
    );
    const own = { chain: issued.certificatePem, privateKey: issued.privateKeyPem };
    const address = { host: '127.0.0.1', port: 0 };
    const schemes = ['coaps+tcp', 'coap+ws', 'coaps+ws'] as const;
    const { coap, gateway, folder } = await startTestGateway(t, {
      demo: true,
      credentials: { certificate: own, rawPublicKey: { privateKey: own.privateKey }, authorities: undefined },
      streams: schemes.map((scheme) => ({ scheme, address })),
    });
    const { tls, ws, wss } = gateway.endpoints;
    const ports = Object.entries({ tls, ws, wss }).flatMap(([name, place]) => [
      '--port',
      `${name}=${portOf(place)}`,
    ]);
    const beside = await probe(
      coap,
      '--json',
      '--only',
      'transports',
      '--port',
      'tcp=9',
      '--port',
      'dtls=9',
      ...ports,
    );
    for (const transport of ['tls', 'ws', 'wss']) {
      assert.equal(
        beside.result(`transport-${transport}`),
        'supported',
        beside.evidence(`transport-${transport}`),
      );
    }
    assert.equal(beside.result('bert-tls'), 'supported');
    assert.equal(beside.result('transport-tcp'), 'absent');

    const trust = join(folder, 'ca.pem');
    writeFileSync(trust, ca.certificatePem);
    const groups = ['--only', 'messages', 'blocks', '--json'];
    for (const uri of [`coap+ws://${ws}/large`, `coaps+tcp://${tls}/large`, `coaps+ws://${wss}/large`]) {
      const { result, stderr } = await probe(
        uri,
        ...groups,
        ...(uri.startsWith('coaps') ? ['-C', trust] : []),
      );
      assert.equal(result('request'), 'supported', stderr);
      assert.equal(result('block2-32'), 'supported', uri);
    }
  });

  test('makes a request under the context of --oscore, which is shown nowhere', async (t) => {
    const dataFolder = temporaryFolder(t);
    const context = join(dataFolder, 'sensor-9.oscore');
    const added = await runCommandLine(
      ['device', 'add', 'sensor-9', '--oscore', 'generate', '--oscore-file', context, '--data', dataFolder],
      silentEnvironment(),
    );
    assert.equal(added, 0);
    const { coap } = await startTestGateway(t, { demo: true, dataFolder });
    const groups = ['--only', 'oscore', '--oscore', context];
    const { result, evidence, stdout, stderr } = await probe(`${coap}/hello`, '--json', ...groups);
    assert.equal(result('oscore'), 'supported');
    assert.equal(evidence('oscore-context'), '2.05, protected', stderr);
    const secret = /master_secret,hex,"(\w+)"/.exec(readFileSync(context, 'utf8'))?.[1] ?? '';
    assert.ok(secret.length >= 32);
    assert.ok(!`${stdout}${stderr}`.includes(secret));
  });

  test('asks the address of a name where somebody answers', async (t) => {
    const { coap } = await start(t);
    const { result, stderr } = await probe(
      `coap://localhost:${portOf(coap)}`,
      '--json',
      '--only',
      'messages',
    );
    assert.equal(result('request'), 'supported', stderr);
  });

  test('a wrong key ends with 7, a peer that is not there with 6, a group and a serial line with 64', async (t) => {
    const { coaps } = await start(t);
    const wrong = await probe(coaps, '-u', 'probe', '-k', 'another key', '--wait', '0.3');
    assert.equal(wrong.exitCode, 7, wrong.stderr);
    const nobody = await probe('coap://127.0.0.1:9', '--only', 'messages', '--wait', '0.1');
    assert.equal(nobody.exitCode, 6, nobody.stderr);
    assert.match(nobody.stderr, /nothing came back/);
    assert.equal((await probe('coap://224.0.1.187')).exitCode, 64);
    assert.equal((await probe('coap+serial://ttyS9/a')).exitCode, 64);
  });

  test('stops when its datagrams are used up, and says so of what was not tried', async (t) => {
    const { coap } = await start(t);
    const { evidence, result, stdout } = await probe(
      coap,
      '--json',
      '--max-datagrams',
      '4',
      '--only',
      'messages',
    );
    assert.equal(result('request'), 'supported');
    assert.equal(result('unknown-method'), 'unknown');
    assert.match(evidence('unknown-method'), /--max-datagrams/);
    assert.ok(!stdout.includes('violates'));
  });

  test('prints groups, findings with their rule and a sum for people, and never the key', async (t) => {
    const { coaps } = await start(t);
    const { stdout, stderr } = await probe(coaps, ...credentials, '--only', 'messages', 'suites');
    assert.match(stdout, /\nmessages\n {2}supported {2}GET \/\.well-known\/core: 2\.05 Content/);
    assert.match(
      stdout,
      /RFC 7252 §5\.4\.1 \(MUST\) https:\/\/www\.rfc-editor\.org\/rfc\/rfc7252#section-5\.4\.1\n/,
    );
    assert.match(
      stdout,
      /\n\d+ supported, \d+ absent, 0 against a rule, \d+ unknown; \d+ datagrams and connections in/,
    );
    assert.ok(!`${stdout}${stderr}`.includes(key));
  });
});
