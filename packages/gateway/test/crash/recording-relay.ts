/**
 * A relay between devices and a gateway that records all datagrams: what an attacker on the path has.
 *
 * Each device has an address of its own behind it, the same as long as the test runs.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

/** What one device sent and got. */
export interface RecordedDevice {
  readonly upstream: Socket;
  readonly fromDevice: Uint8Array[];
  readonly fromGateway: Uint8Array[];
}

/** A record as it lies on the wire (RFC 6347 §4.1). */
export interface WireRecord {
  readonly type: number;
  readonly epoch: number;
  readonly sequence: number;
  readonly content: Uint8Array;
}

export class RecordingRelay {
  readonly port: number;
  readonly devices = new Map<string, RecordedDevice>();
  readonly #socket: Socket;

  /** Opens a relay to a port of 127.0.0.1 that ends with the test. */
  static async open(t: TestContext, gatewayPort: number): Promise<RecordingRelay> {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const relay = new RecordingRelay(socket, gatewayPort);
    t.after(() => {
      socket.close();
      for (const { upstream } of relay.devices.values()) upstream.close();
    });
    return relay;
  }

  private constructor(socket: Socket, gatewayPort: number) {
    this.#socket = socket;
    this.port = (socket.address() as AddressInfo).port;
    socket.on('message', (datagram, { port }) => {
      const device = this.#device(port);
      device.fromDevice.push(Uint8Array.from(datagram));
      device.upstream.send(datagram, gatewayPort, '127.0.0.1', () => {});
    });
  }

  #device(port: number): RecordedDevice {
    const known = this.devices.get(String(port));
    if (known !== undefined) return known;
    const upstream = createSocket('udp4').bind(0, '127.0.0.1');
    const device: RecordedDevice = { upstream, fromDevice: [], fromGateway: [] };
    // While the gateway is down the system may report that nobody listens.
    upstream.on('error', () => {});
    upstream.on('message', (datagram) => {
      device.fromGateway.push(Uint8Array.from(datagram));
      this.#socket.send(datagram, port, '127.0.0.1', () => {});
    });
    this.devices.set(String(port), device);
    return device;
  }
}

/** The records of a datagram; those with a connection id have one of `connectionIdLength` bytes (RFC 9146 §4). */
export function recordsOf(datagram: Uint8Array, connectionIdLength: number): WireRecord[] {
  const bytes = Buffer.from(datagram);
  const records: WireRecord[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const type = bytes.readUInt8(offset);
    const idLength = type === 25 ? connectionIdLength : 0;
    const length = bytes.readUInt16BE(offset + 11 + idLength);
    const start = offset + 13 + idLength;
    records.push({
      type,
      epoch: bytes.readUInt16BE(offset + 3),
      sequence: bytes.readUIntBE(offset + 5, 6),
      content: bytes.subarray(start, start + length),
    });
    offset = start + length;
  }
  return records;
}

/**
 * Epoch and sequence number of all protected records that a gateway sent to a device, a list for each handshake: one
 * begins with each ServerHello (RFC 5246 §7.4.1.3) that is not a repetition.
 */
export function numbersSent({ fromGateway }: RecordedDevice): string[][] {
  const handshakes: { readonly hello: string; readonly numbers: string[] }[] = [];
  for (const { type, epoch, sequence, content } of fromGateway.flatMap((one) => recordsOf(one, 0))) {
    if (epoch > 0) {
      handshakes.at(-1)?.numbers.push(`${epoch}/${sequence}`);
    } else if (type === 22 && content[0] === 2) {
      const hello = Buffer.from(content).toString('hex', 12);
      if (!handshakes.some((one) => one.hello === hello)) handshakes.push({ hello, numbers: [] });
    }
  }
  return handshakes.map(({ numbers }) => numbers);
}
