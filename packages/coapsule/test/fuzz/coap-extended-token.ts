/**
 * Fuzz target: messages with extended tokens (RFC 8974) are messages or faults, as long as they are, and encode to what
 * reads the same; a message without one reads alike with and without the extension.
 */

import { decodeMessage, encodeMessage } from '../../src/core/coap/message-codec.ts';
import { equalBytes, fromHex, toHex } from '../../src/core/foundation/bytes.ts';
import { isDecodeFault } from '../../src/core/foundation/errors.ts';

const corpus: readonly string[] = [
  '40017d34bb74656d7065726174757265',
  `49011234${'61'.repeat(9)}b172`,
  `4c011234${'61'.repeat(12)}b172ff31`,
  `4d01123400${'61'.repeat(13)}b172`,
  `5d011234ff${'61'.repeat(268)}b172`,
  `6e4512340000${'61'.repeat(269)}ff31`,
  `6e451234002f${'61'.repeat(316)}c12eff31`,
  '4e011234ffff6162',
  '4f01123461',
];

/** What the fuzz driver runs. */
export const target: { name: string; corpus: Uint8Array[]; run(input: Uint8Array): void } = {
  name: 'coap-extended-token',
  corpus: corpus.map((text) => fromHex(text) as Uint8Array),
  run(input) {
    const message = decodeMessage(input, 65_804);
    const plain = decodeMessage(input);
    if (isDecodeFault(message)) {
      if (!isDecodeFault(plain)) throw new Error('the extension refuses what RFC 7252 takes');
      return;
    }
    const { token, options, payload } = message;
    if (token.length <= 8 === isDecodeFault(plain))
      throw new Error(`a token of ${token.length} bytes is judged wrongly`);
    const again = decodeMessage(encodeMessage(message, 65_804), 65_804);
    if (isDecodeFault(again)) throw new Error(`encoded message is refused: ${again.reason}`);
    if (!equalBytes(again.token, token) || !equalBytes(again.payload, payload))
      throw new Error('reads differently');
    const text = (entries: Iterable<{ number: number; value: Uint8Array }>): string =>
      [...entries].map(({ number, value }) => `${number}=${toHex(value)}`).join(';');
    if (text(again.options.entries()) !== text(options.entries()))
      throw new Error('options read differently');
  },
};
