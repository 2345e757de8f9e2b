/** The figures of messages, links and timers: those that are printed where they are right, corrected ones where not. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code, OptionNumber, OptionSet } from 'coapsule/message';
import {
  blockCount,
  blockSizes,
  fragmentLoss,
  largestBlock,
  messageSize,
  serialTimeMs,
} from '../../src/figures/message-sizes.ts';
import { observeTraffic } from '../../src/figures/observe-traffic.ts';
import {
  amplification,
  fixedIntervalSends,
  retransmissionSchedule,
} from '../../src/figures/retransmission-schedule.ts';
import { securedLatency } from '../../src/figures/secured-latency.ts';

const ms = (shortest: number, longest: number) => ({ shortest, longest });

describe('retransmission', () => {
  test('intervals are 2 to 3, 4 to 6, 8 to 12 and 16 to 24 s', () => {
    assert.deepEqual(
      retransmissionSchedule().transmissions.map(({ afterMs }) => afterMs),
      [ms(0, 0), ms(2000, 3000), ms(4000, 6000), ms(8000, 12_000), ms(16_000, 24_000)],
    );
  });

  test('the last one leaves after 30 to 45 s, the sender gives up after 62 to 93 s: 45 s is not when it fails', () => {
    const { transmissions, givesUpMs } = retransmissionSchedule();
    assert.deepEqual(
      transmissions.map(({ atMs }) => atMs),
      [ms(0, 0), ms(2000, 3000), ms(6000, 9000), ms(14_000, 21_000), ms(30_000, 45_000)],
    );
    assert.deepEqual(givesUpMs, ms(62_000, 93_000));
  });

  test('20 % of loss amplify traffic by 1.25 to 1.553, not by 5, which is the most', () => {
    const { requestsLost, bothLost, most } = amplification(0.2);
    assert.equal(requestsLost.toFixed(2), '1.25');
    assert.equal(bothLost.toFixed(3), '1.553');
    assert.equal(most, 5);
  });

  test('where everything is lost it is 5', () => assert.equal(amplification(1).bothLost, 5));

  test('a fixed interval of 2 s sends five times what is answered after 10 s, though nothing was lost', () => {
    assert.equal(fixedIntervalSends(2000, 10_000), 5);
    assert.equal(fixedIntervalSends(2000, 60_000), 5);
    assert.equal(fixedIntervalSends(2000, 50), 1);
  });
});

describe('latency', () => {
  for (const [roundTripMs, handshakeMs, firstMs, laterMs] of [
    [20, 60, 80, 25],
    [50, 150, 200, 55],
    [100, 300, 400, 105],
    [500, 1500, 2000, 505],
  ] as const) {
    test(`${roundTripMs} ms: handshake ${handshakeMs}, first answer ${firstMs}, later ones ${laterMs} ms`, () => {
      assert.deepEqual(securedLatency({ roundTripMs }), {
        plainMs: roundTripMs,
        ...{ handshakeMs, firstMs, laterMs },
      });
    });
  }

  test('without a cookie the handshake has two round trips', () => {
    assert.equal(securedLatency({ roundTripMs: 20, cookie: false }).handshakeMs, 40);
  });
});

describe('sizes', () => {
  const token = Uint8Array.of(1, 2, 3, 4);
  const get = {
    ...{ type: 'CON' as const, code: Code.Get, messageId: 1, token },
    options: new OptionSet().add(OptionNumber.UriPath, 'temperature'),
    payload: new Uint8Array(),
  };
  const content = {
    ...{ type: 'ACK' as const, code: Code.Content, messageId: 1, token },
    options: new OptionSet().add(OptionNumber.ContentFormat, 0),
    payload: new TextEncoder().encode('22.5°C'),
  };

  test('GET /temperature is 20 bytes, its answer of 22.5°C 17, both with their UDP headers 53', () => {
    const [request, answer] = [messageSize(get), messageSize(content)];
    assert.deepEqual([request.coapBytes, answer.coapBytes], [20, 17]);
    assert.equal(request.totalBytes + answer.totalBytes, 53);
  });

  test('a record adds 29 bytes with CCM_8, 37 with GCM', () => {
    assert.equal(messageSize(get, 'TLS_PSK_WITH_AES_128_CCM_8').recordBytes, 29);
    assert.equal(messageSize(get, 'TLS_PSK_WITH_AES_128_GCM_SHA256').recordBytes, 37);
  });

  test('the largest block: 64 and 32 on 6LoWPAN, 1024 both on IPv6, 512 both on a serial line', () => {
    const plainAndSecured = (usableBytes: number, messageBytes: number): readonly (number | undefined)[] =>
      [0, 29].map((protectionBytes) => largestBlock({ usableBytes, messageBytes, protectionBytes }));
    assert.deepEqual(plainAndSecured(80, 16), [64, 32]);
    assert.deepEqual(plainAndSecured(1232, 80), [1024, 1024]);
    assert.deepEqual(plainAndSecured(1024, 80), [512, 512]);
    assert.deepEqual(plainAndSecured(20, 16), [undefined, undefined]);
  });

  test('sizes of blocks follow SZX', () => {
    assert.deepEqual(
      blockSizes,
      [0, 1, 2, 3, 4, 5, 6].map((szx) => 2 ** (szx + 4)),
    );
  });

  test('firmware of 50 KB is 800, 100 or 50 blocks; of 50,000 bytes 782, 98, 49', () => {
    assert.deepEqual(
      [64, 512, 1024].map((size) => blockCount(51_200, size)),
      [800, 100, 50],
    );
    assert.deepEqual(
      [64, 512, 1024].map((size) => blockCount(50_000, size)),
      [782, 98, 49],
    );
  });

  test('1024 bytes in frames of 80 are 13 fragments, of which at 5 % one is missing 48.7 times of 100', () => {
    const { fragments, lost } = fragmentLoss(1024, 80, 0.05);
    assert.equal(fragments, 13);
    assert.equal((100 * lost).toFixed(1), '48.7');
  });

  test('on a serial line 360 bytes take 31 and 375 ms, 4096 bytes 356 ms and 4.27 s, 1024 bytes 89 ms and 1.07 s', () => {
    const both = (bytes: number): readonly number[] =>
      [115_200, 9600].map((baud) => Math.round(serialTimeMs(bytes, baud)));
    assert.deepEqual(
      [both(360), both(4096), both(1024)],
      [
        [31, 375],
        [356, 4267],
        [89, 1067],
      ],
    );
  });
});

describe('observing', () => {
  test('two changes in 60 s are 6 messages, as many as asking every 30 s', () => {
    assert.deepEqual(
      observeTraffic({ seconds: 60, pollingPeriodSeconds: 30, changes: 2, confirmableNotifications: true }),
      { pollingMessages: 6, observeMessages: 6, savedMessages: 0 },
    );
  });

  test('it saves what did not change, and acknowledgements where notifications are Non-confirmable', () => {
    const day = { seconds: 86_400, pollingPeriodSeconds: 30, confirmableNotifications: true };
    assert.equal(observeTraffic({ ...day, changes: 24 }).savedMessages, 5762 - 50);
    assert.equal(
      observeTraffic({ ...day, changes: 2880, confirmableNotifications: false }).observeMessages,
      2882,
    );
  });
});
