/**
 * What a controller has set last, and when: so that a device that observes can say how long it took until it knew.
 *
 * @module
 */

/** See the module comment. */
export class SettingsBoard {
  readonly #latest = new Map<string, Setting>();

  /** A command is sent. */
  set(path: string, value: string): void {
    this.#latest.set(path, { value, at: performance.now(), heardBy: new Set() });
  }

  /**
   * A device was notified. @returns how long after the command, in ms; nothing where it tells of an older state, or of one that
   * the device has heard before, as the first notification does of an observation that begins again.
   */
  heard(device: string, path: string, value: string): number | undefined {
    const latest = this.#latest.get(path);
    if (latest?.value !== value || latest.heardBy.has(device)) return undefined;
    latest.heardBy.add(device);
    return performance.now() - latest.at;
  }
}

interface Setting {
  readonly value: string;
  readonly at: number;
  readonly heardBy: Set<string>;
}
