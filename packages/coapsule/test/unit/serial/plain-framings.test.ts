/**
 * Plain SLIP (RFC 1055) and raw reads.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { concatBytes } from '../../../src/core/foundation/bytes.ts';
import { plainSlip, rawReads } from '../../../src/core/serial/plain-framings.ts';
import { hex } from '../coap/vectors.ts';
import { packets, receiveInChunks } from './line-noise.ts';

describe('plain SLIP', () => {
  it('any packets in any chunks are exactly the packets that were sent', () => {
    fc.assert(
      fc.property(
        fc.array(packets, { maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 8 }),
        (sent, lengths) => {
          const line = concatBytes(...sent.map(plainSlip.encode));
          const events = receiveInChunks(plainSlip.decoder(1024), line, lengths);
          assert.deepEqual(
            events,
            sent.map((packet) => ({ kind: 'packet', packet })),
          );
          for (const packet of sent) {
            const { length } = plainSlip.encode(packet);
            assert.equal(length, plainSlip.encodedLength(packet));
            assert.ok(length <= plainSlip.worstCaseLength(packet.length));
          }
        },
      ),
      { seed: 1, numRuns: 200 },
    );
  });

  it('what is neither CoAP nor DTLS, and what is longer than the buffer, is lost', () => {
    const decoder = plainSlip.decoder(8);
    assert.deepEqual(decoder.receive(hex('c00001c0 c0404142434445464748c0 c040010000c0')), [
      { kind: 'lost', reason: 'not-a-packet', length: 2 },
      { kind: 'lost', reason: 'overrun', length: 9 },
      { kind: 'packet', packet: hex('40010000') },
    ]);
    assert.equal(decoder.peak, 8);
  });

  it('a line feed ends nothing', () => {
    assert.deepEqual(plainSlip.decoder(64).receive(hex('c0410a420ac0')), [
      { kind: 'packet', packet: hex('410a420a') },
    ]);
  });

  it('a line that was unplugged in the middle of a frame begins anew', () => {
    const decoder = plainSlip.decoder(64);
    decoder.receive(hex('c04142'));
    decoder.reset();
    assert.deepEqual(decoder.receive(hex('40010000c0')), [{ kind: 'packet', packet: hex('40010000') }]);
  });
});

describe('raw reads', () => {
  it('one read is one packet, whatever it holds', () => {
    const decoder = rawReads.decoder(2048);
    const packet = hex('40c0db0a');
    assert.deepEqual(rawReads.encode(packet), packet);
    assert.deepEqual(decoder.receive(packet), [{ kind: 'packet', packet }]);
    assert.deepEqual(decoder.receive(new Uint8Array(0)), []);
    assert.equal(decoder.peak, 4);
  });

  it('merged reads are one wrong packet: why it is only for those who do the same', () => {
    const [one, other] = [hex('40010000'), hex('40010001')];
    assert.deepEqual(rawReads.decoder(2048).receive(concatBytes(one, other)), [
      { kind: 'packet', packet: concatBytes(one, other) },
    ]);
  });

  it('a read longer than the buffer, or of neither CoAP nor DTLS, is lost', () => {
    const decoder = rawReads.decoder(4);
    assert.deepEqual(decoder.receive(hex('4001000000')), [{ kind: 'lost', reason: 'overrun', length: 5 }]);
    assert.deepEqual(decoder.receive(hex('ff')), [{ kind: 'lost', reason: 'not-a-packet', length: 1 }]);
  });
});
