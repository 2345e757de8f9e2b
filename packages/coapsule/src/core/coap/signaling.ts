/**
 * Signaling messages of reliable transports: their codes, their options, and capabilities as values.
 *
 * RFC 8323 §5, RFC 8974 §2.2.1. Each code has option numbers of its own (§5.2). What a connection does with a message is
 * in `core/connection/`.
 *
 * @module
 */

import { encodeUtf8 } from '../foundation/utf8.ts';
import type { Code } from './code.ts';
import { isCritical } from './option-registry.ts';
import { type OptionReader, OptionSet } from './option-set.ts';
import { decodeUint } from './option-value.ts';

/** The registered signaling codes, 7.01 to 7.05 (RFC 8323 §11.1). */
export const SignalingCode = {
  Csm: 0xe1,
  Ping: 0xe2,
  Pong: 0xe3,
  Release: 0xe4,
  Abort: 0xe5,
} as const;

/** The options of each signaling code (RFC 8323 §11.2, RFC 8974 §6.1). All of them are elective. */
export const SignalingOption = {
  MaxMessageSize: 2,
  BlockWiseTransfer: 4,
  ExtendedTokenLength: 6,
  Custody: 2,
  AlternativeAddress: 2,
  HoldOff: 4,
  BadCsmOption: 2,
} as const;

/** Whether a code is of class 7, Signaling (RFC 8323 §5.1). */
export function isSignalingCode(code: Code): boolean {
  return code >> 5 === 7;
}

/** What an endpoint has told of itself in CSMs so far; they add up (RFC 8323 §5.3). */
export interface Capabilities {
  /** Largest message it takes, in bytes from the first of the header to the last of the payload. */
  readonly maxMessageSize: number;
  readonly blockWiseTransfer: boolean;
  /** Longest token of a request it takes, 8 … 65,804 bytes. */
  readonly maxTokenLength: number;
}

/** Base values: what holds before the first CSM (RFC 8323 §5.3.1, RFC 8974 §2.2.1). */
export const baseCapabilities: Capabilities = Object.freeze({
  maxMessageSize: 1152,
  blockWiseTransfer: false,
  maxTokenLength: 8,
});

/** Longest token that the format can express (RFC 8974 §2.1). */
export const maxExtendedTokenLength: number = 65_535 + 269;

/** Whether an endpoint takes blocks of several KiB (BERT, RFC 8323 §5.3.2 and §6). */
export function takesBert({ maxMessageSize, blockWiseTransfer }: Capabilities): boolean {
  return blockWiseTransfer && maxMessageSize > baseCapabilities.maxMessageSize;
}

/** The options of a CSM that says all of `capabilities`. */
export function csmOptions(capabilities: Capabilities): OptionSet {
  const { maxMessageSize, blockWiseTransfer, maxTokenLength } = capabilities;
  const options = new OptionSet().add(SignalingOption.MaxMessageSize, maxMessageSize);
  if (blockWiseTransfer) options.add(SignalingOption.BlockWiseTransfer, new Uint8Array(0));
  if (maxTokenLength > baseCapabilities.maxTokenLength) {
    options.add(SignalingOption.ExtendedTokenLength, maxTokenLength);
  }
  return options;
}

/** A CSM option that cannot be processed, for the Bad-CSM-Option of an Abort (RFC 8323 §5.6). */
export interface BadCsmOption {
  readonly kind: 'bad-csm-option';
  readonly number: number;
  readonly reason: string;
}

/** What a CSM changes (RFC 8323 §5.3): `before` with its options on top, or the option that is wrong. */
export function readCsm(before: Capabilities, options: OptionReader): Capabilities | BadCsmOption {
  const unknown = unknownCriticalOption(options);
  if (unknown !== undefined) return badOption(unknown, 'unknown critical option');
  let { maxMessageSize, blockWiseTransfer, maxTokenLength } = before;
  const size = options.first(SignalingOption.MaxMessageSize);
  if (size !== undefined) {
    if (size.length > 4) return badOption(SignalingOption.MaxMessageSize, 'longer than 4 bytes');
    maxMessageSize = decodeUint(size) as number;
  }
  const blocks = options.first(SignalingOption.BlockWiseTransfer);
  if (blocks !== undefined) {
    if (blocks.length > 0) return badOption(SignalingOption.BlockWiseTransfer, 'not empty');
    blockWiseTransfer = true;
  }
  const token = options.first(SignalingOption.ExtendedTokenLength);
  if (token !== undefined) {
    if (token.length > 3) return badOption(SignalingOption.ExtendedTokenLength, 'longer than 3 bytes');
    const length = decodeUint(token) as number;
    // RFC 8974 §2.2.1: less than 8 is ignored, more than there can be is cut.
    if (length >= 8) maxTokenLength = Math.min(length, maxExtendedTokenLength);
  }
  return { maxMessageSize, blockWiseTransfer, maxTokenLength };
}

/** The critical option of a signaling message, if there is one: none is known (RFC 8323 §5.2). */
export function unknownCriticalOption(options: OptionReader): number | undefined {
  for (const { number } of options.entries()) if (isCritical(number)) return number;
  return undefined;
}

/** What a Release says (RFC 8323 §5.5). */
export interface ReleaseNotice {
  /** Authorities (RFC 3986 §3.2) to connect to instead, any of them. They are a stranger's advice (§10.1). */
  readonly alternativeAddresses: readonly string[];
  /** Seconds for which it asks not to be connected to again. */
  readonly holdOffSeconds: number | undefined;
  /** Diagnostic text. */
  readonly diagnostic: string;
}

/** The options of a Release. */
export function releaseOptions({
  alternativeAddresses,
  holdOffSeconds,
}: Omit<ReleaseNotice, 'diagnostic'>): OptionSet {
  const options = new OptionSet();
  for (const address of alternativeAddresses) {
    options.add(SignalingOption.AlternativeAddress, encodeUtf8(address));
  }
  if (holdOffSeconds !== undefined) options.add(SignalingOption.HoldOff, holdOffSeconds);
  return options;
}

/** Reads the options of a Release; those with an illegal value are elective, and ignored. */
export function readRelease(options: OptionReader): Omit<ReleaseNotice, 'diagnostic'> {
  const holdOff = options.first(SignalingOption.HoldOff);
  return {
    alternativeAddresses: options
      .texts(SignalingOption.AlternativeAddress)
      .filter((address) => address.length > 0 && address.length <= 255 && !address.includes('\ufffd')),
    holdOffSeconds: holdOff !== undefined && holdOff.length <= 3 ? decodeUint(holdOff) : undefined,
  };
}

function badOption(number: number, reason: string): BadCsmOption {
  return { kind: 'bad-csm-option', number, reason };
}
