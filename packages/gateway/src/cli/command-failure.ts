/**
 * What went wrong, in words: the cause, the next step, and the exit code.
 *
 * @module
 */

import { printable } from '../text/printable.ts';
import { shownPath } from '../text/shown-path.ts';
import { ExitCode } from './exit-code.ts';

/** A failure that a command found itself: thrown, caught once at the top and printed as two lines. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  readonly exitCode: ExitCode;
  readonly nextStep: string;
  constructor(exitCode: ExitCode, cause: string, nextStep: string) {
    super(cause);
    this.exitCode = exitCode;
    this.nextStep = nextStep;
  }
}

/** A failure as it is shown. */
export interface FailureReport {
  readonly exitCode: ExitCode;
  readonly cause: string;
  readonly nextStep: string;
}

interface KnownFailure {
  readonly exitCode: ExitCode;
  /** Used when the error brings no next step of its own. */
  readonly nextStep: string;
}

const knownFailures: Readonly<Record<string, KnownFailure>> = {
  ERR_TIMEOUT: {
    exitCode: ExitCode.NoAnswer,
    nextStep:
      'check address and port, that the server runs and that UDP gets through; wait longer with -B SECONDS',
  },
  ERR_HANDSHAKE: {
    exitCode: ExitCode.Security,
    nextStep: 'check identity (-u) and key (-k); the log of the server names the exact cause',
  },
  ERR_CREDENTIALS: {
    exitCode: ExitCode.Security,
    nextStep: 'give identity and key with -u and -k, --psk-file or --credentials',
  },
  ERR_OSCORE: {
    exitCode: ExitCode.Security,
    nextStep: 'check that the server has the other end of the Security Context of --oscore',
  },
  ERR_ADDRESS: {
    exitCode: ExitCode.Failure,
    nextStep: 'check the spelling of the host, or use its IP address',
  },
  ERR_NETWORK: {
    exitCode: ExitCode.Failure,
    nextStep: 'check that the server runs and listens on that port (5683 for coap, 5684 for coaps)',
  },
  ERR_RESET: {
    exitCode: ExitCode.Failure,
    nextStep:
      'the peer has no use for the message: is it a CoAP server, and does it know this kind of request?',
  },
  ERR_ASSOCIATION_CLOSED: { exitCode: ExitCode.Failure, nextStep: 'try again: a new handshake will be made' },
  ERR_BLOCKWISE: { exitCode: ExitCode.Failure, nextStep: 'try again, or with another block size (-b)' },
  ERR_BAD_RESPONSE: { exitCode: ExitCode.Failure, nextStep: 'look at the messages with -vvv' },
  ERR_CLOSED: { exitCode: ExitCode.Failure, nextStep: 'try again' },
  ERR_API_MISUSE: { exitCode: ExitCode.Usage, nextStep: 'see "coapsule VERB --help"' },
};

/** Next steps for causes of a failed handshake where an option of ours is one. */
const handshakeSteps: Readonly<Record<string, string>> = {
  'no-extended-master-secret': 'the server lacks RFC 7627: update it, or accept it as it is with --no-ems',
  'no-common-suite':
    'offer a suite that the server has with --suite; other credentials (-k, -c, -M) have others',
  'mtu-too-large': 'try a smaller --mtu; and have the server send smaller datagrams, or a shorter chain',
  'client-certificate-missing': 'give a certificate with -c and -j, or a raw public key with -M',
  'unknown-ca': "name the authority that issued the server's certificate with -C FILE, if you trust it",
  'name-mismatch': 'use a name of the certificate in the URI, or say with --sni which one you mean',
  'unknown-public-key':
    "pin the server's public key with --peer-rpk, by file or fingerprint, if it is the right one",
  'no-common-certificate-type':
    'use the same kind on both sides: certificates (-c, -C) or raw public keys (-M, --peer-rpk)',
};

const fileFailures: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of the path is not a folder',
  ENOSPC: 'no space left on the device',
};

/** Longest cause or next step that is shown, in characters. */
const maxReport = 10_000;

/** What is printed for a failure: a line with the cause and, where there is one, a line with the next step. */
export function reportText(program: string, error: unknown): string {
  const { cause, nextStep } = reportOf(error);
  // A cause may quote a peer.
  const lines = [`${program}: ${printable(cause, maxReport)}`];
  if (nextStep !== '') lines.push(`  ${printable(nextStep, maxReport)}`);
  return `${lines.join('\n')}\n`;
}

/** Puts any thrown value into words. */
export function reportOf(error: unknown): FailureReport {
  if (error instanceof CommandFailure) {
    return { exitCode: error.exitCode, cause: error.message, nextStep: error.nextStep };
  }
  if (!(error instanceof Error)) return { exitCode: ExitCode.Failure, cause: String(error), nextStep: '' };
  const { code, path, nextStep } = error as Error & { code?: unknown; path?: unknown; nextStep?: unknown };
  if (code === 'ERR_ABORTED') return { exitCode: ExitCode.Failure, cause: 'interrupted', nextStep: '' };
  const known = typeof code === 'string' ? knownFailures[code] : undefined;
  if (known !== undefined) {
    // A handshake that nobody answered says nothing about credentials.
    const { cause, alertReceived } =
      (error as Error & { handshake?: { cause?: unknown; alertReceived?: unknown } }).handshake ?? {};
    const isSilence = cause === 'peer-silent' || cause === 'mtu-too-large';
    const exitCode = isSilence ? ExitCode.NoAnswer : known.exitCode;
    // What the server says of a certificate in an alert, it says of ours.
    const isOurs = alertReceived !== undefined && /^certificate-|^unknown-/.test(String(cause));
    const own =
      (isOurs ? undefined : handshakeSteps[String(cause)]) ??
      (typeof nextStep === 'string' && nextStep !== '' ? nextStep : known.nextStep);
    const verdict = cause === 'identity-or-key' ? 'identity unknown or key wrong: ' : '';
    return { exitCode, cause: `${verdict}${error.message}`, nextStep: own };
  }
  const inFile = typeof code === 'string' && typeof path === 'string' ? fileFailures[code] : undefined;
  if (inFile !== undefined) {
    return {
      exitCode: ExitCode.Failure,
      cause: `cannot use ${shownPath(String(path))}: ${inFile}`,
      nextStep: 'check the path and its permissions',
    };
  }
  // Such as a serial device or a store that cannot be used.
  const own = typeof nextStep === 'string' ? nextStep : '';
  return { exitCode: ExitCode.Failure, cause: error.message, nextStep: own };
}
