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
}

/** Starts a relay to a port of 127.0.0.1; it ends with the test. */
export async function startRelay(t: TestContext, serverPort: number): Promise<Relay> {
  const outside = createSocket('udp4');
  const inside = createSocket('udp4');
  const fromClient: Buffer[] = [];
  const fromServer: Buffer[] = [];
  let clientPort = 0;
  outside.on('message', (datagram, { port }) => {
    clientPort = port;
    fromClient.push(datagram);
    inside.send(datagram, serverPort, '127.0.0.1');
  });
  inside.on('message', (datagram) => {
    fromServer.push(datagram);
    outside.send(datagram, clientPort, '127.0.0.1');
  });
  outside.bind(0, '127.0.0.1');
  inside.bind(0, '127.0.0.1');
  await Promise.all([once(outside, 'listening'), once(inside, 'listening')]);
  t.after(() => {
    outside.close();
    inside.close();
  });
  return { port: outside.address().port, fromClient, fromServer };
}

/** Content types of the DTLS 1.2 records in a datagram (RFC 6347 §4.1): 20 … 23. */
export function contentTypes(datagram: Buffer): number[] {
  const types: number[] = [];
  for (let at = 0; at + 13 <= datagram.length; at += 13 + datagram.readUInt16BE(at + 11))
    types.push(datagram[at]!);
  return types;
}

/** Content type of application data. */
export const applicationData = 23;
