/**
 * The devices of this gateway for the others, and theirs for this one: what was added here is published, what others have published is
 * kept in the data folder beside it, so that handshakes ask nobody else and go on while Redis is away.
 *
 * A device under OSCORE stays with its gateway: two that write under one Sender ID with numbers of their own would give its key away
 * (RFC 8613 §7.2.1). Who comes when is decided in sharing.ts: one call at a time.
 */
import type { DeviceKeeping } from '../keeping/credentials.ts';
import type { Log } from '../server/log.ts';
import type { Device, HomedDevice } from '../store/device-table.ts';
import type { Store } from '../store/store.ts';
import { printable } from '../text/printable.ts';
import { encodeValue } from './value-text.ts';

/** What they work with. */
export interface SharedDevicesParts {
  readonly store: Pick<
    Store,
    | 'ownDevices'
    | 'homedDevices'
    | 'homedDevice'
    | 'putDevices'
    | 'removeDevices'
    | 'deviceChangeMark'
    | 'deviceChanges'
  >;
  readonly remote: DeviceKeeping;
  /** The home of devices that were added here. */
  readonly node: string;
  readonly log: Log;
}

/** Devices in one write, which others wait for. */
const atOnce = 200;

/** See the module comment. */
export class SharedDevices {
  readonly #parts: SharedDevicesParts;
  /** Own changes up to here are published; undefined before all were compared. */
  #mark: number | undefined;

  constructor(parts: SharedDevicesParts) {
    this.#parts = parts;
  }

  /**
   * Compares all.
   *
   * @param isWhole Whether Redis has all that it has ever had: what is not there does not count any more. After a loss it is kept until
   *        its gateway has published it again, or the time that it counts without Redis is over.
   * @returns how many there are of others.
   */
  async compare(isWhole: boolean): Promise<number> {
    const { store, remote, node } = this.#parts;
    const mark = await store.deviceChangeMark();
    const own = new Map<string, Device>();
    for await (const page of store.ownDevices()) {
      for (const { device } of page) if (isShared(device)) own.set(device.id, device);
    }
    const kept = new Map<string, HomedDevice>();
    for await (const page of store.homedDevices()) for (const homed of page) kept.set(homed.device.id, homed);
    const withdrawn: string[] = [];
    let others = 0;
    for await (const page of remote.homedDevices()) {
      const fresh: HomedDevice[] = [];
      for (const homed of page) {
        const { home, device } = homed;
        if (home === node) {
          const mine = own.get(device.id);
          if (mine === undefined) withdrawn.push(device.id);
          else if (isSame(mine, device)) own.delete(device.id);
          continue;
        }
        others++;
        const known = kept.get(device.id);
        kept.delete(device.id);
        if (known?.home !== home || !isSame(known.device, device)) fresh.push(homed);
      }
      await this.#keep(fresh);
    }
    await remote.removeDevices(node, withdrawn);
    await this.#publish([...own.values()]);
    if (isWhole) await this.#forget([...kept.values()]);
    this.#mark = mark;
    return others;
  }

  /** Devices were changed here. */
  async publishChanges(): Promise<void> {
    const { store, remote, node } = this.#parts;
    while (this.#mark !== undefined) {
      const { changed, mark } = await store.deviceChanges(this.#mark);
      if (changed.length === 0) return;
      const [published, withdrawn]: [Device[], string[]] = [[], []];
      for (const { id } of changed) {
        const homed = await store.homedDevice(id);
        if (homed === undefined || (homed.home === '' && !isShared(homed.device))) withdrawn.push(id);
        else if (homed.home === '') published.push(homed.device);
      }
      await remote.removeDevices(node, withdrawn);
      await this.#publish(published);
      // One of another gateway may have made way for one that was added here, or comes back.
      await this.takeChanges(withdrawn);
      this.#mark = mark;
    }
  }

  /** Devices were changed by others. */
  async takeChanges(ids: readonly string[]): Promise<void> {
    const { store, remote, node } = this.#parts;
    const all = [...new Set(ids)];
    for (let start = 0; start < all.length; start += atOnce) {
      const some = await Promise.all(
        all.slice(start, start + atOnce).map(async (id) => {
          const [known, is] = await Promise.all([store.homedDevice(id), remote.homedDevice(id)]);
          return { known, is };
        }),
      );
      const theirs = some.filter(({ known, is }) => is?.home !== node && known?.home !== '');
      // First: one that has another home now makes way for itself.
      await this.#forget(
        theirs.flatMap(({ known, is }) => (known !== undefined && known.home !== is?.home ? [known] : [])),
      );
      // All in one write: after an import of many each would wait for the disk.
      await this.#keep(theirs.flatMap(({ is }) => is ?? []));
    }
  }

  /** None of others count any more. */
  forgetOthers(): Promise<number> {
    return forgetOthers(this.#parts.store);
  }

  async #publish(devices: readonly Device[]): Promise<void> {
    const { remote, node, log } = this.#parts;
    const refused = await remote.putDevices(devices.map((device) => ({ home: node, device })));
    for (const id of refused) {
      log.warning(
        `shared: the device ${printable(id)}, its key or its certificate is one of another gateway too: the one that was added here counts here only`,
      );
    }
  }

  async #keep(devices: readonly HomedDevice[]): Promise<void> {
    for (let start = 0; start < devices.length; start += atOnce) {
      // Refused is who has the name of a device that was added here: that one counts here.
      await this.#parts.store.putDevices(devices.slice(start, start + atOnce));
    }
  }

  #forget(devices: readonly HomedDevice[]): Promise<void> {
    return forget(this.#parts.store, devices);
  }
}

type ForgettingStore = Pick<Store, 'homedDevices' | 'removeDevices'>;

/** Takes the devices of all other gateways out of the data folder. @returns how many there were. */
export async function forgetOthers(store: ForgettingStore): Promise<number> {
  let count = 0;
  for await (const page of store.homedDevices()) {
    await forget(store, page);
    count += page.length;
  }
  return count;
}

async function forget(store: ForgettingStore, devices: readonly HomedDevice[]): Promise<void> {
  const idsOf = new Map<string, string[]>();
  for (const { home, device } of devices) idsOf.set(home, [...(idsOf.get(home) ?? []), device.id]);
  for (const [home, ids] of idsOf) await store.removeDevices(home, ids);
}

function isShared({ credential }: Device): boolean {
  return credential.kind !== 'oscore';
}

function isSame(one: Device, other: Device): boolean {
  return encodeValue(one) === encodeValue(other);
}
