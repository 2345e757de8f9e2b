/** The peers against each other, without us: that what a test finds is not the fault of how a peer was started. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { endEntity, rawKey, trustAnchor } from './certificates.ts';
import { helloRequest, startMbedtls, startPion, startScandium } from './json-peer.ts';
import { peerTest } from './peer.ts';
import { freeUdpPorts, start } from './process.ts';
import { demo } from './programs.ts';
import { VirtualLine } from './virtual-line.ts';

const psk = ['--psk', `${demo.identity}:${demo.key}`];

describe('peers without us', () => {
  peerTest('Scandium and OpenSSL know each other by certificates', ['scandium', 'openssl'], async (t) => {
    const [server, client, ca] = [
      endEntity({ role: 'server' }),
      endEntity({ role: 'client' }),
      trustAnchor(),
    ];
    const port = await freeUdpPorts(1);
    const scandium = await startScandium(
      t,
      'server',
      port,
      ...['--credentials', server.both, '--trust', ca, '--client-authentication', 'NEEDED'],
    );
    const openssl = start(t, 'openssl', [
      ...['s_client', '-dtls1_2', '-connect', `127.0.0.1:${port}`, '-cert', client.certificate],
      ...['-key', client.key, '-CAfile', ca, '-verify_return_error', '-verify_hostname', 'localhost'],
    ]);
    await openssl.waitFor(/Verify return code: 0/);
    openssl.write('from openssl\n');
    assert.match(String((await scandium.event('connected'))['peer']), /CN=client/);
    assert.equal((await scandium.event('data'))['text'], 'from openssl.');
  });

  peerTest('Mbed TLS and OpenSSL know each other by certificates', ['mbedtls', 'openssl'], async (t) => {
    const [server, client, ca] = [
      endEntity({ role: 'server' }),
      endEntity({ role: 'client' }),
      trustAnchor(),
    ];
    const port = await freeUdpPorts(1);
    const openssl = start(t, 'openssl', [
      ...['s_server', '-dtls1_2', '-accept', `127.0.0.1:${port}`, '-cert', server.certificate],
      ...['-key', server.key, '-CAfile', ca, '-Verify', '1', '-verify_return_error', '-listen', '-quiet'],
      ...['-cipher', 'ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0'],
    ]);
    const mbedtls = await startMbedtls(
      t,
      'client',
      port,
      ...['--certificate', client.certificate, '--key', client.key, '--trust', ca, '--send', helloRequest],
      ...['--suites', 'TLS-ECDHE-ECDSA-WITH-AES-128-CCM-8'],
    );
    assert.match(String((await mbedtls.event('connected'))['suite']), /AES-128-CCM-8/);
    await openssl.waitFor(/hello/);
  });

  peerTest('Scandium knows Scandium by raw public keys, and resumes', ['scandium'], async (t) => {
    const [server, client] = [rawKey('server'), rawKey('client')];
    const port = await freeUdpPorts(1);
    const options = ['--cid', '6', '--types', 'rpk'];
    await startScandium(
      t,
      'server',
      port,
      ...['--credentials', server.both, '--trust-rpk', client.publicKey, '--client-authentication', 'NEEDED'],
      ...options,
    );
    const peer = await startScandium(
      t,
      'client',
      port,
      ...['--credentials', client.both, '--trust-rpk', server.publicKey],
      ...options,
    );
    peer.say(`send ${helloRequest}`);
    assert.match(String((await peer.event('data'))['text']), /hello from scandium/);
    const connected = await peer.event('connected');
    assert.equal(connected['peerKind'], 'RawPublicKeyIdentity');
    assert.equal(String(connected['readCid']).length, 12);
    peer.say('resume');
    peer.say(`send ${helloRequest}`);
    assert.equal((await peer.event('connected', 2))['resumed'], true);
  });

  peerTest('Mbed TLS serves Scandium with a pre-shared key', ['mbedtls', 'scandium'], async (t) => {
    const port = await freeUdpPorts(1);
    await startMbedtls(t, 'server', port, ...psk, '--suites', 'TLS-PSK-WITH-AES-128-CCM-8');
    const peer = await startScandium(t, 'client', port, ...psk, '--suites', 'TLS_PSK_WITH_AES_128_CCM_8');
    peer.say(`send ${helloRequest}`);
    assert.match(String((await peer.event('data'))['text']), /hello from mbedtls/);
  });

  peerTest('pion/dtls asks itself over a serial line without framing', ['pion', 'socat'], async (t) => {
    const line = await VirtualLine.open(t);
    const [server, client, ca] = [
      endEntity({ role: 'server' }),
      endEntity({ role: 'client' }),
      trustAnchor(),
    ];
    const own = (files: typeof server): string[] => ['cert', files.certificate, files.key, ca];
    const answering = await startPion(t, 'server', line.far, ...own(server));
    const asking = await startPion(t, 'client', line.near, ...own(client));
    const { code, text, messageId } = await asking.event('response');
    assert.deepEqual([code, text, messageId], ['2.05', 'Hello World', 1234]);
    assert.match(String((await answering.event('connected'))['subject']), /^client-/);
  });
});
