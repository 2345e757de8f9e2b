/**
 * The clock of a slow line: what is queued, the message and its answer have their time (RFC 7252 §4.8.1).
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { transmissionParameters } from '../../../src/core/coap/transmission-parameters.ts';
import { after, instant } from '../../../src/core/foundation/instant.ts';
import { LineClock } from '../../../src/core/message-layer/line-clock.ts';
import { Retransmission } from '../../../src/core/message-layer/retransmission.ts';

const rate = { bytesPerSecond: 960, overheadBytes: 20, answerBytes: 960 };
const start = instant(1000);

describe('the clock of a slow line', () => {
  it('a message has its own time and that of the longest answer', () => {
    assert.equal(new LineClock(rate).sent(460, start), 500 + 1000);
  });

  it('what was given to the line before it comes first, until it has left', () => {
    const clock = new LineClock(rate);
    clock.sent(460, start);
    assert.equal(clock.sent(460, start), 1000 + 1000);
    assert.equal(clock.sent(460, after(start, 600)), 900 + 1000);
    assert.equal(clock.sent(460, after(start, 10_000)), 500 + 1000);
  });

  it('on a usual network nothing takes any time', () => {
    assert.equal(new LineClock(undefined).sent(1024, start), 0);
  });

  it('each timeout of a message leaves its bytes their time, and the last one too', () => {
    const parameters = transmissionParameters({ ackRandomFactor: 1 });
    const zeros = { fill: (bytes: Uint8Array) => bytes };
    const retransmission = new Retransmission(parameters, zeros, start, undefined, 1500);
    const waits: number[] = [];
    let now = start;
    for (;;) {
      waits.push(retransmission.deadline - now);
      now = retransmission.deadline;
      if (retransmission.expire(now) === 'give-up') break;
    }
    assert.deepEqual(waits, [3500, 5500, 9500, 17_500, 33_500]);
  });
});
