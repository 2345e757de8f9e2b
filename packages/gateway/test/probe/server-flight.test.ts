import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { encodeHello } from '../../src/probe/client-hello.ts';
import { judgeCookie } from '../../src/probe/dtls-checks.ts';
import { readServerFlight } from '../../src/probe/server-flight.ts';

/** A record with one handshake message. */
function flight(type: number, body: readonly number[]): Uint8Array {
  const length = [0, 0, body.length];
  const message = [type, ...length, 0, 0, 0, 0, 0, ...length, ...body];
  return Uint8Array.of(22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, message.length, ...message);
}

/** SHA-256 of "HelloRetryRequest" (RFC 8446 §4.1.3). */
const retryRandom = Buffer.from('cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c', 'hex');

describe('the answer to a ClientHello', () => {
  test('a HelloRetryRequest is told by its random, its version by supported_versions (RFC 8446 §4.1.3)', () => {
    const supportedVersions = [0, 43, 0, 2, 0xfe, 0xfc];
    const body = [
      0xfe,
      0xfd,
      ...retryRandom,
      0,
      0x13,
      0x01,
      0,
      0,
      supportedVersions.length,
      ...supportedVersions,
    ];
    const first = readServerFlight([flight(2, body)]);
    assert.equal(first.hello?.isRetryRequest, true);
    assert.equal(first.hello?.version, 0xfefc);
    assert.equal(first.hello?.suite, 0x1301);
    const outcome = { kind: 'chosen', hello: first.hello } as const;
    assert.equal(judgeCookie({ first, firstBytes: 100, outcome }).result, 'supported');
  });

  test('a HelloVerifyRequest gives its cookie, an alert its description (RFC 6347 §4.2.1, RFC 5246 §7.2)', () => {
    assert.deepEqual(readServerFlight([flight(3, [0xfe, 0xff, 2, 7, 8])]).cookie, Uint8Array.of(7, 8));
    const alert = Uint8Array.of(21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 70);
    assert.equal(readServerFlight([alert]).alert, 70);
  });

  test('any bytes are read without an error, and counted', () => {
    const start = Uint8Array.of(22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    const datagram = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.uint8Array({ maxLength: 90 }).map((body) => flight(2, [...body])),
      fc.uint8Array({ maxLength: 90 }).map((rest) => Uint8Array.of(...start, ...rest)),
    );
    fc.assert(
      fc.property(fc.array(datagram, { maxLength: 3 }), (datagrams) => {
        const { bytes } = readServerFlight(datagrams);
        assert.equal(
          bytes,
          datagrams.reduce((sum, { length }) => sum + length, 0),
        );
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  test('a hello names its lengths', () => {
    const hello = encodeHello({
      offer: { version: '1.3', suites: [0x1301], serverName: 'device.example' },
      random: new Uint8Array(32),
      keyShare: new Uint8Array(32),
      sequence: 0,
    });
    const view = new DataView(hello.buffer);
    assert.equal(view.getUint16(11), hello.length - 13);
    assert.equal(view.getUint32(13) & 0xffffff, hello.length - 25);
  });
});
