/**
 * Where the function is that HTTP reaches CoAP by, for clients that look for it: by HTTP, and by CoAP, where the links need the
 * origin of the HTTP endpoint as their anchor (RFC 8075 §5.5, RFC 6690 §4.1).
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
  return isWanted ? encodeLinkFormat(linksWith(templates, [])) : '';
}

/** The same links for `/.well-known/core` of CoAP. @param origin Of the HTTP endpoint. */
export function anchoredProxyLinks(templates: readonly UriTemplate[], origin: string): readonly Link[] {
  return linksWith(templates, [['anchor', origin]]);
}

function linksWith(templates: readonly UriTemplate[], attributes: Link['attributes']): readonly Link[] {
  const shared: Link['attributes'] = [...attributes, ['rt', 'core.hc']];
  // Without hct it is {+tu} (§5.5), which is there always.
  return [
    { target: '/hc/', attributes: shared },
    ...templates.map(({ text }): Link => ({ target: '/hc/', attributes: [...shared, ['hct', text]] })),
  ];
}
