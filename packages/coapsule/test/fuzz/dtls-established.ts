/**
 * Fuzz target: an established association whose peer is authentic but does what it likes, from any address.
 *
 * The input is a script of steps: two bytes choose the step, the address it comes from and the content type, a third
 * one the length of the content; the length of the whole chooses whether there are routability checks. What goes to an address that proved nothing stays below three times what came from it.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { ContentType } from '../../src/core/dtls/record/record-header.ts';
import { concatBytes } from '../../src/core/foundation/bytes.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { home, MadeAssociations } from '../unit/dtls/made-association.ts';
import type { FuzzTarget } from './fuzz-target.ts';

const addresses = [home, ...[1, 2, 3].map((port) => ipAddress('198.51.100.1', port))];
const contentTypes = Object.values(ContentType);

function step(kind: number, address: number, type: number, content: readonly number[]): Uint8Array {
  return Uint8Array.from([kind | (address << 2), type, content.length, ...content]);
}

export const target: FuzzTarget = {
  name: 'DTLS records of an established association',
  corpus: [
    concatBytes(
      step(0, 0, 3, [1, 2, 3]),
      step(0, 1, 3, [4, 5, 6]),
      step(1, 0, 0, [40, 40, 40]),
      step(2, 0, 0, [255]),
      step(0, 1, 4, [1, 1, 2, 3, 4, 5, 6, 7, 8]),
      step(3, 0, 0, []),
    ),
    concatBytes(step(0, 2, 4, [0, 1, 2, 3, 4, 5, 6, 7, 8]), step(0, 0, 1, [1, 0]), step(0, 1, 2, [0, 0, 0])),
  ],
  run(input) {
    runScript(input, input.length % 2 === 0);
  },
};

function runScript(input: Uint8Array, returnRoutabilityCheck: boolean): void {
  const made = new MadeAssociations({ idleTimeoutMs: 100_000, keepAliveMs: 10_000 });
  const peer = made.add({ own: Uint8Array.of(1, 2), peer: Uint8Array.of(3), returnRoutabilityCheck });
  const received = new Map<string, number>();
  const sent = new Map<string, number>();
  const proved = new Set([home.key]);
  for (let at = 0; at + 3 <= input.length && at < 150; ) {
    const [first, type, length] = input.subarray(at, at + 3) as unknown as [number, number, number];
    const content = input.slice(at + 3, at + 3 + length);
    at += 3 + length;
    const from = addresses[(first >> 2) % addresses.length] ?? home;
    switch (first & 3) {
      case 0: {
        const record = peer.sealed(content, contentTypes[type % contentTypes.length]);
        const [reason] = peer.give(record, from);
        if (reason !== 'no slot') received.set(from.key, (received.get(from.key) ?? 0) + record.length);
        break;
      }
      case 1:
        for (const size of content) made.table.send(peer.association, new Uint8Array(size * 8));
        break;
      case 2:
        made.pass(100 * (content[0] ?? 1));
        break;
      case 3:
        if (!returnRoutabilityCheck && peer.info !== undefined) proved.add(peer.info.address.key);
        made.table.confirmAddress(peer.association);
    }
    for (const output of made.take()) {
      // What waited goes out with the proof, so that counts first.
      if (output.kind === 'address-changed' && output.validated) proved.add(output.to.key);
      if (output.kind !== 'transmit') continue;
      sent.set(output.address.key, (sent.get(output.address.key) ?? 0) + output.datagram.length);
    }
    for (const [address, bytes] of sent) {
      if (proved.has(address)) continue;
      assert.ok(bytes <= 3 * (received.get(address) ?? 0), `${bytes} bytes to ${address}`);
    }
  }
  made.table.close(peer.association, 'local');
  made.pass(1_000_000);
  assert.equal(made.table.nextTimeout(), undefined);
  assert.equal(made.table.size, 0);
}
