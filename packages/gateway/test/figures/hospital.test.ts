import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hospitalFigures, hospitalFleet, printedHandshakeBytes } from '../../src/figures/hospital.ts';

const of = (option: string) =>
  hospitalFigures(hospitalFleet).find((one) => one.option === option) ?? assert.fail(option);

describe('200 monitors that report every 30 s', () => {
  test('DTLS takes 83,520 bytes a day of each and 16.7 MB of all; OSCORE as this product makes it 48,960 bytes', () => {
    assert.equal(of('dtls-psk').bytesPerDeviceAndDay, 83_520);
    assert.equal(of('dtls-psk').bytesPerDay, 16_704_000);
    assert.equal(of('oscore').bytesPerDeviceAndDay, 48_960);
    assert.equal(of('payload-only').bytesPerDeviceAndDay, 21 * 2880);
    assert.equal(of('plain').bytesPerDay, 0);
  });

  test('all handshakes at once are 102,400 bytes with keys, and 72,000 as it is printed', () => {
    assert.equal(of('dtls-psk').handshakeBytesAtOnce, 200 * 512);
    assert.ok(Math.abs(of('dtls-psk').handshakeBytesPerMessage - 512 / 2880) < 1e-12);
    assert.equal(200 * printedHandshakeBytes, 72_000);
    assert.equal(printedHandshakeBytes / 2880, 0.125);
    assert.ok(of('dtls-certificate').handshakeBytes > 3 * of('dtls-psk').handshakeBytes);
    assert.equal(of('oscore').handshakeBytes, 0);
  });

  test('energy is airtime at 200 kbit/s by 20 mA and 3.3 V, and a handshake a day', () => {
    // 48,960 bytes take 1.9584 s of air.
    assert.ok(Math.abs(of('oscore').millijoulesPerDay - 1.9584 * 20 * 3.3) < 1e-9);
    assert.ok(of('dtls-certificate').millijoulesPerDay > of('dtls-psk').millijoulesPerDay);
    assert.ok(of('dtls-psk').millijoulesPerDay > of('oscore').millijoulesPerDay);
  });

  test('only DTLS and OSCORE hide ward and bed', () => {
    assert.deepEqual(
      hospitalFigures(hospitalFleet).map(({ option, reads }) => [option, reads.path, reads.value]),
      [
        ['plain', true, true],
        ['payload-only', true, false],
        ['dtls-psk', false, false],
        ['dtls-certificate', false, false],
        ['oscore', false, false],
      ],
    );
  });
});
