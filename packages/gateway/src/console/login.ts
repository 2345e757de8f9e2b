/**
 * Logging in and out: by a one-time link or by name and password, with the cookie of the session.
 */
import type { Context } from 'hono';
import type { HttpClient } from '../http/trusted-proxies.ts';
import type { SteadyClock } from '../server/steady-clock.ts';
import type { WallClock } from '../server/wall-clock.ts';
import { networkOf } from '../text/network.ts';
import { ApiFailure } from './api-failure.ts';
import type { SessionView, UsersView } from './api-types.ts';
import type { Handlers, LoginHandlers } from './console-api.ts';
import type { ConsoleAudit } from './console-audit.ts';
import type { ConsoleStore } from './console-store.ts';
import { takeLoginLink } from './login-link.ts';
import { LoginThrottle } from './login-throttle.ts';
import { PasswordCheck, TooManyPasswords } from './password.ts';
import type { SessionCookie } from './session-cookie.ts';
import type { ConsoleSessions, Session, SessionUser } from './sessions.ts';

/** What it works with. */
export interface LoginParts {
  readonly store: Pick<ConsoleStore, 'users'>;
  readonly sessions: ConsoleSessions;
  readonly cookie: SessionCookie;
  readonly clock: WallClock;
  /** What sessions last by, and how long who has failed waits. */
  readonly steadyClock: SteadyClock;
  readonly audit: ConsoleAudit;
  /** Who asks. */
  readonly clientOf: (context: Context) => HttpClient;
}

/** How who came by a link is called. */
const byLink = '(link)';

/** The logins. */
export function loginHandlers(parts: LoginParts): LoginHandlers {
  const { store, clock } = parts;
  const throttle = new LoginThrottle();
  const check = new PasswordCheck();
  const attempt = async (
    context: Context,
    name: string | undefined,
    find: () => Promise<SessionUser | undefined> | SessionUser | undefined,
  ): Promise<SessionView> => {
    const address = networkOf(parts.clientOf(context).address);
    const begun = throttle.begin(address, name, parts.steadyClock());
    if ('waitMs' in begun) throw tooManyAttempts(begun.waitMs);
    let user: SessionUser | undefined;
    try {
      user = await find();
    } catch (error) {
      begun.withdraw();
      throw error;
    }
    if (user === undefined) {
      parts.audit.loginFailed(name ?? byLink, address);
      throw name === undefined
        ? new ApiFailure(
            'login-failed',
            'the link was used already, or is too old',
            'make a new one: coapsule console link',
          )
        : new ApiFailure('login-failed', 'name or password is wrong');
    }
    begun.succeeded();
    parts.audit.used('console-login', { name: user.name, from: address }, { role: user.role });
    return beginSession(context, parts, user);
  };
  return {
    'POST /api/session/link': (context, { token }) =>
      attempt(context, undefined, () =>
        takeLoginLink(store.users, token, clock())
          ? { name: byLink, role: 'admin', version: undefined }
          : undefined,
      ),
    'POST /api/session/password': (context, { name, password }) =>
      attempt(context, name, async () => {
        const user = store.users.find(name);
        try {
          if (!(await check.isRight(password, user?.password)) || user === undefined) return undefined;
        } catch (error) {
          if (!(error instanceof TooManyPasswords)) throw error;
          throw tooManyAttempts(1000);
        }
        // It may have been changed or removed while the password was looked at.
        return isCurrent(store, user) ? user : undefined;
      }),
  };
}

/** What somebody who is logged in may ask of the session. */
export function sessionHandlers(
  parts: LoginParts,
): Pick<Handlers, 'GET /api/session' | 'DELETE /api/session' | 'GET /api/users'> {
  const { store, sessions, cookie, audit } = parts;
  return {
    'GET /api/session': ({ session }) => sessionView(session, parts),
    'DELETE /api/session': ({ context, user }) => {
      sessions.end(cookie.idOf(context));
      cookie.forget(context);
      audit.used('console-logout', user);
    },
    'GET /api/users': (): UsersView => ({
      users: store.users.all().map(({ name, role, addedAtMs }) => ({
        ...{ name, role, addedAtMs },
        sessions: sessions.countOf(name),
      })),
    }),
  };
}

/** Whether a user is still the one that logged in. */
export function isCurrent(
  { users }: Pick<ConsoleStore, 'users'>,
  { name, role, version }: SessionUser,
): boolean {
  if (version === undefined) return true;
  const now = users.find(name);
  return now?.version === version && now.role === role;
}

function beginSession(context: Context, parts: LoginParts, user: SessionUser): SessionView {
  const { sessions, cookie } = parts;
  // What the browser has so far is not gone on with: somebody else may have put it there.
  sessions.end(cookie.idOf(context));
  const { id, session } = sessions.begin({ name: user.name, role: user.role, version: user.version });
  cookie.give(context, id);
  return sessionView(session, parts);
}

/** When it ends by the time of day, as that is set now. */
function sessionView(
  { user, csrfToken, idleEndsMs, endsMs }: Session,
  { clock, steadyClock }: Pick<LoginParts, 'clock' | 'steadyClock'>,
): SessionView {
  const timeOfDay = (ms: number): number => Math.round(clock() + ms - steadyClock());
  const { name, role, version } = user;
  return {
    ...{ name, role, csrfToken, isByLink: version === undefined },
    ...{ idleEndsAtMs: timeOfDay(idleEndsMs), endsAtMs: timeOfDay(endsMs) },
  };
}

function tooManyAttempts(waitMs: number): ApiFailure {
  const seconds = Math.ceil(waitMs / 1000);
  return new ApiFailure('throttled', 'there were too many attempts', `wait ${seconds} s`, seconds);
}
