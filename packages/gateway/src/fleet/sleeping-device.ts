/**
 * A device in deep sleep: at each wake it has nothing but what its way keeps, sends its message and sleeps again.
 *
 * - `saved-session` exports its association before it sleeps and imports it after (docs/sleep-and-wake.md).
 * - `oscore` keeps the numbers of its Security Context (RFC 8613 §7.5).
 * - `broken-reuse` keeps one copy of the association from right after its handshake, and begins from it each time, as firmware
 *   does that keeps keys and forgets numbers. It sends each message once, listens for a second and sleeps. **It uses nonces
 *   twice, which is the fault that is shown**: nothing but simulated values may be sent like this.
 *
 * @module
 */

import { type Client, OscoreContext, type OscoreState } from 'coapsule';
import { type DeviceSurroundings, sendCounted } from './device-surroundings.ts';
import type { SendEvent } from './fleet-plan.ts';

/** After so many wakes in a row without an answer a saved session counts as forgotten by the server. */
const unansweredAtMost = 3;

/** How long a broken device listens for its answer: less than ACK_TIMEOUT, since what is sent again has a new number. */
const brokenListenMs = 1000;

/** See the module comment. */
export class SleepingDevice {
  readonly #surroundings: DeviceSurroundings;
  /** What survives the sleep. */
  #association: Uint8Array | undefined;
  #generation = 0;
  #unanswered = 0;
  #numbers: OscoreState | undefined;
  #downUntil = 0;

  constructor(surroundings: DeviceSurroundings) {
    this.#surroundings = surroundings;
  }

  /** Lives through its plan. */
  async run(): Promise<void> {
    const { plan, clock, group, link } = this.#surroundings;
    for (const event of plan.events()) {
      if (!(await clock.until(event.at))) return;
      if (event.at < this.#downUntil) {
        if (event.kind === 'send') group.outcomes.missed++;
        continue;
      }
      if (event.kind === 'die') {
        group.deaths++;
        this.#downUntil = event.at + event.forSeconds;
        // The numbers of a Security Context are in flash, or it must not be used again.
        if (event.keepsState || plan.sleep === 'oscore') group.statesKept++;
        else this.#association = undefined;
      } else if (event.kind === 'send') {
        // Another port each time: whoever sleeps for an hour has lost the one that a NAT gave it.
        await link?.rebind();
        await this.#wake(event);
      }
    }
  }

  async #wake(event: SendEvent): Promise<void> {
    switch (this.#surroundings.plan.sleep) {
      case 'oscore':
        return this.#wakeWithNumbers(event);
      case 'saved-session':
        return this.#wakeWithSession(event);
      default:
        return this.#wakeBroken(event);
    }
  }

  async #wakeWithNumbers(event: SendEvent): Promise<void> {
    const { credential, clientOptions, openClient } = this.#surroundings;
    if (credential.kind !== 'oscore') throw new Error(`${event.path}: no OSCORE credential`);
    const { masterSecret, masterSalt, senderId, recipientId } = credential;
    const context = await OscoreContext.open({
      ...{ masterSecret, masterSalt, senderId, recipientId },
      firstUse: this.#numbers === undefined,
      store: {
        load: async () => this.#numbers,
        save: async (state) => {
          this.#numbers = state;
        },
      },
    });
    const client = openClient({ ...clientOptions, oscore: context });
    try {
      await sendCounted(this.#surroundings, client, event);
    } finally {
      await client.close();
      await context.close();
    }
  }

  async #wakeWithSession(event: SendEvent): Promise<void> {
    const { server, clientOptions, openClient, group } = this.#surroundings;
    const client = openClient(clientOptions);
    try {
      await this.#restore(client, this.#generation);
      const outcome = await sendCounted(this.#surroundings, client, event);
      this.#unanswered = outcome === 'lost' ? this.#unanswered + 1 : 0;
      const state = await client.exportAssociation(server, { generation: ++this.#generation });
      group.largestState = Math.max(group.largestState, state?.length ?? 0);
      this.#association = this.#unanswered < unansweredAtMost ? state : undefined;
    } finally {
      await client.close();
    }
  }

  async #wakeBroken(event: SendEvent): Promise<void> {
    const { server, clientOptions, openClient } = this.#surroundings;
    const isFirst = this.#association === undefined;
    if (isFirst) {
      const client = openClient(clientOptions);
      try {
        await client.ping(server);
        this.#association = await client.exportAssociation(server);
      } catch {
        // The message below tries once more, and is counted.
      } finally {
        await client.close();
      }
    }
    const client = openClient(clientOptions);
    try {
      await this.#restore(client, 0);
      await sendCounted(this.#surroundings, client, event, isFirst ? {} : { timeoutMs: brokenListenMs });
      // Silently: a close_notify would have a number of its own, which would be new.
      await client.exportAssociation(server);
    } finally {
      await client.close();
    }
  }

  async #restore(client: Client, leastGeneration: number): Promise<void> {
    if (this.#association === undefined) return;
    await client.importAssociation(this.#surroundings.server, this.#association, { leastGeneration });
  }
}
