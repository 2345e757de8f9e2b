/** What `coapsule probe` says of peers that break the rules. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startBadDtlsPeer, startBadPeer, startShyPeer } from './bad-peer.ts';
import { probe, resultsOf } from './probing.ts';

const wait = ['--wait', '0.5'];

describe('coapsule probe at peers that break the rules', () => {
  test('names each rule that a CoAP peer breaks', async (t) => {
    const port = await startBadPeer(t, 'nothing');
    const groups = [
      'messages',
      'methods',
      'blocks',
      'observe',
      'etag',
      'oscore',
      'amplification',
      'malformed',
    ];
    const { exitCode, lines } = await probe(
      `coap://127.0.0.1:${port}/a`,
      '--json',
      '--malformed',
      ...['--port', 'dtls=9', '--only', ...groups],
      ...wait,
    );
    const expected = {
      request: 'supported',
      ping: 'violates',
      'unknown-critical-option': 'violates',
      'unknown-elective-option': 'violates',
      'unknown-method': 'violates',
      'method-fetch': 'violates',
      'block2-1024': 'violates',
      'block2-16': 'violates',
      observe: 'violates',
      etag: 'violates',
      oscore: 'unknown',
      'amplification-coap': 'violates',
      'version-0': 'violates',
      'token-length-9': 'violates',
      'token-length-15': 'violates',
      'reserved-option-delta': 'violates',
      'payload-marker-alone': 'violates',
      'empty-with-token': 'violates',
      'code-class-6': 'violates',
      'stray-response': 'violates',
      'stray-acknowledgement': 'violates',
      'block-size-7': 'violates',
    };
    assert.deepEqual(resultsOf(lines, expected), expected);
    assert.equal(exitCode, 1);
  });

  test('without --allow-write no method that may change something reaches a peer that passes over critical options', async (t) => {
    const seen = new Set<number>();
    const port = await startBadPeer(t, 'nothing', ({ code }) => seen.add(code));
    for (const groups of [
      ['--only', 'oscore'],
      ['--skip', 'transports', 'dtls', 'suites', 'amplification'],
    ])
      await probe(`coap://127.0.0.1:${port}/a`, '--json', ...groups, ...wait);
    assert.deepEqual(
      [...seen].toSorted((one, other) => one - other),
      // Empty, GET, FETCH, and 0.31, which is no method.
      [0, 1, 5, 31],
    );
  });

  test('a peer that passes over the OSCORE option is found out where it may be written to', async (t) => {
    const port = await startBadPeer(t, 'nothing');
    const groups = ['--only', 'oscore', '--allow-write'];
    const { result } = await probe(`coap://127.0.0.1:${port}/a`, '--json', ...groups, ...wait);
    assert.equal(result('oscore'), 'violates');
  });

  test('writes nothing to who does not refuse unknown critical options, whatever is allowed', async (t) => {
    const port = await startBadPeer(t, 'nothing');
    const { evidence } = await probe(
      `coap://127.0.0.1:${port}/a`,
      '--json',
      '--allow-write',
      ...['--only', 'messages', 'methods'],
      ...wait,
    );
    assert.match(evidence('method-delete'), /not tried: the peer was not seen to refuse critical options/);
  });

  test('gives a peer the Echo that it asks for, and counts the answer after that', async (t) => {
    const port = await startShyPeer(t);
    const groups = ['--only', 'messages', 'echo'];
    const { result, evidence } = await probe(`coap://127.0.0.1:${port}/a`, '--json', ...groups, ...wait);
    assert.equal(evidence('request'), '2.05 Content');
    assert.equal(result('echo'), 'supported');
    assert.equal(result('ping'), 'unknown');
  });

  test('a peer that dies of one piece of bad input gets no other one', async (t) => {
    const port = await startBadPeer(t, 'payload-marker');
    const { lines } = await probe(
      `coap://127.0.0.1:${port}/a`,
      '--json',
      '--malformed',
      ...['--only', 'messages', 'malformed'],
      // One answer that is late on a busy machine would end the group before its time.
      ...['--wait', '2'],
    );
    const last = lines.at(-1);
    assert.equal(last?.check, 'payload-marker-alone');
    assert.equal(last?.result, 'violates');
    assert.match(last?.evidence ?? '', /does not answer any more/);
  });

  test('names each rule that a peer of DTLS breaks', async (t) => {
    const coap = await startBadPeer(t, 'nothing');
    const port = await startBadDtlsPeer(t);
    const { exitCode, lines } = await probe(
      `coap://127.0.0.1:${coap}/a`,
      '--json',
      '--malformed',
      ...['--port', `dtls=${port}`, '--only', 'dtls', 'suites', 'amplification', 'malformed'],
      ...wait,
    );
    const expected = {
      'dtls-1.0': 'violates',
      'dtls-1.2': 'supported',
      'dtls-1.3': 'absent',
      cookie: 'violates',
      'extended-master-secret': 'violates',
      'connection-id': 'absent',
      'renegotiation-info': 'violates',
      'raw-public-key': 'absent',
      TLS_PSK_WITH_NULL_SHA256: 'violates',
      TLS_RSA_WITH_AES_128_CCM: 'violates',
      TLS_PSK_WITH_AES_128_CBC_SHA256: 'supported',
      'amplification-dtls': 'violates',
      'garbage-record': 'violates',
    };
    assert.deepEqual(resultsOf(lines, expected), expected);
    assert.equal(exitCode, 1);
  });
});
