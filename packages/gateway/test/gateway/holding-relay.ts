/** A way to the gateway on which the end of a handshake can be held back: all from ChangeCipherSpec on. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { TestContext } from 'node:test';

const changeCipherSpec = 20;

export class HoldingRelay {
  /** `coaps://host:port` to ask instead of the gateway. */
  readonly uri: string;
  /** Fulfils when something is held back. */
  readonly holding: Promise<void>;
  readonly #release: () => void;

  /** Open a relay that ends with the test. */
  static async open(t: TestContext, gatewayUri: string): Promise<HoldingRelay> {
    const front = createSocket('udp4').bind(0, '127.0.0.1');
    const back = createSocket('udp4').bind(0, '127.0.0.1');
    t.after(() => {
      front.close();
      back.close();
    });
    await Promise.all([once(front, 'listening'), once(back, 'listening')]);
    return new HoldingRelay(front, back, Number(gatewayUri.split(':').at(-1)));
  }

  private constructor(front: Socket, back: Socket, gatewayPort: number) {
    this.uri = `coaps://127.0.0.1:${front.address().port}`;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.holding = promise;
    const held: Uint8Array[] = [];
    let isHolding = true;
    let clientPort = 0;
    const toGateway = (datagram: Uint8Array): void => back.send(datagram, gatewayPort, '127.0.0.1');
    front.on('message', (datagram, { port }) => {
      clientPort = port;
      let at = 0;
      // Records of one datagram: type, version, epoch, sequence number, length (RFC 6347 §4.1).
      while (at < datagram.length && datagram[at] !== changeCipherSpec && isHolding) {
        if (datagram.readUInt16BE(at + 3) !== 0) break;
        at += 13 + datagram.readUInt16BE(at + 11);
      }
      if (!isHolding) at = datagram.length;
      if (at > 0) toGateway(datagram.subarray(0, at));
      if (at < datagram.length) {
        held.push(datagram.subarray(at));
        resolve();
      }
    });
    back.on('message', (datagram) => front.send(datagram, clientPort, '127.0.0.1'));
    this.#release = () => {
      isHolding = false;
      for (const datagram of held.splice(0)) toGateway(datagram);
    };
  }

  /** Let it through, and all that comes later. */
  release(): void {
    this.#release();
  }
}
