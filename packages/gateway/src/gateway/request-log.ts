/**
 * What the gateway tells about its traffic: one line a request, one a failed handshake. Single messages are in the
 * trace of the endpoints.
 */
import { type AssociationEvent, codeName, codeText, type Request, type ServerResponse } from 'coapsule';
import { type Rule, ruleText } from '../access/rule.ts';
import { type Log, RateLimit } from '../server/log.ts';
import type { WallClock } from '../server/wall-clock.ts';
import { StoreFault } from '../store/store-fault.ts';
import { printable } from '../text/printable.ts';

/** `PUT /sensors/a 2.04 Changed from [::1]:40000 as sensor-042`. */
export function requestLine(request: Request, response: ServerResponse): string {
  const { address, security } = request.peer;
  const who = security.kind === 'dtls' ? `as ${printable(security.identity)}` : 'unsecured';
  const { code } = response;
  const what = `${request.method} ${printable(request.path)}${request.observe ? ' (observed)' : ''}`;
  return `${what} ${codeText(code)} ${codeName(code) ?? ''} from ${address.key} ${who}`;
}

/** Tells the names of unknown identities, at a bounded rate: whose typing error it is shows in the name. */
export function unknownIdentityLogger(log: Log, clock: WallClock): (identity: string) => void {
  const names = new RateLimit(20, 10_000);
  return (identity) => {
    const passed = names.pass(clock());
    if (passed === undefined) return;
    if (passed.heldBack > 0) log.warning(`${passed.heldBack} more unknown identities, not shown`);
    log.warning(`a handshake names the identity ${printable(identity)}, which is no device here`);
  };
}

/** Tells what failed without anybody waiting for it, such as a key look-up, at a bounded rate. */
export function errorLogger(log: Log, clock: WallClock): (error: unknown) => void {
  const limit = new RateLimit(20, 10_000);
  return (error) => {
    const passed = limit.pass(clock());
    if (passed === undefined) return;
    if (passed.heldBack > 0) log.error(`${passed.heldBack} more errors, not shown`);
    log.error(errorText(error));
  };
}

/** An error for the log: what the operator can do about it, or where it comes from. */
export function errorText(error: unknown): string {
  if (error instanceof StoreFault) return `${error.message}; ${error.nextStep}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Tells who wanted to store more than its quota, at a bounded rate. */
export function quotaLogger(
  log: Log,
  clock: WallClock,
): (identity: string | undefined, what: 'paths' | 'bytes') => void {
  const limit = new RateLimit(5, 60_000);
  return (identity, what) => {
    const passed = limit.pass(clock());
    if (passed === undefined) return;
    const who = identity === undefined ? 'the writers without identity together' : printable(identity);
    const more = passed.heldBack === 0 ? '' : `; ${passed.heldBack} more were refused before, not shown`;
    log.warning(`a reading was refused: ${who} reached --max-${what}${more}`);
  };
}

/** Tells which write the rules of an identity do not cover, and what it may do, at a bounded rate. */
export function forbiddenLogger(
  log: Log,
  clock: WallClock,
): (request: Request, rules: readonly Rule[]) => void {
  const limit = new RateLimit(5, 60_000);
  return ({ method, path, peer }, rules) => {
    if (method === 'GET' || method === 'FETCH' || peer.security.kind !== 'dtls') return;
    const passed = limit.pass(clock());
    if (passed === undefined) return;
    const may = rules.length === 0 ? 'nothing' : printable(rules.map(ruleText).join(' '), maxRulesShown);
    const more = passed.heldBack === 0 ? '' : `; ${passed.heldBack} more were refused before, not shown`;
    log.warning(
      `${printable(peer.security.identity)}: ${method} ${printable(path)} refused (it may: ${may})${more}`,
    );
  };
}

/** Longest list of rules in one line, in characters. */
const maxRulesShown = 1000;

/** Lines about associations; failed handshakes are always told, at a bounded rate. */
export function associationLogger(log: Log, clock: WallClock): (event: AssociationEvent) => void {
  const failures = new RateLimit(20, 10_000);
  return (event) => {
    switch (event.kind) {
      case 'handshake-failed': {
        const passed = failures.pass(clock());
        if (passed === undefined) return;
        if (passed.heldBack > 0) log.warning(`${passed.heldBack} more handshakes failed, not shown`);
        const { address, identity, failure } = event;
        const who = identity === undefined ? address.key : `${address.key} as ${identity}`;
        log.warning(printable(`handshake with ${who} failed: ${failure.cause}: ${failure.detail}`));
        return;
      }
      case 'connected': {
        const { address, security } = event.peer;
        if (security.kind === 'none') return;
        const who = `${address.key} as ${printable(security.identity)}`;
        log.detail(1, `secured association with ${who} (${security.suite})`);
        return;
      }
      case 'closed':
        log.detail(1, `secured association with ${event.peer.address.key} ended: ${event.reason}`);
        return;
    }
  };
}
