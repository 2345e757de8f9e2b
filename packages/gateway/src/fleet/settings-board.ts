/**
 * What a controller has set last, and when: so that a device that observes can say how long it took until it knew.
 *
 * @module
 */

/** See the module comment. */
export class SettingsBoard {
  readonly #latest = new Map<string, { readonly value: string; readonly at: number }>();

  /** A command is sent. */
  set(path: string, value: string): void {
    this.#latest.set(path, { value, at: performance.now() });
  }

  /** A device was notified. @returns how long after the command, in ms; nothing where it tells of an older state. */
  heard(path: string, value: string): number | undefined {
    const latest = this.#latest.get(path);
    return latest?.value === value ? performance.now() - latest.at : undefined;
  }
}
