/**
 * Birth and death of devices at the message broker: who sends readings is online, and offline when nothing came of it for some time.
 *
 * Each device has a topic of its own, `BASE/device/IDENTITY`, retained. What an earlier process told and nobody took back is learned
 * from the broker itself: such a device has as much time as any other. Whether the gateway is there says its own last will.
 */
import type { TickTimer } from '../resources/periodic-tick.ts';
import type { WallClock } from '../server/wall-clock.ts';
import { topicOf } from './mqtt-topics.ts';

/** What it works with. */
export interface PresenceParts {
  readonly base: string;
  /** After so long without a reading a device is offline. */
  readonly silentMs: number;
  /** Publishes a retained message; rejects when the broker has not taken it. */
  readonly publish: (topic: string, payload: Uint8Array) => Promise<void>;
  readonly clock: WallClock;
  readonly timer: TickTimer;
  readonly onError: (error: unknown) => void;
}

/** A device that is online. */
interface Presence {
  /** By the monotonic clock: a clock that is set must not let all devices die. */
  seenMs: number;
  /** The broker knows. */
  isTold: boolean;
}

/** Devices that are kept in mind; others have no birth. */
const mostDevices = 100_000;

/** See the module comment. */
export class DevicePresence {
  readonly #parts: PresenceParts;
  readonly #devices = new Map<string, Presence>();
  #isOpen = false;
  #isTelling = false;
  #cancel: () => void = () => {};

  constructor(parts: PresenceParts) {
    this.#parts = parts;
    this.#wait();
  }

  /** A reading of a device went to the broker; it may have waited for that. */
  seen(identity: string, receivedAtMs: number): void {
    const { clock, timer, silentMs } = this.#parts;
    const ageMs = Math.max(0, clock() - receivedAtMs);
    if (ageMs >= silentMs) return;
    const seenMs = timer.now() - ageMs;
    const device = this.#devices.get(identity);
    if (device !== undefined) device.seenMs = Math.max(device.seenMs, seenMs);
    else {
      if (this.#devices.size >= mostDevices) return;
      this.#devices.set(identity, { seenMs, isTold: false });
      void this.#tell();
    }
  }

  /** What the broker has kept of an earlier process. */
  learned(topic: string, payload: Uint8Array): void {
    const identity = identityOf(this.#parts.base, topic);
    if (identity === undefined || this.#devices.has(identity) || !saysOnline(payload)) return;
    if (this.#devices.size >= mostDevices) return;
    this.#devices.set(identity, { seenMs: this.#parts.timer.now(), isTold: true });
  }

  /** The broker is there, and may have forgotten all. */
  open(): void {
    this.#isOpen = true;
    for (const device of this.#devices.values()) device.isTold = false;
    void this.#tell();
  }

  /** The broker is away. */
  pause(): void {
    this.#isOpen = false;
  }

  stop(): void {
    this.#isOpen = false;
    this.#cancel();
  }

  #wait(): void {
    const { timer, silentMs } = this.#parts;
    this.#cancel = timer.after(Math.max(1000, silentMs / 10), () => {
      this.#wait();
      void this.#tell();
    });
  }

  /** Births that the broker does not know, and deaths. What it does not take is told again. */
  async #tell(): Promise<void> {
    if (this.#isTelling || !this.#isOpen) return;
    this.#isTelling = true;
    const { clock, timer, silentMs, onError } = this.#parts;
    try {
      for (const [identity, device] of this.#devices) {
        if (!this.#isOpen) return;
        const silence = timer.now() - device.seenMs;
        if (silence >= silentMs) {
          await this.#publish(identity, 'offline', clock() - silence);
          // It may have sent something in the meantime.
          if (timer.now() - device.seenMs >= silentMs) this.#devices.delete(identity);
          else device.isTold = false;
        } else if (!device.isTold) {
          device.isTold = true;
          await this.#publish(identity, 'online', clock() - silence).catch((error: unknown) => {
            device.isTold = false;
            throw error;
          });
        }
      }
    } catch (error) {
      if (this.#isOpen) onError(error);
    } finally {
      this.#isTelling = false;
    }
  }

  async #publish(identity: string, status: 'online' | 'offline', lastSeenMs: number): Promise<void> {
    const topic = topicOf(`${deviceTopics(this.#parts.base)}{identity}`, { path: '/', identity });
    if (topic === undefined) return;
    const payload = { status, lastSeen: new Date(lastSeenMs).toISOString() };
    await this.#parts.publish(topic, new TextEncoder().encode(JSON.stringify(payload)));
  }
}

/** The first levels of the topics. */
export function deviceTopics(base: string): string {
  return `${base}/device/`;
}

function identityOf(base: string, topic: string): string | undefined {
  const prefix = deviceTopics(base);
  if (!topic.startsWith(prefix)) return undefined;
  try {
    return decodeURIComponent(topic.slice(prefix.length));
  } catch {
    return undefined;
  }
}

function saysOnline(payload: Uint8Array): boolean {
  try {
    return JSON.parse(new TextDecoder().decode(payload)).status === 'online';
  } catch {
    return false;
  }
}
