/**
 * What a gateway warns of when it starts: what is open to everyone, keys that are weak, and devices that cannot be used.
 */
import { weaknessOf } from '../server/demo-credentials.ts';
import type { Log } from '../server/log.ts';
import { systemWallClock } from '../server/wall-clock.ts';
import type { Store } from '../store/store.ts';
import { printable } from '../text/printable.ts';
import { warnAboutStoredDevices } from './device-warnings.ts';
import type { GatewayOptions, LiveOptions } from './gateway-options.ts';
import { errorLogger } from './request-log.ts';

/** What the operator said that weakens the gateway, and devices that something is wrong with. */
export async function warnAboutDevices(store: Store, options: GatewayOptions): Promise<void> {
  const kinds = await warnAboutStoredDevices({
    store,
    log: options.log,
    nowMs: (options.clock ?? systemWallClock)(),
    hasCredentials: options.credentials !== undefined,
    onError: errorLogger(options.log, options.clock ?? systemWallClock),
  });
  await warnAboutKeys(store, options, options.log);
  const { anyIdentityKey, coaps, demo, log } = options;
  if (demo)
    log.warning('demo: everyone may use the demo resources, with published keys; not for real devices');
  if (options.proxy !== undefined && (demo || options.proxy.dangerouslyForEveryone)) {
    const why = options.proxy.dangerouslyForEveryone ? '' : ': the demo keys are published';
    log.warning(
      `EVERYONE MAY USE THE PROXY${why}; whoever reaches it reaches the servers that --proxy names`,
    );
  }
  if (options.dangerouslyAllowPlainWrites) {
    log.warning('PLAIN WRITES ARE ALLOWED: everyone who reaches the coap port can read and store readings');
  }
  if (options.dangerouslyUnlimitedAmplification) {
    log.warning(
      'AMPLIFICATION IS NOT LIMITED: who spoofs an address over plain coap floods it with a hundred times what he sends',
    );
  }
  const nobody = kinds.size === 0 && (options.psks ?? []).length === 0 && anyIdentityKey === undefined;
  if (coaps !== undefined && nobody && !demo) {
    log.warning(
      'there is no device yet, so no secured peer can connect; add one with: coapsule device add ID',
    );
  }
}

/** Of keys that do not come from the store. */
export async function warnAboutKeys(
  store: Store,
  { psks = [], anyIdentityKey }: LiveOptions,
  log: Log,
): Promise<void> {
  const stored = psks.length === 0 ? [] : await store.keyVersions(psks.map(({ identity }) => identity));
  for (const [index, { identity, key }] of psks.entries()) {
    const weakness = weaknessOf(key);
    if (weakness !== undefined) log.warning(`the key of ${printable(identity)} ${weakness}`);
    if (stored[index] !== undefined) {
      log.warning(`${printable(identity)} is also a device of the store; the key given with --psk counts`);
    }
  }
  if (anyIdentityKey === undefined) return;
  log.warning('ANY IDENTITY IS ACCEPTED: whoever has the one key of --psk "*:KEY" can pose as any device');
  const weakness = weaknessOf(anyIdentityKey);
  if (weakness !== undefined) log.warning(`the key for any identity ${weakness}`);
}
