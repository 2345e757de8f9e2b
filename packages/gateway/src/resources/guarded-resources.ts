/**
 * What a gateway without `--demo` has beside readings and firmware: a configuration, a setpoint, a lock, kept in the store. Nobody
 * may use them without a rule, over plain CoAP nobody at all.
 */
import type { Resource } from 'coapsule';
import type { KeptState } from '../store/state-table.ts';
import { adminConfiguration, configuration } from './configuration.ts';
import type { GatewayResource, Notify } from './gateway-resource.ts';
import { KeptText, type StateStore } from './kept-text.ts';
import { firstLockState, lock } from './lock.ts';
import { firstSetpoint, setpoint } from './setpoint.ts';

/** Seconds between two reports of a device, until somebody says otherwise. */
const firstInterval = 60;

/** The resources, as the store has them. */
export function guardedResources(
  store: StateStore,
  states: readonly KeptState[],
  notify: Notify,
): readonly GatewayResource[] {
  const stored = (path: string, initial: string): KeptText => KeptText.inStore(store, states, path, initial);
  const resources: readonly (readonly [path: string, resource: Resource])[] = [
    ...configuration({ config: stored('/config', '{}'), defaultInterval: firstInterval, notify }),
    ['/admin/config', adminConfiguration(stored('/admin/config', ''))],
    [
      '/thermostat/setpoint',
      setpoint(stored('/thermostat/setpoint', firstSetpoint), told('/thermostat/setpoint')),
    ],
    ['/lock', lock(stored('/lock', firstLockState), told('/lock'))],
  ];
  return resources.map(([path, resource]) => ({
    path,
    protection: 'guarded',
    isBeyondPolicy: true,
    resource,
  }));

  function told(path: string): () => void {
    return () => notify(path);
  }
}
