/**
 * Links that CoAP meets, as conditions of the simulated network. A datagram here is a UDP payload, or on a serial line
 * what is framed.
 *
 * | profile | largest datagram | frame | line rate | one way | loss | queue |
 * |---|---|---|---|---|---|---|
 * | `wifi` | 1232 | – | 20 Mbit/s | 10 … 15 ms | 0.5 % | 64 KiB |
 * | `ethernet` | 1232 | – | 100 Mbit/s | 0.5 … 1 ms | 0 | 64 KiB |
 * | `6lowpan` | 1232 | 80 of 127 | 250 kbit/s | 25 … 35 ms | 5 % of frames | 1280 |
 * | `serial-9600` | 1024 | – | 9600 baud | 0 | 0 | 2048 |
 * | `serial-115200` | 1024 | – | 115200 baud | 0 | 0 | 2048 |
 * | `nb-iot` | 1232 | – | 30 kbit/s | 0.8 … 1.6 s | 1 % | 8 KiB |
 *
 * Where the numbers come from:
 * - 1232 bytes are IPv6's minimum MTU of 1280 less the headers of IPv6 and UDP.
 * - 802.15.4 frames have 127 bytes, of which the headers leave about 80 (RFC 4944 §4 counts 81 in the worst case), and
 *   250 kbit/s. None of the fragments of a datagram is repeated (RFC 4944 §5.3). The queue is that of a router with
 *   one full packet of memory.
 * - A serial line has 10 bits for a byte (8N1): 1024 bytes take 89 ms at 115,200 baud and 1.07 s at 9,600. The receiver's
 *   buffer of 2048 bytes is the queue.
 * - NB-IoT has 30 kbit/s downlink and reports within 10 s (RFC 8376 §2.2.2); 0.8 to 1.6 s one way are what good
 *   coverage gives, and make the default ACK_TIMEOUT of 2 s too short for some exchanges.
 * - Round trips of 20 ms are usual for Wi-Fi; its loss and those of NB-IoT are what is left after the retransmissions
 *   of the link.
 *
 * @module
 */

import type { LinkProfileName } from '../core/coap/link-profile.ts';
import { type NetworkConditions, perfectConditions } from './network-conditions.ts';

function serialLine(baud: number): NetworkConditions {
  return profile({ delayMs: 0, mtu: 1024, bitsPerSecond: baud, bitsPerByte: 10, queueBytes: 2048 });
}

function profile(conditions: Partial<NetworkConditions>): NetworkConditions {
  return Object.freeze({ ...perfectConditions, ...conditions });
}

/** The conditions of each profile. See the table in the module comment. */
export const linkProfiles: Readonly<Record<LinkProfileName, NetworkConditions>> = Object.freeze({
  wifi: profile({
    lossRate: 0.005,
    delayMs: 10,
    jitterMs: 5,
    mtu: 1232,
    bitsPerSecond: 20_000_000,
    queueBytes: 65_536,
    frameOverheadBytes: 82, // 802.11 header and trailer, LLC, IPv6 and UDP
  }),
  ethernet: profile({
    delayMs: 0.5,
    jitterMs: 0.5,
    mtu: 1232,
    bitsPerSecond: 100_000_000,
    queueBytes: 65_536,
    frameOverheadBytes: 86, // Ethernet with preamble and gap, IPv6 and UDP
  }),
  '6lowpan': profile({
    lossRate: 0.05,
    delayMs: 25,
    jitterMs: 10,
    mtu: 1232,
    frameBytes: 80,
    bitsPerSecond: 250_000,
    queueBytes: 1280,
    frameOverheadBytes: 47,
  }),
  'serial-9600': serialLine(9600),
  'serial-115200': serialLine(115_200),
  'nb-iot': profile({
    lossRate: 0.01,
    delayMs: 800,
    jitterMs: 800,
    mtu: 1232,
    bitsPerSecond: 30_000,
    queueBytes: 8192,
    frameOverheadBytes: 48, // IPv6 and UDP
  }),
});
