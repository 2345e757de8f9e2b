/**
 * TCP connections of this machine, recorded as they pass a relay, and captures made of them: cut, repeated and reordered as networks do.
 *
 * @module
 */

import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import type { TestContext } from 'node:test';
import { ipPacket } from '../../src/capture/ip-packet.ts';
import { ipPacketBlock, pcapngHeader, secretsBlock } from '../../src/capture/pcapng.ts';

/** Bytes that went one way. */
export interface StreamPiece {
  readonly from: 'client' | 'server';
  readonly bytes: Uint8Array;
}

/** A relay that remembers. */
export interface RecordedStream {
  readonly port: number;
  /** What passed, in its order. */
  readonly pieces: StreamPiece[];
}

/** Passes everything on to a port of this machine, until the test ends. */
export async function recordingRelay(t: TestContext, to: number): Promise<RecordedStream> {
  const pieces: StreamPiece[] = [];
  const server = createServer((client) => {
    const upstream = connect(to, '127.0.0.1');
    for (const [from, source, target] of [
      ['client', client, upstream],
      ['server', upstream, client],
    ] as const) {
      source.on('data', (bytes: Buffer) => {
        pieces.push({ from, bytes: Uint8Array.from(bytes) });
        target.write(bytes);
      });
      source.on('end', () => target.end());
      source.on('error', () => target.destroy());
      source.on('close', () => target.destroy());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { port: (server.address() as AddressInfo).port, pieces };
}

/** One segment: where it stands in the stream of its side. */
interface Segment extends StreamPiece {
  readonly sequence: number;
  readonly acknowledgement: number;
}

/** Pieces as segments. @param cut Longest segment, in bytes. @param start First sequence number of both sides. */
export function segmentsOf(pieces: readonly StreamPiece[], cut = Infinity, start = 0): readonly Segment[] {
  const sent = { client: 0, server: 0 };
  return pieces.flatMap(({ from, bytes }) => {
    const other = from === 'client' ? 'server' : 'client';
    const segments: Segment[] = [];
    for (let at = 0; at < bytes.length; at += cut) {
      const part = bytes.subarray(at, at + cut);
      segments.push({
        ...{ from, bytes: part, sequence: (start + sent[from]) >>> 0 },
        acknowledgement: (start + sent[other]) >>> 0,
      });
      sent[from] += part.length;
    }
    return segments;
  });
}

/** A capture of segments between 192.0.2.1:40001 and 192.0.2.2 at this port. */
export function captureOf(
  segments: readonly Segment[],
  port: number,
  keyLog: readonly string[] = [],
): Uint8Array {
  const client = { host: '192.0.2.1', port: 40_001 };
  const server = { host: '192.0.2.2', port };
  const blocks = [pcapngHeader()];
  if (keyLog.length > 0) blocks.push(secretsBlock(`${keyLog.join('\n')}\n`));
  for (const [index, { from, bytes, sequence, acknowledgement }] of segments.entries()) {
    const [source, destination] = from === 'client' ? [client, server] : [server, client];
    const packet = ipPacket({ source, destination, payload: bytes, tcp: { sequence, acknowledgement } });
    blocks.push(ipPacketBlock(packet!, 1_700_000_000_000 + index));
  }
  return Uint8Array.from(Buffer.concat(blocks));
}
