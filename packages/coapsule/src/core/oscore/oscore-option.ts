/**
 * The OSCORE option: the header of a compressed COSE object as bytes and back.
 *
 * RFC 8613 §2 and §6.1. Which fields a request or a response must have is the matter of their files.
 *
 * @module
 */

import { OptionNumber } from '../coap/option-registry.ts';
import type { OptionReader } from '../coap/option-set.ts';
import { ByteReader } from '../foundation/byte-reader.ts';
import { ByteWriter } from '../foundation/byte-writer.ts';
import { noBytes } from '../foundation/bytes.ts';
import { ApiMisuseError, type DecodeFault } from '../foundation/errors.ts';
import { decodePartialIv, maxPartialIvLength } from './partial-iv.ts';

/** What the option says. A field that is absent is not the same as an empty one. */
export interface OscoreOption {
  /** 1 … 5 bytes, without leading zeros. */
  readonly partialIv?: Uint8Array | undefined;
  /** 0 … 255 bytes. */
  readonly kidContext?: Uint8Array | undefined;
  /** Whatever is left, perhaps nothing. */
  readonly kid?: Uint8Array | undefined;
}

const partialIvBits = 0x07;
const kidBit = 0x08;
const kidContextBit = 0x10;
const reservedBits = 0xe0;

/** Longest option value in bytes (RFC 8613 §2). */
const maxValueLength = 255;

/** Longest `kid` and kid context together that leave room for flags, a length and any Partial IV. */
export const maxIdentifierLength: number = maxValueLength - 2 - maxPartialIvLength;

/**
 * Decode the value of an OSCORE option.
 *
 * @param bytes Hold it, 0 … 255 bytes from `start` to `end`; all of them by default. The fields are copies.
 * @returns the fields, or a fault with the byte offset: a reserved bit or length, a field cut short, a Partial IV with
 *          leading zeros, bytes that no field has, a value of one zero byte; never throws.
 */
export function decodeOscoreOption(
  bytes: Uint8Array,
  start = 0,
  end: number = bytes.length,
): OscoreOption | DecodeFault {
  if (start === end) return {};
  const reader = new ByteReader(bytes, start, end);
  const flags = reader.u8();
  // §2: all flags zero are written as an empty value.
  if (flags === 0) return fault(0, 'flags of zero in a value that is not empty');
  if ((flags & reservedBits) !== 0) return fault(0, `reserved flag bits in 0x${flags.toString(16)}`);
  const partialIvLength = flags & partialIvBits;
  if (partialIvLength > maxPartialIvLength)
    return fault(0, `Partial IV length ${partialIvLength} is reserved`);

  const partialIv = reader.copy(partialIvLength);
  const kidContext = (flags & kidContextBit) !== 0 ? reader.copy(reader.u8()) : undefined;
  if (reader.failed) return fault(reader.position - start, 'a field is cut off');
  // §5: all leading bytes of value zero are removed, but for the value zero.
  if (partialIvLength > 0 && decodePartialIv(partialIv) === undefined)
    return fault(1, 'Partial IV with leading zeros');
  const hasKid = (flags & kidBit) !== 0;
  if (!hasKid && reader.remaining > 0) return fault(reader.position - start, 'bytes that no flag tells of');
  return {
    partialIv: partialIvLength > 0 ? partialIv : undefined,
    kidContext,
    kid: hasKid ? reader.copy(reader.remaining) : undefined,
  };
}

/** What the OSCORE option of a message says, as `decodeOscoreOption` has it; `undefined` where there is none, or more than one. */
export function oscoreOptionOf(options: OptionReader): OscoreOption | DecodeFault | undefined {
  let count = 0;
  let option = undefined as OscoreOption | DecodeFault | undefined;
  options.walk((number, bytes, start, end) => {
    if (number === OptionNumber.Oscore && count++ === 0) option = decodeOscoreOption(bytes, start, end);
    return number <= OptionNumber.Oscore;
  });
  return count === 1 ? option : undefined;
}

/**
 * Encode the value of an OSCORE option (§6.1); empty when there is no field.
 * Throws `ApiMisuseError` for a value above 255 bytes, or a Partial IV that is none.
 */
export function encodeOscoreOption({ partialIv, kidContext, kid }: OscoreOption): Uint8Array {
  if (partialIv === undefined && kidContext === undefined && kid === undefined) return noBytes;
  if (partialIv !== undefined && decodePartialIv(partialIv) === undefined) {
    throw new ApiMisuseError(`Partial IV has ${partialIv.length} bytes; expected 1 to 5, no leading zero`);
  }
  const length =
    1 +
    (partialIv?.length ?? 0) +
    (kidContext === undefined ? 0 : 1 + kidContext.length) +
    (kid?.length ?? 0);
  if (length > maxValueLength) {
    throw new ApiMisuseError(
      `kid context and kid make an OSCORE option of ${length} bytes; expected at most ${maxValueLength}: use shorter IDs`,
    );
  }
  const writer = new ByteWriter(length);
  writer.u8(
    (partialIv?.length ?? 0) |
      (kid === undefined ? 0 : kidBit) |
      (kidContext === undefined ? 0 : kidContextBit),
  );
  if (partialIv !== undefined) writer.bytes(partialIv);
  if (kidContext !== undefined) writer.vector8(kidContext);
  if (kid !== undefined) writer.bytes(kid);
  return writer.finish();
}

/** @param offset In the value. */
function fault(offset: number, reason: string): DecodeFault {
  return { kind: 'decode-fault', layer: 'oscore', offset, reason };
}
