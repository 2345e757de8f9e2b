/**
 * slipmux: draft-bormann-t2trg-slipmux, RFC 1055, RFC 1662 §C.2.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { concatBytes, toHex } from '../../../src/core/foundation/bytes.ts';
import { encodeUtf8 } from '../../../src/core/foundation/utf8.ts';
import { fcs16Add, fcs16Start, fcs16Value, hasGoodFcs16 } from '../../../src/core/serial/fcs-16.ts';
import { type LineEvent, packetKind } from '../../../src/core/serial/line-framing.ts';
import { plainSlip } from '../../../src/core/serial/plain-framings.ts';
import { slipmux } from '../../../src/core/serial/slipmux.ts';
import { hex } from '../coap/vectors.ts';
import { packets, packetsIn, receiveInChunks } from './line-noise.ts';

interface SlipVectors {
  readonly vectors: readonly {
    readonly name: string;
    readonly kind: string;
    readonly payload: string;
    readonly frame: string;
    readonly fcs16_little_endian?: string;
  }[];
}

const { vectors } = JSON.parse(
  readFileSync(new URL('../../vectors/slip/slipmux.json', import.meta.url), 'utf8'),
) as SlipVectors;

const end = Uint8Array.of(0xc0);
const packet = hex('40010000');
const text = (line: string): LineEvent => ({ kind: 'text', text: line });
const lost = (reason: string, length: number) => ({ kind: 'lost', reason, length });
const received = (...parts: Uint8Array[]): LineEvent[] =>
  slipmux.decoder(2048).receive(concatBytes(...parts));

describe('FCS-16 (RFC 1662 §C.2)', () => {
  it('the sequence of "123456789" is 906E, as the catalogues of CRCs have it', () => {
    let register = fcs16Start;
    for (const byte of encodeUtf8('123456789')) register = fcs16Add(register, byte);
    assert.equal(fcs16Value(register), 0x906e);
  });

  it('data and its sequence are good, and no flipped bit of them is', () => {
    const good = hex('a940010000bc38');
    assert.ok(hasGoodFcs16(good));
    for (let bit = 0; bit < 8 * good.length; bit++) {
      const bad = good.slice();
      bad[bit >> 3] = (bad[bit >> 3] as number) ^ (1 << (bit & 7));
      assert.ok(!hasGoodFcs16(bad), `bit ${bit}`);
    }
    assert.ok(!hasGoodFcs16(good.subarray(0, 1)));
    assert.ok(!hasGoodFcs16(good.subarray(0, 0)));
  });
});

describe('vectors of slipmux', () => {
  for (const [index, { name, kind, payload, frame, fcs16_little_endian: fcs }] of vectors.entries()) {
    if (kind === 'ip packet') {
      it(`${index} ${name}: the SLIP frame of an IP packet, byte for byte; received, it is counted as one lost`, () => {
        assert.equal(toHex(plainSlip.encode(hex(payload))), frame);
        assert.deepEqual(received(hex(frame)), [lost('ip-packet', payload.length / 2)]);
      });
    } else {
      it(`${index} ${name}: the CoAP frame, byte for byte, and back`, () => {
        assert.ok(fcs !== undefined && frame.includes(fcs));
        assert.equal(toHex(slipmux.encode(hex(payload))), frame);
        assert.deepEqual(received(hex(frame)), [{ kind: 'packet', packet: hex(payload) }]);
      });
    }
  }
});

describe('slipmux', () => {
  it('any packets in any chunks are exactly the packets that were sent', () => {
    fc.assert(
      fc.property(
        fc.array(packets, { maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 8 }),
        (sent, lengths) => {
          const line = concatBytes(...sent.map(slipmux.encode));
          const events = receiveInChunks(slipmux.decoder(1024 + 3), line, lengths);
          assert.deepEqual(
            events,
            sent.map((one) => ({ kind: 'packet', packet: one })),
          );
        },
      ),
      { seed: 1, numRuns: 300 },
    );
  });

  it('whatever stands between frames, all of the packets come out, and nothing else does', () => {
    const between = fc.uint8Array({ maxLength: 400 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(between, packets), { maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 8 }),
        (sent, lengths) => {
          const line = concatBytes(...sent.flatMap(([noise, one]) => [noise, slipmux.encode(one)]));
          const events = receiveInChunks(slipmux.decoder(2048), line, lengths);
          assert.deepEqual(
            packetsIn(events),
            sent.map(([, one]) => one),
          );
        },
      ),
      { seed: 2, numRuns: 300 },
    );
  });

  it('flipped bits in frames: each packet comes out as it was sent, or is counted as lost', () => {
    fc.assert(
      fc.property(
        fc.array(packets, { minLength: 3, maxLength: 6 }),
        fc.nat(),
        fc.nat(7),
        (sent, where, bit) => {
          const line = concatBytes(...sent.map(slipmux.encode));
          const at = where % line.length;
          line[at] = (line[at] as number) ^ (1 << bit);
          // The last END may be the one that was changed.
          const events = slipmux.decoder(2048).receive(concatBytes(line, end));
          const came = packetsIn(events).map(toHex);
          const texts = sent.map(toHex);
          assert.ok(
            came.every((one) => texts.includes(one)),
            'a packet that nobody sent',
          );
          // One flipped bit may join two frames, or cut one in two: at most two packets are lost.
          assert.ok(came.length >= sent.length - 2);
          // A frame whose END was changed may still end with that of the next one; then nothing is lost.
          if (came.length < sent.length) assert.ok(events.some((event) => event.kind !== 'packet'));
        },
      ),
      { seed: 3, numRuns: 500 },
    );
  });

  it('its frame is never longer than the worst case, which a packet of END bytes nearly is', () => {
    fc.assert(
      fc.property(packets, (one) => {
        const frame = slipmux.encode(one);
        assert.equal(frame.length, slipmux.encodedLength(one));
        assert.ok(frame.length <= slipmux.worstCaseLength(one.length));
        assert.ok(slipmux.bufferNeeded(one.length) <= 2048);
      }),
      { seed: 4, numRuns: 200 },
    );
    assert.equal(slipmux.worstCaseLength(1024), 2055);
    const worst = slipmux.encodedLength(new Uint8Array(1024).fill(0xc0));
    assert.ok(worst >= 2051 && worst <= 2055, `${worst} bytes`);
  });

  it('1,024 bytes fit into a buffer of 2,048 whatever they are, for the buffer holds what was unescaped', () => {
    for (const byte of [0xc0, 0xdb, 0x00]) {
      const one = new Uint8Array(1024).fill(byte);
      one[0] = 0x40;
      assert.deepEqual(received(slipmux.encode(one)), [{ kind: 'packet', packet: one }]);
    }
  });

  it('a frame as long as the buffer comes out, one byte more is an overrun', () => {
    const fits = new Uint8Array(2048 - 3).fill(0x41);
    assert.deepEqual(received(slipmux.encode(fits)), [{ kind: 'packet', packet: fits }]);
    const tooLong = new Uint8Array(2048 - 2).fill(0x41);
    assert.deepEqual(received(slipmux.encode(tooLong)), [lost('overrun', 2049)]);
  });

  it('a frame without end costs no memory, and the next one is received', () => {
    const decoder = slipmux.decoder(2048);
    const endless = new Uint8Array(65_536).fill(0x55);
    assert.deepEqual(decoder.receive(hex('c0a9')), []);
    for (let i = 0; i < 16; i++) assert.deepEqual(decoder.receive(endless), []);
    assert.deepEqual(decoder.receive(slipmux.encode(packet)), [
      lost('overrun', 1 + 16 * 65_536),
      { kind: 'packet', packet },
    ]);
    assert.equal(decoder.peak, 2048);
  });

  it('ESC END gives a frame up (§6)', () => {
    assert.deepEqual(received(hex('c0a94001dbc0'), slipmux.encode(packet)), [
      lost('aborted', 3),
      { kind: 'packet', packet },
    ]);
  });

  it('an ESC that escapes nothing breaks its frame only', () => {
    assert.deepEqual(received(hex('c0a940db410000bc38c0'), slipmux.encode(packet)), [
      lost('bad-escape', 6),
      { kind: 'packet', packet },
    ]);
  });

  it('a wrong check sequence loses the frame in silence (§5)', () => {
    assert.deepEqual(received(hex('c0a940010000bc39c0')), [lost('crc', 7)]);
    assert.deepEqual(received(hex('c0a9c0')), [lost('crc', 1)]);
  });

  it('a good frame of neither CoAP nor DTLS goes no further', () => {
    for (const first of [0x00, 0x13, 0x80, 0xff]) {
      assert.deepEqual(received(slipmux.encode(Uint8Array.of(first, 1, 2))), [lost('not-a-packet', 6)]);
    }
    assert.deepEqual(received(slipmux.encode(new Uint8Array(0))), [lost('not-a-packet', 3)]);
  });

  it('empty frames mean nothing (§6)', () => {
    assert.deepEqual(received(hex('c0c0c0c0')), []);
  });

  it('a diagnostic frame is told line by line (§4)', () => {
    assert.deepEqual(received(end, encodeUtf8('\nfree heap: 20 KB\ntemperatur 22,5 °C\n'), end), [
      text('free heap: 20 KB'),
      text('temperatur 22,5 °C'),
    ]);
  });

  it('a boot log on the line is told line by line as it comes, and the packet behind it is received', () => {
    const decoder = slipmux.decoder(2048);
    assert.deepEqual(decoder.receive(encodeUtf8('ESP-ROM:esp32c3-api1-20210207\r\nBuild:Feb')), [
      text('ESP-ROM:esp32c3-api1-20210207'),
    ]);
    assert.deepEqual(decoder.receive(encodeUtf8('  7 2021\r\n\u001b[0;32mI (30) boot\u001b[0m\r\nlogin: ')), [
      text('Build:Feb  7 2021'),
      text('\u001b[0;32mI (30) boot\u001b[0m'),
    ]);
    assert.deepEqual(decoder.receive(slipmux.encode(packet)), [text('login: '), { kind: 'packet', packet }]);
  });

  it('a console line longer than the buffer is told in parts', () => {
    const events = received(new Uint8Array(5000).fill(0x41), end);
    assert.deepEqual(
      events.map((event) => (event.kind === 'text' ? event.text.length : event)),
      [2048, 2048, 904],
    );
  });

  it('noise is counted, also when it holds line feeds', () => {
    assert.deepEqual(received(hex('c0 00 0a 0a 01 c0')), [lost('noise', 4)]);
    // cut inside a character: no UTF-8
    assert.deepEqual(received(hex('c0 41 c3 c0')), [lost('noise', 2)]);
  });

  it('a line that was unplugged in the middle of a frame begins anew', () => {
    const decoder = slipmux.decoder(2048);
    decoder.receive(hex('c0a94001db'));
    decoder.reset();
    assert.deepEqual(decoder.receive(hex('a940010000bc38c0')), [{ kind: 'packet', packet }]);
  });
});

describe('what a packet is, by its first byte', () => {
  it('20 … 63 is DTLS, 64 … 127 is CoAP version 1, the others are neither', () => {
    const kinds = Array.from({ length: 256 }, (_, first) => packetKind(Uint8Array.of(first)));
    assert.deepEqual(
      kinds,
      Array.from({ length: 256 }, (_, first) =>
        first >= 20 && first <= 63 ? 'dtls' : first >= 64 && first <= 127 ? 'coap' : undefined,
      ),
    );
    assert.equal(packetKind(new Uint8Array(0)), undefined);
  });
});
