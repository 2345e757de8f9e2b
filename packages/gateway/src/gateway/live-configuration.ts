/**
 * What can change while the gateway runs, as it counts now.
 */
import { ConfiguredAccess } from '../access/configured-access.ts';
import { defaultOverload, type OverloadSettings } from '../overload/overload-options.ts';
import { defaultRetention, type Retention } from '../resources/telemetry.ts';
import type { LiveOptions } from './gateway-options.ts';

/** See the module comment. */
export class LiveConfiguration {
  options: LiveOptions;
  access: ConfiguredAccess;
  retention: Retention;
  overload: OverloadSettings;

  constructor(options: LiveOptions) {
    this.options = options;
    this.access = new ConfiguredAccess(options.access);
    this.retention = { ...defaultRetention, ...options.retention };
    this.overload = options.overload ?? defaultOverload;
  }

  /** All of it counts from now on. */
  change(options: LiveOptions): void {
    Object.assign(this, new LiveConfiguration(options));
  }
}
