/**
 * So many of something at a time, and so many of them for those who are nobody: these leave room for who has shown a token.
 */

/** How many there may be. */
export interface MostPlaces {
  readonly all: number;
  readonly ofNobody: number;
}

/** See the file comment. */
export class Places {
  readonly #most: MostPlaces;
  #taken = 0;
  #takenByNobody = 0;

  constructor(most: MostPlaces) {
    this.#most = most;
  }

  /** How many are taken. */
  get taken(): number {
    return this.#taken;
  }

  /** @returns whether there was one; then it is given back when it is not needed any more. */
  take(isNobody: boolean): boolean {
    const { all, ofNobody } = this.#most;
    if (this.#taken >= all || (isNobody && this.#takenByNobody >= ofNobody)) return false;
    this.#count(isNobody, 1);
    return true;
  }

  /** @param isNobody As it was taken. */
  giveBack(isNobody: boolean): void {
    this.#count(isNobody, -1);
  }

  #count(isNobody: boolean, change: 1 | -1): void {
    this.#taken += change;
    if (isNobody) this.#takenByNobody += change;
  }
}
