/**
 * The collection `/sensors`: POST makes `/sensors/42`, `/sensors/43`, … of what it brings; GET and PUT read and replace that, DELETE
 * takes it away. All other paths below `/sensors` are kept by telemetry.ts.
 *
 * An entry has its place in the table of resources as long as it exists, so that requests for other paths do not ask here.
 */
import {
  Code,
  changed,
  content,
  created,
  deleted,
  expectPreconditions,
  failure,
  type Request,
} from 'coapsule';
import type { KeptState } from '../store/state-table.ts';
import type { GatewayResource, Notify } from './gateway-resource.ts';
import type { StateStore } from './kept-text.ts';

/** As in the examples of the requirements. */
const firstNumber = 42;

/** Entries that are there at a time; one more is answered 4.09. */
const maxEntries = 1000;

const maxEntryBytes = 1024;

/** The name under which the next number is kept: one that was given away is not given again. */
const nextName = 'next:/sensors';

/** What the collection works with. */
export interface CollectionParts {
  /** Undefined: in memory. */
  readonly store: StateStore | undefined;
  /** What the store had when the gateway began. */
  readonly states: readonly KeptState[];
  readonly notify: Notify;
  /** Puts an entry into the table of resources, and takes it away. */
  readonly add: (resource: GatewayResource) => void;
  readonly remove: (path: string) => void;
  /** Whether its sender may make an entry. */
  readonly mayCreate: (request: Request) => Promise<boolean>;
  /** Whether something else is at a path, or a device has it for its own. */
  readonly isTaken: (path: string) => Promise<boolean>;
}

/** See the module comment. */
export class SensorCollection {
  readonly #parts: CollectionParts;
  readonly #entries = new Map<string, KeptState>();
  #next = firstNumber;

  constructor(parts: CollectionParts) {
    this.#parts = parts;
    for (const state of parts.states) {
      if (state.name === nextName) this.#next = Number(new TextDecoder().decode(state.value));
      else if (state.name.startsWith('/sensors/')) this.#entries.set(state.name, state);
    }
  }

  /** Put those of the store into the table of resources. */
  begin(): void {
    for (const path of this.#entries.keys()) this.#parts.add(this.#resource(path));
  }

  /** The paths of all entries. */
  get paths(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /** `/sensors` with a POST that makes an entry. */
  withPost(list: GatewayResource): GatewayResource {
    const post = (request: Request) => this.#create(request);
    return {
      ...list,
      // Entries are known to one thread.
      isEverywhere: false,
      resource: { ...list.resource, post, maxBodyBytes: maxEntryBytes },
    };
  }

  async #create(request: Request) {
    const { mayCreate, isTaken, store, add } = this.#parts;
    if (!(await mayCreate(request))) return failure(Code.Forbidden, 'this identity may not do that here');
    for (;;) {
      if (this.#entries.size >= maxEntries) {
        return failure(Code.Conflict, `there are ${maxEntries} sensors: delete one`);
      }
      // Taken before anything is waited for: no two requests get the same.
      const path = `/sensors/${this.#next++}`;
      if (await isTaken(path)) continue;
      const entry = entryOf(path, request);
      const next = {
        name: nextName,
        value: new TextEncoder().encode(`${this.#next}`),
        contentFormat: undefined,
      };
      await store?.changeStates({ put: [entry, next] });
      this.#entries.set(path, entry);
      add(this.#resource(path));
      return created(path);
    }
  }

  #resource(path: string): GatewayResource {
    const { notify, remove, store } = this.#parts;
    return {
      path,
      protection: 'guarded',
      resource: {
        get: () => {
          const entry = this.#entries.get(path);
          if (entry === undefined) return failure(Code.NotFound);
          const { value, contentFormat } = entry;
          return content(value, contentFormat === undefined ? {} : { contentFormat });
        },
        put: async (request) => {
          expectPreconditions(request, { exists: true });
          if (!this.#entries.has(path)) return failure(Code.NotFound);
          const entry = entryOf(path, request);
          await store?.changeStates({ put: [entry] });
          // It may have been deleted meanwhile: that came later, and counts.
          if (!this.#entries.has(path)) return failure(Code.NotFound);
          this.#entries.set(path, entry);
          notify(path);
          return changed();
        },
        delete: async (request) => {
          expectPreconditions(request, { exists: true });
          const entry = this.#entries.get(path);
          if (entry === undefined) return deleted();
          this.#entries.delete(path);
          try {
            await store?.changeStates({ remove: [path] });
          } catch (error) {
            this.#entries.set(path, entry);
            throw error;
          }
          notify(path);
          remove(path);
          return deleted();
        },
        observable: true,
        conditional: true,
        // GET on the collection lists it, to those who may read it.
        hidden: true,
        maxBodyBytes: maxEntryBytes,
      },
    };
  }
}

/** A copy: the payload is a view of a datagram, which may be larger. */
function entryOf(name: string, { payload, contentFormat }: Request): KeptState {
  return { name, value: payload.slice(), contentFormat };
}
