/**
 * Passwords of the console as they are kept: hashed by scrypt (RFC 7914) with a salt of their own.
 *
 * Text form `scrypt:N:r:p:SALT:HASH`, the last two in base64url, so that later ones may cost more. Each costs 32 MiB and a tenth of a
 * second: at most two are worked out at a time, and callers are turned away beyond a few that wait.
 */
import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';

/** N, r, p: 32 MiB and about a tenth of a second. */
const cost = { N: 2 ** 15, r: 8, p: 1 } as const;
const hashBytes = 32;
const saltBytes = 16;

/** In characters. A sentence is a good password. */
const passwordLength = { least: 10, most: 256 } as const;

/** Why a password is none; undefined for one. */
export function passwordProblem(password: string): string | undefined {
  const { length } = [...password];
  if (length < passwordLength.least) return `the password has less than ${passwordLength.least} characters`;
  return length > passwordLength.most
    ? `the password has more than ${passwordLength.most} characters`
    : undefined;
}

/** What is kept of a new password. */
export async function hashedPassword(password: string): Promise<string> {
  const salt = randomBytes(saltBytes);
  const hash = await derived(password, salt, cost);
  return ['scrypt', cost.N, cost.r, cost.p, salt.toString('base64url'), hash.toString('base64url')].join(':');
}

/** Too many passwords wait to be looked at. */
export class TooManyPasswords extends Error {}

/** Passwords being worked out, and those that wait. */
const most = { atWork: 2, waiting: 16 } as const;

/** Looks whether passwords are right, a few at a time. */
export class PasswordCheck {
  #atWork = 0;
  readonly #waiting: (() => void)[] = [];

  /**
   * @param kept Of the user; undefined for nobody: it takes as long, and is false.
   * @throws TooManyPasswords (rejects).
   */
  async isRight(password: string, kept: string | undefined): Promise<boolean> {
    if (this.#atWork >= most.atWork) {
      if (this.#waiting.length >= most.waiting) throw new TooManyPasswords();
      // Whoever is done gives its place.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#atWork++;
    try {
      return await isPassword(password, kept);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#atWork--;
      else next();
    }
  }
}

async function isPassword(password: string, kept: string | undefined): Promise<boolean> {
  const parsed = kept === undefined ? undefined : parse(kept);
  const salt = parsed?.salt ?? randomBytes(saltBytes);
  const hash = await derived(password, salt, parsed?.cost ?? cost);
  return parsed !== undefined && timingSafeEqual(hash, parsed.hash);
}

function parse(
  kept: string,
): { cost: Pick<ScryptOptions, 'N' | 'r' | 'p'>; salt: Buffer; hash: Buffer } | undefined {
  const [, N, r, p, salt = '', hash = ''] =
    /^scrypt:(\d{1,8}):(\d{1,3}):(\d{1,3}):([\w-]+):([\w-]+)$/.exec(kept) ?? [];
  const bytes = Buffer.from(hash, 'base64url');
  if (bytes.length !== hashBytes) return undefined;
  return {
    cost: { N: Number(N), r: Number(r), p: Number(p) },
    salt: Buffer.from(salt, 'base64url'),
    hash: bytes,
  };
}

function derived(
  password: string,
  salt: Uint8Array,
  { N = 0, r = 0, p = 0 }: ScryptOptions,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // The same letters in another form of Unicode are the same password.
    scrypt(password.normalize('NFKC'), salt, hashBytes, { N, r, p, maxmem: 256 * N * r }, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
}
