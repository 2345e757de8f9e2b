import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TraceEvent } from 'coapsule';
import {
  encodeMessage,
  encodeStreamMessage,
  OptionNumber,
  OptionSet,
  SignalingCode,
  SignalingOption,
} from 'coapsule/message';
import { traceRenderer } from '../../src/cli/trace-renderer.ts';

const address = { key: '[::1]:5683', host: '::1', port: 5683 };
const request = encodeMessage({
  type: 'CON',
  code: 1,
  messageId: 0x7d34,
  token: Uint8Array.of(0x20),
  options: new OptionSet()
    .add(OptionNumber.UriPath, 'temperature')
    .add(OptionNumber.Observe, 0)
    .add(OptionNumber.Accept, 50)
    .add(OptionNumber.Block2, Uint8Array.of(0x1e))
    .add(65000, Uint8Array.of(1)),
  payload: new Uint8Array(),
});
const sent: TraceEvent = { kind: 'message', direction: 'sent', address, secure: false, bytes: request };

/** The lines of some events at a verbosity. */
function lines(verbosity: number, ...events: readonly TraceEvent[]): string[] {
  const printed: string[] = [];
  for (const event of events) traceRenderer(verbosity, (line) => printed.push(line))?.(event);
  return printed;
}

describe('trace', () => {
  test('without -v there is none', () =>
    assert.equal(
      traceRenderer(0, () => {}),
      undefined,
    ));

  const header = '→ [::1]:5683 CON GET Message-ID 7d34 Token 20';
  test('-v shows the header of each message', () => assert.deepEqual(lines(1, sent), [header]));

  test('-vv adds options by name, in the form of their definition', () => {
    assert.deepEqual(lines(2, sent), [
      header,
      '    Observe: 0',
      '    Uri-Path: "temperature"',
      '    Accept: 50 (application/json)',
      '    Block2: 1/more/1024',
      '    Option 65000: 0x01',
    ]);
  });

  test('-vvv adds the bytes', () => {
    const rows = lines(3, sent).slice(6);
    assert.equal(rows[0], '    0000  41 01 7d 34 20 60 5b 74 65 6d 70 65 72 61 74 75  A.}4 `[temperatu');
    assert.match(rows[1]!, /^ {4}0010 {2}72 65 /);
  });

  test('-vv of a message over TCP or WebSocket: its header and its options, and nothing else', () => {
    for (const transport of ['tcp', 'websocket'] as const) {
      const get = encodeStreamMessage(
        {
          code: 1,
          token: Uint8Array.of(0x20),
          options: new OptionSet().add(OptionNumber.UriPath, 'temperature').add(OptionNumber.Accept, 50),
          payload: new Uint8Array(),
        },
        transport,
      );
      assert.deepEqual(
        lines(2, {
          kind: 'stream-message',
          direction: 'sent',
          address,
          transport,
          secure: false,
          bytes: get,
        }),
        ['→ [::1]:5683 GET Token 20', '    Uri-Path: "temperature"', '    Accept: 50 (application/json)'],
      );
      // Options of signaling messages are not those of requests (RFC 8323 §5.2).
      const csm = encodeStreamMessage(
        {
          code: SignalingCode.Csm,
          token: new Uint8Array(),
          options: new OptionSet().add(SignalingOption.MaxMessageSize, 15_872),
          payload: new Uint8Array(),
        },
        transport,
      );
      const event = {
        kind: 'stream-message',
        direction: 'received',
        address,
        transport,
        secure: false,
      } as const;
      const printed = lines(2, { ...event, bytes: csm });
      assert.equal(printed.length, 1);
      assert.match(printed[0] ?? '', /CSM/);
    }
  });

  test('responses, pings and malformed messages have a header too', () => {
    const bytes = Uint8Array.of(0x60, 0x84, 0, 1, 0xff, 0x41);
    const events: TraceEvent[] = [
      { kind: 'message', direction: 'received', address, secure: false, bytes },
      { kind: 'message', direction: 'sent', address, secure: false, bytes: Uint8Array.of(0x40, 0, 0, 2) },
      { kind: 'message', direction: 'received', address, secure: false, bytes: Uint8Array.of(0x40) },
    ];
    const printed = lines(1, ...events);
    assert.equal(printed[0], '← [::1]:5683 ACK 4.04 Not Found Message-ID 0001 Payload 1');
    assert.equal(printed[1], '→ [::1]:5683 CON Empty Message-ID 0002');
    assert.match(printed[2]!, /^← \[::1\]:5683 malformed at byte 1: /);
  });

  test('retransmissions and drops are for -vv', () => {
    const events: TraceEvent[] = [
      { kind: 'retransmission', address, attempt: 2 },
      { kind: 'discarded', layer: 'dtls', address, reason: 'replayed' },
    ];
    assert.deepEqual(lines(1, ...events), []);
    assert.deepEqual(lines(2, ...events), [
      '→ [::1]:5683 retransmission 2',
      '← [::1]:5683 discarded (dtls): replayed',
    ]);
  });

  test('-v shows what becomes of an association', () => {
    const events: TraceEvent[] = [
      {
        kind: 'connected',
        association: 1,
        address,
        role: 'client',
        identity: Uint8Array.of(0x69),
        authentication: { kind: 'psk' },
        resumed: false,
        suite: 'TLS_PSK_WITH_AES_128_CCM_8',
        extendedMasterSecret: true,
      },
      { kind: 'closed', association: 1, address, reason: 'close-notify' },
      {
        kind: 'handshake-failed',
        association: 1,
        address,
        role: 'client',
        failure: { cause: 'peer-silent', detail: 'nobody answers' },
      },
    ];
    const [connected] = events;
    assert.ok(connected?.kind === 'connected');
    assert.match(
      lines(1, { ...connected, imported: true })[0] ?? '',
      /^\* \[::1\]:5683 DTLS association taken over, no handshake: TLS_PSK/,
    );
    assert.deepEqual(lines(1, ...events), [
      '* [::1]:5683 DTLS association established: TLS_PSK_WITH_AES_128_CCM_8, extended master secret yes, 29 bytes more in each record',
      '* [::1]:5683 DTLS association closed: close-notify',
      '* [::1]:5683 DTLS handshake failed (peer-silent): nobody answers',
    ]);
  });

  test('-v shows how a connection ended', () => {
    const event: TraceEvent = {
      kind: 'connection-ended',
      address,
      cause: 'stalled',
      detail: 'the peer took nothing for 60 s',
    };
    for (const verbosity of [1, 2, 3]) {
      assert.deepEqual(lines(verbosity, event), [
        '* [::1]:5683 connection ended (stalled): the peer took nothing for 60 s',
      ]);
    }
  });

  test('a kind of event that is not known shows as its name and plain fields', () => {
    const unknown = {
      kind: 'new-thing',
      address,
      flight: 3,
      message: 'ClientHello',
      bytes: request,
    } as unknown as TraceEvent;
    assert.deepEqual(lines(1, unknown), []);
    assert.deepEqual(lines(2, unknown), ['* [::1]:5683 new-thing flight 3, message ClientHello']);
  });
});
