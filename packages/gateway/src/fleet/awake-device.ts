/**
 * A device that is always on: one client, one association, messages as the plan has them, what it observes; it dies and comes
 * back, and changes its address, when the plan says so.
 *
 * @module
 */

import type { Client, Observation } from 'coapsule';
import { type DeviceSurroundings, sendCounted } from './device-surroundings.ts';
import { pause } from './fleet-clock.ts';

/** An observation that ended, or found nothing yet, is tried again after so many seconds of the plan. */
const observeAgainSeconds = 30;

/** See the module comment. */
export class AwakeDevice {
  readonly #surroundings: DeviceSurroundings;
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #observations = new Set<Observation>();
  #client: Client | undefined;
  /** Grows with each death: what belongs to an earlier life ends. */
  #life = 0;
  /** Seconds of the plan until which it has no power. */
  #downUntil = 0;
  #state: Uint8Array | undefined;

  constructor(surroundings: DeviceSurroundings) {
    this.#surroundings = surroundings;
  }

  /** Lives through its plan. */
  async run(): Promise<void> {
    const { plan, clock, group, link, settings } = this.#surroundings;
    await this.#comeUp();
    for (const event of plan.events()) {
      if (!(await clock.until(event.at))) break;
      if (event.at < this.#downUntil) {
        if (event.kind === 'send') group.outcomes.missed++;
        continue;
      }
      if (this.#client === undefined) await this.#comeUp();
      switch (event.kind) {
        case 'send':
          if (event.purpose === 'command') settings.set(event.path, event.payload);
          if (this.#client !== undefined) this.#note(sendCounted(this.#surroundings, this.#client, event));
          break;
        case 'roam':
          group.addressChanges++;
          await link?.rebind();
          break;
        case 'die':
          group.deaths++;
          this.#downUntil = event.at + event.forSeconds;
          await this.#goDown(event.keepsState);
          break;
      }
    }
    await this.#drain();
    this.#life++;
    await this.#client?.close();
    await Promise.all(this.#underWay);
  }

  async #comeUp(): Promise<void> {
    const { clientOptions, server, group, openClient, plan } = this.#surroundings;
    const client = openClient(clientOptions);
    this.#client = client;
    const state = this.#state;
    this.#state = undefined;
    if (state !== undefined) {
      await client.importAssociation(server, state);
      group.statesKept++;
    }
    for (const path of plan.observes) this.#note(this.#observe(client, path, this.#life));
  }

  /** Silently: what has no power sends no close_notify. */
  async #goDown(keepsState: boolean): Promise<void> {
    const { server, group, protection } = this.#surroundings;
    const client = this.#client;
    this.#client = undefined;
    this.#life++;
    if (client === undefined) return;
    if (protection === 'dtls') {
      const state = await client.exportAssociation(server);
      if (state !== undefined) group.largestState = Math.max(group.largestState, state.length);
      this.#state = keepsState ? state : undefined;
    }
    await client.close();
  }

  /** Observes until the device dies or the run is over. */
  async #observe(client: Client, path: string, life: number): Promise<void> {
    const { clock, server, group, settings, plan } = this.#surroundings;
    while (life === this.#life && !clock.isOver) {
      const observation = client.observe(`${server}${path}`);
      this.#observations.add(observation);
      try {
        for await (const notification of observation) {
          if (!notification.ok) continue;
          group.notifications++;
          const ms = settings.heard(plan.id, path, notification.text());
          if (ms !== undefined) group.settings.record(ms);
        }
      } catch {
        // It is tried again, or over.
      } finally {
        this.#observations.delete(observation);
      }
      if (life !== this.#life) return;
      await clock.until(clock.seconds + observeAgainSeconds);
    }
  }

  /** What is under way may end; observations never do by themselves. */
  async #drain(): Promise<void> {
    const { clock, drainMs } = this.#surroundings;
    this.#life++;
    await Promise.all([...this.#observations].map((one) => one.cancel().catch(() => undefined)));
    const limit = new AbortController();
    await Promise.race([
      Promise.all(this.#underWay),
      pause(clock.isOver ? Math.min(drainMs, 1000) : drainMs, limit.signal),
    ]);
    limit.abort();
  }

  #note(work: Promise<unknown>): void {
    const noted = work.catch(() => undefined).finally(() => this.#underWay.delete(noted));
    this.#underWay.add(noted);
  }
}
