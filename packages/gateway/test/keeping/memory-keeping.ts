/**
 * What keeps things, in memory: the plainest form of each interface of src/keeping, which the contracts are tried on, and which property
 * tests compare the other engines with.
 */
import type { Registration } from '../../src/directory/registration.ts';
import type { Credentials, DeviceKeeping } from '../../src/keeping/credentials.ts';
import type { ReadingStream, StreamedReading, StreamPage } from '../../src/keeping/reading-stream.ts';
import type { ReadingKeeping } from '../../src/keeping/readings.ts';
import type { RegistrationKeeping } from '../../src/keeping/registrations.ts';
import type { ClaimOutcome, SessionOwner, SessionOwners } from '../../src/keeping/session-owners.ts';
import type { Device, HomedDevice, KeyVersion } from '../../src/store/device-table.ts';
import type {
  Reading,
  RecordOutcome,
  RecordTerms,
  RequestFingerprint,
} from '../../src/store/reading-table.ts';

function fingerprintOf({ credential }: Device): string | undefined {
  return 'fingerprint' in credential ? credential.fingerprint : undefined;
}

/** Devices by id. */
export class MemoryDevices implements Credentials, DeviceKeeping {
  readonly #devices = new Map<string, HomedDevice>();

  async putDevices(devices: readonly HomedDevice[]): Promise<readonly string[]> {
    const refused: string[] = [];
    for (const homed of devices) {
      const { id } = homed.device;
      const present = this.#devices.get(id);
      const fingerprint = fingerprintOf(homed.device);
      const others = [...this.#devices.values()].filter(({ device }) => device.id !== id);
      const isTaken =
        fingerprint !== undefined && others.some(({ device }) => fingerprintOf(device) === fingerprint);
      if (isTaken || (present !== undefined && present.home !== homed.home)) refused.push(id);
      else this.#devices.set(id, homed);
    }
    return refused;
  }

  async removeDevices(home: string, ids: readonly string[]): Promise<void> {
    for (const id of ids) if (this.#devices.get(id)?.home === home) this.#devices.delete(id);
  }

  async homedDevice(id: string): Promise<HomedDevice | undefined> {
    return this.#devices.get(id);
  }

  async *homedDevices(): AsyncGenerator<readonly HomedDevice[]> {
    for (const homed of this.#devices.values()) yield [homed];
  }

  async device(id: string): Promise<Device | undefined> {
    return this.#devices.get(id)?.device;
  }

  async deviceByFingerprint(fingerprint: string): Promise<Device | undefined> {
    const all = [...this.#devices.values()].map(({ device }) => device);
    return all.find((device) => fingerprintOf(device) === fingerprint);
  }

  async keyVersions(ids: readonly string[]): Promise<readonly (KeyVersion | undefined)[]> {
    return ids.map((id) => {
      const found = this.#devices.get(id)?.device;
      return found && { addedAtMs: found.addedAtMs, keyVersion: found.keyVersion };
    });
  }
}

/** Registrations by id. */
export class MemoryRegistrations implements RegistrationKeeping {
  readonly #kept = new Map<string, Registration>();

  async keepRegistration(registration: Registration): Promise<void> {
    this.#kept.set(registration.id, registration);
  }

  async removeRegistrations(ids: readonly string[]): Promise<void> {
    for (const id of ids) this.#kept.delete(id);
  }

  async registrations(): Promise<readonly Registration[]> {
    return [...this.#kept.values()];
  }
}

/** Readings and the records of their requests. */
export class MemoryReadings implements ReadingKeeping {
  readonly #readings: Reading[] = [];
  readonly #records: { readonly key: string; readonly first: boolean; readonly at: number; until: number }[] =
    [];

  async record(
    reading: Reading,
    request: RequestFingerprint | undefined,
    { keepNewest, storeWhen }: RecordTerms = {},
  ): Promise<RecordOutcome> {
    const now = reading.receivedAtMs;
    const key =
      request && JSON.stringify([request.peer, request.messageId, [...request.token], [...request.digest]]);
    if (request !== undefined) {
      const known = this.#records.findLast((record) => record.key === key);
      if (known !== undefined && known.until > now && known.at <= now + request.lifetimeMs) {
        return { first: known.first, repeat: true };
      }
    }
    const first = !this.#readings.some(({ path }) => path === reading.path);
    if (storeWhen !== undefined && !(first ? storeWhen.missing : storeWhen.exists)) {
      return { refused: first ? 'missing' : 'exists' };
    }
    this.#readings.push(reading);
    const ofPath = this.#readings.filter(({ path }) => path === reading.path);
    for (const old of keepNewest === undefined ? [] : ofPath.slice(0, -keepNewest)) {
      this.#readings.splice(this.#readings.indexOf(old), 1);
    }
    if (request !== undefined && key !== undefined) {
      this.#records.push({ key, first, at: now, until: now + request.lifetimeMs });
    }
    return { first, repeat: false };
  }

  async latest(path: string): Promise<Reading | undefined> {
    return this.#readings.findLast((reading) => reading.path === path);
  }

  async pathsBelow(prefix: string, limit: number): Promise<readonly string[]> {
    const paths = new Set(this.#readings.map(({ path }) => path).filter((path) => path.startsWith(prefix)));
    return [...paths].sort().slice(0, limit);
  }
}

/** The newest readings in one order. */
export class MemoryStream implements ReadingStream {
  readonly #most: number;
  readonly #readings: StreamedReading[] = [];
  #forgotten = 0;

  constructor(most: number) {
    this.#most = most;
  }

  async append(readings: readonly StreamedReading[]): Promise<void> {
    this.#readings.push(...readings);
    this.#forgotten += this.#readings.splice(0, Math.max(0, this.#readings.length - this.#most)).length;
  }

  async end(): Promise<string> {
    return String(this.#forgotten + this.#readings.length);
  }

  async after(mark: string, limit: number): Promise<StreamPage> {
    const start = Math.max(Number(mark), this.#forgotten);
    const readings = this.#readings.slice(start - this.#forgotten).slice(0, limit);
    return { readings, mark: String(start + readings.length), hasGap: start > Number(mark) };
  }
}

/** Owners of sessions, by a clock that the test sets. */
export class MemoryOwners implements SessionOwners {
  readonly #now: () => number;
  readonly #owners = new Map<string, SessionOwner & { readonly until: number }>();
  #lastFence = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  async claim(connectionId: Uint8Array, owner: string, forMs: number): Promise<ClaimOutcome> {
    const held = this.#find(connectionId);
    if (held !== undefined && held.owner !== owner) return { kind: 'held', by: ownerOf(held) };
    const fence = held?.fence ?? ++this.#lastFence;
    this.#owners.set(String(connectionId), { owner, fence, until: this.#now() + forMs });
    return { kind: 'owned', fence };
  }

  async renew(connectionId: Uint8Array, owned: SessionOwner, forMs: number): Promise<boolean> {
    if (!this.#isHeld(connectionId, owned)) return false;
    this.#owners.set(String(connectionId), { ...owned, until: this.#now() + forMs });
    return true;
  }

  async release(connectionId: Uint8Array, owned: SessionOwner): Promise<boolean> {
    return this.#isHeld(connectionId, owned) && this.#owners.delete(String(connectionId));
  }

  async ownerOf(connectionId: Uint8Array): Promise<SessionOwner | undefined> {
    const held = this.#find(connectionId);
    return held && ownerOf(held);
  }

  #isHeld(connectionId: Uint8Array, { owner, fence }: SessionOwner): boolean {
    const held = this.#find(connectionId);
    return held?.owner === owner && held.fence === fence;
  }

  #find(connectionId: Uint8Array): (SessionOwner & { readonly until: number }) | undefined {
    const held = this.#owners.get(String(connectionId));
    return held !== undefined && held.until > this.#now() ? held : undefined;
  }
}

function ownerOf({ owner, fence }: SessionOwner): SessionOwner {
  return { owner, fence };
}
