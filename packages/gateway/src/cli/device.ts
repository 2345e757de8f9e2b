/**
 * `coapsule device`: the devices of a data folder, with their credentials and what they may do; also while the gateway
 * runs.
 *
 * It writes to the same database as the gateway, asks it to look there (device-noticed.ts), and the gateway ends associations under
 * keys that do not count any more.
 *
 * @module
 */

import { rmSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import { defaultRules, parseRule, ruleText } from '../access/rule.ts';
import { deviceIdProblem } from '../server/serve-options.ts';
import { systemWallClock } from '../server/wall-clock.ts';
import type { OpenDatabase } from '../store/database.ts';
import type { DeviceTable } from '../store/device-table.ts';
import { printable } from '../text/printable.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import {
  type CredentialOptions,
  chooseCredential,
  markUsedEnd,
  withCredentialOptions,
} from './device-credential.ts';
import { denyKey, listDenied, undenyKey } from './device-deny.ts';
import { gatewayNoticed } from './device-noticed.ts';
import { listDevices, maxRules, showDevice } from './device-show.ts';
import { expectUnused, type FolderOption, missingDevice, withDevices } from './device-store.ts';
import { ExitCode } from './exit-code.ts';
import { addMasterKeyOption } from './master-key-option.ts';
import { type NewFile, writeNewFiles } from './new-files.ts';
import { durationValue, hexText, pathValue } from './option-values.ts';
import { addQrOptions, expectQrKey, expectQrPlace, type QrOptions, tellQr } from './qr-options.ts';
import { warningsTo } from './warnings.ts';

type OutputStreams = Pick<CommandEnvironment, 'stdout' | 'stderr' | 'variables'>;

/** Makes the command with its sub-commands. */
export function deviceCommand(streams: OutputStreams): Command {
  const device = new Command('device');
  const subcommand = (name: string, description: string, example: string): Command =>
    addMasterKeyOption(
      device
        .command(name)
        .description(description)
        .option('--data <folder>', "the gateway's data folder", pathValue, './data'),
    ).addHelpText('after', `\nExample:\n  coapsule device ${example}`);

  addQrOptions(
    withCredentialOptions(
      subcommand(
        'add',
        'add a device, with a new key unless it has a credential',
        'add dashboard --allow "GET:/sensors/*"',
      ),
    ),
  )
    .argument('<id>', 'its PSK identity, or the name in its certificate')
    .option(
      '--allow <method:path>',
      'what it may do; repeatable; replaces the default: PUT, POST and GET of /sensors/ID and below it, and of /sensor',
      ruleValue,
    )
    .addHelpText('after', rulesHelp)
    .action((id, options) => addDevice(streams, id, options));
  subcommand(
    'import',
    'add many devices from a file: all of them, or none',
    'import fleet.csv --keys fleet.psk',
  )
    .argument('<file>', 'CSV with a line of column names, or a JSON list')
    .option(
      '--keys <file>',
      'where keys go that are made, as lines ID:KEY; else to standard output',
      pathValue,
    )
    .addHelpText('after', importHelp)
    .action(async (file, options) => {
      const { importDevices } = await import('./device-import.ts');
      await importDevices(streams, file, options);
      await gatewayNoticed(streams, options);
    });
  subcommand(
    'allow',
    'say anew what a device may do; its key stays',
    'allow sensor-7 PUT:/sensors/7 "GET:/config/*"',
  )
    .argument('<id>', 'which one')
    .argument('<method:path...>', 'all that it may do from now on', ruleValue)
    .addHelpText('after', rulesHelp)
    .action((id, rules, options) => allowDevice(streams, id, rules, options));
  subcommand('list', 'all devices and what they prove themselves with, without keys', 'list --json')
    .option('--json', 'one JSON array')
    .action((options) => listDevices(streams, options));
  addQrOptions(
    subcommand('show', 'one device and what it may do', 'show sensor-7 --reveal')
      .argument('<id>', 'which one')
      .option('--reveal', 'show the key')
      .option('--json', 'one JSON object'),
  ).action((id, options) => showDevice(streams, id, options));
  addQrOptions(
    withCredentialOptions(
      subcommand(
        'rotate',
        'give a device a new credential; the old one stops working at once, or after a while',
        'rotate sensor-7 --overlap 7d --until-used',
      ),
    ),
  )
    .argument('<id>', 'which one')
    .option(
      '--overlap <time>',
      'how long the old one counts besides the new one: 90s, 30m, 12h, 7d; not for OSCORE',
      overlapValue,
    )
    .option('--until-used', 'and no longer than until the device first uses the new one')
    .action((id, options) => rotateDevice(streams, id, options));
  subcommand(
    'retire',
    'end the overlap of a rotation: the credential before stops working at once',
    'retire sensor-7',
  )
    .argument('<id>', 'which one')
    .action((id, options) => retireDevice(streams, id, options));
  subcommand(
    'deny',
    'let nobody in any more with a certificate or public key, whoever vouches for it',
    'deny stolen.pem --note "pump 7 was stolen"',
  )
    .argument('<what>', 'file of a certificate (all with its key are meant) or public key, or a fingerprint')
    .option('--certificate-only', 'this certificate, and not others with its key')
    .option('--note <text>', 'why')
    .addHelpText('after', denyHelp)
    .action(async (what, options) => {
      denyKey(streams, what, options);
      await gatewayNoticed(streams, options);
    });
  subcommand('undeny', 'take a certificate or public key off the deny list', 'undeny sha256:…')
    .argument('<what>', 'as "device denied" lists it')
    .action(async (what, options) => {
      undenyKey(streams, what, options);
      await gatewayNoticed(streams, options);
    });
  subcommand('denied', 'the deny list', 'denied --json')
    .option('--json', 'one JSON array')
    .action((options) => listDenied(streams, options));
  subcommand('remove', 'remove a device and disconnect it; its readings stay', 'remove sensor-7')
    .argument('<id>', 'which one')
    .action((id, options) => removeDevice(streams, id, options));
  return device.addHelpText('after', help);
}

const rulesHelp = `
METHOD:PATH: one or more methods with commas, or * for any; a path is exact, /x/* is everything below /x.
Such as PUT,POST:/sensors/7, GET:/sensors/* or *:/config/7.`;

const denyHelp = `
It counts at once: in every handshake, for all certificates up to the authority, and for associations that are there: those of
the device that has it end; when no device has it (an authority's), those of all devices with a certificate, which then make
new handshakes. A pre-shared key is ended with "device rotate" or "remove".`;

const importHelp = `
Columns, or keys: id; psk (text, 0x and hex, or generate), rpk or cert as for "device add", none of them for a new
key; allow, with spaces between rules (a list in JSON). Such as:
  id,psk,allow
  pump-1,0x00112233445566778899aabbccddeeff,
  dashboard,generate,GET:/sensors/*`;

const help = `
Examples:
  coapsule device add sensor-7
  coapsule device add sensor-8 --rpk sensor-8.pub
  coapsule device add sensor-9 --cert sensor-9.pem
  coapsule device add sensor-10 --oscore generate
  coapsule device add dashboard --allow "GET:/sensors/*"
  coapsule device allow sensor-7 PUT:/sensors/7
  coapsule device rotate sensor-7
  coapsule device list --json`;

async function addDevice(
  streams: OutputStreams,
  id: string,
  options: FolderOption & CredentialOptions & QrOptions & { allow?: readonly string[] },
): Promise<void> {
  const problem = deviceIdProblem(id);
  if (problem !== undefined) throw new CommandFailure(ExitCode.Usage, problem, 'choose another id');
  expectQrPlace(options, streams);
  const warned = warningsTo(streams);
  const { credential, generated, deviceFile, usedEnd } = chooseCredential(id, options, warned);
  expectQrKey(options, credential);
  const rules = options.allow ?? defaultRules(id).map(ruleText);
  withDevices(
    streams,
    options,
    true,
    withDeviceFile(deviceFile, (devices, opened) => {
      expectUnused(devices, id, credential, opened);
      if (!devices.add({ id, credential, rules, addedAtMs: systemWallClock() })) {
        throw new CommandFailure(
          ExitCode.Failure,
          `there is a device ${printable(id)} already; it was not changed`,
          'give it a new credential with "coapsule device rotate", or remove it first',
        );
      }
    }),
    [
      {
        event: 'device-added',
        how: 'coapsule device add',
        device: id,
        credential: credential.kind,
        allow: rules,
      },
    ],
  );
  markUsedEnd(usedEnd, warned);
  await gatewayNoticed(streams, options);
  tell(streams, `added ${printable(id)}; it may ${printable(rules.join(' '), maxRules)}`);
  if (options.qrFile !== '-') tellKey(streams, id, generated);
  await tellQr(streams, id, options, credential);
  tellFile(streams, id, deviceFile);
}

async function allowDevice(
  streams: OutputStreams,
  id: string,
  rules: readonly string[],
  options: FolderOption,
): Promise<void> {
  withDevices(streams, options, false, (devices) => devices.allow(id, rules) || unchanged(devices, id), [
    { event: 'device-allowed', how: 'coapsule device allow', device: id, allow: rules },
  ]);
  await gatewayNoticed(streams, options);
  tell(streams, `${printable(id)} may now ${printable(rules.join(' '), maxRules)}, and nothing else`);
}

async function rotateDevice(
  streams: OutputStreams,
  id: string,
  options: FolderOption & CredentialOptions & QrOptions & { overlap?: number; untilUsed?: true },
): Promise<void> {
  expectQrPlace(options, streams);
  const { overlap: overlapMs, untilUsed = false } = options;
  if (untilUsed && overlapMs === undefined) {
    throw new CommandFailure(
      ExitCode.Usage,
      '--until-used says when an overlap ends early, and there is none',
      'say how long at most: --overlap 7d',
    );
  }
  const nowMs = systemWallClock();
  const overlap =
    overlapMs === undefined ? undefined : { untilMs: nowMs + overlapMs, endsWithUse: untilUsed };
  const warned = warningsTo(streams);
  const { credential, generated, deviceFile, usedEnd } = chooseCredential(id, options, warned);
  expectQrKey(options, credential);
  if (overlap !== undefined && credential.kind === 'oscore') throw noOscoreOverlap();
  withDevices(
    streams,
    options,
    false,
    withDeviceFile(deviceFile, (devices, opened) => {
      expectUnused(devices, id, credential, opened);
      if (overlap !== undefined && devices.find(id)?.credential.kind === 'oscore') throw noOscoreOverlap();
      return devices.rotate(id, credential, nowMs, overlap) || unchanged(devices, id);
    }),
    [
      {
        event: 'device-rotated',
        how: 'coapsule device rotate',
        device: id,
        credential: credential.kind,
        ...(overlap && { overlapUntil: new Date(overlap.untilMs).toISOString(), untilUsed }),
      },
    ],
  );
  markUsedEnd(usedEnd, warned);
  await gatewayNoticed(streams, options);
  const what = { psk: 'key', rpk: 'raw public key', cert: 'certificate', oscore: 'OSCORE context' }[
    credential.kind
  ];
  const end = overlap && new Date(overlap.untilMs).toISOString();
  const old =
    end === undefined
      ? 'the old one does not count any more'
      : `the old one counts until ${end}${untilUsed ? ', or until the new one is used' : ''}`;
  tell(streams, `${printable(id)} has a new ${what}; ${old}`);
  if (options.qrFile !== '-') tellKey(streams, id, generated);
  await tellQr(streams, id, options, credential);
  tellFile(streams, id, deviceFile);
}

function noOscoreOverlap(): CommandFailure {
  return new CommandFailure(
    ExitCode.Usage,
    'an OSCORE context has one state, and none can count beside another (RFC 8613 §7)',
    'leave --overlap out; or add the device under a second id for the time',
  );
}

async function retireDevice(streams: OutputStreams, id: string, options: FolderOption): Promise<void> {
  const wasThere = withDevices(
    streams,
    options,
    false,
    (devices) => (devices.homeOf(id) === '' ? devices.retire(id) : unchanged(devices, id)),
    [{ event: 'credential-retired', how: 'coapsule device retire', device: id }],
  );
  await gatewayNoticed(streams, options);
  tell(
    streams,
    wasThere
      ? `what ${printable(id)} had before does not count any more`
      : `${printable(id)} has one credential; there was nothing to end`,
  );
}

async function removeDevice(streams: OutputStreams, id: string, options: FolderOption): Promise<void> {
  withDevices(streams, options, false, (devices) => devices.remove(id) || unchanged(devices, id), [
    { event: 'device-removed', how: 'coapsule device remove', device: id },
  ]);
  await gatewayNoticed(streams, options);
  tell(streams, `removed ${printable(id)}; its readings stay`);
}

/** The device's end is written before the gateway has the other: who has no file cannot use it, and `add` can be repeated. */
function withDeviceFile<T>(
  file: NewFile | undefined,
  work: (devices: DeviceTable, opened: OpenDatabase) => T,
): (devices: DeviceTable, opened: OpenDatabase) => T {
  if (file === undefined) return work;
  return (devices, opened) => {
    writeNewFiles([file], false, 'name another file with --oscore-file');
    try {
      return work(devices, opened);
    } catch (error) {
      rmSync(file.path, { force: true });
      throw error;
    }
  };
}

function tellFile({ stderr }: OutputStreams, id: string, file: NewFile | undefined): void {
  if (file === undefined) return;
  stderr.write(
    `${file.path} is the end of ${printable(id)}: bring it to the device, and use it there alone\n` +
      `next: coapsule put coap://GATEWAY/sensors/${id} -e 22.5 --oscore ${file.path}\n`,
  );
}

/** A key that was made here is shown once: the device needs it. */
function tellKey(streams: OutputStreams, id: string, generated: Uint8Array | undefined): void {
  if (generated === undefined) return;
  streams.stderr.write(`the key of ${printable(id)}, copy it now:\n`);
  streams.stdout.write(`0x${hexText(generated)}\n`);
}

/** Why nothing was changed. */
function unchanged(devices: DeviceTable, id: string): never {
  if ((devices.homeOf(id) ?? '') === '') return missingDevice(id);
  throw new CommandFailure(
    ExitCode.Failure,
    `the device ${printable(id)} was added at another gateway`,
    'change it there: the gateways that share with it follow (docs/scale-out.md)',
  );
}

/** The longest overlap: a year. */
const maxOverlapMs = 366 * 86_400_000;

function overlapValue(text: string): number {
  const ms = durationValue(text);
  if (ms < 1000 || ms > maxOverlapMs) throw new InvalidArgumentError('give 1s to 366d');
  return ms;
}

function ruleValue(text: string, before: readonly string[] = []): readonly string[] {
  const rule = parseRule(text);
  if (typeof rule === 'string') throw new InvalidArgumentError(rule);
  return [...before, ruleText(rule)];
}

function tell({ stderr }: OutputStreams, text: string): void {
  stderr.write(`${text}\n`);
}
