/** Names of what gateways keep in Redis. One hash tag for all: a script may use them together. */

/** Newest changes and readings that are kept for those who follow. Redis takes away some at a time, so a few more are there. */
export const streamLengths = { changes: 100_000, readings: 100_000 } as const;

/** Keys by what they hold. */
export interface RedisNames {
  readonly generation: string;
  readonly keyCheck: string;
  readonly devices: string;
  readonly fingerprints: string;
  readonly registrations: string;
  readonly changes: string;
  readonly readings: string;
  readonly latest: string;
  readonly lastFence: string;
  /** Gateways that pass records on to each other. */
  readonly nodes: string;
  readonly session: (connectionId: Uint8Array) => string;
}

/** All names. @param prefix Another one for each test. */
export function redisNames(prefix = 'coapsule'): RedisNames {
  const name = (what: string): string => `{${prefix}}:${what}`;
  return {
    generation: name('generation'),
    keyCheck: name('key-check'),
    devices: name('devices'),
    fingerprints: name('fingerprints'),
    registrations: name('registrations'),
    changes: name('changes'),
    readings: name('readings'),
    latest: name('latest'),
    lastFence: name('last-fence'),
    nodes: name('nodes'),
    session: (connectionId) => name(`session:${Buffer.from(connectionId).toString('hex')}`),
  };
}
