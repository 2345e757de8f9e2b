/**
 * What devices that report at a fixed period come to: messages, bytes of protection, handshakes spread over a day.
 *
 * Pure functions.
 *
 * @module
 */

/** A fleet. */
export interface FleetInputs {
  readonly devices: number;
  readonly periodSeconds: number;
  /** Of each message: 29 for DTLS with AES-128-CCM-8. */
  readonly overheadBytes: number;
  readonly handshakeBytes: number;
}

/** What it comes to in a day. */
export interface FleetTraffic {
  readonly messagesPerDeviceAndDay: number;
  readonly messagesPerDay: number;
  readonly messagesPerSecond: number;
  readonly overheadBytesPerDeviceAndDay: number;
  readonly overheadBytesPerDay: number;
  /** When all begin anew, as after a restart of a gateway that keeps nothing. */
  readonly handshakeBytesAtOnce: number;
  /** A handshake a day. */
  readonly handshakeBytesPerMessage: number;
}

const secondsPerDay = 86_400;

/** Traffic of a fleet. */
export function fleetTraffic(inputs: FleetInputs): FleetTraffic {
  const { devices, periodSeconds, overheadBytes, handshakeBytes } = inputs;
  const messagesPerDeviceAndDay = secondsPerDay / periodSeconds;
  return {
    messagesPerDeviceAndDay,
    messagesPerDay: devices * messagesPerDeviceAndDay,
    messagesPerSecond: devices / periodSeconds,
    overheadBytesPerDeviceAndDay: overheadBytes * messagesPerDeviceAndDay,
    overheadBytesPerDay: devices * overheadBytes * messagesPerDeviceAndDay,
    handshakeBytesAtOnce: devices * handshakeBytes,
    handshakeBytesPerMessage: handshakeBytes / messagesPerDeviceAndDay,
  };
}
