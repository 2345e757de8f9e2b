/**
 * A capture file, decoded with what it holds itself and perhaps a key; and what holds of the fields of every one.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readCapture } from '../../src/capture/capture-reader.ts';
import { CaptureDecoder, type DecodedPacket } from '../../src/decode/capture-decoder.ts';
import type { DecodedField } from '../../src/decode/decoded-field.ts';
import { KnownSecrets } from '../../src/decode/secrets.ts';

/** Its packets. @param key pre-shared, of any identity. */
export function decodedCapture(file: Uint8Array, key?: Uint8Array): readonly DecodedPacket[] {
  const { packets, keyLog, fault } = readCapture(file);
  assert.equal(fault, undefined);
  const secrets = new KnownSecrets(key === undefined ? [] : [{ key }]);
  for (const line of keyLog) secrets.addLine(line);
  const decoder = new CaptureDecoder(secrets);
  return packets.map((packet) => decoder.decode(packet));
}

/** Fields lie within their bytes, and those below within those above. */
export function assertWithin(fields: readonly DecodedField[], start: number, end: number): void {
  for (const field of fields) {
    assert.ok(start <= field.start && field.start <= field.end && field.end <= end, field.name);
    if (field.fields !== undefined) assertWithin(field.fields, field.start, field.end);
  }
}
