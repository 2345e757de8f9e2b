/**
 * Devices as the console shows them: those of the store and those that are connected without being there, with what is known of
 * their associations and of their sleep. No key is among it.
 */

import type { WallClock } from '../server/wall-clock.ts';
import type { SleeperState } from '../sleepy/sleepy-devices.ts';
import type { Device, DeviceCredential } from '../store/device-table.ts';
import { ApiFailure } from './api-failure.ts';
import type { DevicesPage, DeviceView, SecurityKind } from './api-types.ts';
import type { ConsoleStore } from './console-store.ts';
import { hexOf } from './hex.ts';
import { pageLimit } from './page.ts';
import { associationView, type PeerIndex, type Peers } from './peer-index.ts';

/** What they look at. */
export interface DeviceViewsParts {
  readonly store: ConsoleStore;
  readonly peers: PeerIndex;
  readonly clock: WallClock;
  /** Undefined where nothing is known of a device, or no device sleeps. */
  readonly sleeperOf: (device: string) => SleeperState | undefined;
  /** Identities that the command line, the configuration or the demo gives a key. */
  readonly configured: () => readonly string[];
}

const kinds: Readonly<Record<DeviceCredential['kind'], SecurityKind>> = {
  psk: 'psk',
  rpk: 'rpk',
  cert: 'x509',
  oscore: 'oscore',
};

/** See the module comment. */
export class DeviceViews {
  readonly #parts: DeviceViewsParts;

  constructor(parts: DeviceViewsParts) {
    this.#parts = parts;
  }

  /** A page, in the order of the ids. */
  async page(query: Readonly<Record<string, string>>): Promise<DevicesPage> {
    const limit = pageLimit(query);
    const { search = '', after = '' } = query;
    if (search.length > 200 || after.length > 1000)
      throw new ApiFailure('invalid', 'search or after is too long');
    const { devices: table } = this.#parts.store;
    const peers = await this.#parts.peers.peers();
    const stored = table.search(search, after, limit + 1);
    const wanted = search.toLowerCase();
    const others = [...new Set([...this.#parts.configured(), ...peers.byIdentity.keys()])].filter(
      (id) => id.toLowerCase().includes(wanted) && table.homeOf(id) === undefined,
    );
    const here = [
      ...stored.devices.map(({ home, device }) => this.#view(device.id, { home, device }, peers)),
      ...others.filter((id) => inOrder(after, id) < 0).map((id) => this.#view(id, undefined, peers)),
    ].sort((one, other) => inOrder(one.id, other.id));
    const devices = here.slice(0, limit);
    return {
      devices,
      next: here.length > limit ? (devices.at(-1)?.id ?? null) : null,
      total: stored.total + others.length,
    };
  }

  /** @throws ApiFailure `not-found`. */
  async one(id: string): Promise<DeviceView> {
    const { store, configured } = this.#parts;
    const device = store.devices.find(id);
    const peers = await this.#parts.peers.peers();
    if (device !== undefined) return this.#view(id, { home: store.devices.homeOf(id) ?? '', device }, peers);
    if (peers.byIdentity.has(id) || configured().includes(id)) return this.#view(id, undefined, peers);
    throw new ApiFailure('not-found', 'there is no such device');
  }

  #view(
    id: string,
    stored: { readonly home: string; readonly device: Device } | undefined,
    { byIdentity }: Peers,
  ): DeviceView {
    const { clock, sleeperOf, store } = this.#parts;
    const peer = byIdentity.get(id);
    const association = peer === undefined ? null : associationView(peer);
    const sleeper = sleeperOf(id);
    const now = clock();
    const heard = [
      association?.idleSeconds == null ? undefined : now - association.idleSeconds * 1000,
      sleeper?.heardAtMs,
      store.lastHeard.of(id),
    ].flatMap((at) => (at === undefined || at <= 0 ? [] : Math.min(at, now)));
    const device = stored?.device;
    const credential = device?.credential;
    const previous = device?.previous;
    return {
      id,
      security: credential === undefined ? (association?.security ?? 'psk') : kinds[credential.kind],
      isStored: stored !== undefined,
      home: stored === undefined || stored.home === '' ? null : stored.home,
      fingerprint: fingerprintOf(credential),
      expiresAtMs: (credential?.kind === 'cert' ? credential.expiresAtMs : undefined) ?? null,
      keyVersion: device?.keyVersion ?? null,
      addedAtMs: device?.addedAtMs ?? null,
      rotatedAtMs: device?.rotatedAtMs ?? null,
      overlapUntilMs: previous === undefined || previous.untilMs <= now ? null : previous.untilMs,
      rules: device?.rules ?? [],
      association,
      lastSeenAtMs: heard.length === 0 ? null : Math.max(...heard),
      isSleeping: sleeper !== undefined && !sleeper.isAwake,
      waitingCommands:
        sleeper?.commands.filter(({ state }) => state === 'queued' || state === 'delivering').length ?? 0,
    };
  }
}

function fingerprintOf(credential: DeviceCredential | undefined): string | null {
  switch (credential?.kind) {
    case 'rpk':
    case 'cert':
      return credential.fingerprint;
    case 'oscore':
      return `0x${hexOf(credential.recipientId)}`;
    default:
      return null;
  }
}

/** As SQLite compares texts: by their bytes. */
function inOrder(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}
