/**
 * ClientHellos that ask one question each: a version, a list of suites, an extension.
 *
 * RFC 6347 §4.2, RFC 9147 §5.3. Written here and not taken from the library, which says only what it can keep. No secret is
 * behind them: what a key share holds is random.
 *
 * @module
 */

/** Of a DTLS version as it stands in messages. */
export const dtlsVersions = { '1.0': 0xfeff, '1.2': 0xfefd, '1.3': 0xfefc } as const;

/** The versions that are asked for. */
export type DtlsVersionName = keyof typeof dtlsVersions;

/** What is offered. */
export interface Offer {
  readonly version: DtlsVersionName;
  readonly suites: readonly number[];
  /** Extensions beside those that the suites need, in order. */
  readonly extensions?: readonly Extension[];
  readonly serverName?: string | undefined;
}

/** One extension of a hello. */
export interface Extension {
  readonly type: number;
  readonly data: Uint8Array;
}

/** Extension types (TLS ExtensionType Values). */
export const ExtensionType = {
  ServerName: 0,
  SupportedGroups: 10,
  EcPointFormats: 11,
  SignatureAlgorithms: 13,
  ClientCertificateType: 19,
  ServerCertificateType: 20,
  ExtendedMasterSecret: 23,
  SupportedVersions: 43,
  KeyShare: 51,
  ConnectionId: 54,
  RenegotiationInfo: 0xff01,
} as const;

const x25519 = 29;
const groups = [x25519, 23, 24];
// ECDSA with P-256 and P-384, RSA-PSS, RSA, Ed25519; SHA-1 is left out (RFC 9325 §4.2).
const signatureAlgorithms = [0x0403, 0x0503, 0x0804, 0x0805, 0x0401, 0x0501, 0x0807];
/** The suites of TLS 1.3 (RFC 8446 §B.4). */
export const suites13: readonly number[] = [0x1301, 0x1302, 0x1303, 0x1304, 0x1305];

const u16 = (value: number): readonly number[] => [(value >> 8) & 255, value & 255];
const u24 = (value: number): readonly number[] => [(value >> 16) & 255, ...u16(value)];
const vector8 = (bytes: Iterable<number>): readonly number[] => {
  const list = [...bytes];
  return [list.length, ...list];
};
const vector16 = (bytes: Iterable<number>): readonly number[] => {
  const list = [...bytes];
  return [...u16(list.length), ...list];
};

/** One hello and the handshake it begins. */
export interface Hello {
  readonly offer: Offer;
  /** 32 bytes. */
  readonly random: Uint8Array;
  /** 32 bytes, for a key share. */
  readonly keyShare: Uint8Array;
  /** 0 and 1: of the message, and of the record it is in. */
  readonly sequence: number;
  /** What the server wants back. */
  readonly cookie?: Uint8Array;
}

/** The datagram: one record with one whole ClientHello. */
export function encodeHello({ offer, random, keyShare, sequence, cookie }: Hello): Uint8Array {
  const { version, suites, serverName, extensions = [] } = offer;
  // RFC 9147 §5.3: legacy_version is that of DTLS 1.2, and the version is in an extension.
  const messageVersion = dtlsVersions[version === '1.3' ? '1.2' : version];
  const list: Extension[] = [
    ...(serverName === undefined ? [] : [serverNameExtension(serverName)]),
    { type: ExtensionType.SupportedGroups, data: Uint8Array.from(vector16(groups.flatMap(u16))) },
    { type: ExtensionType.EcPointFormats, data: Uint8Array.of(1, 0) },
    {
      type: ExtensionType.SignatureAlgorithms,
      data: Uint8Array.from(vector16(signatureAlgorithms.flatMap(u16))),
    },
    ...(version === '1.3' ? extensions13(keyShare) : []),
    ...extensions,
  ];
  const body = [
    ...u16(messageVersion),
    ...random,
    ...vector8([]),
    ...vector8(cookie ?? []),
    ...vector16(suites.flatMap(u16)),
    ...vector8([0]),
    ...vector16(list.flatMap(({ type, data }) => [...u16(type), ...vector16(data)])),
  ];
  const message = [1, ...u24(body.length), ...u16(sequence), ...u24(0), ...u24(body.length), ...body];
  // RFC 6347 §4.2.1: a client of any version begins with the record version of 1.0, so that all take it.
  return record({ type: 22, version: dtlsVersions['1.0'], sequence, body: message });
}

function serverNameExtension(name: string): Extension {
  const host = new TextEncoder().encode(name);
  return { type: ExtensionType.ServerName, data: Uint8Array.from(vector16([0, ...vector16(host)])) };
}

function extensions13(keyShare: Uint8Array): readonly Extension[] {
  return [
    { type: ExtensionType.SupportedVersions, data: Uint8Array.from(vector8(u16(dtlsVersions['1.3']))) },
    {
      type: ExtensionType.KeyShare,
      data: Uint8Array.from(vector16([...u16(x25519), ...vector16(keyShare)])),
    },
  ];
}

/** Says that the handshake goes no further: user_canceled, and close_notify after it (RFC 5246 §7.2.2). */
export function encodeFarewell(sequence: number): Uint8Array {
  const version = dtlsVersions['1.2'];
  return Uint8Array.of(
    ...record({ type: 21, version, sequence, body: [1, 90] }),
    ...record({ type: 21, version, sequence: sequence + 1, body: [1, 0] }),
  );
}

/** A record of epoch 0. */
export function record({
  type,
  version,
  sequence,
  body,
}: {
  readonly type: number;
  readonly version: number;
  readonly sequence: number;
  readonly body: Iterable<number>;
}): Uint8Array {
  return Uint8Array.of(type, ...u16(version), 0, 0, 0, 0, 0, ...u24(sequence), ...vector16(body));
}
