/**
 * The last datagrams that passed a gateway, within bounds: for its operator, who asks what was said a minute ago.
 *
 * The oldest go when there are more. Handshakes of DTLS have a share of their own: what came later can only be read with them, and
 * an association lives longer than a ring of minutes. It looks at one byte of a datagram, and decodes nothing; whoever looks does
 * that. Where there is no ring nothing is copied at all (`capture` of the library is absent then).
 *
 * @module
 */

import type { CapturedDatagram } from 'coapsule';

/** A datagram, or a piece of a TCP stream, with its number. */
export interface TrafficItem {
  /** From 1, in the order in which they passed; numbers of those that were forgotten are missing. */
  readonly number: number;
  readonly captured: CapturedDatagram;
}

/** What is asked for; all conditions count. */
export interface TrafficQuestion {
  /** Those behind this number. */
  readonly after?: number;
  /** Those that passed at this time or later, in milliseconds since 1970; handshakes of before are among them. */
  readonly sinceMs?: number;
  /** At most so many, the newest. */
  readonly most?: number;
}

/** How full a ring is, and what it has seen. */
export interface TrafficCounts {
  readonly items: number;
  /** Of memory, about. */
  readonly bytes: number;
  /** Since the start. */
  readonly passed: number;
  readonly forgotten: number;
}

/** What one costs besides its bytes. */
const itemBytes = 200;

/** One part in so many is for handshakes. */
const handshakeShare = 4;

/** Lines of a key log: each opens one association. */
const mostSecrets = 10_000;

/** See the module comment. */
export class TrafficRing {
  readonly #data: BytesQueue;
  readonly #handshakes: BytesQueue;
  readonly #keepSecrets: boolean;
  readonly #secrets: string[] = [];
  readonly #watchers = new Set<(item: TrafficItem) => void>();
  #passed = 0;
  #secretsPassed = 0;

  /**
   * @param bounds `maxBytes` of memory, 64 KiB or more; `keepSecrets`: whether lines of the key log are kept: whoever gets
   *               them can read everything.
   */
  constructor({
    maxBytes,
    keepSecrets = false,
  }: { readonly maxBytes: number; readonly keepSecrets?: boolean }) {
    const forHandshakes = Math.floor(maxBytes / handshakeShare);
    this.#handshakes = new BytesQueue(forHandshakes);
    this.#data = new BytesQueue(maxBytes - forHandshakes);
    this.#keepSecrets = keepSecrets;
  }

  /** Keeps one. Its bytes are its own (`capture` gives copies). */
  add(captured: CapturedDatagram): void {
    const item = { number: ++this.#passed, captured };
    (isHandshake(captured) ? this.#handshakes : this.#data).add(item);
    if (this.#watchers.size === 0) return;
    for (const watcher of this.#watchers) {
      try {
        watcher(item);
      } catch {
        // Whoever looks must not disturb what is looked at.
        this.#watchers.delete(watcher);
      }
    }
  }

  /** A line of the TLS key log. Kept only where that was said. */
  addSecret(line: string): void {
    if (!this.#keepSecrets) return;
    this.#secrets.push(line);
    this.#secretsPassed++;
    if (this.#secrets.length > mostSecrets) this.#secrets.splice(0, mostSecrets / 10);
  }

  /** Those that are asked for, in their order. */
  items({ after = 0, sinceMs, most }: TrafficQuestion = {}): readonly TrafficItem[] {
    const isLate = ({ captured }: TrafficItem): boolean =>
      sinceMs === undefined || captured.wallTimeMs >= sinceMs;
    const data = this.#data.items().filter((item) => item.number > after && isLate(item));
    const handshakes = this.#handshakes.items().filter(({ number }) => number > after);
    const all = [...handshakes, ...data].sort((one, other) => one.number - other.number);
    return most === undefined || all.length <= most ? all : all.slice(all.length - most);
  }

  /** Lines of the key log, the oldest first; none unless `keepSecrets`. */
  get secrets(): readonly string[] {
    return this.#secrets;
  }

  /** Those behind the first so many that there ever were, and how many that is now. */
  secretsSince(passed: number): { readonly lines: readonly string[]; readonly passed: number } {
    const fresh = Math.min(this.#secrets.length, this.#secretsPassed - passed);
    return { lines: this.#secrets.slice(this.#secrets.length - fresh), passed: this.#secretsPassed };
  }

  /** Whether lines of the key log are kept. */
  get keepsSecrets(): boolean {
    return this.#keepSecrets;
  }

  get counts(): TrafficCounts {
    const items = this.#data.length + this.#handshakes.length;
    return {
      items,
      bytes: this.#data.bytes + this.#handshakes.bytes,
      passed: this.#passed,
      forgotten: this.#passed - items,
    };
  }

  /**
   * Tells of each item from now on, at once, until the returned function is called. A watcher must be quick: the gateway waits
   * for it. One that throws is told nothing more.
   */
  watch(watcher: (item: TrafficItem) => void): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }
}

/** RFC 6347 §4.3.1: 20 is ChangeCipherSpec, 22 a handshake. Flights go in datagrams of their own. */
function isHandshake({ transport, datagram }: CapturedDatagram): boolean {
  return transport === undefined && (datagram[0] === 22 || datagram[0] === 20);
}

/** Items in their order, the oldest of which go when they have too many bytes. */
class BytesQueue {
  readonly #maxBytes: number;
  #items: TrafficItem[] = [];
  /** Those before it are gone. */
  #head = 0;
  bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get length(): number {
    return this.#items.length - this.#head;
  }

  add(item: TrafficItem): void {
    this.#items.push(item);
    this.bytes += sizeOf(item);
    while (this.bytes > this.#maxBytes) {
      this.bytes -= sizeOf(this.#items[this.#head]!);
      this.#items[this.#head] = gone;
      this.#head++;
    }
    // Moved only when half of them are gone: each is moved once on average.
    if (this.#head < 1024 || this.#head * 2 < this.#items.length) return;
    this.#items = this.#items.slice(this.#head);
    this.#head = 0;
  }

  items(): readonly TrafficItem[] {
    return this.#items.slice(this.#head);
  }
}

const nowhere = { key: '', host: '', port: 0 };

/** In the place of one that is gone, so that its bytes are free. */
const gone: TrafficItem = {
  number: 0,
  captured: { direction: 'sent', local: nowhere, remote: nowhere, datagram: new Uint8Array(), wallTimeMs: 0 },
};

function sizeOf({ captured }: TrafficItem): number {
  return captured.datagram.length + itemBytes;
}
