/**
 * The worked example of a hospital: monitors of vital signs that report at a fixed period, with nothing, with an encrypted payload
 * alone, with DTLS by key or certificate, and with OSCORE: bytes, energy, and what is still readable. Pure functions.
 *
 * @module
 */

import { fleetTraffic } from './fleet-traffic.ts';
import { handshakePlan } from './handshake-steps.ts';
import { payloadOnlyBytes, reportProtectionBytes } from './protection-sizes.ts';
import { radioCost, stepRadio } from './radio-energy.ts';

/** How readings are protected. */
export type HospitalOption = 'plain' | 'payload-only' | 'dtls-psk' | 'dtls-certificate' | 'oscore';

/** What one option comes to. */
export interface HospitalFigures {
  readonly option: HospitalOption;
  /** Of each report. */
  readonly protectionBytes: number;
  readonly bytesPerDeviceAndDay: number;
  readonly bytesPerDay: number;
  /** Of one device; 0 where there is none. */
  readonly handshakeBytes: number;
  /** When all devices begin anew. */
  readonly handshakeBytesAtOnce: number;
  /** With one handshake a day. */
  readonly handshakeBytesPerMessage: number;
  /** What protection costs the radio of a device each day, one handshake among it, in mJ. */
  readonly millijoulesPerDay: number;
  /** What somebody with a radio reads. */
  readonly reads: { readonly path: boolean; readonly value: boolean };
}

/** The deployment: 200 monitors that report every 30 s. */
export const hospitalFleet = { devices: 200, periodSeconds: 30 } as const;

/** Bytes of a handshake with pre-shared keys as they are printed; that of this product has more, and a cookie. */
export const printedHandshakeBytes = 360;

const options: readonly HospitalOption[] = [
  'plain',
  'payload-only',
  'dtls-psk',
  'dtls-certificate',
  'oscore',
];

/** All options for a fleet. The radio is that of the figures by step. */
export function hospitalFigures(fleet: {
  readonly devices: number;
  readonly periodSeconds: number;
}): readonly HospitalFigures[] {
  return options.map((option) => {
    const isDtls = option === 'dtls-psk' || option === 'dtls-certificate';
    const protectionBytes =
      option === 'plain'
        ? 0
        : option === 'payload-only'
          ? payloadOnlyBytes
          : reportProtectionBytes(isDtls ? 'dtls' : 'oscore');
    const plan = isDtls
      ? handshakePlan({ mode: option, cookie: true, resumption: false, roundTripMs: 20, radio: stepRadio })
      : undefined;
    const handshakeBytes = plan?.handshakeBytes ?? 0;
    const traffic = fleetTraffic({ ...fleet, overheadBytes: protectionBytes, handshakeBytes });
    const reports = radioCost(stepRadio, {
      sentBytes: traffic.overheadBytesPerDeviceAndDay,
      receivedBytes: 0,
    });
    return {
      ...{ option, protectionBytes, handshakeBytes },
      bytesPerDeviceAndDay: traffic.overheadBytesPerDeviceAndDay,
      bytesPerDay: traffic.overheadBytesPerDay,
      handshakeBytesAtOnce: traffic.handshakeBytesAtOnce,
      handshakeBytesPerMessage: traffic.handshakeBytesPerMessage,
      millijoulesPerDay: reports.millijoules + (plan?.cost.millijoules ?? 0),
      reads: { path: option === 'plain' || option === 'payload-only', value: option === 'plain' },
    };
  });
}
