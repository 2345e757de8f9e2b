/**
 * `coapsule device`: the devices of a data folder, with their keys and what they may do; also while the gateway runs.
 *
 * It writes to the same database as the gateway, which notices within a second and ends associations under keys
 * that do not count any more.
 *
 * @module
 */

import { randomBytes } from 'node:crypto';
import { Command, InvalidArgumentError, Option } from 'commander';
import { defaultRules, parseRule, ruleText } from '../access/rule.ts';
import { weaknessOf } from '../server/demo-credentials.ts';
import { deviceIdProblem } from '../server/serve-options.ts';
import { systemWallClock } from '../server/wall-clock.ts';
import { openDatabase } from '../store/database.ts';
import { type Device, DeviceTable } from '../store/device-table.ts';
import { StoreFault } from '../store/store-fault.ts';
import { printable, printableJson } from '../text/printable.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { laterOption } from './later-option.ts';
import { hexText, keyBytes, pathValue } from './option-values.ts';

type OutputStreams = Pick<CommandEnvironment, 'stdout' | 'stderr'>;

interface FolderOption {
  readonly data: string;
}

type KeyChoice = { readonly kind: 'generate' } | { readonly kind: 'given'; readonly key: Uint8Array };

const generatedKeyBytes = 16;

/** Longest list of rules that is shown, in characters. */
const maxRules = 10_000;

/** Makes the command with its sub-commands. */
export function deviceCommand(streams: OutputStreams): Command {
  const device = new Command('device').description('devices and their keys in the store of the gateway');
  const subcommand = (name: string, description: string, example: string): Command =>
    device
      .command(name)
      .description(description)
      .option('--data <folder>', "the gateway's data folder", pathValue, './data')
      .addHelpText('after', `\nExample:\n  coapsule device ${example}`);

  const add = withKeyOption(
    subcommand('add', 'add a device, with a new key', 'add dashboard --allow "GET:/sensors/*"'),
  )
    .argument('<id>', 'its PSK identity')
    .option(
      '--allow <method:path>',
      'what it may do; repeatable; replaces the default: PUT, POST and GET of /sensors/ID and below it, and of /sensor',
      ruleValue,
    )
    .addHelpText('after', rulesHelp)
    .action((id, options) => addDevice(streams, id, options));
  refuseLater(add, ['--rpk <file>', '--cert <file>', '--oscore <generate>']);
  subcommand(
    'allow',
    'say anew what a device may do; its key stays',
    'allow sensor-7 PUT:/sensors/7 "GET:/config/*"',
  )
    .argument('<id>')
    .argument('<method:path...>', 'all that it may do from now on', ruleValue)
    .addHelpText('after', rulesHelp)
    .action((id, rules, options) => allowDevice(streams, id, rules, options));
  subcommand('list', 'all devices, without keys', 'list --json')
    .option('--json', 'one JSON array')
    .action((options) => listDevices(streams, options));
  subcommand('show', 'one device and what it may do', 'show sensor-7 --reveal')
    .argument('<id>')
    .option('--reveal', 'show the key')
    .option('--json', 'one JSON object')
    .action((id, options) => showDevice(streams, id, options));
  const rotate = withKeyOption(
    subcommand('rotate', 'give a device a new key; the old one stops working at once', 'rotate sensor-7'),
  )
    .argument('<id>')
    .action((id, options) => rotateDevice(streams, id, options));
  refuseLater(rotate, ['--rpk <file>', '--cert <file>', '--oscore <generate>']);
  subcommand('remove', 'remove a device and disconnect it; its readings stay', 'remove sensor-7')
    .argument('<id>')
    .action((id, options) => removeDevice(streams, id, options));
  return device.addHelpText('after', help);
}

const rulesHelp = `
METHOD:PATH: one or more methods with commas, or * for any; a path is exact, /x/* is everything below /x.
Such as PUT,POST:/sensors/7, GET:/sensors/* or *:/config/7.`;

const help = `
Examples:
  coapsule device add sensor-7
  coapsule device add dashboard --allow "GET:/sensors/*"
  coapsule device allow sensor-7 PUT:/sensors/7
  coapsule device rotate sensor-7
  coapsule device list --json`;

function addDevice(
  streams: OutputStreams,
  id: string,
  options: FolderOption & { psk: KeyChoice; allow?: readonly string[] },
): void {
  const problem = deviceIdProblem(id);
  if (problem !== undefined) throw new CommandFailure(ExitCode.Usage, problem, 'choose another id');
  const psk = keyOf(streams, id, options.psk);
  const rules = options.allow ?? defaultRules(id).map(ruleText);
  withDevices(streams, options, true, (devices) => {
    if (!devices.add({ id, psk, rules, addedAtMs: systemWallClock() })) {
      throw new CommandFailure(
        ExitCode.Failure,
        `there is a device ${printable(id)} already; it was not changed`,
        'give it a new key with "coapsule device rotate", or remove it first',
      );
    }
  });
  tell(streams, `added ${printable(id)}; it may ${printable(rules.join(' '), maxRules)}`);
  tellKey(streams, id, options.psk, psk);
}

function allowDevice(
  streams: OutputStreams,
  id: string,
  rules: readonly string[],
  options: FolderOption,
): void {
  withDevices(streams, options, false, (devices) => devices.allow(id, rules) || missing(id));
  tell(streams, `${printable(id)} may now ${printable(rules.join(' '), maxRules)}, and nothing else`);
}

function listDevices(streams: OutputStreams, options: FolderOption & { json?: true }): void {
  const devices = withDevices(streams, options, false, (table) => table.all());
  if (options.json) {
    print(streams, printableJson(devices.map((device) => deviceValue(device, false))));
    return;
  }
  if (devices.length === 0) tell(streams, 'no devices yet; add one with: coapsule device add ID');
  for (const device of devices)
    print(streams, `${printable(device.id)}\t${printable(device.rules.join(' '), maxRules)}`);
}

function showDevice(
  streams: OutputStreams,
  id: string,
  options: FolderOption & { json?: true; reveal?: true },
): void {
  const device = withDevices(streams, options, false, (table) => table.find(id)) ?? missing(id);
  const reveal = options.reveal ?? false;
  if (options.json) {
    print(streams, printableJson(deviceValue(device, reveal)));
    return;
  }
  const { added, rotated, keyVersion } = deviceValue(device, reveal);
  print(streams, `id       ${printable(device.id)}`);
  print(
    streams,
    `key      ${reveal ? `0x${hexText(device.psk)}` : `${device.psk.length} bytes, hidden (--reveal)`}`,
  );
  print(streams, `version  ${keyVersion}`);
  print(streams, `added    ${added}`);
  if (rotated !== null) print(streams, `rotated  ${rotated}`);
  for (const rule of device.rules) print(streams, `may      ${printable(rule, maxRules)}`);
}

function rotateDevice(streams: OutputStreams, id: string, options: FolderOption & { psk: KeyChoice }): void {
  const psk = keyOf(streams, id, options.psk);
  withDevices(
    streams,
    options,
    false,
    (devices) => devices.rotate(id, psk, systemWallClock()) || missing(id),
  );
  tell(streams, `${printable(id)} has a new key; the old one does not count any more`);
  tellKey(streams, id, options.psk, psk);
}

function removeDevice(streams: OutputStreams, id: string, options: FolderOption): void {
  withDevices(streams, options, false, (devices) => devices.remove(id) || missing(id));
  tell(streams, `removed ${printable(id)}; its readings stay`);
}

/** The stable form for scripts. */
function deviceValue(device: Device, reveal: boolean) {
  const { id, psk, keyVersion, addedAtMs, rotatedAtMs, rules } = device;
  return {
    id,
    ...(reveal ? { psk: `0x${hexText(psk)}` } : {}),
    keyLength: psk.length,
    keyVersion,
    added: new Date(addedAtMs).toISOString(),
    rotated: rotatedAtMs === undefined ? null : new Date(rotatedAtMs).toISOString(),
    allow: rules,
  };
}

function withDevices<T>(
  streams: OutputStreams,
  { data }: FolderOption,
  create: boolean,
  work: (devices: DeviceTable) => T,
): T {
  try {
    const opened = openDatabase(data, { create, asGateway: false });
    try {
      for (const warning of opened.folder.warnings) warn(streams, warning);
      return work(new DeviceTable(opened.database));
    } finally {
      opened.close();
    }
  } catch (error) {
    if (!(error instanceof StoreFault)) throw error;
    throw new CommandFailure(ExitCode.Failure, error.message, error.nextStep);
  }
}

function keyOf(streams: OutputStreams, id: string, choice: KeyChoice): Uint8Array {
  if (choice.kind === 'generate') return randomBytes(generatedKeyBytes);
  const weakness = weaknessOf(choice.key);
  if (weakness !== undefined) warn(streams, `the key of ${printable(id)} ${weakness}`);
  return choice.key;
}

/** A key that was made here is shown once: the device needs it. */
function tellKey(streams: OutputStreams, id: string, choice: KeyChoice, key: Uint8Array): void {
  if (choice.kind !== 'generate') return;
  streams.stderr.write(`the key of ${printable(id)}, copy it now:\n`);
  print(streams, `0x${hexText(key)}`);
}

function missing(id: string): never {
  throw new CommandFailure(
    ExitCode.Failure,
    `there is no device ${printable(id)}`,
    'see "coapsule device list" (and --data)',
  );
}

function withKeyOption(command: Command): Command {
  const generate: KeyChoice = { kind: 'generate' };
  return command.addOption(
    new Option(
      '--psk <key>',
      'text, 0x and hex, or "generate" for 16 random bytes that are printed once as 0x and hex',
    )
      .argParser(keyChoice)
      .default(generate, 'generate'),
  );
}

function keyChoice(text: string): KeyChoice {
  if (text === 'generate') return { kind: 'generate' };
  const key = keyBytes(text);
  if (key !== undefined) return { kind: 'given', key };
  // Not commander's own message: it would repeat the key.
  throw new CommandFailure(
    ExitCode.Usage,
    '--psk: the key is empty, or not pairs of hexadecimal digits after 0x',
    'leave --psk out to have one made',
  );
}

function ruleValue(text: string, before: readonly string[] = []): readonly string[] {
  const rule = parseRule(text);
  if (typeof rule === 'string') throw new InvalidArgumentError(rule);
  return [...before, ruleText(rule)];
}

function refuseLater(command: Command, flags: readonly string[]): void {
  for (const flag of flags) {
    command.addOption(laterOption(flag, 'this version knows pre-shared keys: --psk'));
  }
}

function print({ stdout }: OutputStreams, line: string): void {
  stdout.write(`${line}\n`);
}

function tell({ stderr }: OutputStreams, text: string): void {
  stderr.write(`${text}\n`);
}

function warn({ stderr }: OutputStreams, text: string): void {
  stderr.write(`coapsule: warning: ${text}\n`);
}
