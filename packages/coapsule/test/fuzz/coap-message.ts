/**
 * Fuzz target: a datagram is a message or a fault; a message encodes to one that reads the same.
 *
 * @module
 */

import { decodeMessage, encodeMessage } from '../../src/core/coap/message-codec.ts';
import type { Message } from '../../src/core/coap/message-view.ts';
import { isLegalOptionValue, optionDefinition } from '../../src/core/coap/option-registry.ts';
import { fromHex, toHex } from '../../src/core/foundation/bytes.ts';
import { isDecodeFault } from '../../src/core/foundation/errors.ts';

const corpus: readonly string[] = [
  '40017d34bb74656d7065726174757265',
  '60457d34ff32322e332043',
  '410116334a605b74656d7065726174757265',
  '61451634b24578797a7a79212c810fff31392e372043656c',
  '70007d38',
  // Observe, Uri-Path with an extended length, Block2, Size1, Echo, Request-Tag, payload
  '48021234010203040506070860 5d00 74656d70657261747572655f31 c12e d114 2c dd4c00 6563686f31323334353637383930 d11b 01 ff 22',
  // extended deltas and lengths of both sizes
  `44011234aabbccdd dd000d ${'61'.repeat(26)} ee0000 0000 ${'62'.repeat(269)}`,
  // the highest option number
  '40011234e0fef2',
];

/** What the fuzz driver runs. */
export const target: { name: string; corpus: Uint8Array[]; run(input: Uint8Array): void } = {
  name: 'coap-message',
  corpus: corpus.map((text) => fromHex(text.replaceAll(' ', '')) as Uint8Array),
  run(input) {
    const before = toHex(input);
    const message = decodeMessage(input);
    if (isDecodeFault(message)) {
      if (!(message.offset >= 0 && message.offset <= input.length))
        throw new Error('fault offset outside the datagram');
      if ((message.type === undefined) !== (message.messageId === undefined))
        throw new Error('half a header in a fault');
      return;
    }
    const text = describe(message);
    const again = decodeMessage(encodeMessage(message));
    if (isDecodeFault(again)) throw new Error(`encoded message is refused: ${again.reason}`);
    if (describe(again) !== text) throw new Error('encoded message reads differently');
    if (toHex(input) !== before) throw new Error('decoding changed the datagram');
  },
};

/** Reads everything a message has, by all ways there are, into one text. */
function describe(message: Message): string {
  const { type, code, messageId, token, options, payload } = message;
  let text = `${type} ${code} ${messageId} ${toHex(token)}`;
  const entries = [...options.entries()];
  let previous = 0;
  for (const { number, value } of entries) {
    if (number < previous || number > 65_535) throw new Error(`option ${number} behind option ${previous}`);
    previous = number;
    const definition = optionDefinition(number);
    const legal = definition === undefined ? '' : isLegalOptionValue(definition, value);
    text += `; ${number}=${toHex(value)} ${legal}`;
  }
  for (const number of [...new Set(entries.map((entry) => entry.number))].slice(0, 32)) {
    if (!options.has(number)) throw new Error(`option ${number} is there and is not found`);
    text += `; ${options.uint(number)} ${options.text(number)} ${options.texts(number).length}`;
  }
  return `${text}; ${toHex(payload)}`;
}
