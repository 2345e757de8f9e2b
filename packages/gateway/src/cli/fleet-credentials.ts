/**
 * How simulated devices get in: keys from an identity file, or devices that are added to the store of a data folder for the
 * time of the run and removed after it, as `coapsule device import` and `device remove` do.
 *
 * @module
 */

import { randomBytes } from 'node:crypto';
import { defaultRules, ruleText } from '../access/rule.ts';
import type { FleetCredential } from '../fleet/device-surroundings.ts';
import type { DevicePlan } from '../fleet/fleet-plan.ts';
import { systemWallClock } from '../server/wall-clock.ts';
import type { DeviceTable, NewDevice } from '../store/device-table.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { oscoreCredential } from './device-credential.ts';
import { type FolderOption, withDevices } from './device-store.ts';
import { ExitCode } from './exit-code.ts';
import { newOscorePair } from './keys-oscore.ts';
import { readPskFile } from './psk-file.ts';

const keyBytes = 16;
const how = 'coapsule simulate';

/** How names of simulated devices begin, unless somebody wants others: no device of a plant is called so. */
export const usualPrefix = 'sim-';

type OscoreFleetCredential = Extract<FleetCredential, { kind: 'oscore' }>;

/** Identities and keys of a file, in its order. */
export function fleetFromFile(
  path: string,
  warn: (text: string) => void,
): ReadonlyMap<string, FleetCredential> {
  const decoder = new TextDecoder();
  return new Map(
    readPskFile(path, warn).map(({ identity, key }) => [
      decoder.decode(identity),
      { kind: 'psk', identity, key },
    ]),
  );
}

/** A device for each plan, with a new key, what every device may do and what the plan needs; and what it proves itself with. */
export function fleetDevices(
  plans: readonly Pick<DevicePlan, 'id' | 'rules' | 'sleep'>[],
  addedAtMs: number,
): { readonly devices: readonly NewDevice[]; readonly credentials: ReadonlyMap<string, FleetCredential> } {
  const credentials = new Map<string, FleetCredential>();
  const devices = plans.map((plan): NewDevice => {
    const { id } = plan;
    const rules = [...defaultRules(id).map(ruleText), ...plan.rules];
    const common = { id, rules, addedAtMs };
    if (plan.sleep !== 'oscore') {
      const key = randomBytes(keyBytes);
      credentials.set(id, { kind: 'psk', identity: id, key });
      return { ...common, credential: { kind: 'psk', key } };
    }
    const { device, server } = newOscorePair(randomBytes);
    const { masterSecret, masterSalt = new Uint8Array(0), senderId, recipientId } = device;
    credentials.set(id, { kind: 'oscore', masterSecret, masterSalt, senderId, recipientId });
    return { ...common, credential: oscoreCredential(server) };
  });
  return { devices, credentials };
}

/** Devices in a store for the time of a run. */
export class ProvisionedFleet {
  readonly credentials: ReadonlyMap<string, FleetCredential>;
  /**
   * Of a device more, whose context a gateway opens last: when that one is known, all are. Only where there are devices under
   * OSCORE, which a gateway learns of within a second.
   */
  readonly canary: OscoreFleetCredential | undefined;
  readonly #streams: Pick<CommandEnvironment, 'stderr' | 'variables'>;
  readonly #folder: FolderOption;

  /**
   * Adds a device for each plan, with a new key, what every device may do and what the plan needs. Those of a run before, that
   * was killed, are replaced.
   *
   * @throws CommandFailure where a device has one of the names that may be a real one: its key would be lost.
   */
  static add(
    streams: Pick<CommandEnvironment, 'stderr' | 'variables'>,
    folder: FolderOption,
    plans: readonly DevicePlan[],
  ): ProvisionedFleet {
    const oscore = plans.filter(({ sleep }) => sleep === 'oscore');
    const last = oscore.at(-1);
    // Behind all others in the order of ids.
    const canary = last === undefined ? [] : [{ ...last, id: `${last.id}~`, rules: [] }];
    const { devices, credentials } = fleetDevices([...plans, ...canary], systemWallClock());
    withDevices(
      streams,
      folder,
      false,
      (table) => {
        expectNoOthers(table, devices, folder.data);
        const before = devices.filter(({ id }) => table.remove(id)).length;
        if (before > 0)
          streams.stderr.write(
            `coapsule: ${before} devices of an earlier run were there, and are replaced\n`,
          );
        table.addAll(devices);
      },
      devices.map(({ id, credential, rules }) => ({
        ...{ event: 'device-added', how, device: id, credential: credential.kind, allow: rules },
      })),
    );
    return new ProvisionedFleet(streams, folder, credentials, canary[0]?.id ?? '');
  }

  private constructor(
    streams: Pick<CommandEnvironment, 'stderr' | 'variables'>,
    folder: FolderOption,
    credentials: ReadonlyMap<string, FleetCredential>,
    canary: string,
  ) {
    const own = credentials.get(canary);
    this.canary = own?.kind === 'oscore' ? own : undefined;
    this.#streams = streams;
    this.#folder = folder;
    this.credentials = credentials;
  }

  /** Removes them; their readings stay. */
  remove(): void {
    const ids = [...this.credentials.keys()];
    withDevices(
      this.#streams,
      this.#folder,
      false,
      (table: DeviceTable) => {
        for (const id of ids) table.remove(id);
      },
      ids.map((device) => ({ event: 'device-removed', how, device })),
    );
  }
}

function expectNoOthers(table: DeviceTable, devices: readonly NewDevice[], folder: string): void {
  const other = devices.find(({ id }) => !id.startsWith(usualPrefix) && table.find(id) !== undefined);
  if (other === undefined) return;
  throw new CommandFailure(
    ExitCode.Failure,
    `${folder} has a device ${other.id} already, which the run would replace and remove`,
    `choose another --prefix; what an earlier run has left goes with "coapsule device remove"`,
  );
}

/** Refuses a file that has too few identities. */
export function expectEnough(path: string, there: number, needed: number): void {
  if (there >= needed) return;
  throw new CommandFailure(
    ExitCode.Usage,
    `${path} has ${there} identities, and ${needed} are needed`,
    `give fewer --devices, or add keys: "coapsule keys psk ID --file ${path}"; --provision DIR makes them for the time of the run`,
  );
}
