/**
 * The OSCORE contexts of the store's devices, as the endpoints look them up: by kid and ID Context.
 *
 * They follow the store: one that is added counts at once, one that was rotated or removed does not any more. The edges of a
 * context are in the database, and committed before what they allow happens (docs/decisions/045).
 */
import { OscoreContext, OscoreContexts, type OscoreState } from 'coapsule';
import { type ContextParameters, coseAead } from 'coapsule/oscore';
import type { ProvenDevice } from '../access/proven-device.ts';
import type { Log } from '../server/log.ts';
import type { Device } from '../store/device-table.ts';
import type { OscoreCredential } from '../store/oscore-table.ts';
import type { Store } from '../store/store.ts';
import { StoreFault } from '../store/store-fault.ts';
import { printable } from '../text/printable.ts';
import { type KeyStamp, stampOf } from './device-directory.ts';

/** What they need of the store. */
type OscoreDeviceStore = Pick<
  Store,
  'device' | 'oscoreDevices' | 'deviceChanges' | 'oscoreEdges' | 'changeOscore'
>;

/** See the module comment. */
export class OscoreDevices {
  /** For `Server.listen`. */
  readonly contexts: OscoreContexts = new OscoreContexts();
  readonly #store: OscoreDeviceStore;
  readonly #log: Log;
  readonly #onError: (error: unknown) => void;
  readonly #dangerouslyLog: ((id: string, parameters: ContextParameters) => void) | undefined;
  readonly #open = new Map<string, { readonly stamp: KeyStamp; readonly context: OscoreContext }>();
  #work: Promise<void> = Promise.resolve();
  readonly #failed = new Set<string>();
  /** Changes of devices up to here are known; undefined before all were read. */
  #mark: number | undefined;

  constructor(
    store: OscoreDeviceStore,
    log: Log,
    onError: (error: unknown) => void,
    dangerouslyLog?: (id: string, parameters: ContextParameters) => void,
  ) {
    this.#store = store;
    this.#log = log;
    this.#onError = onError;
    this.#dangerouslyLog = dangerouslyLog;
  }

  /** Compares with the store; fulfils when the contexts are those of the store. One at a time. */
  storeChanged(): Promise<void> {
    this.#work = this.#work.then(() => this.#compare()).catch(this.#onError);
    return this.#work;
  }

  /** Leaves exact edges in the store. After the endpoints are closed. */
  async close(): Promise<void> {
    await this.#work;
    await Promise.all([...this.#open.keys()].map((id) => this.#drop(id)));
  }

  /** All devices once; from then on those that have changed. */
  async #compare(): Promise<void> {
    if (this.#mark === undefined) {
      const { devices, mark } = await this.#store.oscoreDevices();
      for (const device of devices) await this.#take(device.id, device);
      this.#mark = mark;
    }
    const failed = [...this.#failed];
    this.#failed.clear();
    for (const id of failed) await this.#take(id, await this.#store.device(id));
    for (;;) {
      const { changed, mark } = await this.#store.deviceChanges(this.#mark);
      if (changed.length === 0) return;
      for (const { id, device } of changed) await this.#take(id, device);
      this.#mark = mark;
    }
  }

  async #take(id: string, device: Device | undefined): Promise<void> {
    const open = this.#open.get(id);
    if (open !== undefined) {
      if (device !== undefined && stampOf(device) === open.stamp) return;
      await this.#drop(id);
    }
    if (device?.credential.kind !== 'oscore') return;
    try {
      const context = await this.#contextOf(device, device.credential);
      this.contexts.add(context);
      this.#open.set(id, { stamp: stampOf(device), context });
      this.#log.detail(1, `the OSCORE context of ${printable(id)} is open`);
    } catch (error) {
      // One device whose context cannot be used keeps no other out. It is tried again with the next change.
      this.#failed.add(id);
      this.#onError(error);
    }
  }

  async #drop(id: string): Promise<void> {
    const { context } = this.#open.get(id) ?? {};
    if (context === undefined) return;
    this.#open.delete(id);
    this.contexts.remove(context);
    this.#log.detail(1, `the OSCORE context of ${printable(id)} is closed`);
    // Of a device that is gone there is nothing to store into.
    await context.close().catch(() => undefined);
  }

  #contextOf({ id, addedAtMs, keyVersion }: Device, credential: OscoreCredential): Promise<OscoreContext> {
    const { masterSecret, masterSalt, senderId, recipientId, idContext } = credential;
    const aead = coseAead(credential.aead)?.name;
    const { hkdf } = credential;
    if (aead === undefined || (hkdf !== 'SHA-256' && hkdf !== 'SHA-512')) {
      throw new StoreFault(
        'failed',
        `the OSCORE context of ${id} has an algorithm that this version does not know`,
        'use the version that added it, or give the device a new one with "coapsule device rotate"',
      );
    }
    const store = {
      load: (): Promise<OscoreState | undefined> => this.#store.oscoreEdges(id),
      save: (edges: OscoreState): Promise<void> =>
        this.#store.changeOscore({
          deviceId: id,
          addedAtMs,
          keyVersion,
          senderEdge: edges.senderEdge,
          recipientEdge: edges.recipientEdge,
        }),
    };
    const parameters: ContextParameters = {
      masterSecret,
      senderId,
      recipientId,
      aead,
      hkdf,
      ...(masterSalt !== undefined && { masterSalt }),
      ...(idContext !== undefined && { idContext }),
    };
    this.#dangerouslyLog?.(id, parameters);
    const whose: ProvenDevice = { identity: id, stamp: stampOf({ addedAtMs, keyVersion }) };
    return OscoreContext.open({ ...parameters, store, context: whose });
  }
}
