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

/** See the module comment. */
export class OscoreDevices {
  /** For `Server.listen`. */
  readonly contexts: OscoreContexts = new OscoreContexts();
  readonly #store: Pick<Store, 'devices' | 'oscoreEdges' | 'changeOscore'>;
  readonly #log: Log;
  readonly #onError: (error: unknown) => void;
  readonly #dangerouslyLog: ((id: string, parameters: ContextParameters) => void) | undefined;
  readonly #open = new Map<string, { readonly stamp: KeyStamp; readonly context: OscoreContext }>();
  #work: Promise<void> = Promise.resolve();

  constructor(
    store: Pick<Store, 'devices' | 'oscoreEdges' | 'changeOscore'>,
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

  async #compare(): Promise<void> {
    const devices = new Map((await this.#store.devices()).map((device) => [device.id, device]));
    for (const [id, { stamp }] of this.#open) {
      const device = devices.get(id);
      if (device === undefined || stampOf(device) !== stamp) await this.#drop(id);
    }
    for (const device of devices.values()) {
      const { id, credential } = device;
      if (credential.kind !== 'oscore' || this.#open.has(id)) continue;
      try {
        const context = await this.#contextOf(device, credential);
        this.contexts.add(context);
        this.#open.set(id, { stamp: stampOf(device), context });
        this.#log.detail(1, `the OSCORE context of ${printable(id)} is open`);
      } catch (error) {
        // One device whose context cannot be used keeps no other out.
        this.#onError(error);
      }
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
