/**
 * The list of extensions at the end of a Hello message (RFC 5246 §7.4.1.4). Knows no single extension.
 *
 * @module
 */

import type { ByteReader } from '../../../foundation/byte-reader.ts';
import type { ByteWriter } from '../../../foundation/byte-writer.ts';

/** Registered numbers of the extensions this library speaks. */
export const ExtensionType = {
  ServerName: 0,
  MaxFragmentLength: 1,
  SupportedGroups: 10,
  EcPointFormats: 11,
  SignatureAlgorithms: 13,
  ApplicationProtocols: 16,
  ClientCertificateType: 19,
  ServerCertificateType: 20,
  ExtendedMasterSecret: 23,
  RecordSizeLimit: 28,
  SessionTicket: 35,
  ConnectionId: 54,
  ReturnRoutabilityCheck: 61,
  RenegotiationInfo: 0xff01,
} as const;

/** One extension, its data not decoded. */
export interface Extension {
  readonly type: number;
  readonly data: Uint8Array;
}

/** Extensions in the order they were sent. */
export type ExtensionList = readonly Extension[];

/**
 * Reads the list, which may be missing altogether, up to the end of the message.
 *
 * @returns the extensions, or `undefined` when lengths do not fit or bytes are left over.
 */
export function decodeExtensionList(reader: ByteReader): ExtensionList | undefined {
  if (reader.failed) return undefined;
  if (reader.remaining === 0) return [];
  const length = reader.u16();
  if (reader.failed || length !== reader.remaining) return undefined;
  const list: Extension[] = [];
  while (reader.remaining > 0) {
    const type = reader.u16();
    const data = reader.vector16();
    if (reader.failed) return undefined;
    list.push({ type, data });
  }
  return list;
}

/** Writes the list; an empty one is left out, length included. */
export function encodeExtensionList(writer: ByteWriter, list: ExtensionList): void {
  if (list.length === 0) return;
  writer.nested(2, () => {
    for (const { type, data } of list) writer.u16(type).vector16(data);
  });
}

/** The data of the first extension of this type. */
export function extensionData(list: ExtensionList, type: number): Uint8Array | undefined {
  return list.find((extension) => extension.type === type)?.data;
}

/** The first type that occurs twice, which RFC 5246 §7.4.1.4 forbids. */
export function repeatedExtension(list: ExtensionList): number | undefined {
  const seen = new Set<number>();
  for (const { type } of list) {
    if (seen.has(type)) return type;
    seen.add(type);
  }
  return undefined;
}
