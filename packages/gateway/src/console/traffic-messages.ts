/**
 * One datagram of the ring as the console's list has it: who, which way, what it says in a line, and what it belongs to.
 */
import { isRequestCode, type Message } from 'coapsule/message';
import { codeLabel, pathText } from '../cli/message-text.ts';
import type { DecodedPacket } from '../decode/capture-decoder.ts';
import type { DecodedPart } from '../decode/decoded-part.ts';
import { BoundedMap } from '../memory/bounded-map.ts';
import type { TrafficItem } from '../traffic/traffic-ring.ts';
import type { TrafficDetail, TrafficMessage } from './api-types.ts';
import { hexOf } from './hex.ts';

/** Paths of requests that are remembered for their responses. */
const mostPaths = 10_000;

/** Problems of one message that are shown. */
const mostProblems = 8;

/** A message, and its CoAP where that could be read. */
export interface SeenTraffic {
  readonly message: TrafficMessage;
  readonly coap: Message | undefined;
}

/** Knows the path of a response by the request before it. */
export class TrafficMessages {
  readonly #paths = new BoundedMap<string, string>(mostPaths);

  /** @param identity Who is at that address, if somebody has proved that. */
  seen({ number, captured }: TrafficItem, packet: DecodedPacket, identity: string | null): SeenTraffic {
    const { direction, remote, datagram, wallTimeMs } = captured;
    const part = packet.parts.find(({ message }) => message !== undefined);
    const coap = part && (part.oscore?.inner ?? part.message);
    const isSecure =
      packet.datagram?.dtls !== undefined || part?.isSecured === true || part?.oscore?.inner !== undefined;
    return {
      coap,
      message: {
        ...{ number, atMs: wallTimeMs, direction, peer: remote.key, identity },
        protocol: protocolOf(packet, part),
        isSecure,
        length: datagram.length,
        type: part?.message === undefined || part.isReliable === true ? null : part.message.type,
        code: coap === undefined ? packet.summary.slice(0, 100) : codeLabel(coap.code),
        messageId: part?.message === undefined || part.isReliable === true ? null : part.message.messageId,
        tokenHex: part?.message === undefined ? null : hexOf(part.message.token),
        path: coap === undefined ? null : this.#pathOf(coap, remote.key),
        summary: packet.summary,
        problems: packet.parts.flatMap(({ problems }) => problems).slice(0, mostProblems),
      },
    };
  }

  #pathOf(message: Message, peer: string): string | null {
    const key = `${peer} ${hexOf(message.token)}`;
    if (!isRequestCode(message.code)) return this.#paths.get(key) ?? null;
    const path = pathText(message.options);
    this.#paths.set(key, path);
    return path;
  }
}

function protocolOf(packet: DecodedPacket, part: DecodedPart | undefined): TrafficMessage['protocol'] {
  if (part !== undefined) return part.oscore === undefined ? 'coap' : 'oscore';
  return packet.datagram?.dtls === undefined ? 'other' : 'dtls';
}

/** All layers, each with its own bytes: those inside of DTLS are decrypted. */
export function layersOf(packet: DecodedPacket): TrafficDetail['layers'] {
  return packet.parts.map(({ name, bytes, fields, problems }) => ({
    ...{ name, bytesHex: hexOf(bytes), fields, problems },
  }));
}
