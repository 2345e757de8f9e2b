/**
 * The exit codes that scripts rely on.
 *
 * @module
 */

/** Exit codes of every verb; `coapsule client` has those of libcoap's coap-client instead. */
export const ExitCode = {
  /** 2.xx, or what was asked for is done. */
  Success: 0,
  /** Anything that has no code of its own. */
  Failure: 1,
  /** A 4.xx response. */
  ClientError: 4,
  /** A 5.xx response. */
  ServerError: 5,
  /** No answer in time. */
  NoAnswer: 6,
  /** Handshake, credentials or replay. */
  Security: 7,
  /** Wrong usage. */
  Usage: 64,
} as const;

/** One of the values of `ExitCode`. */
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/**
 * The exit code for a response code.
 *
 * @param code 0 … 255, class in the upper three bits (RFC 7252 §3).
 */
export function exitCodeOfResponse(code: number): ExitCode {
  switch (code >> 5) {
    case 2:
      return ExitCode.Success;
    case 4:
      return ExitCode.ClientError;
    case 5:
      return ExitCode.ServerError;
    default:
      return ExitCode.Failure;
  }
}
