/**
 * Puts the access decision (access/access.ts) around each handler of a resource.
 */
import {
  Code,
  failure,
  type Handler,
  type PeerInfo,
  type Request,
  type RequiredProtection,
  type Resource,
  type ServerResponse,
} from 'coapsule';
import { type AccessPolicy, type Asker, decideAccess, type Protection } from '../access/access.ts';
import type { ConfiguredAccess } from '../access/configured-access.ts';
import { isFromHttp, localAskerOf } from '../access/local-asker.ts';
import { provenDevice } from '../access/proven-device.ts';
import type { Rule } from '../access/rule.ts';
import { pathSegments } from '../text/resource-path.ts';

/** What the decision needs to know about an identity, the key that its association was made with, and where it comes from. */
export type RulesOf = (
  identity: string,
  keyStamp: unknown,
  peer: PeerInfo,
) => Promise<readonly Rule[] | undefined>;

/** Whether the sender of a request may read a guarded path. */
export async function readableBy(
  request: Pick<Request, 'peer'>,
  policy: AccessPolicy,
  rulesOf: RulesOf,
): Promise<(segments: readonly string[]) => boolean> {
  const asker = await askerOf(request, rulesOf);
  return (segments) => decideAccess('guarded', 'GET', segments, asker, policy) === 'allowed';
}

/** Whether a rule of its sender covers a request, or the whole gateway is open to it. */
export async function isCovered(request: Request, policy: AccessPolicy, rulesOf: RulesOf): Promise<boolean> {
  const asker = await askerOf(request, rulesOf);
  return decideAccess('guarded', request.method, request.segments, asker, policy) === 'allowed';
}

const handlerNames = ['get', 'post', 'put', 'delete', 'fetch', 'patch', 'ipatch'] as const;

/** What requests are judged by. */
export interface Guard {
  readonly policy: AccessPolicy;
  readonly rulesOf: RulesOf;
  /** May say something else each time. */
  readonly access?: () => ConfiguredAccess;
  /** Is told of each request that is refused, with what its sender may do. */
  readonly onRefused?: (request: Request, refusal: Refusal, rules: readonly Rule[]) => void;
}

/** Why a request is refused: by whom it comes, or how it is protected. */
export type Refusal = 'unauthorized' | 'forbidden' | 'unprotected';

/** The same resource with every handler guarded. */
export function authorised(resource: Resource, protection: Protection, guard: Guard): Resource {
  const { policy, rulesOf, access, onRefused } = guard;
  const demanded = (request: Request): ServerResponse | undefined => {
    const requires = access?.().demandOf(request.segments).requires;
    if (requires === undefined || isProtected(request.peer, requires)) return undefined;
    onRefused?.(request, 'unprotected', []);
    return failure(Code.Unauthorized, `this resource requires ${protectionText[requires]}`);
  };
  const guarded: Partial<Record<(typeof handlerNames)[number], Handler>> = {};
  for (const name of handlerNames) {
    const handler = resource[name];
    if (handler === undefined) continue;
    if (protection === 'public') {
      guarded[name] = (request) => demanded(request) ?? handler(request);
      continue;
    }
    guarded[name] = async (request) => {
      const refused = demanded(request);
      if (refused !== undefined) return refused;
      const asker = await askerOf(request, rulesOf);
      const decision = decideAccess(protection, request.method, request.segments, asker, policy);
      if (decision === 'allowed') return handler(request);
      onRefused?.(request, decision, (asker.kind === 'identity' && asker.rules) || []);
      const { peer } = request;
      return decision === 'unauthorized'
        ? failure(
            Code.Unauthorized,
            isFromHttp(peer) ? httpAdvice : 'use coaps with an identity of this gateway',
          )
        : failure(Code.Forbidden, isFromHttp(peer) ? tokenAdvice : 'this identity may not do that here');
    };
  }
  const whole = { ...resource, ...guarded };
  if (access === undefined) return whole;
  const own = whole.freshWithinSeconds;
  const freshWithin = (path: string): number | undefined =>
    access().demandOf(pathSegments(path)).freshWithinSeconds ?? (typeof own === 'function' ? own(path) : own);
  return Object.defineProperty(whole, 'freshWithinSeconds', {
    get: () => (access().demandsFreshness ? freshWithin : own),
    enumerable: true,
  });
}

/** Who asks by HTTP has no identity and can have none: a token is what it can show. */
const httpAdvice =
  'show a token in a header "Authorization: Bearer TOKEN"; --http-tokens of the gateway has those that count';
const tokenAdvice = 'no rule of this token covers it; --http-tokens of the gateway has its rules';

const protectionText: Readonly<Record<RequiredProtection, string>> = {
  either: 'coaps or OSCORE',
  dtls: 'coaps',
  oscore: 'OSCORE',
  both: 'OSCORE over coaps',
};

/** Whether who asks is protected as a path requires it. */
export function isProtected({ security, oscore }: PeerInfo, requires: RequiredProtection): boolean {
  const [hop, end] = [security.kind !== 'none', oscore !== undefined];
  return { either: hop || end, dtls: hop, oscore: end, both: hop && end }[requires];
}

async function askerOf(request: Pick<Request, 'peer'>, rulesOf: RulesOf): Promise<Asker> {
  const local = localAskerOf(request.peer);
  if (local !== undefined) return { kind: 'identity', rules: local.rules };
  const device = provenDevice(request.peer);
  if (device === undefined) return { kind: 'plain' };
  return { kind: 'identity', rules: await rulesOf(device.identity, device.stamp, request.peer) };
}
