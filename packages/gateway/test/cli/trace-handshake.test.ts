import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TraceEvent } from 'coapsule';
import { HandshakeRows } from '../../src/cli/trace-handshake.ts';
import { traceRenderer } from '../../src/cli/trace-renderer.ts';

const address = { key: '[::1]:5684', host: '::1', port: 5684 };
type Trace = Extract<TraceEvent, { kind: 'handshake-trace' }>;

function trace(more: Partial<Trace> & Pick<Trace, 'direction' | 'name'>): Trace {
  return {
    kind: 'handshake-trace',
    association: 1,
    address,
    role: 'client',
    epoch: 0,
    retransmit: false,
    reordered: false,
    ...more,
  };
}

const sent = (
  number: number,
  bytes: number,
  flight: number,
  name: string,
  more: Partial<Trace> = {},
): Trace => trace({ direction: 'sent', name, flight, datagram: { bytes, number }, ...more });
const received = (
  number: number,
  bytes: number,
  flight: number,
  name: string,
  more: Partial<Trace> = {},
): Trace => trace({ direction: 'received', name, flight, datagram: { bytes, number }, ...more });

const failed: TraceEvent = {
  kind: 'handshake-failed',
  association: 1,
  address,
  role: 'client',
  failure: {
    cause: 'identity-or-key',
    detail: 'the server does not know the identity or has another key for it',
  },
};

/** The rows of some events, 10 ms apart, each datagram closed by the next one. */
function rows(...events: readonly TraceEvent[]): string[] {
  const printed: string[] = [];
  let now = 990;
  const handshakes = new HandshakeRows(
    (line) => printed.push(line),
    () => {},
    () => (now += 10),
  );
  for (const event of events) handshakes.event(event);
  return printed;
}

describe('-vv shows a handshake', () => {
  test('as one row for each datagram, aligned, with time, flight, size, contents and the four differences to TCP', () => {
    const part = { offset: 0, length: 500, total: 900 };
    assert.deepEqual(
      rows(
        sent(0, 133, 1, 'ClientHello'),
        received(0, 60, 2, 'HelloVerifyRequest'),
        sent(1, 165, 3, 'ClientHello'),
        received(1, 1232, 4, 'ServerHello', { reordered: true }),
        received(1, 1232, 4, 'Certificate', { fragment: part }),
        sent(2, 548, 5, 'ClientKeyExchange', {
          retransmit: true,
          datagram: { bytes: 548, number: 2, reducedTo: 548 },
        }),
        sent(2, 548, 5, 'ChangeCipherSpec', { retransmit: true }),
        trace({ direction: 'received', name: 'alert decrypt_error', datagram: { bytes: 15, number: 2 } }),
        failed,
      ),
      [
        '→ [::1]:5684 DTLS      0.0 ms  flight 1    133 B  ClientHello',
        '← [::1]:5684 DTLS     10.0 ms  flight 2     60 B  HelloVerifyRequest  · HVR',
        '→ [::1]:5684 DTLS     20.0 ms  flight 3    165 B  ClientHello',
        '← [::1]:5684 DTLS     30.0 ms  flight 4   1232 B  ServerHello, Certificate [0–500 of 900]  · reorder, fragment',
        '→ [::1]:5684 DTLS     50.0 ms  flight 5    548 B  ClientKeyExchange, ChangeCipherSpec  · retransmit, made for 548 B',
        '← [::1]:5684 DTLS     70.0 ms               15 B  alert decrypt_error',
        '* [::1]:5684 DTLS handshake: 6 datagrams, 846 bytes sent, 1307 received, 70 ms, 1 with retransmissions',
      ],
    );
  });

  test('while it goes on: a row comes as soon as its datagram is complete, before whatever comes next', async () => {
    const printed: string[] = [];
    const renderer = traceRenderer(2, (line) => printed.push(line));
    renderer?.(sent(0, 133, 1, 'ClientHello'));
    assert.deepEqual(printed, []);
    await Promise.resolve();
    assert.match(printed[0] ?? '', /ClientHello$/);
    renderer?.(received(0, 15, 4, 'ServerHelloDone'));
    renderer?.(failed);
    assert.match(printed[1] ?? '', /ServerHelloDone$/);
    assert.match(printed[2] ?? '', /^\* \[::1\]:5684 DTLS handshake: 2 datagrams/);
    assert.match(printed[3] ?? '', /DTLS handshake failed \(identity-or-key\): the server/);
  });

  test('and not with -v', () => {
    const printed: string[] = [];
    traceRenderer(1, (line) => printed.push(line))?.(sent(0, 133, 1, 'ClientHello'));
    assert.deepEqual(printed, []);
  });
});
