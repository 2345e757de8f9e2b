/**
 * The Alert protocol: two bytes, a level and a description (RFC 5246 §7.2).
 *
 * Encoding and decoding only. Whether an alert is believed depends on the epoch it came in, and is decided
 * by who receives it: an unauthenticated alert proves nothing (RFC 6347 §4.1.2.7).
 *
 * @module
 */

import type { DecodeFault } from '../foundation/errors.ts';

/** Descriptions by name (RFC 5246 §7.2, RFC 4279 §6, RFC 6066 §9, RFC 7301 §3.2). */
export const AlertDescription = {
  CloseNotify: 0,
  UnexpectedMessage: 10,
  BadRecordMac: 20,
  RecordOverflow: 22,
  DecompressionFailure: 30,
  HandshakeFailure: 40,
  BadCertificate: 42,
  UnsupportedCertificate: 43,
  CertificateRevoked: 44,
  CertificateExpired: 45,
  CertificateUnknown: 46,
  IllegalParameter: 47,
  UnknownCa: 48,
  AccessDenied: 49,
  DecodeError: 50,
  DecryptError: 51,
  ProtocolVersion: 70,
  InsufficientSecurity: 71,
  InternalError: 80,
  UserCanceled: 90,
  NoRenegotiation: 100,
  UnsupportedExtension: 110,
  UnrecognizedName: 112,
  UnknownPskIdentity: 115,
  /** RFC 8446 §6.2; some servers send it in 1.2 too. */
  CertificateRequired: 116,
  NoApplicationProtocol: 120,
} as const;

/** A description that has a name here. */
export type AlertDescription = (typeof AlertDescription)[keyof typeof AlertDescription];

export type AlertLevel = 'warning' | 'fatal';

/** One alert. */
export interface Alert {
  readonly level: AlertLevel;
  /** 0 … 255; a received one may have no name here. */
  readonly description: number;
}

/** The 2 bytes of an alert. */
export function encodeAlert(level: AlertLevel, description: AlertDescription): Uint8Array {
  return Uint8Array.of(level === 'fatal' ? 2 : 1, description);
}

/**
 * Decodes the plaintext of an alert record (RFC 5246 §7.2).
 *
 * @param fragment Exactly 2 bytes; anything else is a fault, since an alert is neither split nor joined
 *                 with another one in a record here.
 * @returns the alert, or a fault when the length or the level is wrong; never throws.
 */
export function decodeAlert(fragment: Uint8Array): Alert | DecodeFault {
  if (fragment.length !== 2) return alertFault(0, `an alert has 2 bytes, not ${fragment.length}`);
  const level = fragment[0];
  if (level !== 1 && level !== 2) return alertFault(0, `unknown alert level ${level}`);
  return { level: level === 2 ? 'fatal' : 'warning', description: fragment[1] as number };
}

/** The description as the RFCs write it, such as `close_notify`, or `alert 123` when it has no name here. */
export function alertName(description: number): string {
  for (const [name, value] of Object.entries(AlertDescription)) {
    if (value === description) return name.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toLowerCase();
  }
  return `alert ${description}`;
}

function alertFault(offset: number, reason: string): DecodeFault {
  return { kind: 'decode-fault', layer: 'dtls-record', offset, reason };
}
