/**
 * Captures made for the tests of the diagnosis: message by message, or of a pair of endpoints on the simulated network.
 *
 * What is made is a pcapng file, read and decoded as one from anywhere.
 *
 * @module
 */

import { encodeMessage, type LinkProfileName, linkProfiles, type Message, OptionSet } from 'coapsule/message';
import type { ObservableContext } from 'coapsule/oscore';
import { type Pair, pairPsk } from 'coapsule/testing';
import { readCapture } from '../../src/capture/capture-reader.ts';
import { ipPacketBlock, packetBlock, pcapngHeader } from '../../src/capture/pcapng.ts';
import { CaptureDecoder } from '../../src/decode/capture-decoder.ts';
import { OscoreMessages } from '../../src/decode/oscore-messages.ts';
import { KnownSecrets } from '../../src/decode/secrets.ts';
import { Diagnosis } from '../../src/diagnosis/diagnosis.ts';
import type { Finding } from '../../src/diagnosis/finding.ts';

/** An address. */
export interface Host {
  readonly host: string;
  readonly port: number;
}

export const device: Host = { host: '192.0.2.1', port: 40_001 };
export const gateway: Host = { host: '192.0.2.2', port: 5683 };

/** What a message is, the rest is usual. */
export type MessageParts = Partial<Omit<Message, 'options' | 'payload'>> & {
  readonly options?: readonly (readonly [number: number, value: string | number | Uint8Array])[];
  readonly payload?: string | Uint8Array;
};

/** When captures begin, in milliseconds since 1970. */
const startMs = 1_700_000_000_000;

/** A capture that grows. */
export class CaptureFixture {
  readonly #blocks: Uint8Array[] = [pcapngHeader()];
  #contexts: readonly ObservableContext[] = [];
  #nextId = 1;

  /** One message, `atMs` after the start. */
  message(from: Host, to: Host, atMs: number, parts: MessageParts): this {
    const { options = [], payload = '', ...rest } = parts;
    const set = options.reduce((all, [number, value]) => all.add(number, value), new OptionSet());
    return this.datagram(
      from,
      to,
      atMs,
      encodeMessage({
        ...{ type: 'CON', code: 1, messageId: this.#nextId++, token: Uint8Array.of(1, 2, 3, 4) },
        ...rest,
        options: set,
        payload: typeof payload === 'string' ? new TextEncoder().encode(payload) : payload,
      }),
    );
  }

  /** Any datagram. */
  datagram(from: Host, to: Host, atMs: number, datagram: Uint8Array): this {
    this.#blocks.push(packetBlock({ source: from, destination: to, payload: datagram }, startMs + atMs)!);
    return this;
  }

  /** An IP packet. */
  packet(atMs: number, packet: Uint8Array): this {
    this.#blocks.push(ipPacketBlock(packet, startMs + atMs));
    return this;
  }

  /** All that a pair has sent, as it is seen at the client's side. */
  pair({ network }: Pick<Pair, 'network'>): this {
    for (const { from, to, datagram, sentAt } of network.sent) this.datagram(from, to, sentAt, datagram);
    return this;
  }

  /** OSCORE contexts with which it is looked at. */
  knowing(...contexts: readonly ObservableContext[]): this {
    this.#contexts = contexts;
    return this;
  }

  /** The file. */
  get file(): Uint8Array {
    return Uint8Array.from(Buffer.concat(this.#blocks));
  }

  /** What is found in it. @param link the narrowest of the path. */
  findings(link?: LinkProfileName): readonly Finding[] {
    const { packets, fault } = readCapture(this.file);
    if (fault !== undefined) throw new Error(fault.reason);
    const secrets = new KnownSecrets([
      { identity: new TextEncoder().encode(pairPsk.identity), key: pairPsk.key },
    ]);
    const contexts = this.#contexts.length === 0 ? undefined : new OscoreMessages(this.#contexts);
    const decoder = new CaptureDecoder(secrets, [], contexts);
    const diagnosis = new Diagnosis(link && linkProfiles[link]);
    for (const packet of packets) diagnosis.see(decoder.decode(packet));
    return diagnosis.findings();
  }
}
