/**
 * Fuzz target: bytes are SenML in JSON or CBOR, or a fault; what resolves can be written, and reads as it was.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { fromHex } from '../../src/core/foundation/bytes.ts';
import {
  decodeSenmlCbor,
  decodeSenmlJson,
  encodeSenmlCbor,
  encodeSenmlJson,
  isDecodeFault,
  resolveSenml,
} from '../../src/senml.ts';

const vectors = JSON.parse(
  readFileSync(new URL('../vectors/coap/rfc8428-senml.json', import.meta.url), 'utf8'),
) as { examples: { pack: object[] }[]; cbor_example_section_6: string };

/** What the fuzz driver runs. */
export const target: { name: string; corpus: Uint8Array[]; run(input: Uint8Array): void } = {
  name: 'senml',
  corpus: [
    fromHex(vectors.cbor_example_section_6) as Uint8Array,
    ...vectors.examples.map(({ pack }) => new TextEncoder().encode(JSON.stringify(pack))),
    ...vectors.examples.map(({ pack }) => encodeSenmlCbor(recordsOf(pack))),
  ],
  run(input) {
    for (const decode of [decodeSenmlJson, decodeSenmlCbor]) {
      const records = decode(input);
      if (isDecodeFault(records)) continue;
      const resolved = resolveSenml(records, { now: 1e9 });
      if (isDecodeFault(resolved)) continue;
      const again = decodeSenmlCbor(encodeSenmlCbor(resolved));
      if (isDecodeFault(again)) throw new Error(`written Records are not read: ${again.reason}`);
      // The order of fields says nothing, and the CBOR has its own (RFC 8949 §4.2.1).
      const [written, read] = [resolved, again].map((one) => JSON.parse(encodeSenmlJson(one)));
      if (!isDeepStrictEqual(written, read)) throw new Error('written Records read differently');
    }
  },
};

function recordsOf(pack: object[]): Parameters<typeof encodeSenmlCbor>[0] {
  const records = decodeSenmlJson(JSON.stringify(pack));
  if (isDecodeFault(records)) throw new Error(records.reason);
  return records;
}
