/**
 * `coapsule device deny`, `undeny` and `denied`: certificates and public keys that nobody gets in with any more.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import { describeCertificates } from 'coapsule';
import { systemWallClock } from '../server/wall-clock.ts';
import { DeniedTable } from '../store/denied-table.ts';
import { printable, printableJson } from '../text/printable.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { expectNoPartOfFingerprint, publicKeyFingerprint } from './credential-content.ts';
import { isFingerprint, storedFingerprint } from './credential-files.ts';
import { type FolderOption, withDevices } from './device-store.ts';
import { ExitCode } from './exit-code.ts';

type Streams = Pick<CommandEnvironment, 'stdout' | 'stderr' | 'variables'>;

/** How `deny` is asked. */
interface DenyOptions extends FolderOption {
  readonly note?: string;
  /** Only this certificate, and not its key. */
  readonly certificateOnly?: true;
}

/** Longest note, in characters. */
const maxNote = 200;

/** Denies what a fingerprint or a file names. */
export function denyKey(streams: Streams, what: string, options: DenyOptions): void {
  const { note = '', certificateOnly = false } = options;
  if (note.length > maxNote) {
    throw new CommandFailure(
      ExitCode.Usage,
      `--note has ${note.length} characters`,
      `give at most ${maxNote}`,
    );
  }
  const { fingerprint, whose, text } = meant(what, certificateOnly);
  const ended = withDevices(
    streams,
    options,
    false,
    (_, opened) => new DeniedTable(opened).deny({ fingerprint, note, addedAtMs: systemWallClock() }, whose),
    [{ event: 'credential-denied', how: 'coapsule device deny', fingerprint, note }],
  );
  streams.stderr.write(
    ended === undefined
      ? `${fingerprint} is denied already\n`
      : `denied ${text} (${fingerprint}); the associations of ${ended} ${ended === 1 ? 'device' : 'devices'} end\n`,
  );
}

/** Lets a certificate or key in again. */
export function undenyKey(streams: Streams, what: string, options: FolderOption): void {
  const { fingerprint } = meant(what, false);
  const wasThere = withDevices(
    streams,
    options,
    false,
    (_, opened) => new DeniedTable(opened).allow(fingerprint),
    [{ event: 'credential-undenied', how: 'coapsule device undeny', fingerprint }],
  );
  if (!wasThere) {
    throw new CommandFailure(
      ExitCode.Failure,
      `${fingerprint} is not denied`,
      'see "coapsule device denied" (and --data)',
    );
  }
  streams.stderr.write(`${fingerprint} is not denied any more\n`);
}

/** The deny list. */
export function listDenied(streams: Streams, options: FolderOption & { readonly json?: true }): void {
  const denied = withDevices(streams, options, false, (_, opened) => new DeniedTable(opened).all());
  const values = denied.map(({ fingerprint, note, addedAtMs }) => ({
    ...{ fingerprint, note, added: new Date(addedAtMs).toISOString() },
  }));
  if (options.json) {
    streams.stdout.write(`${printableJson(values)}\n`);
    return;
  }
  if (values.length === 0) streams.stderr.write('nothing is denied\n');
  for (const { fingerprint, note, added } of values)
    streams.stdout.write(`${fingerprint}\t${added.slice(0, 10)}\t${printable(note)}\n`);
}

function meant(
  what: string,
  certificateOnly: boolean,
): { readonly fingerprint: string; readonly whose: readonly string[]; readonly text: string } {
  if (isFingerprint(what)) {
    return { fingerprint: storedFingerprint(what), whose: [], text: 'what has this fingerprint' };
  }
  expectNoPartOfFingerprint('deny', what);
  const bytes = readFileSync(what);
  const certificate = certificateIn(bytes);
  if (certificate === undefined) {
    const nextStep = 'name the file of a certificate or public key, or give the fingerprint';
    const fingerprint = publicKeyFingerprint({ flag: 'deny', path: what, bytes }, nextStep);
    return { fingerprint, whose: [], text: 'this public key' };
  }
  const { fingerprint, publicKey, subject } = certificate;
  return certificateOnly
    ? { fingerprint, whose: [], text: `the certificate of ${printable(subject)}` }
    : {
        ...{ fingerprint: publicKey.fingerprint, whose: [fingerprint] },
        text: `all certificates with the key of ${printable(subject)}`,
      };
}

/** The first certificate of a file. */
function certificateIn(bytes: Uint8Array): ReturnType<typeof describeCertificates>[number] | undefined {
  try {
    return describeCertificates(bytes)[0];
  } catch {
    return undefined;
  }
}
