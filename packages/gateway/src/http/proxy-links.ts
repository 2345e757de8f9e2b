/**
 * Where the function is that HTTP reaches CoAP by, for clients that look for it (RFC 8075 §5.5, RFC 6690 §4.1).
 */
import { encodeLinkFormat, type Link } from 'coapsule/message';
import type { UriTemplate } from './uri-template.ts';

/**
 * The links of `/.well-known/core` of the HTTP endpoint.
 *
 * @param rt The resource type that is asked for, with a `*` at its end for all that begin so; undefined for any.
 */
export function proxyLinks(templates: readonly UriTemplate[], rt: string | undefined): string {
  const isWanted =
    rt === undefined || (rt.endsWith('*') ? 'core.hc'.startsWith(rt.slice(0, -1)) : rt === 'core.hc');
  if (!isWanted) return '';
  const resourceType: Link['attributes'][number] = ['rt', 'core.hc'];
  // Without hct it is {+tu} (§5.5), which is there always.
  const links: readonly Link[] = [
    { target: '/hc/', attributes: [resourceType] },
    ...templates.map(({ text }): Link => ({ target: '/hc/', attributes: [resourceType, ['hct', text]] })),
  ];
  return encodeLinkFormat(links);
}
