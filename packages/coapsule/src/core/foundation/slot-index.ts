/**
 * Finds slots of a table by the hash of what is in them: open addressing over two typed arrays, 8 bytes a cell.
 *
 * What peers choose is hashed under a key that they do not know (`keyed-digest.ts`).
 *
 * Knows hashes, not keys: whoever looks something up walks the cells with a hash and compares what the slots hold.
 *
 *     for (let cell = index.begin(hash); index.slotAt(cell) >= 0; cell = index.next(cell, hash)) …
 *
 * @module
 */

const none = -1;

/** See the module comment. At most four fifths of the cells are in use, so that each walk ends. */
export class SlotIndex {
  #slots = new Int32Array(16).fill(none);
  #hashes = new Int32Array(16);
  #mask = 15;
  #size = 0;

  /** Number of slots. */
  get size(): number {
    return this.#size;
  }

  /** The first cell with this hash, or where the walk ends. */
  begin(hash: number): number {
    return this.#seek(this.#home(hash), hash);
  }

  /** The slot in a cell, or -1 where a walk ends. */
  slotAt(cell: number): number {
    return this.#slots[cell] as number;
  }

  /** The cell behind it with this hash, or where the walk ends. */
  next(cell: number, hash: number): number {
    return this.#seek(this.#following(cell), hash);
  }

  /** Enters a slot that is not in the index. */
  insert(hash: number, slot: number): void {
    if (5 * (this.#size + 1) > 4 * this.#slots.length) this.#grow();
    this.#size++;
    this.#place(hash, slot);
  }

  /** Takes a slot out; does nothing when it is not in the index under this hash. */
  delete(hash: number, slot: number): void {
    let hole = this.#home(hash);
    while (this.slotAt(hole) !== slot) {
      if (this.slotAt(hole) === none) return;
      hole = this.#following(hole);
    }
    this.#size--;
    // What lies behind the hole and was pushed past it moves up, so that no walk ends too early.
    for (let cell = this.#following(hole); this.slotAt(cell) !== none; cell = this.#following(cell)) {
      const home = this.#home(this.#hashes[cell] as number);
      if (((cell - home) & this.#mask) < ((cell - hole) & this.#mask)) continue;
      this.#slots[hole] = this.slotAt(cell);
      this.#hashes[hole] = this.#hashes[cell] as number;
      hole = cell;
    }
    this.#slots[hole] = none;
  }

  #place(hash: number, slot: number): void {
    let cell = this.#home(hash);
    while (this.slotAt(cell) !== none) cell = this.#following(cell);
    this.#slots[cell] = slot;
    this.#hashes[cell] = hash;
  }

  #home(hash: number): number {
    return spread(hash) & this.#mask;
  }

  #following(cell: number): number {
    return (cell + 1) & this.#mask;
  }

  /** Passes over the slots of other hashes: each would be somewhere else in memory to look at. */
  #seek(from: number, hash: number): number {
    let cell = from;
    const wanted = hash | 0;
    while (this.#slots[cell] !== none && this.#hashes[cell] !== wanted) cell = this.#following(cell);
    return cell;
  }

  #grow(): void {
    const [slots, hashes] = [this.#slots, this.#hashes];
    const length = 2 * slots.length;
    this.#slots = new Int32Array(length).fill(none);
    this.#hashes = new Int32Array(length);
    this.#mask = length - 1;
    for (const [cell, slot] of slots.entries()) {
      if (slot !== none) this.#place(hashes[cell] as number, slot);
    }
  }
}

/** The hash of an integer of up to 53 bits. */
export function hashOfNumber(value: number): number {
  return Math.imul(value | 0, 0x9e3779b1) ^ Math.floor(value / 0x1_0000_0000);
}

/** The hash of bytes; all of them count. For bytes that are random, or in a bounded table: others choose, and find, what collides. */
export function hashOfBytes(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  return hash | 0;
}

/** The low bits decide, so that the high ones are mixed into them. */
function spread(hash: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  return mixed ^ (mixed >>> 13);
}
