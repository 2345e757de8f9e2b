/**
 * client_certificate_type and server_certificate_type (RFC 7250 §3): lists in a ClientHello, one value in a ServerHello.
 *
 * Left out, both mean X.509.
 *
 * @module
 */

import { ByteReader } from '../../../foundation/byte-reader.ts';
import type { CertificateType } from '../../credentials.ts';
import { type Extension, type ExtensionList, ExtensionType, extensionData } from './extension-list.ts';

/** Which side's certificate an extension is about. */
export type CertificateSide = 'client' | 'server';

const types: Readonly<Record<CertificateSide, number>> = {
  client: ExtensionType.ClientCertificateType,
  server: ExtensionType.ServerCertificateType,
};

const values: Readonly<Record<CertificateType, number>> = { x509: 0, 'raw-public-key': 2 };

/** The extension of a ClientHello, or `undefined` when the list says no more than its absence would. */
export function certificateTypesExtension(
  side: CertificateSide,
  list: readonly CertificateType[],
): Extension | undefined {
  if (list.length === 0 || (list.length === 1 && list[0] === 'x509')) return undefined;
  return { type: types[side], data: Uint8Array.of(list.length, ...list.map((type) => values[type])) };
}

/** The extension of a ServerHello. */
export function certificateTypeExtension(side: CertificateSide, type: CertificateType): Extension {
  return { type: types[side], data: Uint8Array.of(values[type]) };
}

/** The types of a ClientHello that are known here, in its order; `undefined` when it does not have the extension. */
export function readCertificateTypes(
  list: ExtensionList,
  side: CertificateSide,
): readonly CertificateType[] | undefined | 'malformed' {
  const data = extensionData(list, types[side]);
  if (data === undefined) return undefined;
  const reader = new ByteReader(data);
  const offered = reader.vector8();
  if (!reader.finished || offered.length === 0) return 'malformed';
  return [...offered].flatMap((value) => typeOf(value) ?? []);
}

/** The type a ServerHello chose; X.509 when it does not have the extension. */
export function readCertificateType(
  list: ExtensionList,
  side: CertificateSide,
): CertificateType | 'malformed' {
  const data = extensionData(list, types[side]);
  if (data === undefined) return 'x509';
  return data.length === 1 ? (typeOf(data[0] as number) ?? 'malformed') : 'malformed';
}

function typeOf(value: number): CertificateType | undefined {
  if (value === values.x509) return 'x509';
  return value === values['raw-public-key'] ? 'raw-public-key' : undefined;
}
