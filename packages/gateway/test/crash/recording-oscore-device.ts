/**
 * A device under OSCORE that never loses its own numbers, and that remembers every datagram: what the gateway did with its
 * requests, and with its nonces, over all lives of the gateway.
 */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { type CapturedDatagram, Client, OscoreContext, type OscoreState } from 'coapsule';
import { decodeMessage, OptionNumber } from 'coapsule/message';
import { decodeOscoreOption, type OscoreOption } from 'coapsule/oscore';
import { parseOscoreConf } from '../../src/cli/oscore-conf.ts';

/** A Partial IV as a number. */
function numberOf(partialIv: Uint8Array): number {
  return Number.parseInt(Buffer.from(partialIv).toString('hex'), 16);
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

interface Recorded {
  readonly datagram: Uint8Array;
  readonly messageId: number;
  readonly token: string;
  readonly option: OscoreOption | undefined;
  readonly payload: string;
}

function recordOf(datagram: Uint8Array): Recorded | undefined {
  const message = decodeMessage(datagram);
  if (!('options' in message)) return undefined;
  const value = message.options.first(OptionNumber.Oscore);
  const option = value === undefined ? undefined : decodeOscoreOption(value);
  if (option !== undefined && 'reason' in option) throw new Error(option.reason);
  return {
    datagram: datagram.slice(),
    messageId: message.messageId,
    token: hex(message.token),
    option,
    payload: hex(message.payload),
  };
}

/** See the file comment. */
export class RecordingOscoreDevice {
  readonly #context: OscoreContext;
  readonly #stranger: Socket;
  readonly #requests = new Map<string, number>();
  readonly #datagrams: Uint8Array[] = [];
  readonly #sentIds = new Set<number>();
  /** Partial IVs of the gateway's own, and for each the one text that it went with. */
  readonly #ownNumbers = new Map<number, string>();
  /** By the Partial IV of the request: the responses that took its nonce. */
  readonly #requestNonces = new Map<number, Set<string>>();
  #answered = 0;
  #pings = 0;

  /** The end that `device add --oscore generate` has written to `file`. */
  static async open(t: TestContext, file: string): Promise<RecordingOscoreDevice> {
    let state: OscoreState | undefined;
    const context = await OscoreContext.open({
      ...parseOscoreConf(readFileSync(file, 'utf8'), file),
      store: {
        load: async () => state,
        save: async (next) => {
          state = next;
        },
      },
      firstUse: true,
    });
    const stranger = createSocket('udp4').bind(0, '127.0.0.1');
    await once(stranger, 'listening');
    t.after(() => stranger.close());
    return new RecordingOscoreDevice(context, stranger);
  }

  private constructor(context: OscoreContext, stranger: Socket) {
    this.#context = context;
    this.#stranger = stranger;
    stranger.on('message', (datagram) => this.#received(datagram));
  }

  /** For one life of the gateway. Requests do not wait for each other. */
  client(): Client {
    return new Client({
      oscore: this.#context,
      nstartFor: () => 256,
      capture: ({ datagram, direction }: CapturedDatagram) => {
        if (direction === 'received') this.#received(datagram);
        else this.#sent(datagram);
      },
    });
  }

  /** How many messages with a request have gone out, copies of one not counted. */
  get exchanges(): number {
    return this.#sentIds.size;
  }

  /** One above the highest Partial IV of a request that was carried out: its answer has the nonce of the request. */
  get answeredEdge(): number {
    return this.#answered;
  }

  /**
   * Somebody else sends what the device has sent in the last lives; fulfils when the gateway has taken it in. After a restart each
   * may be answered by an Echo with a number of the gateway's own, and more than 256 that wait for the store are answered 5.03.
   */
  async replay(port: number): Promise<void> {
    const datagrams = this.#datagrams.slice(-200);
    // No more than fits into the buffer of a socket.
    for (let from = 0; from < datagrams.length; from += 50) {
      for (const datagram of datagrams.slice(from, from + 50))
        this.#stranger.send(datagram, port, '127.0.0.1');
      await this.#ping(port);
    }
  }

  /** A CoAP ping (RFC 7252 §4.3) is answered after what came before. */
  #ping(port: number): Promise<void> {
    const messageId = [this.#pings >> 8, this.#pings++ & 0xff] as const;
    const ponged = new Promise<void>((resolve) => {
      const listen = (datagram: Uint8Array): void => {
        if (hex(datagram) !== hex(Uint8Array.of(0x70, 0, ...messageId))) return;
        this.#stranger.off('message', listen);
        resolve();
      };
      this.#stranger.on('message', listen);
    });
    this.#stranger.send(Uint8Array.of(0x40, 0, ...messageId), port, '127.0.0.1');
    return ponged;
  }

  #sent(datagram: Uint8Array): void {
    const record = recordOf(datagram);
    if (record?.option?.partialIv === undefined) return;
    this.#sentIds.add(record.messageId);
    this.#datagrams.push(record.datagram);
    this.#requests.set(record.token, numberOf(record.option.partialIv));
  }

  #received(datagram: Uint8Array): void {
    const record = recordOf(datagram);
    if (record?.option === undefined) return;
    const { option, payload, token } = record;
    if (option.partialIv !== undefined) {
      const number = numberOf(option.partialIv);
      const before = this.#ownNumbers.get(number);
      assert.ok(before === undefined || before === payload, `the gateway used its number ${number} twice`);
      this.#ownNumbers.set(number, payload);
      return;
    }
    const request = this.#requests.get(token) as number;
    const texts = this.#requestNonces.get(request) ?? new Set();
    texts.add(payload);
    assert.equal(texts.size, 1, `two answers under the nonce of request ${request}`);
    this.#requestNonces.set(request, texts);
    this.#answered = Math.max(this.#answered, request + 1);
  }
}
