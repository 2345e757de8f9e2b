/**
 * The states of what is no reading: resources of the gateway and of servers behind it that somebody observes, and those of the gateway
 * that change by themselves, as the ones of the demo do.
 *
 * Whoever looks observes along: of another server's resource the proxy tells from what it is told for those who observe anyway, so that the
 * other server is asked nothing more. When nobody else observes it any more, it is not observed for the console either.
 */
import type { LocalObserver, Response } from 'coapsule';
import type { TickTimer } from '../resources/periodic-tick.ts';

/** A state as it is now. */
export interface ObservedState {
  readonly path: string;
  readonly value: Uint8Array;
  readonly contentFormat: number | undefined;
}

/** What they work with. */
export interface ObservedStatesParts {
  /** Reads a resource, by path and query. @param observer Is told of changes of another server's. */
  readonly read: (path: string, observer: LocalObserver | undefined) => Promise<Response>;
  /** What is observed now and is no reading, by path and query. */
  readonly observed: () => Promise<readonly string[]>;
  readonly timer: TickTimer;
  readonly onError: (error: unknown) => void;
}

/** How often it is asked what is observed, and how many are followed and read at a time. */
const surveyMs = 1000;
const linkFormat = 40;
const most = { followed: 200, reads: 64 } as const;

/** See the module comment. */
export class ObservedStates {
  readonly #parts: ObservedStatesParts;
  readonly #followed = new Map<string, AbortController>();
  #changed: ((path: string) => void) | undefined;
  #cancelSurvey: (() => void) | undefined;

  constructor(parts: ObservedStatesParts) {
    this.#parts = parts;
  }

  /** @param changed Is told of each that may have another state by now, and at first of all that are observed. */
  begin(changed: (path: string) => void): void {
    this.#changed = changed;
    this.#survey();
  }

  /** Nobody looks any more. */
  end(): void {
    this.#changed = undefined;
    this.#cancelSurvey?.();
    for (const ended of this.#followed.values()) ended.abort();
    this.#followed.clear();
  }

  /** The states of these resources, of those that have one; 64 are read at a time. */
  async states(paths: readonly string[]): Promise<readonly ObservedState[]> {
    const states: ObservedState[] = [];
    for (let at = 0; at < paths.length; at += most.reads) {
      const read = await Promise.all(paths.slice(at, at + most.reads).map((path) => this.#state(path)));
      states.push(...read.flatMap((state) => state ?? []));
    }
    return states;
  }

  async #state(path: string): Promise<ObservedState | undefined> {
    try {
      const response = await this.#parts.read(path, this.#observer(path));
      const { payload, contentFormat } = response;
      // A list of links is of a directory, and no value.
      const isState = response.ok && payload.length > 0 && contentFormat !== linkFormat;
      return isState ? { path, value: payload, contentFormat } : undefined;
    } catch (error) {
      this.#parts.onError(error);
      return undefined;
    }
  }

  #observer(path: string): LocalObserver | undefined {
    const ended = this.#followed.get(path);
    return (
      ended && {
        changed: () => this.#changed?.(path),
        // It is asked anew when it is still observed the next time.
        over: () => {
          if (this.#followed.get(path) === ended) this.#followed.delete(path);
        },
        ended: ended.signal,
      }
    );
  }

  #survey(): void {
    const changed = this.#changed;
    this.#look()
      .catch(this.#parts.onError)
      .finally(() => {
        if (this.#changed === changed && changed !== undefined)
          this.#cancelSurvey = this.#parts.timer.after(surveyMs, () => this.#survey());
      });
  }

  async #look(): Promise<void> {
    const names = new Set((await this.#parts.observed()).slice(0, most.followed));
    if (this.#changed === undefined) return;
    for (const [path, ended] of this.#followed) {
      if (names.has(path)) continue;
      this.#followed.delete(path);
      ended.abort();
    }
    for (const path of names) {
      if (this.#followed.has(path)) continue;
      this.#followed.set(path, new AbortController());
      this.#changed(path);
    }
  }
}
