/**
 * What a handshake of this product's own engine takes, counted by making one in memory.
 *
 * @module
 */

import type { CapturedDatagram } from 'coapsule';

/** Bytes of UDP payload. */
export interface MeasuredHandshake {
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly datagrams: number;
}

/** Content types of records that carry data, not a handshake (RFC 6347 §4.1, RFC 9146 §4). */
const data: ReadonlySet<number> = new Set([23, 25]);

/**
 * A handshake with a pre-shared key, one suite and a cookie, without connection ids and sessions; as the client sees it.
 *
 * @param capture Gets what went through memory, as if it had gone through a network at this moment: between 192.0.2.1, the client, and
 *                192.0.2.2 at port 5684.
 */
export async function measuredHandshake(
  capture?: (captured: CapturedDatagram) => void,
): Promise<MeasuredHandshake> {
  const { clientAddress, Pair, serverAddress } = await import('coapsule/testing');
  const suites = ['TLS_PSK_WITH_AES_128_CCM_8'] as const;
  const bare = { dtls: { suites, connectionIdLength: 'off', resumption: 'off' } } as const;
  const pair = new Pair({ security: 'dtls', client: bare, server: bare });
  const request = pair.request('/');
  pair.runUntil(() => request.final);
  const handshake = pair.network.sent.filter(({ datagram }) => !data.has(datagram[0]!));
  const startMs = Date.now();
  // Readers know by the port what is inside.
  const { host } = serverAddress;
  const remote = { key: `${host}:5684`, host, port: 5684 };
  for (const { from, datagram, sentAt } of capture === undefined ? [] : pair.network.sent) {
    const direction = from.key === clientAddress.key ? 'sent' : 'received';
    const wallTimeMs = startMs + sentAt;
    capture?.({ direction, local: clientAddress, remote, datagram, wallTimeMs });
  }
  const bytes = (isSent: boolean): number =>
    handshake
      .filter(({ from }) => (from.key === clientAddress.key) === isSent)
      .reduce((sum, { datagram }) => sum + datagram.length, 0);
  return { sentBytes: bytes(true), receivedBytes: bytes(false), datagrams: handshake.length };
}
