/**
 * Metrics, health, readiness and peers over HTTP.
 *
 * Health and readiness are for everyone. Metrics name nobody, and are for everyone where the operator says so: on an endpoint of
 * their own, or on this machine alone; else for a token that may do GET:/metrics. Peers are for a token that may do
 * GET:/api/peers, and for nobody without one.
 */
import type { Context, Env, Hono } from 'hono';
import type { Rule } from '../access/rule.ts';
import { ruleCovers } from '../access/rule.ts';
import type { GatewayOperations } from './gateway-operations.ts';

/** What the pages show, and who may see it. */
export interface OperationsPagesParts {
  readonly operations: Pick<GatewayOperations, 'metrics' | 'readiness' | 'peers'>;
  /** Whether everyone may see metrics. */
  readonly areMetricsOpen: boolean;
  /** What the sender of a request may do; undefined for credentials that do not hold. */
  readonly rulesOf: (c: Context) => readonly Rule[] | undefined;
}

const mostPeers = 1000;
const usualPeers = 100;

/** Adds what everyone may see, and metrics. */
export function addHealthPages<E extends Env>(
  app: Hono<E>,
  { operations, areMetricsOpen, rulesOf }: OperationsPagesParts,
): void {
  app.get('/health', (c) => c.json({ status: 'ok' }));
  app.get('/ready', async (c) => {
    const readiness = await operations.readiness();
    return c.json(readiness, readiness.status === 'not-ready' ? 503 : 200, { 'cache-control': 'no-store' });
  });
  app.get('/metrics', async (c) => {
    if (!areMetricsOpen) {
      const refusal = refusedPage(c, rulesOf(c), ['metrics']);
      if (refusal !== undefined) return refusal;
    }
    const { text, contentType } = await operations.metrics();
    return c.body(text, 200, { 'content-type': contentType, 'cache-control': 'no-store' });
  });
}

/** Adds the view of the peers. */
export function addPeersPage<E extends Env>(
  app: Hono<E>,
  { operations, rulesOf }: OperationsPagesParts,
): void {
  app.get('/api/peers', async (c) => {
    const refusal = refusedPage(c, rulesOf(c), ['api', 'peers']);
    if (refusal !== undefined) return refusal;
    const asked = c.req.query('limit') ?? String(usualPeers);
    const limit = Number(asked);
    if (!/^\d{1,4}$/.test(asked) || limit < 1 || limit > mostPeers)
      return c.json({ error: `limit is 1 to ${mostPeers}` }, 400);
    try {
      return c.json(await operations.peers(limit, c.req.query('after')), 200, {
        'cache-control': 'no-store',
      });
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return c.json({ error: error.message }, 400);
    }
  });
}

/** The answer to who may not see a page; undefined to who may. */
export function refusedPage(
  c: Context,
  rules: readonly Rule[] | undefined,
  segments: readonly string[],
): Response | undefined {
  if (rules?.some((rule) => ruleCovers(rule, 'GET', segments))) return undefined;
  const step = `show a token of --http-tokens whose rules have GET:/${segments.join('/')}, in a header "Authorization: Bearer TOKEN"\n`;
  return rules === undefined || c.req.header('authorization') === undefined
    ? c.text(`not for everyone: ${step}`, 401, { 'www-authenticate': 'Bearer' })
    : c.text(`this token may not see it: ${step}`, 403);
}
