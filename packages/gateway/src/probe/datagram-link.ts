/**
 * The way that a coap or coaps URI names: CoAP messages in datagrams, plain or in records of an association that is there.
 *
 * RFC 7252 §4.2 as far as a probe needs it: one repetition, separate responses are acknowledged, what nobody asked for gets a
 * Reset. The handshake was made by the library's client, with all its checks.
 *
 * @module
 */

import { ipAddress } from 'coapsule/core';
import { type DtlsConfig, DtlsLayer } from 'coapsule/dtls';
import {
  Code,
  decodeMessage,
  encodeMessage,
  isDecodeFault,
  type MessageView,
  OptionNumber,
  OptionSet,
} from 'coapsule/message';
import { fastCrypto, monotonicClock, systemRandom } from 'coapsule/node';
import { collect, DatagramSocket, type ProbeAddress } from './datagram-socket.ts';
import { messageBytes, messageId } from './message-bytes.ts';
import type { ProbePace } from './probe-pace.ts';
import type { Answer, AskStep, DatagramStep, DatagramsSeen } from './probe-step.ts';

/** An association to go on with, from the port that it was made from. */
export interface TakenOver {
  readonly port: number;
  readonly state: Uint8Array;
  readonly config: Partial<DtlsConfig>;
}

/** See the module comment. Made by `open`. */
export class DatagramLink {
  readonly #socket: DatagramSocket;
  readonly #pace: ProbePace;
  readonly #server: ReturnType<typeof ipAddress>;
  readonly #random: (length: number) => Uint8Array;
  readonly #records: { readonly layer: DtlsLayer; readonly association: number } | undefined;
  #messageId: number;
  #heard: ((message: Uint8Array) => void) | undefined;
  #failed: ((reason: string) => void) | undefined;

  static async open(
    server: ProbeAddress,
    pace: ProbePace,
    random: (length: number) => Uint8Array,
    takenOver?: TakenOver,
  ): Promise<DatagramLink> {
    const socket = await DatagramSocket.open(server, takenOver?.port);
    try {
      return new DatagramLink(socket, server, pace, random, takenOver);
    } catch (error) {
      await socket.close();
      throw error;
    }
  }

  private constructor(
    socket: DatagramSocket,
    server: ProbeAddress,
    pace: ProbePace,
    random: (length: number) => Uint8Array,
    takenOver: TakenOver | undefined,
  ) {
    this.#socket = socket;
    this.#pace = pace;
    this.#random = random;
    this.#server = ipAddress(server.host, server.port);
    this.#messageId = messageId(random(2));
    if (takenOver !== undefined) {
      const layer = new DtlsLayer({
        role: 'client',
        crypto: fastCrypto(),
        random: systemRandom,
        config: takenOver.config,
      });
      const association = layer.importAssociation(takenOver.state, this.#server, {}, monotonicClock.now());
      if (typeof association === 'string')
        throw new Error(`the association cannot be taken over: ${association}`);
      this.#records = { layer, association };
    }
    socket.listen(
      (datagram) => this.#receive(datagram),
      (reason) => this.#failed?.(reason),
    );
    this.#pump();
  }

  /** A request, and what answers it. */
  async ask({ code, options, payload, token = this.#random(4) }: AskStep): Promise<Answer> {
    this.#messageId = (this.#messageId + 1) & 0xffff;
    const id = this.#messageId;
    const request = encodeMessage({
      type: 'CON',
      code,
      messageId: id,
      token,
      options: OptionSet.from(options),
      payload,
    });
    const isCancellation = options.some(
      ({ number, value }) => number === OptionNumber.Observe && value.length === 1 && value[0] === 1,
    );
    let isAcknowledged = false;
    let answer: Answer | undefined;
    const judge = (bytes: Uint8Array): boolean => {
      const message = decodeMessage(bytes);
      if (isDecodeFault(message)) return false;
      const isOurs = message.messageId === id;
      if (message.type === 'RST' && isOurs) answer = { kind: 'reset' };
      else if (message.type === 'ACK' && isOurs && message.code === Code.Empty) isAcknowledged = true;
      else if (message.type === 'ACK' && isOurs) answer = responseOf(message, false);
      else if (message.type === 'CON' || message.type === 'NON') {
        const isForUs =
          sameBytes(message.token, token) && !(isCancellation && message.options.has(OptionNumber.Observe));
        if (message.type === 'CON') this.#reply(isForUs ? 'ACK' : 'RST', message.messageId);
        if (isForUs) answer = responseOf(message, true);
      }
      return answer !== undefined;
    };
    for (let attempt = 0; attempt < 2 && !isAcknowledged; attempt++) {
      const refusal = await this.#pace.turn();
      if (refusal !== undefined)
        return attempt === 0 ? { kind: 'not-sent', reason: refusal } : { kind: 'silence' };
      const startMs = performance.now();
      const { unreachable } = await this.#collect(
        () => this.#send(request),
        this.#pace.answerMs,
        (received) => judge(received.at(-1) as Uint8Array) || isAcknowledged,
      );
      if (answer !== undefined || isAcknowledged) this.#pace.answered(performance.now() - startMs);
      if (answer !== undefined) return answer;
      if (unreachable !== undefined) return { kind: 'unreachable', reason: unreachable };
    }
    if (!isAcknowledged) return { kind: 'silence' };
    // RFC 7252 §5.2.2: the response comes by itself, when it is there.
    await this.#collect(
      () => {},
      3 * this.#pace.answerMs,
      (received) => judge(received.at(-1) as Uint8Array),
    );
    return answer ?? { kind: 'acknowledged' };
  }

  /** Messages as they are, and all that comes back. */
  async exchange({ datagrams, isEnough, isLast }: DatagramStep): Promise<DatagramsSeen> {
    const refusal = await this.#pace.turn();
    if (refusal !== undefined) return { kind: 'datagrams', received: [], notSent: refusal };
    const startMs = performance.now();
    const seen = await this.#collect(
      () => {
        for (const message of datagrams) this.#send(message);
      },
      isLast === true ? 0 : this.#pace.listeningMs,
      (received) => {
        this.#pace.answered(performance.now() - startMs);
        return isEnough?.(received) ?? false;
      },
    );
    return { kind: 'datagrams', ...seen };
  }

  async close(): Promise<void> {
    this.#records?.layer.close(this.#records.association, monotonicClock.now());
    this.#pump();
    await this.#socket.close();
  }

  #collect(
    send: () => void,
    waitMs: number,
    isEnough: (received: readonly Uint8Array[]) => boolean,
  ): ReturnType<typeof collect> {
    return collect(
      (heard, failed) => {
        this.#heard = heard;
        this.#failed = failed;
      },
      send,
      { waitMs, isEnough },
    );
  }

  #reply(type: 'ACK' | 'RST', messageId: number): void {
    this.#send(messageBytes({ type, code: 0, messageId }));
  }

  #send(message: Uint8Array): void {
    if (this.#records === undefined) {
      this.#socket.send(message);
      return;
    }
    this.#records.layer.send(this.#records.association, message, monotonicClock.now());
    this.#pump();
  }

  #receive(datagram: Uint8Array): void {
    if (this.#records === undefined) {
      this.#heard?.(datagram);
      return;
    }
    this.#records.layer.handle({ address: this.#server, datagram }, monotonicClock.now());
    this.#pump();
  }

  #pump(): void {
    if (this.#records === undefined) return;
    const { layer } = this.#records;
    for (let output = layer.poll(); output !== undefined; output = layer.poll()) {
      if (output.kind === 'application-data') this.#heard?.(Uint8Array.from(output.data));
      else if (output.kind === 'transmit') this.#socket.send(output.datagram);
      else if (output.kind === 'closed') this.#failed?.(`the peer ended the association (${output.reason})`);
    }
  }
}

function responseOf({ code, options, payload }: MessageView, isSeparate: boolean): Answer {
  return { kind: 'response', code, options, payload, isSeparate };
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}
