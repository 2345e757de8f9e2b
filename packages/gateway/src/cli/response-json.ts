/**
 * The object that `--json` prints for a response.
 *
 * @module
 */

import type { Response } from 'coapsule';
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
    readonly security: 'none' | 'dtls';
    readonly identity: string | null;
    readonly suite: string | null;
    readonly extendedMasterSecret: boolean | null;
    readonly association: string | null;
  };
  readonly roundTripMs: number;
  readonly handshakeMs: number | null;
}

/** A response as `--json` shows it. */
export function responseJson(uri: string, response: Response): ResponseJson {
  const { security } = response.peer;
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
      security: security.kind,
      identity: dtls?.identity ?? null,
      suite: dtls?.suite ?? null,
      extendedMasterSecret: dtls?.extendedMasterSecret ?? null,
      association: dtls?.association ?? null,
    },
    roundTripMs: response.roundTripMs,
    handshakeMs: response.handshakeMs ?? null,
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
