/**
 * RFC 8323 §3 to §5 on one connection: framing, capabilities, Ping and Pong, Release, Abort; RFC 8974 §2.2.1.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { SignalingCode, SignalingOption, takesBert } from '../../src/core/coap/signaling.ts';
import { decodeStreamMessage, encodeStreamMessage } from '../../src/core/coap/stream-codec.ts';
import { noBytes, toHex } from '../../src/core/foundation/bytes.ts';
import { isDecodeFault } from '../../src/core/foundation/errors.ts';
import { decodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { bytes, ConnectionUnderTest, csm, message } from '../unit/connection/harness.ts';

const { Csm, Ping, Pong, Release, Abort } = SignalingCode;
const get = message(Code.Get, [[11, 'a']], { token: '71' });

/** The Abort that was sent last, as its diagnostic text. */
function abortText(connection: ConnectionUnderTest): string | undefined {
  const last = connection.sent.at(-1);
  return last?.code === Abort ? decodeUtf8(last.payload) : undefined;
}

suite('RFC 8323 §3.2: message format', () => {
  test('Figure 5: a 2.03 with the token 7f is 01 43 7f', () => {
    const decoded = decodeStreamMessage(bytes('01437f'), 'tcp');
    assert.ok(!isDecodeFault(decoded));
    assert.equal(decoded.code, Code.Valid);
    assert.equal(toHex(decoded.token), '7f');
    assert.equal(toHex(encodeStreamMessage(decoded, 'tcp')), '01437f');
  });

  test('§4.2: over WebSocket the same message has the same bytes, and Len is zero for all', () => {
    const payload = { ...message(Code.Content, [], { payload: 'x'.repeat(300) }) };
    assert.equal((encodeStreamMessage(payload, 'websocket')[0] as number) >> 4, 0);
    assert.equal(toHex(encodeStreamMessage(message(Code.Valid, [], { token: '7f' }), 'websocket')), '01437f');
  });
});

for (const framing of ['tcp', 'websocket'] as const) {
  suite(`RFC 8323 §3.3, §4.3: message transmission (${framing})`, () => {
    test('each endpoint MUST send a CSM as its first message, without waiting for that of the peer', () => {
      const connection = new ConnectionUnderTest({}, framing);
      assert.deepEqual(
        connection.sent.map(({ code }) => code),
        [Csm],
      );
      assert.equal(connection.machine.isOpen, false);
    });

    test('nothing else is sent before the CSM of the peer is there', () => {
      const connection = new ConnectionUnderTest({}, framing);
      assert.equal(connection.machine.send(get), 'not-open');
      connection.receive(csm);
      assert.deepEqual(connection.kinds, ['established']);
      assert.equal(connection.machine.send(get), 'sent');
    });

    test('a missing CSM MUST be treated as a connection error: another message comes first', () => {
      const connection = new ConnectionUnderTest({}, framing).receive(get);
      assert.equal(connection.end.cause, 'missing-csm');
      assert.equal(abortText(connection), 'the first message is no CSM');
      assert.ok(!connection.kinds.includes('message'), 'and the request is not processed');
    });

    test('a missing CSM MUST be treated as a connection error: none comes in time', () => {
      const connection = new ConnectionUnderTest({ csmTimeoutMs: 3000 }, framing).pass(2999);
      assert.deepEqual(connection.kinds, []);
      connection.pass(1);
      assert.equal(connection.end.cause, 'missing-csm');
      assert.equal(abortText(connection), 'no CSM within 3 s');
    });

    test('an invalid CSM MUST be treated as a connection error', () => {
      const connection = new ConnectionUnderTest({}, framing).receive(
        message(Csm, [[SignalingOption.MaxMessageSize, bytes('0102030405')]]),
      );
      assert.equal(connection.end.cause, 'bad-csm');
    });

    test('requests can come from both sides, and responses in any order: both go through', () => {
      const connection = ConnectionUnderTest.open({}, framing).receive(
        get,
        message(Code.Content, [], { token: '02' }),
        message(Code.Content, [], { token: '01' }),
      );
      assert.deepEqual(connection.kinds, ['message', 'message', 'message']);
    });
  });

  suite(`RFC 8323 §3.4: connection health (${framing})`, () => {
    test('Empty messages can always be sent and MUST be ignored, also before the CSM', () => {
      const empty = message(Code.Empty);
      const connection = new ConnectionUnderTest({}, framing).receive(empty);
      assert.deepEqual(connection.kinds, []);
      connection.receive(csm, empty, empty);
      assert.deepEqual(connection.kinds, ['established']);
      assert.equal(connection.sent.length, 1);
    });
  });
}

suite('RFC 8323 §5.2: signaling options', () => {
  for (const [name, code] of [
    ['Ping', Ping],
    ['Pong', Pong],
    ['Release', Release],
    ['7.09, which is not assigned', 0xe9],
  ] as const) {
    test(`a critical option that is not understood MUST abort the connection: ${name}`, () => {
      const connection = ConnectionUnderTest.open().receive(message(code, [[9, 'x']]));
      assert.equal(connection.end.cause, 'bad-signaling');
      assert.match(abortText(connection) ?? '', /critical option 9/);
    });
  }

  test('elective options that are not understood MUST be ignored', () => {
    const connection = ConnectionUnderTest.open().receive(
      message(Csm, [[100, 'x']]),
      message(Ping, [[100, 'x']], { token: '42' }),
    );
    assert.deepEqual(
      connection.sent.map(({ code }) => code),
      [Pong],
    );
  });

  test('a signaling code that is not assigned is ignored', () => {
    const connection = ConnectionUnderTest.open().receive(message(0xe9));
    assert.deepEqual(connection.kinds, ['ignored']);
  });
});

suite('RFC 8323 §5.3: capabilities and settings', () => {
  test('the absence of options means the base values: 1152 bytes, no block-wise transfer, tokens of 8 bytes', () => {
    const { machine } = ConnectionUnderTest.open();
    assert.deepEqual(machine.peer, { maxMessageSize: 1152, blockWiseTransfer: false, maxTokenLength: 8 });
  });

  test('the CSM says how large messages may be, that blocks are taken, and how long tokens may be', () => {
    const [first] = new ConnectionUnderTest({ maxMessageSize: 1152, maxTokenLength: 20 }).sent;
    assert.equal(first?.options.uint(SignalingOption.MaxMessageSize), 1152);
    assert.deepEqual(first?.options.first(SignalingOption.BlockWiseTransfer), noBytes);
    assert.equal(first?.options.uint(SignalingOption.ExtendedTokenLength), 20);
  });

  test('§5.3.2: BERT is announced, with room for 15 KiB and 512 bytes of header and options', () => {
    const [first] = new ConnectionUnderTest().sent;
    assert.equal(first?.options.uint(SignalingOption.MaxMessageSize), 15_872);
    assert.deepEqual(first?.options.first(SignalingOption.BlockWiseTransfer), noBytes);
  });

  test('options are cumulative: a later CSM does not take back what an earlier one said', () => {
    const connection = ConnectionUnderTest.open().receive(
      message(Csm, [[SignalingOption.MaxMessageSize, 9000]]),
      message(Csm, [[SignalingOption.BlockWiseTransfer, noBytes]]),
      message(Csm),
    );
    assert.deepEqual(connection.machine.peer, {
      maxMessageSize: 9000,
      blockWiseTransfer: true,
      maxTokenLength: 8,
    });
    assert.deepEqual(connection.kinds, ['capabilities', 'capabilities', 'capabilities']);
  });

  test('§5.3.1: no message above the peer’s Max-Message-Size is sent, header included', () => {
    const connection = ConnectionUnderTest.open();
    // 2 bytes of extended length, 1 of Len and TKL, Code, marker: 5 more than the payload.
    const answer = (length: number) => message(Code.Content, [], { payload: 'x'.repeat(length) });
    assert.equal(connection.machine.send(answer(1147)), 'sent');
    assert.equal(connection.machine.send(answer(1148)), 'too-large');
    connection.receive(message(Csm, [[SignalingOption.MaxMessageSize, 2000]]));
    assert.equal(connection.machine.send(answer(1148)), 'sent');
    connection.receive(message(Csm, [[SignalingOption.MaxMessageSize, 50]]));
    assert.equal(connection.machine.send(answer(100)), 'too-large', 'also less than the base value');
  });

  test('§5.3.1: a message above our own Max-Message-Size ends the connection', () => {
    const connection = ConnectionUnderTest.open({ maxMessageSize: 1000 }).receive(
      message(Code.Content, [], { payload: 'x'.repeat(1000) }),
    );
    assert.equal(connection.end.cause, 'format-error');
    assert.match(abortText(connection) ?? '', /message of 1005 bytes, at most 1000 are taken/);
  });

  test('§5.3.2: Block-Wise-Transfer with more than 1152 bytes is support for BERT, until less is said', () => {
    const connection = ConnectionUnderTest.open();
    const say = (...options: [number, number | Uint8Array][]) => {
      connection.receive(message(Csm, options));
      return takesBert(connection.machine.peer);
    };
    assert.equal(say([SignalingOption.MaxMessageSize, 8192]), false);
    assert.equal(say([SignalingOption.BlockWiseTransfer, noBytes]), true);
    assert.equal(say([SignalingOption.MaxMessageSize, 1152]), false);
    assert.equal(say([SignalingOption.MaxMessageSize, 1153]), true);
  });

  for (const [what, option] of [
    ['a Max-Message-Size of 5 bytes', [2, bytes('0000000001')]],
    ['a Block-Wise-Transfer with a value', [4, bytes('01')]],
    ['an Extended-Token-Length of 4 bytes', [6, bytes('00000010')]],
    ['an unknown critical option', [11, 'x']],
  ] as const) {
    test(`§5.6: ${what} is answered with an Abort that names it in Bad-CSM-Option`, () => {
      const connection = ConnectionUnderTest.open().receive(message(Csm, [option]));
      assert.equal(connection.end.cause, 'bad-csm');
      assert.equal(connection.sent.at(-1)?.options.uint(SignalingOption.BadCsmOption), option[0]);
      assert.notEqual(abortText(connection), '');
    });
  }
});

suite('RFC 8974 §2.2.1: Extended-Token-Length', () => {
  const longToken = message(Code.Get, [], { token: '00'.repeat(20) });

  test('a request with a token above what the peer said is not sent', () => {
    const connection = ConnectionUnderTest.open();
    assert.equal(connection.machine.send(longToken), 'token-too-long');
    connection.receive(message(Csm, [[SignalingOption.ExtendedTokenLength, 20]]));
    assert.equal(connection.machine.send(longToken), 'sent');
  });

  test('less than 8 MUST be ignored, above 65804 is 65804', () => {
    const connection = ConnectionUnderTest.open().receive(message(Csm, [[6, 7]]));
    assert.equal(connection.machine.peer.maxTokenLength, 8);
    connection.receive(message(Csm, [[6, 70_000]]));
    assert.equal(connection.machine.peer.maxTokenLength, 65_804);
  });

  test('a request with a token above what we said MUST be handled as a message-format error', () => {
    const connection = ConnectionUnderTest.open({ maxTokenLength: 19 }).receive(longToken);
    assert.equal(connection.end.cause, 'format-error');
    assert.equal(ConnectionUnderTest.open({ maxTokenLength: 20 }).receive(longToken).kinds[0], 'message');
  });
});

suite('RFC 8323 §5.4: Ping and Pong', () => {
  test('Figures 11 and 12: the Ping 01 e2 42 is answered by 01 e3 42, at once', () => {
    const connection = ConnectionUnderTest.open().receiveBytes(bytes('01e242'));
    assert.deepEqual(
      connection.sent.map((one) => toHex(one.bytes)),
      ['01e342'],
    );
  });

  test('a Pong with the same token tells that the peer is there', () => {
    const connection = ConnectionUnderTest.open();
    const first = connection.machine.ping(false, connection.now);
    const second = connection.machine.ping(false, connection.now);
    connection.drain();
    const tokens = connection.sent.map(({ token }) => toHex(token));
    assert.equal(new Set(tokens).size, 2);
    connection.receive(message(Pong, [], { token: tokens[1] as string }));
    connection.receive(message(Pong, [], { token: tokens[0] as string }));
    assert.deepEqual(connection.outputs, [
      { kind: 'pong', ping: second, custody: false },
      { kind: 'pong', ping: first, custody: false },
    ]);
  });

  test('a Pong that answers nothing is ignored', () => {
    const connection = ConnectionUnderTest.open();
    connection.machine.ping(false, connection.now);
    for (const token of ['', '00', '01', '0100', '00000000000000000001']) {
      if (token !== '') connection.receive(message(Pong, [], { token }));
    }
    assert.ok(connection.kinds.every((kind) => kind === 'ignored'));
  });

  test('a Ping without a Pong ends the connection when patience is over', () => {
    const connection = ConnectionUnderTest.open({ pongTimeoutMs: 4000 });
    connection.machine.ping(false, connection.now);
    connection.pass(3999);
    assert.deepEqual(connection.kinds, []);
    connection.pass(1);
    assert.equal(connection.end.cause, 'pong-timeout');
  });

  test('with keepAliveMs a silent peer is asked, and one that speaks is not', () => {
    const connection = ConnectionUnderTest.open({ keepAliveMs: 10_000, pongTimeoutMs: 1000 }).pass(6000);
    connection.receive(message(Code.Empty)).pass(9999);
    assert.equal(connection.sent.length, 0);
    connection.pass(1);
    assert.deepEqual(
      connection.sent.map(({ code }) => code),
      [Ping],
    );
    connection.receive(message(Pong, [], { token: toHex(connection.sent[0]?.token ?? noBytes) })).pass(9999);
    assert.equal(connection.sent.length, 1);
    connection.pass(1001);
    assert.equal(connection.end.cause, 'pong-timeout');
  });

  test('§5.4.1: a Ping with Custody is answered when all before it is processed, with Custody', () => {
    const connection = ConnectionUnderTest.open().receive(
      message(Ping, [[SignalingOption.Custody, noBytes]], { token: '07' }),
    );
    assert.equal(connection.sent.length, 0);
    assert.deepEqual(connection.outputs, [{ kind: 'custody-asked', token: bytes('07') }]);
    connection.machine.pong(bytes('07'), true);
    const [pong] = connection.drain().sent;
    assert.equal(pong?.code, Pong);
    assert.equal(toHex(pong?.token ?? noBytes), '07');
    assert.ok(pong?.options.has(SignalingOption.Custody));
  });

  test('§5.4.1: a Ping of ours can ask for custody, and the Pong says whether there is', () => {
    const connection = ConnectionUnderTest.open();
    const ping = connection.machine.ping(true, connection.now);
    const [sent] = connection.drain().sent;
    assert.ok(sent?.options.has(SignalingOption.Custody));
    const token = toHex(sent?.token ?? noBytes);
    connection.receive(message(Pong, [[SignalingOption.Custody, noBytes]], { token }));
    assert.deepEqual(connection.outputs, [{ kind: 'pong', ping, custody: true }]);
  });

  test('a Custody Option with a value is elective and malformed: the Ping is as one without', () => {
    const connection = ConnectionUnderTest.open().receive(message(Ping, [[2, 'x']], { token: '07' }));
    assert.deepEqual(
      connection.sent.map(({ code }) => code),
      [Pong],
    );
  });
});

suite('RFC 8323 §5.5: Release', () => {
  const notice = {
    alternativeAddresses: ['[::1]:5683', 'b.example'],
    holdOffSeconds: 60,
    diagnostic: 'moving',
  };

  test('a Release of the peer is told with its addresses, hold-off and text, and nothing is requested any more', () => {
    const connection = ConnectionUnderTest.open().receive(
      message(
        Release,
        [
          [2, '[::1]:5683'],
          [2, 'b.example'],
          [4, 60],
        ],
        { payload: 'moving' },
      ),
    );
    assert.deepEqual(connection.outputs, [{ kind: 'release-asked', release: notice }]);
    assert.equal(connection.machine.isOpen, false);
  });

  test('what was asked before the Release can still be answered', () => {
    const connection = ConnectionUnderTest.open().receive(get, message(Release));
    assert.equal(connection.machine.send(message(Code.Content, [], { token: '71' })), 'sent');
    connection.machine.close('released', 'all is answered');
    connection.drain();
    assert.equal(connection.end.cause, 'released');
    assert.deepEqual(
      connection.sent.map(({ code }) => code),
      [Code.Content],
    );
  });

  test('our Release carries addresses, hold-off and text, and leaves it to the peer to close', () => {
    const connection = ConnectionUnderTest.open();
    connection.machine.release(notice, connection.now);
    const [sent] = connection.drain().sent;
    assert.equal(sent?.code, Release);
    assert.deepEqual(sent?.options.texts(SignalingOption.AlternativeAddress), notice.alternativeAddresses);
    assert.equal(sent?.options.uint(SignalingOption.HoldOff), 60);
    assert.deepEqual(connection.kinds, []);
    connection.machine.transportClosed('closed', 'by the peer');
    assert.equal(connection.drain().end.cause, 'released');
  });

  test('a peer that does not close has its connection ended after a while', () => {
    const connection = ConnectionUnderTest.open({ releaseTimeoutMs: 2000 });
    connection.machine.release(notice, connection.now);
    connection.drain().pass(1999);
    assert.deepEqual(connection.kinds, []);
    connection.pass(1);
    assert.equal(connection.end.cause, 'released');
  });

  test('with idleTimeoutMs a connection without anything from the peer is released', () => {
    const connection = ConnectionUnderTest.open({ idleTimeoutMs: 30_000 }).pass(20_000);
    connection.receive(message(Code.Empty)).pass(29_999);
    assert.equal(connection.sent.length, 0);
    connection.pass(1);
    assert.deepEqual(
      connection.sent.map(({ code }) => code),
      [Release],
    );
  });

  test('elective options with illegal values are ignored', () => {
    const connection = ConnectionUnderTest.open().receive(
      message(Release, [
        [2, ''],
        [4, bytes('01020304')],
      ]),
    );
    assert.deepEqual(connection.outputs, [
      {
        kind: 'release-asked',
        release: { alternativeAddresses: [], holdOffSeconds: undefined, diagnostic: '' },
      },
    ]);
  });
});

suite('RFC 8323 §5.6: Abort', () => {
  test('an Abort ends the connection, with its diagnostic text in printable characters', () => {
    const connection = ConnectionUnderTest.open().receive(message(Abort, [], { payload: 'no\nmore' }));
    assert.deepEqual(connection.end, { cause: 'aborted', detail: 'no?more' });
    assert.equal(connection.sent.length, 0, 'and is not answered');
  });

  test('an Abort may be the first message: why there is no CSM is told', () => {
    const connection = new ConnectionUnderTest().receive(message(Abort, [[SignalingOption.BadCsmOption, 2]]));
    assert.deepEqual(connection.end, { cause: 'aborted', detail: 'option 2 of our CSM cannot be processed' });
  });

  for (const [what, hex] of [
    ['a reserved code class', '00 21'],
    ['a token length of 15', '0f 45'],
    ['option delta 15', '10 01 f0'],
    ['a payload marker without payload', '10 01 ff'],
    ['a length of 4 GiB', 'f0 ffffffff'],
  ] as const) {
    test(`a syntax violation is answered with an Abort that says which, and not processed: ${what}`, () => {
      const connection = ConnectionUnderTest.open().receiveBytes(bytes(hex));
      assert.equal(connection.end.cause, 'format-error');
      assert.equal(abortText(connection), connection.end.detail);
      connection.receive(get);
      assert.deepEqual(connection.kinds, ['ended'], 'what comes after is not looked at');
    });
  }

  test('a local Abort carries its reason', () => {
    const connection = ConnectionUnderTest.open();
    connection.machine.abort('shut-down', 'out of memory');
    assert.equal(abortText(connection.drain()), 'out of memory');
    assert.equal(connection.machine.send(get), 'not-open');
    assert.equal(connection.machine.nextTimeout(), undefined);
  });
});

suite('bounds on a peer that takes its time', () => {
  test('one byte a second of a message that may be: the connection ends after messageTimeoutMs', () => {
    const connection = ConnectionUnderTest.open({ messageTimeoutMs: 20_000, maxMessageSize: 40_000 });
    // 30,000 bytes are announced, which would be allowed.
    const stream = bytes(`e0 7423 45 ff ${'61'.repeat(40)}`);
    let sent = 0;
    for (; !connection.machine.hasEnded && sent < stream.length; sent++) {
      connection.receiveBytes(stream.subarray(sent, sent + 1).slice()).pass(1000);
      assert.ok(connection.machine.pendingBytes <= sent + 1);
    }
    assert.equal(connection.end.cause, 'message-timeout');
    assert.equal(sent, 20);
  });

  test('many slow messages one after the other are no slow message', () => {
    const connection = ConnectionUnderTest.open({ messageTimeoutMs: 20_000 });
    const stream = encodeStreamMessage(get, 'tcp');
    for (let at = 0; at < 100; at++) {
      const byte = stream[at % stream.length] as number;
      connection.receiveBytes(Uint8Array.of(byte)).pass(2000);
    }
    assert.equal(
      connection.kinds.filter((kind) => kind === 'message').length,
      Math.floor(100 / stream.length),
    );
  });
});
