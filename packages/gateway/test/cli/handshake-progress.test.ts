import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TraceEvent } from 'coapsule';
import { HandshakeProgress } from '../../src/cli/handshake-progress.ts';
import { libraryError } from './recorded-environment.ts';

const address = { key: '[::1]:5684', host: '::1', port: 5684 };
const finished: TraceEvent = {
  kind: 'handshake-trace',
  address,
  role: 'client',
  direction: 'sent',
  name: 'Finished',
  flight: 5,
  epoch: 1,
  retransmit: false,
  reordered: false,
};
const connected: TraceEvent = {
  kind: 'connected',
  association: 1,
  address,
  role: 'client',
  identity: Uint8Array.of(1),
  authentication: { kind: 'psk' },
  resumed: false,
  suite: 'TLS_PSK_WITH_AES_128_CCM_8',
  extendedMasterSecret: true,
};
const timeout = libraryError('ERR_TIMEOUT', 'no response');

/** What becomes of an error after some events: the same one, or the exit code of a better one. */
function explained(error: unknown, ...events: readonly TraceEvent[]): unknown {
  const progress = new HandshakeProgress();
  for (const event of events) progress.event(event);
  const better = progress.explain(error);
  return better === error ? 'the same' : (better as { exitCode: number }).exitCode;
}

describe('a time-out on coaps', () => {
  test('between our Finished and that of the server it is a matter of credentials: 7', () => {
    assert.equal(explained(timeout, finished), 7);
  });
  test('without any answer it stays a time-out', () => {
    assert.equal(explained(timeout), 'the same');
    assert.equal(explained(timeout, { ...finished, name: 'ClientHello' } as TraceEvent), 'the same');
  });
  const came = (name: string): TraceEvent => ({ ...finished, direction: 'received', name }) as TraceEvent;
  test('after a HelloVerifyRequest, or a part of the flight after it, it says how far it came: 6', () => {
    for (const [events, text] of [
      [[came('HelloVerifyRequest')], /asked for a cookie/],
      [[came('HelloVerifyRequest'), came('ServerHello')], /there came HelloVerifyRequest, ServerHello$/],
    ] as const) {
      const progress = new HandshakeProgress();
      for (const event of events) progress.event(event);
      const better = progress.explain(timeout) as { exitCode: number; message: string };
      assert.equal(better.exitCode, 6);
      assert.match(better.message, text);
    }
  });
  test('after our Finished with certificates it is no matter of identity and key: 6', () =>
    assert.equal(explained(timeout, came('Certificate'), finished), 6));
  test('after the handshake it stays a time-out', () =>
    assert.equal(explained(timeout, finished, connected), 'the same'));
  test('other errors stay what they are', () => {
    assert.equal(explained(libraryError('ERR_NETWORK', 'x'), finished), 'the same');
    assert.equal(explained(undefined, finished), 'the same');
  });
});
