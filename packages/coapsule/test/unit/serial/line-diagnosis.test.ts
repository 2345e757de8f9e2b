/**
 * What the counters of a line mean.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { concatBytes } from '../../../src/core/foundation/bytes.ts';
import { LineConnection, type LineOptions } from '../../../src/core/serial/line-connection.ts';
import { lineDiagnosis, lossAdvice } from '../../../src/core/serial/line-diagnosis.ts';
import { slipmux } from '../../../src/core/serial/slipmux.ts';

const message = (length: number): Uint8Array => new Uint8Array(length).fill(0x41);

/** What is said of a line that has sent and received this, in turn. */
function diagnosisOf(
  steps: readonly (readonly ['send' | 'receive', Uint8Array])[],
  options: LineOptions = {},
): string | undefined {
  const line = new LineConnection(options);
  for (const [what, bytes] of steps) line[what](bytes);
  return lineDiagnosis(line, 9600);
}

describe('the diagnosis of a line', () => {
  it('says nothing where packets come and go', () => {
    assert.equal(diagnosisOf([]), undefined);
    const exchange = [
      ['send', message(1000)],
      ['receive', slipmux.encode(message(4))],
    ] as const;
    assert.equal(diagnosisOf([...exchange, ...exchange, ['send', message(1000)]]), undefined);
  });

  it('a line that is silent', () => {
    assert.match(
      diagnosisOf([['send', message(10)]]) ?? '',
      /^nothing came from the line.*secured packets only \(coaps\+serial\)/,
    );
    const record = Uint8Array.of(22, ...message(20));
    assert.match(
      diagnosisOf([['send', record]], { secured: true }) ?? '',
      /are RX and TX crossed, and does it have 9600 baud and framing slipmux\?$/,
    );
  });

  it('bytes that are no packets: rate or framing', () => {
    const text = diagnosisOf([
      ['send', message(10)],
      ['receive', Uint8Array.of(0x80, 0xff, 0x13, 0xc0)],
    ]);
    assert.match(text ?? '', /4 bytes came.*another baud rate than 9600, another framing than slipmux/);
  });

  it('a peer without DTLS on a secured line', () => {
    const text = diagnosisOf([['receive', slipmux.encode(message(4))]], { secured: true });
    assert.match(text ?? '', /sends CoAP without DTLS/);
  });

  it('frames that are too long for our buffer, with the mtu that fits it', () => {
    const text = diagnosisOf([['receive', slipmux.encode(message(600))]], { mtu: 300, bufferBytes: 512 });
    assert.match(text ?? '', /^1 frames from the peer did not fit bufferBytes 512: .* mtu of at most 509/);
  });

  it('large packets that are not answered, where smaller ones were', () => {
    const options = { mtu: 4000, bufferBytes: 4096 };
    const small = [
      ['send', message(900)],
      ['receive', slipmux.encode(message(4))],
    ] as const;
    const large = [
      ['send', message(3000)],
      ['send', message(3000)],
    ] as const;
    assert.match(
      diagnosisOf([...small, ...large], options) ?? '',
      /the last 2 packets, of up to 3000 bytes, were not answered: .* smaller than mtu 4000; lower it to 1024/,
    );
    // They were answered before: their size is not what is wrong.
    const answered = [['send', message(3000)], small[1]] as const;
    assert.equal(diagnosisOf([...small, ...answered, ...large], options), undefined);
  });

  it('a line on which much is damaged', () => {
    const damaged = slipmux.encode(message(8));
    damaged[4] = 0;
    const text = diagnosisOf([
      ['receive', slipmux.encode(message(8))],
      ['receive', concatBytes(...Array.from({ length: 20 }, () => damaged))],
    ]);
    assert.match(text ?? '', /20 frames were damaged, 1 were not: look at cable, ground and baud rate/);
  });

  it('a single loss has advice where something can be done about it', () => {
    const line = new LineConnection();
    assert.match(lossAdvice(line, 'overrun', 2049) ?? '', /2049 bytes or more does not fit bufferBytes 2048/);
    assert.match(lossAdvice(line, 'ip-packet', 40) ?? '', /sends IP packets/);
    assert.equal(lossAdvice(line, 'crc', 40), undefined);
  });
});
