/**
 * Fuzz target: any datagram past an observer that has a key, between a few addresses.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { DtlsObserver } from '../../src/core/dtls/observer/dtls-observer.ts';
import { equalBytes } from '../../src/core/foundation/bytes.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';
import { DtlsPair, sensorKey } from '../scenarios/dtls-pair.ts';
import type { FuzzTarget } from './fuzz-target.ts';

const pair = new DtlsPair({});
pair.connect();
pair.run(60_000, () => pair.bothConnected);
pair.exchange('observed');

const observer = new DtlsObserver(nodeCrypto, {
  masterSecret: () => undefined,
  presharedKey: () => sensorKey,
});
const addresses = ['a', 'b', 'c', 'd'] as const;

export const target: FuzzTarget = {
  name: 'DTLS observer',
  corpus: pair.network.sent.map(({ datagram }) => datagram),
  run(input) {
    const before = input.slice();
    const [source, destination] = [input.length % 4, (input.at(-1) ?? 0) % 4].map(
      (index) => addresses[index]!,
    );
    const { records } = observer.observe(source!, destination!, input);
    assert.ok(equalBytes(input, before), 'the datagram stays as it is');
    for (const { offset, headerLength, length } of records) {
      assert.ok(offset >= 0 && headerLength <= length && offset + length <= input.length);
    }
  },
};
