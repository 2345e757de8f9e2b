/**
 * The devices of a gateway in one of its threads: who they are, and that their associations end when their keys do not count any
 * more. Both look at the store and at the configuration that counts now.
 */
import type { Listener } from 'coapsule';
import type { Credentials } from '../keeping/credentials.ts';
import { systemTickTimer } from '../resources/periodic-tick.ts';
import { demoKeys } from '../server/demo-credentials.ts';
import { AssociationReview, reviewRetryMs } from './association-review.ts';
import { DeviceDirectory } from './device-directory.ts';
import type { LiveConfiguration } from './live-configuration.ts';

/** What they work with. */
export interface ReviewedDevicesParts {
  readonly store: Credentials;
  readonly live: LiveConfiguration;
  readonly demo: boolean;
  /** Those with associations; may grow. */
  readonly listeners: readonly Listener[];
  readonly onError: (error: unknown) => void;
}

/** See the module comment. */
export class ReviewedDevices {
  readonly directory: DeviceDirectory;
  readonly review: AssociationReview;

  constructor({ store, live, demo, listeners, onError }: ReviewedDevicesParts) {
    this.directory = new DeviceDirectory({
      device: (id) => store.device(id),
      deviceByFingerprint: (fingerprint) => store.deviceByFingerprint(fingerprint),
      keyVersions: (ids) => store.keyVersions(ids),
      demo: demo ? demoKeys : [],
      configured: () => live.options,
      access: () => live.access,
    });
    this.review = new AssociationReview({
      ...{ directory: this.directory, listeners, onError },
      later: (action) => systemTickTimer.after(reviewRetryMs, action),
    });
  }

  /** The store was written by another process, or the configuration is another one. */
  changed(): void {
    this.directory.storeChanged();
    this.review.all();
  }
}
