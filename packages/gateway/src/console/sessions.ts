/**
 * Who is logged in at the console: sessions in memory, by the hash of the random id that the browser has in its cookie.
 *
 * A session ends when nobody uses it for a while, after half a day in any case, whoever sets the clock of the machine; with
 * a logout, and when its user is changed or removed.
 * Each login makes a new one: an id that somebody else has put into a browser is never taken over. They end with the process.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { SteadyClock } from '../server/steady-clock.ts';
import type { Role } from './api-types.ts';

/** Who a session is of. */
export interface SessionUser {
  /** In parentheses for who came by a link, as no user is called. */
  readonly name: string;
  readonly role: Role;
  /** Of the user in the store when it logged in; undefined for who came by a link. */
  readonly version: number | undefined;
}

/** One of them. */
export interface Session {
  readonly user: SessionUser;
  /** What requests that change something have to show (`x-csrf-token`). */
  readonly csrfToken: string;
  /** By the clock that nobody sets, as is `endsMs`. */
  readonly idleEndsMs: number;
  readonly endsMs: number;
  /** Aborted when it is over: streams end with it. */
  readonly ended: AbortSignal;
}

/** How long, and how many. */
export const sessionBounds: {
  readonly idleMs: number;
  readonly wholeMs: number;
  readonly perUser: number;
  readonly all: number;
} = {
  idleMs: 60 * 60_000,
  wholeMs: 12 * 60 * 60_000,
  perUser: 10,
  all: 500,
};

interface KeptSession extends Session {
  idleEndsMs: number;
  readonly ending: AbortController;
}

/** See the module comment. */
export class ConsoleSessions {
  readonly #clock: SteadyClock;
  /** In the order of their beginning. */
  readonly #sessions = new Map<string, KeptSession>();
  readonly #isCurrent: (user: SessionUser) => boolean;

  /** @param isCurrent Whether a user of the store is still the one that logged in. */
  constructor(clock: SteadyClock, isCurrent: (user: SessionUser) => boolean) {
    this.#clock = clock;
    this.#isCurrent = isCurrent;
  }

  /** Begins one. @returns it, and the id for the cookie: 256 bits, which are nowhere kept. */
  begin(user: SessionUser): { readonly id: string; readonly session: Session } {
    this.#forgetOver();
    const own = [...this.#sessions].filter(
      ([
        ,
        {
          user: { name },
        },
      ]) => name === user.name,
    );
    for (const [digest] of own.slice(0, Math.max(0, own.length - sessionBounds.perUser + 1)))
      this.#end(digest);
    for (const digest of this.#sessions.keys()) {
      if (this.#sessions.size < sessionBounds.all) break;
      this.#end(digest);
    }
    const now = this.#clock();
    const ending = new AbortController();
    const session: KeptSession = {
      ...{ user, ending, ended: ending.signal },
      csrfToken: randomBytes(32).toString('base64url'),
      idleEndsMs: now + sessionBounds.idleMs,
      endsMs: now + sessionBounds.wholeMs,
    };
    const id = randomBytes(32).toString('base64url');
    this.#sessions.set(digestOf(id), session);
    return { id, session };
  }

  /** The session of a cookie, which is used now; undefined when it is over, or never was. */
  use(id: string): Session | undefined {
    const digest = digestOf(id);
    const session = this.#sessions.get(digest);
    if (session === undefined) return undefined;
    if (!this.#holds(session)) {
      this.#end(digest);
      return undefined;
    }
    session.idleEndsMs = Math.min(session.endsMs, this.#clock() + sessionBounds.idleMs);
    return session;
  }

  /** It counts no more; whether there was one. */
  end(id: string): boolean {
    return this.#end(digestOf(id));
  }

  /** Those of users who are removed, or have another password or role by now, end; their streams too. */
  review(): void {
    this.#forgetOver();
  }

  /** How many a user has. */
  countOf(name: string): number {
    return [...this.#sessions.values()].filter((one) => one.user.name === name && this.#holds(one)).length;
  }

  /** All end. */
  close(): void {
    for (const digest of [...this.#sessions.keys()]) this.#end(digest);
  }

  #holds({ user, endsMs, idleEndsMs }: KeptSession): boolean {
    return this.#clock() < Math.min(endsMs, idleEndsMs) && this.#isCurrent(user);
  }

  #forgetOver(): void {
    for (const [digest, session] of [...this.#sessions]) if (!this.#holds(session)) this.#end(digest);
  }

  #end(digest: string): boolean {
    const session = this.#sessions.get(digest);
    if (session === undefined) return false;
    this.#sessions.delete(digest);
    session.ending.abort();
    return true;
  }
}

/** Whether a header has the token of the session, compared in constant time. */
export function hasCsrfToken({ csrfToken }: Session, header: string | undefined): boolean {
  const own = Buffer.from(csrfToken);
  const given = Buffer.from(header ?? '');
  return own.length === given.length && timingSafeEqual(own, given);
}

function digestOf(id: string): string {
  return createHash('sha256').update(id).digest('base64');
}
