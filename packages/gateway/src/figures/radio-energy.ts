/**
 * What it costs a radio to send and receive bytes: airtime, charge, energy.
 *
 * Pure functions. Airtime of the bytes alone: no preamble, no channel access, no time in which the receiver merely listens.
 *
 * @module
 */

/** A radio. */
export interface Radio {
  readonly bitsPerSecond: number;
  readonly sendMilliamps: number;
  readonly receiveMilliamps: number;
  readonly volts: number;
}

/** What so many bytes take. */
export interface RadioCost {
  readonly airtimeMs: number;
  readonly milliampSeconds: number;
  readonly microampHours: number;
  readonly millijoules: number;
}

/** Bytes, each way. */
export interface RadioTraffic {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** The cost of traffic. */
export function radioCost(radio: Radio, { sentBytes, receivedBytes }: RadioTraffic): RadioCost {
  const msPerByte = 8000 / radio.bitsPerSecond;
  const sendMs = sentBytes * msPerByte;
  const receiveMs = receivedBytes * msPerByte;
  const milliampSeconds = (sendMs * radio.sendMilliamps + receiveMs * radio.receiveMilliamps) / 1000;
  return {
    airtimeMs: sendMs + receiveMs,
    milliampSeconds,
    microampHours: milliampSeconds / 3.6,
    millijoules: milliampSeconds * radio.volts,
  };
}

/**
 * The radio behind the figures by step of a PSK handshake: 200 kbit/s, which follows from 120 bytes in 4.8 ms, 20 mA to send. The
 * current to receive is what 0.024 µAh for 140 bytes come to.
 */
export const stepRadio: Radio = {
  bitsPerSecond: 200_000,
  sendMilliamps: 20,
  receiveMilliamps: 0.0864 / 0.0056,
  volts: 3.3,
};

/** The radio behind "6 messages of 100 bytes at 10 mA are 0.6 mAs": a byte takes 0.1 ms, and receiving costs what sending does. */
export const simpleRadio: Radio = {
  bitsPerSecond: 80_000,
  sendMilliamps: 10,
  receiveMilliamps: 10,
  volts: 3.3,
};

/** A handshake as somebody counted it. */
export interface HandshakePreset {
  readonly name: string;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly radio: Radio;
  readonly printed: string;
  /** What is wrong with it, in a sentence. */
  readonly reason: string;
}

/** The counts in circulation; a measured one stands beside them. */
export const handshakePresets: readonly HandshakePreset[] = [
  {
    name: 'by step: 120 + 140 + 60 bytes',
    sentBytes: 180,
    receivedBytes: 140,
    radio: stepRadio,
    printed: '0.064 mAh',
    reason: 'the unit is µAh; the messages are not all that a handshake has',
  },
  {
    name: '6 messages of 100 bytes',
    sentBytes: 600,
    receivedBytes: 0,
    radio: simpleRadio,
    printed: '0.6 mAs',
    reason:
      'true with 10 ms for each message, which is 80 kbit/s; half of the messages are received, not sent',
  },
  {
    name: '360 bytes, whole ESP32',
    sentBytes: 180,
    receivedBytes: 180,
    radio: stepRadio,
    printed: '45 mJ',
    reason: 'the processor and Wi-Fi of a whole device, of which the bytes are the least',
  },
];
