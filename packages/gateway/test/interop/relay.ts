/** A UDP relay between one client and one server that keeps every datagram: what somebody on the path sees. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { TestContext } from 'node:test';

/** A running relay. */
export interface Relay {
  /** Port of 127.0.0.1 that the client talks to. */
  readonly port: number;
  readonly fromClient: readonly Buffer[];
  readonly fromServer: readonly Buffer[];
  /** From now on the server sees another source port, as after a NAT has forgotten the client. */
  rebind(): Promise<void>;
}

/** Starts a relay to a port of 127.0.0.1; it ends with the test. */
export async function startRelay(t: TestContext, serverPort: number): Promise<Relay> {
  const outside = createSocket('udp4');
  let inside = createSocket('udp4');
  const fromClient: Buffer[] = [];
  const fromServer: Buffer[] = [];
  let clientPort = 0;
  outside.on('message', (datagram, { port }) => {
    clientPort = port;
    fromClient.push(datagram);
    inside.send(datagram, serverPort, '127.0.0.1');
  });
  const toClient = (datagram: Buffer): void => {
    fromServer.push(datagram);
    outside.send(datagram, clientPort, '127.0.0.1');
  };
  inside.on('message', toClient);
  outside.bind(0, '127.0.0.1');
  inside.bind(0, '127.0.0.1');
  await Promise.all([once(outside, 'listening'), once(inside, 'listening')]);
  t.after(() => {
    outside.close();
    inside.close();
  });
  const rebind = async (): Promise<void> => {
    const next = createSocket('udp4');
    next.on('message', toClient);
    next.bind(0, '127.0.0.1');
    await once(next, 'listening');
    inside.close();
    inside = next;
  };
  return { port: outside.address().port, fromClient, fromServer, rebind };
}

/** One record as it is on the wire. */
export interface WireRecord {
  readonly contentType: number;
  readonly epoch: number;
  /** Bytes after the header: for a protected record nonce and tag included. */
  readonly length: number;
}

/**
 * The DTLS 1.2 records in a datagram (RFC 6347 §4.1; with a connection id of this many bytes RFC 9146 §4).
 */
export function recordsOf(datagram: Buffer, connectionIdLength = 0): WireRecord[] {
  const records: WireRecord[] = [];
  let at = 0;
  while (at + 13 <= datagram.length) {
    const contentType = datagram[at]!;
    const lengthAt = at + 11 + (contentType === connectionIdRecord ? connectionIdLength : 0);
    const length = datagram.readUInt16BE(lengthAt);
    records.push({ contentType, epoch: datagram.readUInt16BE(at + 3), length });
    at = lengthAt + 2 + length;
  }
  return records;
}

/** Content types of the DTLS 1.2 records in a datagram: 20 … 23. */
export function contentTypes(datagram: Buffer): number[] {
  return recordsOf(datagram).map(({ contentType }) => contentType);
}

/** Content type of records with a connection id: tls12_cid. */
export const connectionIdRecord = 25;

/** Content type of application data. */
export const applicationData = 23;
