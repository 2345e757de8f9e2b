/**
 * Fuzz target: bytes are a CBOR item or a fault; an item has one encoding, which reads as the same item.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import { decodeCbor, decodeCborSequence } from '../../src/core/cbor/decode.ts';
import { encodeCbor } from '../../src/core/cbor/encode.ts';
import { equalBytes, fromHex } from '../../src/core/foundation/bytes.ts';
import { isDecodeFault } from '../../src/core/foundation/errors.ts';

const { vectors } = JSON.parse(
  readFileSync(new URL('../vectors/cbor/rfc8949-appendix-a.json', import.meta.url), 'utf8'),
) as { vectors: { hex: string }[] };

/** What the fuzz driver runs. */
export const target: { name: string; corpus: Uint8Array[]; run(input: Uint8Array): void } = {
  name: 'cbor',
  corpus: vectors.map(({ hex }) => fromHex(hex) as Uint8Array),
  run(input) {
    const decoded = decodeCbor(input);
    const strict = decodeCbor(input, { deterministic: true });
    if (isDecodeFault(decoded)) {
      if (!(decoded.offset >= 0 && decoded.offset <= input.length))
        throw new Error('fault offset outside the input');
      if (!isDecodeFault(strict)) throw new Error('deterministic, but not well-formed');
      decodeCborSequence(input);
      return;
    }
    const encoded = encodeCbor(decoded.value);
    const again = decodeCbor(encoded, { deterministic: true });
    if (isDecodeFault(again) || !equalBytes(encodeCbor(again.value), encoded)) {
      throw new Error('encoded item reads differently');
    }
    const sequence = decodeCborSequence(input);
    if (isDecodeFault(sequence) || sequence.length !== 1) throw new Error('one item is no sequence of one');
  },
};
