/**
 * A message layer on a virtual clock, with what a test reads and writes in short.
 */

import assert from 'node:assert/strict';
import { Code } from '../../../src/core/coap/code.ts';
import { decodeMessage, encodeMessage, isDecodeFault } from '../../../src/core/coap/message-codec.ts';
import type { Message, MessageType, MessageView } from '../../../src/core/coap/message-view.ts';
import { OptionSet } from '../../../src/core/coap/option-set.ts';
import {
  type TransmissionParameters,
  transmissionParameters,
} from '../../../src/core/coap/transmission-parameters.ts';
import { noBytes } from '../../../src/core/foundation/bytes.ts';
import { after, type Instant } from '../../../src/core/foundation/instant.ts';
import type { RandomSource } from '../../../src/core/foundation/random-source.ts';
import {
  type CongestionControlName,
  MessageLayer,
  type MessageLayerLimits,
  type MessageLayerOutput,
  type OutgoingMessage,
  type PeerKey,
  type QueueOptions,
  type Received,
  type ReplyHandle,
  type TransmissionId,
} from '../../../src/core/message-layer/message-layer.ts';
import { SeededRandom } from '../../../src/testing/seeded-random.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

/** Gives the same byte for ever: 0 for the lowest, 255 for the highest random number. */
export function constantRandom(byte: number): RandomSource {
  return { fill: (bytes) => bytes.fill(byte) };
}

export const peer = '192.0.2.1:5683';
export const token: Uint8Array = Uint8Array.of(0xca, 0xfe);

/** A message to send, with an empty token, no options and no payload unless given. */
export function outgoing(code: number, parts: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return { code, token, options: new OptionSet(), payload: noBytes, ...parts };
}

/** A message as it comes from the network. */
export function incoming(
  type: MessageType,
  code: number,
  messageId: number,
  parts: Partial<Message> = {},
): MessageView {
  return decoded(
    encodeMessage({
      type,
      code,
      messageId,
      token: code === Code.Empty ? noBytes : token,
      options: new OptionSet(),
      payload: noBytes,
      ...parts,
    }),
  );
}

export function decoded(datagram: Uint8Array): MessageView {
  const message = decodeMessage(datagram);
  assert.ok(!isDecodeFault(message), 'the test wrote a message that cannot be decoded');
  return message;
}

/** Type, code and Message ID of a datagram, such as `ACK 69 #7`. */
export function summary(datagram: Uint8Array): string {
  const { type, code, messageId } = decoded(datagram);
  return `${type} ${code} #${messageId}`;
}

export class LayerUnderTest {
  readonly clock: VirtualClock = new VirtualClock();
  readonly layer: MessageLayer;

  constructor(
    options: {
      random?: RandomSource;
      parameters?: Partial<TransmissionParameters>;
      limits?: Partial<MessageLayerLimits>;
      authenticatedPeers?: boolean;
      congestionControl?: CongestionControlName;
      nstartOf?: (peer: PeerKey) => number | undefined;
    } = {},
  ) {
    this.layer = new MessageLayer({
      parameters: transmissionParameters(options.parameters),
      random: options.random ?? new SeededRandom(1),
      limits: options.limits ?? {},
      authenticatedPeers: options.authenticatedPeers ?? false,
      congestionControl: options.congestionControl ?? 'rfc7252',
      nstartOf: options.nstartOf ?? (() => undefined),
    });
  }

  get now(): Instant {
    return this.clock.now;
  }

  receive(message: MessageView, from: string = peer): Received {
    return this.layer.receive(from, message, this.now);
  }

  /** Takes a request that must be handed up, and returns the handle. */
  accept(message: MessageView, from: string = peer): ReplyHandle {
    const received = this.receive(message, from);
    assert.equal(received.kind, 'request');
    return received.kind === 'request' ? received.reply : assert.fail();
  }

  send(
    type: 'CON' | 'NON',
    code: number,
    to: string = peer,
    queue: QueueOptions = {},
    parts: Partial<OutgoingMessage> = {},
  ): TransmissionId {
    return this.layer.send(to, type, outgoing(code, parts), this.now, queue);
  }

  /** By default keeps the answers that say that the request had an effect. */
  reply(
    handle: ReplyHandle,
    code: number,
    keepAnswer: boolean = code === Code.Created || code === Code.Changed,
    parts: Partial<OutgoingMessage> = {},
  ): void {
    this.layer.reply(handle, outgoing(code, parts), { keepAnswer }, this.now);
  }

  outputs(): MessageLayerOutput[] {
    const outputs: MessageLayerOutput[] = [];
    for (let output = this.layer.poll(); output; output = this.layer.poll()) outputs.push(output);
    return outputs;
  }

  /** Datagrams that went out since the last look; drops the other outputs. */
  transmitted(): Uint8Array[] {
    return this.outputs().flatMap((output) => (output.kind === 'transmit' ? [output.datagram] : []));
  }

  summaries(): string[] {
    return this.transmitted().map(summary);
  }

  /** Runs every timeout until `durationMs` have passed. Returns the outputs with their times from now. */
  run(durationMs: number): { readonly atMs: number; readonly output: MessageLayerOutput }[] {
    const start = this.now;
    const end = after(start, durationMs);
    const log: { atMs: number; output: MessageLayerOutput }[] = [];
    const look = (): void => {
      for (const output of this.outputs()) log.push({ atMs: this.now - start, output });
    };
    look();
    for (;;) {
      const next = this.layer.nextTimeout();
      if (next === undefined || next > end) break;
      if (next > this.now) this.clock.advanceTo(next);
      this.layer.handleTimeout(this.now);
      look();
    }
    this.clock.advanceTo(end);
    this.layer.handleTimeout(end);
    look();
    return log;
  }

  /** Times of the transmissions, and of the give-up, that `run` sees. */
  timeline(durationMs: number): string[] {
    return this.run(durationMs)
      .filter(({ output }) => output.kind === 'transmit' || output.kind === 'timed-out')
      .map(({ atMs, output }) => `${Math.round(atMs) / 1000} ${output.kind}`);
  }
}
