/**
 * A connection under test with a peer that is played by hand.
 *
 * @module
 */

import assert from 'node:assert/strict';
import type { MessageContent } from '../../../src/core/coap/message-view.ts';
import { OptionSet } from '../../../src/core/coap/option-set.ts';
import type { OptionValue } from '../../../src/core/coap/option-value.ts';
import { SignalingCode } from '../../../src/core/coap/signaling.ts';
import {
  decodeStreamMessage,
  encodeStreamMessage,
  type StreamFraming,
  type StreamMessage,
} from '../../../src/core/coap/stream-codec.ts';
import { Connection } from '../../../src/core/connection/connection.ts';
import { type ConnectionConfig, connectionConfig } from '../../../src/core/connection/connection-config.ts';
import type { ConnectionEnd, ConnectionOutput } from '../../../src/core/connection/connection-output.ts';
import { fromHex } from '../../../src/core/foundation/bytes.ts';
import { isDecodeFault } from '../../../src/core/foundation/errors.ts';
import { after, type Instant, instant } from '../../../src/core/foundation/instant.ts';
import { encodeUtf8 } from '../../../src/core/foundation/utf8.ts';

/** Bytes from hexadecimal digits and spaces. */
export function bytes(text: string): Uint8Array {
  return fromHex(text.replaceAll(' ', '')) as Uint8Array;
}

/** A message of the peer. */
export function message(
  code: number,
  options: readonly (readonly [number: number, value: OptionValue])[] = [],
  { token = '', payload = '' }: { readonly token?: string; readonly payload?: string } = {},
): MessageContent {
  const set = new OptionSet();
  for (const [number, value] of options) set.add(number, value);
  return { code, token: bytes(token), options: set, payload: encodeUtf8(payload) };
}

/** The least a peer has to say. */
export const csm: MessageContent = message(SignalingCode.Csm);

/** See the module comment. */
export class ConnectionUnderTest {
  readonly machine: Connection;
  readonly #framing: StreamFraming;
  now: Instant = instant(0);
  /** Messages that the machine sent. */
  readonly sent: StreamMessage[] = [];
  /** Everything else it said. */
  readonly outputs: Exclude<ConnectionOutput, { kind: 'transmit' }>[] = [];

  constructor(config: Partial<ConnectionConfig> = {}, framing: StreamFraming = 'tcp') {
    this.#framing = framing;
    this.machine = new Connection(framing, connectionConfig(config), this.now);
    this.drain();
  }

  /** One whose peer has sent its CSM. */
  static open(config: Partial<ConnectionConfig> = {}, framing: StreamFraming = 'tcp'): ConnectionUnderTest {
    const connection = new ConnectionUnderTest(config, framing);
    connection.receive(csm);
    connection.sent.length = 0;
    connection.outputs.length = 0;
    return connection;
  }

  receive(...messages: readonly MessageContent[]): this {
    for (const one of messages) this.receiveBytes(encodeStreamMessage(one, this.#framing));
    return this;
  }

  receiveBytes(chunk: Uint8Array): this {
    this.machine.handle(chunk, this.now);
    return this.drain();
  }

  /** Lets time pass, with all that is due on the way. */
  pass(durationMs: number): this {
    const until = after(this.now, durationMs);
    for (let next = this.machine.nextTimeout(); next !== undefined && next <= until; ) {
      this.now = next;
      this.machine.handleTimeout(next);
      this.drain();
      const following = this.machine.nextTimeout();
      assert.ok(following === undefined || following > next, 'a timer that was run must not be due again');
      next = following;
    }
    this.now = until;
    return this;
  }

  drain(): this {
    for (let output = this.machine.poll(); output !== undefined; output = this.machine.poll()) {
      if (output.kind !== 'transmit') {
        this.outputs.push(output);
        continue;
      }
      const decoded = decodeStreamMessage(output.bytes, this.#framing);
      assert.ok(!isDecodeFault(decoded), 'what is sent is a message');
      this.sent.push(decoded);
    }
    return this;
  }

  /** How it ended; fails when it did not. */
  get end(): ConnectionEnd {
    const ended = this.outputs.find((output) => output.kind === 'ended');
    assert.ok(ended?.kind === 'ended', `it goes on: ${JSON.stringify(this.outputs)}`);
    return ended.end;
  }

  get kinds(): readonly string[] {
    return this.outputs.map(({ kind }) => kind);
  }
}
