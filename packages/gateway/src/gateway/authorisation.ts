/**
 * Puts the access decision (access/access.ts) around each handler of a resource.
 */
import { Code, failure, type Handler, type PeerInfo, type Request, type Resource } from 'coapsule';
import { type AccessPolicy, type Asker, decideAccess, type Protection } from '../access/access.ts';
import { provenDevice } from '../access/proven-device.ts';
import type { Rule } from '../access/rule.ts';

/** What the decision needs to know about an identity, the key that its association was made with, and where it comes from. */
export type RulesOf = (
  identity: string,
  keyStamp: unknown,
  peer: PeerInfo,
) => Promise<readonly Rule[] | undefined>;

/** Whether the sender of a request may read a guarded path. */
export async function readableBy(
  request: Request,
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

/**
 * The same resource with every handler guarded.
 *
 * @param onForbidden is told of a request that the rules of its identity do not cover.
 */
export function authorised(
  resource: Resource,
  protection: Protection,
  policy: AccessPolicy,
  rulesOf: RulesOf,
  onForbidden: (request: Request, rules: readonly Rule[]) => void = () => {},
): Resource {
  if (protection === 'public') return resource;
  const guarded: Partial<Record<(typeof handlerNames)[number], Handler>> = {};
  for (const name of handlerNames) {
    const handler = resource[name];
    if (handler === undefined) continue;
    guarded[name] = async (request) => {
      const asker = await askerOf(request, rulesOf);
      const decision = decideAccess(protection, request.method, request.segments, asker, policy);
      switch (decision) {
        case 'allowed':
          return handler(request);
        case 'unauthorized':
          return failure(Code.Unauthorized, 'use coaps with an identity of this gateway');
        case 'forbidden':
          onForbidden(request, (asker.kind === 'identity' && asker.rules) || []);
          return failure(Code.Forbidden, 'this identity may not do that here');
      }
    };
  }
  return { ...resource, ...guarded };
}

async function askerOf(request: Request, rulesOf: RulesOf): Promise<Asker> {
  const device = provenDevice(request.peer);
  if (device === undefined) return { kind: 'plain' };
  return { kind: 'identity', rules: await rulesOf(device.identity, device.stamp, request.peer) };
}
