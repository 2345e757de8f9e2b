/**
 * Sockets, clocks, randomness and cryptography of Node for the protocol machines.
 *
 * @module
 */

export { type CryptoInUse, cryptoInUse, fastCrypto } from '../crypto/fast-crypto.ts';
export { nodeCrypto } from '../crypto/node-crypto.ts';
export { type CapturedDatagram, Driver, type DriverOptions, type DriverOutput } from './driver.ts';
export { type Clock, monotonicClock } from './monotonic-clock.ts';
export { systemRandom } from './system-random.ts';
export { openUdpSocket, type UdpSocket, type UdpSocketOptions } from './udp-socket.ts';
