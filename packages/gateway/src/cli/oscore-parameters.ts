/**
 * What a file says of one end of an OSCORE Security Context, and the checks that all forms of such files share.
 *
 * RFC 8613 §3.2. The forms are in oscore-conf.ts (libcoap's) and oscore-folder.ts (aiocoap's). No message quotes a value: it
 * may be the Master Secret.
 *
 * @module
 */

import type { OscoreContextOptions } from 'coapsule';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';

/** What both ends agree on, as one end sees it. */
export type OscoreParameters = Pick<
  OscoreContextOptions,
  | 'masterSecret'
  | 'masterSalt'
  | 'senderId'
  | 'recipientId'
  | 'idContext'
  | 'aead'
  | 'hkdf'
  | 'replayWindow'
  | 'deriveAnew'
>;

/** Replay Windows that can be asked for. */
export function isReplayWindow(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 1024;
}

/** Refuses a file. `cause` follows its name. */
export function refuseOscoreFile(name: string, cause: string): never {
  throw new CommandFailure(
    ExitCode.Usage,
    `${name}${cause}`,
    'make files for both ends with "coapsule keys oscore", or see docs/oscore.md for the forms that are read',
  );
}
