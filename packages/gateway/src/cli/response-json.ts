/**
 * The object that `--json` prints for a response.
 *
 * @module
 */

import type { PeerSecurity, Response } from 'coapsule';
import { codeName, contentFormatName } from 'coapsule/message';
import { optionName } from './message-text.ts';
import { hexText } from './option-values.ts';

/** The schema is stable: fields are added, never renamed or removed. What a response does not have is `null`. */
export interface ResponseJson {
  readonly uri: string;
  /** `2.05` */
  readonly code: string;
  /** `Content` */
  readonly name: string | null;
  /** Whether the code is 2.xx. */
  readonly ok: boolean;
  readonly contentFormat: number | null;
  readonly mediaType: string | null;
  readonly maxAgeSeconds: number;
  /** Hexadecimal digits. */
  readonly etag: string | null;
  /** Sequence number of a notification. */
  readonly observe: number | null;
  readonly locationPath: string | null;
  readonly options: readonly { readonly number: number; readonly name: string; readonly hex: string }[];
  readonly payload: string;
  /** How `payload` is written: as it is when it is UTF-8, else in Base64. */
  readonly payloadEncoding: 'utf-8' | 'base64';
  readonly peer: {
    readonly address: string;
    readonly transport: Response['peer']['transport'];
    readonly security: 'none' | 'dtls' | 'tls';
    readonly identity: string | null;
    readonly suite: string | null;
    readonly extendedMasterSecret: boolean | null;
    readonly association: string | null;
    /** What it has proved itself with; `psk` proves both sides. */
    readonly authentication: 'psk' | 'x509' | 'raw-public-key' | 'none' | null;
    /** `sha256:` and hexadecimal digits, of its certificate or raw public key. */
    readonly fingerprint: string | null;
    readonly certificateSubject: string | null;
    /** ISO 8601; the earliest end of its certificate and those that vouch for it. */
    readonly certificateExpiresAt: string | null;
    /** Whether an earlier session went on. */
    readonly resumed: boolean | null;
    /** Whether the association was taken over from `--session`, without a handshake. */
    readonly imported: boolean | null;
    /** Bytes that a record has more than its content. */
    readonly recordOverhead: { readonly sent: number; readonly received: number } | null;
    /** Bytes; `null` when connection ids were not agreed on. */
    readonly connectionIdLengths: { readonly own: number; readonly peer: number } | null;
    readonly protocol: string | null;
  };
  readonly roundTripMs: number;
  readonly handshakeMs: number | null;
}

/** A response as `--json` shows it. */
export function responseJson(uri: string, response: Response): ResponseJson {
  const { security } = response.peer;
  const secured = security.kind === 'none' ? undefined : security;
  const dtls = security.kind === 'dtls' ? security : undefined;
  return {
    uri,
    code: response.codeText,
    name: codeName(response.code) ?? null,
    ok: response.ok,
    contentFormat: response.contentFormat ?? null,
    mediaType:
      response.contentFormat === undefined ? null : (contentFormatName(response.contentFormat) ?? null),
    maxAgeSeconds: response.maxAgeSeconds,
    etag: response.etag === undefined ? null : hexText(response.etag),
    observe: response.observe ?? null,
    locationPath: response.locationPath ?? null,
    options: Array.from(response.options.entries(), ({ number, value }) => ({
      number,
      name: optionName(number),
      hex: hexText(value),
    })),
    ...payloadJson(response.payload),
    peer: {
      address: response.peer.address.key,
      transport: response.peer.transport,
      security: security.kind,
      identity: secured?.identity ?? null,
      suite: secured?.suite ?? null,
      extendedMasterSecret: dtls?.extendedMasterSecret ?? null,
      association: secured?.association ?? null,
      ...proofJson(secured),
      certificateExpiresAt: secured?.certificateExpiresAt?.toISOString() ?? null,
      resumed: dtls?.resumed ?? null,
      imported: dtls?.imported ?? null,
      recordOverhead: dtls?.recordOverhead ?? null,
      connectionIdLengths: dtls?.connectionIdLengths ?? null,
      protocol: secured?.protocol ?? null,
    },
    roundTripMs: response.roundTripMs,
    handshakeMs: response.handshakeMs ?? null,
  };
}

function proofJson(
  security: Exclude<PeerSecurity, { kind: 'none' }> | undefined,
): Pick<ResponseJson['peer'], 'authentication' | 'fingerprint' | 'certificateSubject'> {
  const proof = security?.authentication;
  const certificate = proof?.kind === 'x509' ? proof.certificate : undefined;
  const key = proof?.kind === 'raw-public-key' ? proof.publicKey : undefined;
  return {
    authentication: proof?.kind ?? null,
    fingerprint: (certificate ?? key)?.fingerprint ?? null,
    certificateSubject: certificate?.subject ?? null,
  };
}

function payloadJson(payload: Uint8Array): Pick<ResponseJson, 'payload' | 'payloadEncoding'> {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload);
    return { payload: text, payloadEncoding: 'utf-8' };
  } catch {
    return { payload: Buffer.from(payload).toString('base64'), payloadEncoding: 'base64' };
  }
}
