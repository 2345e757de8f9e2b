/**
 * `coapsule device list` and `show`: devices as people and scripts read them, without keys unless they are asked for.
 *
 * @module
 */

import { systemWallClock } from '../server/wall-clock.ts';
import type { Device, DeviceCredential } from '../store/device-table.ts';
import type { PreviousCredential } from '../store/previous-table.ts';
import { printable, printableJson } from '../text/printable.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { type FolderOption, missingDevice, withDevices } from './device-store.ts';
import { ExitCode } from './exit-code.ts';
import { hexText } from './option-values.ts';
import { expectQrKey, expectQrPlace, type QrOptions, tellQr, wantsQr } from './qr-options.ts';

type OutputStreams = Pick<CommandEnvironment, 'stdout' | 'stderr' | 'variables'>;

/** Longest list of rules that is shown, in characters. */
export const maxRules = 10_000;

/** All devices. */
export function listDevices(streams: OutputStreams, options: FolderOption & { json?: true }): void {
  const devices = withDevices(streams, options, false, (table) => table.all());
  if (options.json) {
    print(streams, printableJson(devices.map((device) => deviceValue(device, false))));
    return;
  }
  if (devices.length === 0) streams.stderr.write('no devices yet; add one with: coapsule device add ID\n');
  for (const device of devices)
    print(
      streams,
      `${printable(device.id)}\t${printable(device.rules.join(' '), maxRules)}\t${credentialText(device.credential)}${overlapText(device)}`,
    );
}

/** One device. */
export async function showDevice(
  streams: OutputStreams,
  id: string,
  options: FolderOption & QrOptions & { json?: true; reveal?: true },
): Promise<void> {
  if (wantsQr(options) && options.reveal !== true) {
    throw new CommandFailure(ExitCode.Usage, 'a QR code shows the key', 'add --reveal, if it may be seen');
  }
  expectQrPlace(options, streams);
  const device = withDevices(streams, options, false, (table) => table.find(id)) ?? missingDevice(id);
  const reveal = options.reveal ?? false;
  expectQrKey(options, device.credential);
  await tellQr(streams, id, options, device.credential);
  if (options.qrFile === '-') return;
  if (options.json) {
    print(streams, printableJson(deviceValue(device, reveal)));
    return;
  }
  const { added, rotated, keyVersion, expires } = deviceValue(device, reveal);
  print(streams, `id       ${printable(device.id)}`);
  const { credential } = device;
  if (credential.kind === 'psk') {
    const { key } = credential;
    print(streams, `key      ${reveal ? `0x${hexText(key)}` : `${key.length} bytes, hidden (--reveal)`}`);
  } else if (credential.kind === 'oscore') {
    print(streams, `oscore   kid 0x${hexText(credential.recipientId)}`);
  } else {
    print(streams, `${credential.kind.padEnd(9)}${credential.fingerprint}`);
    if (expires !== undefined) print(streams, `expires  ${expires}`);
  }
  print(streams, `version  ${keyVersion}`);
  print(streams, `added    ${added}`);
  if (rotated !== null) print(streams, `rotated  ${rotated}`);
  const { previous } = device;
  if (previous !== undefined && counts(previous)) {
    const { credential: before, keyVersion: version, untilMs, endsWithUse } = previous;
    const until = `${new Date(untilMs).toISOString()}${endsWithUse ? ', or until the new one is used' : ''}`;
    print(streams, `before   ${before.kind}, version ${version}, until ${until}`);
    if (before.kind === 'psk' && reveal) print(streams, `         0x${hexText(before.key)}`);
  }
  for (const rule of device.rules) print(streams, `may      ${printable(rule, maxRules)}`);
}

/** The stable form for scripts. */
function deviceValue(device: Device, reveal: boolean) {
  const { id, credential, keyVersion, addedAtMs, rotatedAtMs, rules, previous } = device;
  return {
    id,
    credential: credential.kind,
    ...(credential.kind === 'psk' && reveal ? { psk: `0x${hexText(credential.key)}` } : {}),
    ...(credential.kind === 'psk'
      ? { keyLength: credential.key.length }
      : credential.kind === 'oscore'
        ? { kid: `0x${hexText(credential.recipientId)}` }
        : { fingerprint: credential.fingerprint }),
    ...(credential.kind === 'cert' && credential.expiresAtMs !== undefined
      ? { expires: new Date(credential.expiresAtMs).toISOString() }
      : {}),
    keyVersion,
    added: new Date(addedAtMs).toISOString(),
    rotated: rotatedAtMs === undefined ? null : new Date(rotatedAtMs).toISOString(),
    ...(previous !== undefined && counts(previous)
      ? {
          before: {
            credential: previous.credential.kind,
            ...(previous.credential.kind === 'psk' && reveal
              ? { psk: `0x${hexText(previous.credential.key)}` }
              : {}),
            keyVersion: previous.keyVersion,
            until: new Date(previous.untilMs).toISOString(),
            untilUsed: previous.endsWithUse,
          },
        }
      : {}),
    allow: rules,
  };
}

function counts({ untilMs }: PreviousCredential): boolean {
  return systemWallClock() < untilMs;
}

/** Until when what a device had before counts. */
function overlapText({ previous }: Device): string {
  if (previous === undefined || !counts(previous)) return '';
  const until = new Date(previous.untilMs).toISOString().slice(0, 10);
  return `; ${previous.credential.kind} before until ${until}${previous.endsWithUse ? ' or first use' : ''}`;
}

/** Kind, and when it ends. */
function credentialText(credential: DeviceCredential): string {
  if (credential.kind !== 'cert' || credential.expiresAtMs === undefined) return credential.kind;
  const end = new Date(credential.expiresAtMs).toISOString().slice(0, 10);
  return credential.expiresAtMs < systemWallClock() ? `cert, expired on ${end}` : `cert until ${end}`;
}

function print({ stdout }: OutputStreams, line: string): void {
  stdout.write(`${line}\n`);
}
