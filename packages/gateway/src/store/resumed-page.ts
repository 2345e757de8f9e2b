/**
 * Some stored associations on their way from the store's thread: columns, and all byte strings in one array, since a
 * structured clone takes longer for an object with three arrays than everything else that is done with it.
 */

import type { ResumedRow } from './association-row.ts';

/** Where a page ended: the next one begins behind it. */
export interface ResumeMark {
  readonly heardAtMs: number;
  readonly name: string;
  /** Numbers that were reserved for each before this process started. */
  readonly takenOver: number;
}

/** See the module comment. */
export interface ResumedPage {
  readonly names: readonly string[];
  readonly hosts: readonly string[];
  readonly authentications: readonly string[];
  readonly keyStamps: readonly string[];
  /** Five for each association: port, `writeFrom`, edge, whether it is exact, and when it expires (NaN: never). */
  readonly numbers: Float64Array;
  /** Three for each association: lengths of identity, credential (-1: none) and state. */
  readonly lengths: Int32Array;
  readonly bytes: Uint8Array;
  /** Associations that are forgotten, since their keys did not open. */
  readonly unopened: number;
  /** Undefined when no more are there. */
  readonly next: ResumeMark | undefined;
}

/** An association as it is in the table, before it was taken over. */
export interface StoredAssociation {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly identity: Uint8Array;
  readonly authentication: string;
  readonly credential: Uint8Array | null;
  readonly key_stamp: string;
  readonly expires_at_ms: number | null;
  readonly state: Uint8Array;
  readonly reserved: number;
  readonly edge: number;
  readonly is_exact: number;
}

const numbersOfEach = 5;
const lengthsOfEach = 3;

/** The associations as columns. */
export function resumedPage(
  rows: readonly StoredAssociation[],
  next: ResumeMark | undefined,
  unopened: number,
): ResumedPage {
  const numbers = new Float64Array(numbersOfEach * rows.length);
  const lengths = new Int32Array(lengthsOfEach * rows.length);
  const names: string[] = [];
  const hosts: string[] = [];
  const authentications: string[] = [];
  const keyStamps: string[] = [];
  let byteLength = 0;
  // Field by field: an array or a walk of its own for each of 100,000 rows takes as long as to decrypt them.
  let number = 0;
  let length = 0;
  for (const row of rows) {
    numbers[number++] = row.port;
    numbers[number++] = row.reserved;
    numbers[number++] = row.edge;
    numbers[number++] = row.is_exact;
    numbers[number++] = row.expires_at_ms ?? Number.NaN;
    const { identity, credential, state } = row;
    lengths[length++] = identity.length;
    lengths[length++] = credential?.length ?? -1;
    lengths[length++] = state.length;
    byteLength += identity.length + (credential?.length ?? 0) + state.length;
    names.push(row.name);
    hosts.push(row.host);
    authentications.push(row.authentication);
    keyStamps.push(row.key_stamp);
  }
  const bytes = new Uint8Array(byteLength);
  let end = 0;
  const put = (part: Uint8Array): void => {
    bytes.set(part, end);
    end += part.length;
  };
  for (const { identity, credential, state } of rows) {
    put(identity);
    if (credential !== null) put(credential);
    put(state);
  }
  return { names, hosts, authentications, keyStamps, numbers, lengths, bytes, unopened, next };
}

/** The associations of a page, taken over with `ahead` more numbers each. Their bytes are views of the page. */
export function rowsOfPage(page: ResumedPage, endpoint: string, ahead: number): readonly ResumedRow[] {
  const { names, hosts, authentications, keyStamps, numbers, lengths, bytes } = page;
  let end = 0;
  const take = (length: number): Uint8Array => {
    end += length;
    return bytes.subarray(end - length, end);
  };
  return names.map((name, i) => {
    const number = (which: number): number => numbers[numbersOfEach * i + which] as number;
    const length = (which: number): number => lengths[lengthsOfEach * i + which] as number;
    const expiresAtMs = number(4);
    const identity = take(length(0));
    const credential = length(1) < 0 ? undefined : take(length(1));
    return {
      name,
      endpoint,
      host: hosts[i] as string,
      port: number(0),
      identity,
      authentication: authentications[i] as string,
      credential,
      keyStamp: keyStamps[i] as string,
      expiresAtMs: Number.isNaN(expiresAtMs) ? undefined : expiresAtMs,
      state: take(length(2)),
      writeFrom: number(1),
      reserved: number(1) + ahead,
      edge: number(2),
      exact: number(3) === 1,
    };
  });
}
