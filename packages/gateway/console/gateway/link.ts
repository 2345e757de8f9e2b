/**
 * Whether the gateway answers, and who is logged in.
 *
 * While it does not answer it is asked again, ever more seldom, up to every ten seconds; when it answers again `revival` grows, and
 * whoever shows something of it asks anew.
 *
 * @module
 */

import { computed, signal } from '@preact/signals';
import type { Role, SessionView } from '../../src/console/api-types.ts';
import { go, place } from '../shell/location.ts';

/** Undefined while it is not known; null for nobody. */
export const session = signal<SessionView | null | undefined>(undefined);

/** Whether somebody was logged in, and is not any more without having logged out: the session was over, or the gateway started anew. */
export const isSessionLost = signal(false);

/** Nobody is logged in, says the gateway. */
export function noteNobody(): void {
  if (session.peek() != null) isSessionLost.value = true;
  session.value = null;
}

/** Whether it answers; nothing is known at the start. */
export const isSilent = signal(false);

/** How often it has come back. */
export const revival = signal(0);

const order: readonly Role[] = ['view', 'operate', 'admin'];

/** Whether who is logged in may do what this role may. */
export function mayAct(role: Role): boolean {
  const own = session.value?.role;
  return own !== undefined && order.indexOf(own) >= order.indexOf(role);
}

/** Somebody is logged in. */
export const isLoggedIn = computed(() => session.value != null);

/** A page that comes back out of the browser's memory begins its streams anew. */
export function goOnAfterReturn(): void {
  addEventListener('pageshow', ({ persisted }) => {
    if (persisted) revival.value += 1;
  });
}

/** It has answered something. */
export function noteAnswer(): void {
  if (!isSilent.peek()) return;
  isSilent.value = false;
  revival.value += 1;
}

/** It has not answered. */
export function noteSilence(): void {
  if (isSilent.peek()) return;
  isSilent.value = true;
  void askUntilThere();
}

/** Asks who is logged in, with the link's token first where there is one. */
export async function findSession(): Promise<void> {
  const token = takeToken();
  if (token !== '') {
    const response = await fetch('/api/session/link', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token }),
    }).catch(() => undefined);
    if (response?.ok) {
      session.value = (await response.json()) as SessionView;
      if (place.peek().view === 'login') go('');
      return;
    }
  }
  await askSession();
}

/** One-time links have their token behind #, which no server sees; it leaves the address at once. */
function takeToken(): string {
  const { hash, pathname, search } = location;
  if (!/^#[\w-]{16,}$/.test(hash)) return '';
  history.replaceState(null, '', pathname + search);
  return hash.slice(1);
}

async function askSession(): Promise<boolean> {
  try {
    const response = await fetch('/api/session', { cache: 'no-store' });
    if (response.ok) session.value = (await response.json()) as SessionView;
    else if (response.status === 401) noteNobody();
    // Somebody in between answers in its place.
    else throw new Error(`${response.status}`);
    noteAnswer();
    return true;
  } catch {
    noteSilence();
    return false;
  }
}

async function askUntilThere(): Promise<void> {
  for (let waitMs = 500; isSilent.peek(); waitMs = Math.min(10_000, waitMs * 2)) {
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    await askSession();
  }
}
