/**
 * Who is to blame decides the form of an error.
 *
 * - Bytes that cannot be decoded: a value, `DecodeFault`; the reaction is silence or a Reset.
 * - A peer that breaks a rule: a value of the layer it happens in; the reaction is a 4.xx, a Reset or an alert.
 * - The local caller: `ApiMisuseError`, thrown at once.
 * - Ourselves: `InvariantError`, thrown; the endpoint closes the association it happened in.
 *
 * What the network or time does becomes a rejected promise in `api/`, never an exception here.
 *
 * @module
 */

/** Received bytes that are not what they should be. Never thrown. */
export interface DecodeFault {
  readonly kind: 'decode-fault';
  readonly layer:
    | 'cbor'
    | 'problem-details'
    | 'senml'
    | 'coap'
    | 'dtls-record'
    | 'dtls-handshake'
    | 'link-format'
    | 'oscore'
    | 'uri'
    | 'x509';
  /** Offset of the byte (of the character, for `link-format` and `uri`) that does not fit. */
  readonly offset: number;
  readonly reason: string;
}

/** Whether the result of a decoder is its fault rather than its value. */
export function isDecodeFault<T>(result: T): result is Extract<T, DecodeFault> {
  return (result as { readonly kind?: unknown } | null | undefined)?.kind === 'decode-fault';
}

/** A value given by the local caller that the function cannot take. The text names argument, value and what was expected. */
export class ApiMisuseError extends Error {
  override readonly name = 'ApiMisuseError';
  readonly code = 'ERR_API_MISUSE';
}

/** A state that cannot be. A defect of this library: please report it. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
  readonly code = 'ERR_INVARIANT';
  constructor(message: string) {
    super(`${message} (a defect in coapsule: please report it)`);
  }
}

/** For the default branch of an exhaustive `switch`: fails to compile when a case is missing. */
export function unreachable(value: never): never {
  throw new InvariantError(`unexpected value ${String(value)}`);
}
