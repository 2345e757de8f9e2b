/**
 * Puts the access decision (access/access.ts) around each handler of a resource.
 */
import { Code, failure, type Handler, type Request, type Resource } from 'coapsule';
import { type AccessPolicy, type Asker, decideAccess, type Protection } from '../access/access.ts';
import type { Rule } from '../access/rule.ts';

/** What the decision needs to know about an identity, and the key that its association was made with. */
export type RulesOf = (identity: string, keyStamp: unknown) => Promise<readonly Rule[] | undefined>;

const handlerNames = ['get', 'post', 'put', 'delete', 'fetch', 'patch', 'ipatch'] as const;

/** The same resource with every handler guarded. */
export function authorised(
  resource: Resource,
  protection: Protection,
  policy: AccessPolicy,
  rulesOf: RulesOf,
): Resource {
  if (protection === 'public') return resource;
  const guarded: Partial<Record<(typeof handlerNames)[number], Handler>> = {};
  for (const name of handlerNames) {
    const handler = resource[name];
    if (handler === undefined) continue;
    guarded[name] = async (request) => {
      const decision = decideAccess(
        protection,
        request.method,
        request.segments,
        await askerOf(request, rulesOf),
        policy,
      );
      switch (decision) {
        case 'allowed':
          return handler(request);
        case 'unauthorized':
          return failure(Code.Unauthorized, 'use coaps with an identity of this gateway');
        case 'forbidden':
          return failure(Code.Forbidden, 'this identity may not do that here');
      }
    };
  }
  return { ...resource, ...guarded };
}

async function askerOf(request: Request, rulesOf: RulesOf): Promise<Asker> {
  const { security } = request.peer;
  if (security.kind === 'none') return { kind: 'plain' };
  return { kind: 'identity', rules: await rulesOf(security.identity, security.context) };
}
