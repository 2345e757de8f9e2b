/**
 * What the operator should know about the devices of the store when a gateway starts: weak keys, certificates that end, and devices that
 * cannot connect.
 *
 * Looked at some at a time. The first ones come before the gateway listens, all others while it does: a hundred thousand take seconds.
 */
import { weaknessOf } from '../server/demo-credentials.ts';
import type { Log } from '../server/log.ts';
import { endingText } from '../server/serve-credentials.ts';
import type { DeviceCredential, HomedDevice } from '../store/device-table.ts';
import type { Store } from '../store/store.ts';
import { StoreFault } from '../store/store-fault.ts';
import { printable } from '../text/printable.ts';

/** What there is to look at. */
export interface DeviceWarningsParts {
  readonly store: Pick<Store, 'ownDevices' | 'credentialKinds'>;
  readonly log: Log;
  readonly nowMs: number;
  /** Whether the gateway can prove itself with more than pre-shared keys. */
  readonly hasCredentials: boolean;
  readonly onError: (error: unknown) => void;
}

/** @returns the kinds of credentials that devices have, when the first ones were looked at. */
export async function warnAboutStoredDevices(
  parts: DeviceWarningsParts,
): Promise<ReadonlySet<DeviceCredential['kind']>> {
  const { store, log, hasCredentials, onError } = parts;
  const pages = store.ownDevices();
  const first = await pages.next();
  if (first.done !== true) {
    warn(parts, first.value);
    void rest(parts, pages).catch((error: unknown) => {
      // The gateway was closed meanwhile.
      if (!(error instanceof StoreFault && error.code === 'closed')) onError(error);
    });
  }
  const kinds = new Set(await store.credentialKinds());
  if (!hasCredentials && (kinds.has('rpk') || kinds.has('cert'))) {
    log.warning(
      'there are devices with a raw public key or certificate, which cannot connect: give --private-key, and --cert and --ca for certificates',
    );
  }
  return kinds;
}

async function rest(
  parts: DeviceWarningsParts,
  pages: AsyncGenerator<readonly HomedDevice[]>,
): Promise<void> {
  for await (const page of pages) warn(parts, page);
}

function warn({ log, nowMs }: DeviceWarningsParts, page: readonly HomedDevice[]): void {
  for (const {
    device: { id, credential },
  } of page) {
    const weakness = credential.kind === 'psk' ? weaknessOf(credential.key) : undefined;
    if (weakness !== undefined) log.warning(`the key of device ${printable(id)} ${weakness}`);
    if (credential.kind !== 'cert' || credential.expiresAtMs === undefined) continue;
    const ending = endingText(credential.expiresAtMs, nowMs);
    if (ending !== undefined) log.warning(`the certificate of device ${printable(id)} ${ending}`);
  }
}
