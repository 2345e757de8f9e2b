/**
 * `coapsule device import`: many devices from a CSV or JSON file, all of them or none.
 *
 * @module
 */

import { readFileSync, rmSync } from 'node:fs';
import { defaultRules, parseRule, ruleText } from '../access/rule.ts';
import type { ListedDevice } from '../config/device-list-file.ts';
import { deviceIdProblem } from '../server/serve-options.ts';
import { systemWallClock } from '../server/wall-clock.ts';
import type { OpenDatabase } from '../store/database.ts';
import type { DeviceTable, NewDevice } from '../store/device-table.ts';
import { parseCsv } from '../text/csv.ts';
import { printable } from '../text/printable.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure, reportOf } from './command-failure.ts';
import { chooseCredential, keyChoice } from './device-credential.ts';
import { expectUnused, type FolderOption, withDevices } from './device-store.ts';
import { ExitCode } from './exit-code.ts';
import { writeNewFiles } from './new-files.ts';
import { formatPskLine } from './psk-file.ts';
import { warningsTo } from './warnings.ts';

/** Something that is wrong in the file. */
interface ImportFault {
  readonly line: number;
  readonly problem: string;
}

/** Columns of CSV, and keys of JSON. */
const columns = ['id', 'psk', 'rpk', 'cert', 'allow'] as const;

/** More faults than this are counted. */
const maxFaults = 20;

/** Adds all devices of a file, in one transaction. */
export async function importDevices(
  streams: Pick<CommandEnvironment, 'stdout' | 'stderr' | 'variables'>,
  path: string,
  options: FolderOption & { readonly keys?: string },
): Promise<void> {
  const text = readFileSync(path, 'utf8');
  const isJson = /^\uFEFF?\s*[[{]/.test(text);
  const faults: ImportFault[] = [];
  const imported = isJson ? await jsonDevices(text, faults) : csvDevices(text, faults);
  const generated: { readonly id: string; readonly key: Uint8Array }[] = [];
  const lines = new Map<string, number>();
  const devices = imported.flatMap((entry): NewDevice[] => {
    const { line, id } = entry;
    const before = lines.get(id);
    if (before !== undefined) {
      faults.push({ line, problem: `${printable(id)} stands on line ${before} already` });
      return [];
    }
    lines.set(id, line);
    const made = newDevice(entry, warningsTo(streams));
    if ('problem' in made) {
      faults.push({ line, problem: made.problem });
      return [];
    }
    if (made.generated !== undefined) generated.push({ id, key: made.generated });
    return [made.device];
  });
  expectNone(faults, path, streams);
  if (devices.length === 0) {
    throw new CommandFailure(ExitCode.Usage, `${path} has no device`, `give ${columns.join(', ')} of each`);
  }
  expectDistinct(devices, lines, path);
  const keys = generated
    .map(({ id, key }) => `${formatPskLine({ identity: new TextEncoder().encode(id), key })}\n`)
    .join('');
  // Before the gateway knows them: who has no key cannot use it, and the import can be repeated.
  const file = options.keys;
  if (file !== undefined)
    writeNewFiles([{ path: file, text: keys, secret: true }], false, 'name another file with --keys');
  try {
    addAll(streams, options, path, devices, lines);
  } catch (error) {
    if (file !== undefined) rmSync(file, { force: true });
    throw error;
  }
  if (file === undefined) streams.stdout.write(keys);
  streams.stderr.write(
    `added ${devices.length} ${devices.length === 1 ? 'device' : 'devices'}${generated.length === 0 ? '' : `, ${generated.length} with a new key${options.keys === undefined ? '' : ` in ${options.keys}`}`}\n`,
  );
}

function addAll(
  streams: Pick<CommandEnvironment, 'stdout' | 'stderr' | 'variables'>,
  options: FolderOption,
  path: string,
  devices: readonly NewDevice[],
  lines: ReadonlyMap<string, number>,
): void {
  const changes = devices.map(({ id, credential, rules }) => ({
    event: 'device-added' as const,
    how: 'coapsule device import',
    device: id,
    credential: credential.kind,
    allow: rules,
  }));
  const add = (table: DeviceTable, opened: OpenDatabase): void => {
    for (const { id, credential } of devices) expectUnused(table, id, credential, opened);
    const present = table.addAll(devices);
    if (present === undefined) return;
    throw new CommandFailure(
      ExitCode.Failure,
      `${path}:${lines.get(present)}: there is a device ${printable(present)} already; none was added`,
      'take it out of the file, or remove it with "coapsule device remove"',
    );
  };
  withDevices(streams, options, true, add, changes);
}

function newDevice(
  { id, psk, rpk, cert, allow }: ListedDevice,
  warn: (text: string) => void,
): { readonly device: NewDevice; readonly generated: Uint8Array | undefined } | { readonly problem: string } {
  const problem = deviceIdProblem(id);
  if (problem !== undefined) return { problem };
  const rules: string[] = [];
  for (const text of allow ?? defaultRules(id).map(ruleText)) {
    const rule = parseRule(text);
    if (typeof rule === 'string') return { problem: rule };
    rules.push(ruleText(rule));
  }
  try {
    const chosen = chooseCredential(
      id,
      {
        ...(psk !== undefined && { psk: keyChoice(psk) }),
        ...(rpk !== undefined && { rpk }),
        ...(cert !== undefined && { cert }),
      },
      warn,
    );
    const { credential, generated } = chosen;
    return { device: { id, credential, rules, addedAtMs: systemWallClock() }, generated };
  } catch (error) {
    return { problem: reportOf(error).cause };
  }
}

async function jsonDevices(text: string, faults: ImportFault[]): Promise<readonly ListedDevice[]> {
  const { readDeviceList } = await import('../config/device-list-file.ts');
  const list = readDeviceList(text);
  if ('devices' in list) return list.devices;
  faults.push(...list.faults.map(({ line, key, problem }) => ({ line, problem: `${key}: ${problem}` })));
  return [];
}

function csvDevices(text: string, faults: ImportFault[]): readonly ListedDevice[] {
  const records = parseCsv(text);
  if ('problem' in records) {
    faults.push(records);
    return [];
  }
  const [head, ...rows] = records;
  const names = head?.fields.map((name) => name.trim()) ?? [];
  const unknown = names.find((name) => !(columns as readonly string[]).includes(name));
  if (head === undefined || !names.includes('id') || unknown !== undefined) {
    // The first line may be a device, with its key.
    faults.push({
      line: head?.line ?? 1,
      problem: `the first line names the columns: id, and as needed ${columns.slice(1).join(', ')}`,
    });
    return [];
  }
  return rows.flatMap(({ line, fields }) => {
    if (fields.length !== names.length) {
      faults.push({ line, problem: `${fields.length} fields, and ${names.length} columns` });
      return [];
    }
    const fieldOf = (column: (typeof columns)[number]): string | undefined =>
      fields[names.indexOf(column)] || undefined;
    const [id = '', psk, rpk, cert, allow] = columns.map(fieldOf);
    return [{ line, id, psk, rpk, cert, allow: allow?.split(/\s+/).filter((rule) => rule !== '') }];
  });
}

function expectNone(
  faults: readonly ImportFault[],
  path: string,
  { stderr }: Pick<CommandEnvironment, 'stderr'>,
): void {
  if (faults.length === 0) return;
  const sorted = faults.toSorted((one, other) => one.line - other.line);
  for (const { line, problem } of sorted.slice(0, maxFaults))
    stderr.write(`coapsule: ${path}:${line}: ${printable(problem, 1000)}\n`);
  throw new CommandFailure(
    ExitCode.Usage,
    `${path} has ${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}; no device was added`,
    'correct the file and import it again',
  );
}

/** No two devices may have one raw public key or certificate: neither could be told from the other. */
function expectDistinct(
  devices: readonly NewDevice[],
  lines: ReadonlyMap<string, number>,
  path: string,
): void {
  const owners = new Map<string, string>();
  for (const { id, credential } of devices) {
    if (credential.kind !== 'rpk' && credential.kind !== 'cert') continue;
    const owner = owners.get(credential.fingerprint);
    if (owner !== undefined) {
      throw new CommandFailure(
        ExitCode.Usage,
        `${path}:${lines.get(id)}: ${printable(id)} has the key or certificate of ${printable(owner)}`,
        'give each device its own',
      );
    }
    owners.set(credential.fingerprint, id);
  }
}
