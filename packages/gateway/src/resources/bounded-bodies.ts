/**
 * Bodies by name, bounded in total: when room is needed, the body that was written longest ago goes first.
 */
export class BoundedBodies<Body extends { readonly payload: Uint8Array }> {
  readonly #maxTotalBytes: number;
  readonly #bodies = new Map<string, Body>();
  #totalBytes = 0;

  constructor(maxTotalBytes: number) {
    this.#maxTotalBytes = maxTotalBytes;
  }

  get totalBytes(): number {
    return this.#totalBytes;
  }

  get(name: string): Body | undefined {
    return this.#bodies.get(name);
  }

  /** Keep a body under a name; returns the names of the bodies that had to go. */
  set(name: string, body: Body): string[] {
    this.delete(name);
    this.#bodies.set(name, body);
    this.#totalBytes += sizeOf(name, body);
    const gone: string[] = [];
    for (const oldest of this.#bodies.keys()) {
      if (this.#totalBytes <= this.#maxTotalBytes) break;
      gone.push(oldest);
      this.delete(oldest);
    }
    return gone;
  }

  /** @returns whether there was one. */
  delete(name: string): boolean {
    const body = this.#bodies.get(name);
    if (body === undefined) return false;
    this.#totalBytes -= sizeOf(name, body);
    return this.#bodies.delete(name);
  }
}

/** What an entry takes besides its name and payload: measured, about. A million empty bodies are not free. */
const entryBytes = 400;

function sizeOf(name: string, body: { readonly payload: Uint8Array }): number {
  return 2 * name.length + body.payload.length + entryBytes;
}
