/**
 * The plaintext of the COSE object: code, Inner options and payload of a message, as bytes and back; sealed and opened.
 *
 * RFC 8613 §5.3. Which options are Inner ones is in `split-options.ts`.
 *
 * @module
 */

import type { Code } from '../coap/code.ts';
import { BodyWriter, scanBody } from '../coap/message-body.ts';
import type { OptionReader } from '../coap/option-set.ts';
import { OptionView } from '../coap/option-view.ts';
import { copyOf, noBytes } from '../foundation/bytes.ts';
import type { AeadKey } from '../foundation/crypto-provider.ts';
import { ApiMisuseError, type DecodeFault } from '../foundation/errors.ts';
import type { CoseAead } from './cose-algorithms.ts';

/** What OSCORE sees of a message: its other header fields stay as they are (RFC 8613 §4.2). */
export interface OscoreContent {
  readonly code: Code;
  readonly options: OptionReader;
  readonly payload: Uint8Array;
}

/** What one AEAD operation needs besides the text. */
export interface AeadInput {
  readonly aead: CoseAead;
  readonly key: AeadKey;
  readonly nonce: Uint8Array;
  readonly additionalData: Uint8Array;
}

/** The ciphertext of a message, its tag included. */
export function sealPlaintext({ key, nonce, additionalData }: AeadInput, plaintext: Plaintext): Uint8Array {
  const length = plaintext.length;
  const buffer = new Uint8Array(length + key.tagLength);
  plaintext.write(buffer);
  key.seal(nonce, additionalData, buffer, 0, length);
  return buffer;
}

/**
 * The message inside a ciphertext.
 *
 * @param ciphertext Any bytes; not changed.
 * @returns the message, `undefined` when the tag does not verify, or a fault when there is no message in it.
 */
export function openCiphertext(
  input: AeadInput,
  ciphertext: Uint8Array,
): OscoreContent | DecodeFault | undefined {
  const plaintext = openPlaintext(input, ciphertext);
  return plaintext && decodePlaintext(plaintext);
}

/**
 * The plaintext in a ciphertext, for `decodePlaintext`.
 *
 * @param ciphertext Any bytes; not changed.
 * @returns `undefined` when the tag does not verify.
 */
export function openPlaintext(
  { aead, key, nonce, additionalData }: AeadInput,
  ciphertext: Uint8Array,
): Uint8Array | undefined {
  // Code and tag are there at least; and some providers count no further than the algorithm does.
  if (ciphertext.length <= key.tagLength || ciphertext.length - key.tagLength > aead.maxPlaintextLength)
    return undefined;
  const buffer = copyOf(ciphertext);
  const length = key.open(nonce, additionalData, buffer, 0, buffer.length);
  return length < 0 ? undefined : buffer.subarray(0, length);
}

/** A plaintext that is ready to be written. */
export class Plaintext {
  readonly #code: Code;
  readonly #body: BodyWriter;

  /** Throws `ApiMisuseError` for a message that has no encoding, or is too long for the algorithm. */
  constructor(aead: CoseAead, code: Code, inner: OptionReader, payload: Uint8Array) {
    this.#code = code;
    this.#body = new BodyWriter(inner.entries(), payload);
    if (this.length > aead.maxPlaintextLength) {
      throw new ApiMisuseError(
        `the message has ${this.length} bytes to encrypt; ${aead.name} takes at most ${aead.maxPlaintextLength}: send it in blocks`,
      );
    }
  }

  get length(): number {
    return 1 + this.#body.length;
  }

  write(buffer: Uint8Array): void {
    buffer[0] = this.#code;
    this.#body.write(buffer, 1);
  }
}

/** Code, options and payload of a plaintext of 1 byte and more, which is kept. */
export function decodePlaintext(bytes: Uint8Array): OscoreContent | DecodeFault {
  const { length } = bytes;
  const body = scanBody(bytes, 1, length);
  if (body.kind === 'body-fault') {
    return { kind: 'decode-fault', layer: 'oscore', offset: body.offset, reason: body.reason };
  }
  return {
    code: bytes[0] as number,
    options: new OptionView(bytes, 1, body.optionsEnd, body.presence),
    payload: body.payloadStart === length ? noBytes : copyOf(bytes, body.payloadStart, length),
  };
}
