/** What `coapsule probe` says of others' servers: a table of findings for each, by what these versions are known to do. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext } from 'node:test';
import { type Probed, probe, resultsOf } from '../probe/probing.ts';
import { startCalifornium } from './json-peer.ts';
import { peerPython, peerTest } from './peer.ts';
import { freeUdpPorts, start, temporaryFolder, until } from './process.ts';
import { demo } from './programs.ts';

/** Nobody listens there. */
const noStreams = ['tcp', 'tls', 'ws', 'wss'].flatMap((name) => ['--port', `${name}=9`]);

/** On this machine answers take milliseconds. */
const wait = ['--wait', '0.5'];

async function untilAnswering(port: number, name: string): Promise<void> {
  await until(
    async () =>
      (
        await probe(
          `coap://127.0.0.1:${port}`,
          '--json',
          '--only',
          'messages',
          '--wait',
          '0.3',
          '--max-datagrams',
          '1',
        )
      ).lines.some(({ result }) => result === 'supported'),
    `${name} answers`,
  );
}

function expectFindings({ lines, stderr }: Probed, expected: Readonly<Record<string, string>>): void {
  assert.deepEqual(resultsOf(lines, expected), expected, stderr);
}

describe('coapsule probe at the servers of others', () => {
  peerTest("libcoap's coap-server", ['coap-server-openssl'], async (t: TestContext) => {
    const port = await freeUdpPorts(2);
    start(t, 'coap-server-openssl', ['-A', '127.0.0.1', '-p', String(port), '-k', demo.key, '-h', 'CoAP']);
    await untilAnswering(port, 'coap-server');
    const probed = await probe(
      `coap://127.0.0.1:${port}/time`,
      '--json',
      '--malformed',
      ...wait,
      ...['--port', `dtls=${port + 1}`, ...noStreams],
    );
    expectFindings(probed, {
      request: 'supported',
      ping: 'supported',
      'unknown-critical-option': 'supported',
      'unknown-elective-option': 'supported',
      'unknown-method': 'supported',
      'method-fetch': 'supported',
      'block2-16': 'supported',
      // Version 4.3.1.
      'q-block2': 'absent',
      oscore: 'absent',
      observe: 'supported',
      'observe-cancel': 'supported',
      etag: 'absent',
      'transport-dtls': 'supported',
      'transport-tcp': 'absent',
      'dtls-1.0': 'absent',
      'dtls-1.2': 'supported',
      'dtls-1.3': 'absent',
      cookie: 'supported',
      'extended-master-secret': 'supported',
      'connection-id': 'absent',
      'raw-public-key': 'absent',
      TLS_PSK_WITH_AES_128_CCM_8: 'supported',
      TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256: 'supported',
      TLS_PSK_WITH_NULL_SHA256: 'absent',
      'mandatory-psk': 'supported',
      // 159 bytes for 22.
      'amplification-coap': 'violates',
      'amplification-dtls': 'supported',
      'version-2': 'supported',
      'token-length-9': 'supported',
      'payload-marker-alone': 'supported',
      'code-class-1': 'supported',
      // Acknowledged, not reset.
      'code-class-6': 'violates',
      'stray-response': 'violates',
      // A Block2 is not looked at where the body is short.
      'block-size-7': 'violates',
      'garbage-record': 'supported',
    });
  });

  peerTest("aiocoap's file server", ['aiocoap'], async (t: TestContext) => {
    const folder = temporaryFolder(t);
    writeFileSync(join(folder, 'large'), Buffer.alloc(3000, 'abc'));
    const map = join(folder, 'credentials.json');
    const psk = { psk: { ascii: demo.key }, 'client-identity': { ascii: demo.identity } };
    writeFileSync(map, JSON.stringify({ ':sensor': { dtls: psk } }));
    const port = await freeUdpPorts(2);
    start(
      t,
      join(peerPython, '..', 'aiocoap-fileserver'),
      ['--bind', `127.0.0.1:${port}`, '--credentials', map, folder],
      { env: { AIOCOAP_DTLSSERVER_ENABLED: '1' } },
    );
    await untilAnswering(port, 'aiocoap');
    const probed = await probe(
      `coap://127.0.0.1:${port}/large`,
      '--json',
      '--malformed',
      ...wait,
      ...['--port', `dtls=${port + 1}`, ...noStreams],
    );
    expectFindings(probed, {
      request: 'supported',
      ping: 'supported',
      // Its file server passes over options that it does not know.
      'unknown-critical-option': 'violates',
      'unknown-method': 'supported',
      'method-fetch': 'absent',
      'block2-1024': 'supported',
      'block2-16': 'supported',
      'block2-next': 'supported',
      observe: 'supported',
      etag: 'supported',
      // Not tried: it passes over critical options, and the outer request of OSCORE is a POST.
      oscore: 'unknown',
      'dtls-1.0': 'absent',
      'dtls-1.2': 'supported',
      'dtls-1.3': 'absent',
      cookie: 'supported',
      'extended-master-secret': 'supported',
      'connection-id': 'absent',
      TLS_PSK_WITH_AES_128_CCM_8: 'supported',
      TLS_PSK_WITH_AES_128_GCM_SHA256: 'absent',
      'mandatory-psk': 'supported',
      'amplification-coap': 'supported',
      'version-0': 'supported',
      // It knows longer tokens, as long as one byte says how long they are.
      'token-length-12': 'supported',
      'token-length-14': 'violates',
      'token-length-15': 'violates',
      'truncated-option': 'violates',
      'empty-with-bytes': 'supported',
      'code-class-6': 'violates',
      'stray-response': 'supported',
      'block-size-7': 'violates',
    });
  });

  peerTest('Californium', ['californium'], async (t: TestContext) => {
    const port = await freeUdpPorts(1);
    await startCalifornium(t, 'server', port);
    const probed = await probe(
      `coap://127.0.0.1:${port}/large`,
      '--json',
      '--malformed',
      ...wait,
      ...['--skip', 'transports', 'dtls', 'suites'],
    );
    expectFindings(probed, {
      request: 'supported',
      ping: 'supported',
      'unknown-critical-option': 'supported',
      // 4.02 instead of 4.05.
      'unknown-method': 'violates',
      'method-fetch': 'absent',
      // Its usual size is 512.
      'block2-1024': 'absent',
      'block2-512': 'supported',
      'block2-16': 'supported',
      'block2-next': 'supported',
      observe: 'absent',
      etag: 'absent',
      // Without its OSCORE part the option is passed over, and the empty path is answered.
      oscore: 'violates',
      'amplification-coap': 'supported',
      'version-3': 'supported',
      'token-length-9': 'violates',
      'truncated-token': 'supported',
      // 4.02 instead of a Reset.
      'truncated-option': 'violates',
      'empty-with-token': 'supported',
      'code-class-7': 'supported',
      'stray-response': 'supported',
      'block-size-7': 'supported',
      'block-too-long': 'supported',
    });
  });
});
