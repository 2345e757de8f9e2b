/**
 * `GET /api/traffic`: what passed the gateway in the last minutes, as a pcapng file.
 *
 * For a token that may do GET:/api/traffic. The keys of DTLS are another matter: they are in the file only when `keys=1` asks for them,
 * the token may do GET:/api/traffic/keys too, and the operator said at the start that they are kept.
 *
 * @module
 */

import type { Context, Env, Hono } from 'hono';
import type { Rule } from '../access/rule.ts';
import { refusedPage } from '../operations/operations-pages.ts';
import { trafficDownload } from './traffic-capture.ts';
import type { TrafficRing } from './traffic-ring.ts';

/** What the page shows, and who may see it. */
export interface TrafficPageParts {
  /** Undefined: traffic is not kept. */
  readonly ring: TrafficRing | undefined;
  /** What the sender of a request may do; undefined for credentials that do not hold. */
  readonly rulesOf: (c: Context) => readonly Rule[] | undefined;
  readonly wallTimeMs: () => number;
}

const usualMinutes = 5;
const mostMinutes = 24 * 60;

/** Adds the page. */
export function addTrafficPage<E extends Env>(
  app: Hono<E>,
  { ring, rulesOf, wallTimeMs }: TrafficPageParts,
): void {
  app.get('/api/traffic', (c) => {
    const rules = rulesOf(c);
    const wantsKeys = c.req.query('keys') === '1';
    const refusal =
      refusedPage(c, rules, ['api', 'traffic']) ??
      (wantsKeys ? refusedPage(c, rules, ['api', 'traffic', 'keys']) : undefined);
    if (refusal !== undefined) return refusal;
    if (ring === undefined) {
      return c.json({ error: 'this gateway keeps no traffic: start it with --traffic 16M' }, 404);
    }
    if (wantsKeys && !ring.keepsSecrets) {
      const error =
        'this gateway keeps no keys: start it with --dangerously-traffic-keys, or ask without keys=1';
      return c.json({ error }, 404);
    }
    const asked = c.req.query('minutes') ?? String(usualMinutes);
    const minutes = Number(asked);
    if (!/^\d{1,4}(\.\d{1,3})?$/.test(asked) || minutes <= 0 || minutes > mostMinutes)
      return c.json({ error: `minutes is more than 0, and ${mostMinutes} at most` }, 400);
    const items = ring.items({ sinceMs: wallTimeMs() - minutes * 60_000 });
    // How many packets have no place in the ring any more, since the start.
    const forgotten = { 'x-forgotten': String(ring.counts.forgotten) };
    return trafficDownload(items, wantsKeys ? ring.secrets : [], forgotten);
  });
}
