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
  test('before our Finished it stays a time-out', () => {
    assert.equal(explained(timeout), 'the same');
    assert.equal(explained(timeout, { ...finished, name: 'ClientHello' } as TraceEvent), 'the same');
    assert.equal(explained(timeout, { ...finished, direction: 'received' } as TraceEvent), 'the same');
  });
  test('after the handshake it stays a time-out', () =>
    assert.equal(explained(timeout, finished, connected), 'the same'));
  test('other errors stay what they are', () => {
    assert.equal(explained(libraryError('ERR_NETWORK', 'x'), finished), 'the same');
    assert.equal(explained(undefined, finished), 'the same');
  });
});
