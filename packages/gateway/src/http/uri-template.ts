/**
 * URI mapping templates (RFC 8075 §5.4): where in the URI of an HTTP request the target URI of CoAP stands, or its parts.
 *
 * The simple form has `{+tu}` once; the enhanced form `{+hp}`, and `{+s}`, `{+p}`, `{+q}` or `{+qq}` at most once each.
 */

/** A template that was understood. */
export interface UriTemplate {
  /** As it is told to clients (`hct`). */
  readonly text: string;
  /**
   * The target URI.
   *
   * @param rest What stands behind the URI of the proxy, with the query.
   * @returns undefined where the rest has another form.
   */
  target(rest: string): string | undefined;
}

/** What may stand for a variable. */
const forms: Readonly<Record<string, string>> = {
  tu: '.+',
  s: 'coaps?(?:\\+tcp|\\+ws)?',
  // Brackets of IPv6 addresses are percent-encoded (§5.3.2); a comma and the like are of no host.
  hp: '[^/?#&]+',
  p: '(?:/[^?#&]*)?',
  q: '[^#&]*(?:&[^#]*)?',
  qq: '(?:\\?[^#]*)?',
};

/** Reads a template. @returns it, or a sentence that says what is wrong. */
export function parseUriTemplate(text: string): UriTemplate | string {
  if (!/^(?:[A-Za-z0-9\-._~!$'()*+,;:@/?&=%]|\{\+[a-z]+\})+$/.test(text))
    return 'expected a template such as ?target_uri={+tu} or {+s}/{+hp}{+p}{+qq}';
  const names = [...text.matchAll(/\{\+([a-z]+)\}/g)].map(([, name = '']) => name);
  const unknown = names.find((name) => forms[name] === undefined);
  if (unknown !== undefined) return `{+${unknown}} is no variable of RFC 8075 §5.4`;
  if (new Set(names).size < names.length) return 'a variable stands there twice';
  const isSimple = names.includes('tu');
  if (isSimple && names.length > 1) return '{+tu} is the whole URI: no other variable stands beside it';
  if (!isSimple && !names.includes('hp')) return 'it has neither {+tu} nor {+hp}';
  if (names.includes('q') && names.includes('qq')) return '{+q} and {+qq} exclude each other';
  const pattern = text
    .split(/(\{\+[a-z]+\})/)
    .map((part) => {
      const [, name] = /^\{\+([a-z]+)\}$/.exec(part) ?? [];
      return name === undefined ? part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&') : `(?<${name}>${forms[name]})`;
    })
    .join('');
  const expression = new RegExp(`^${pattern}$`, 'i');
  return {
    text,
    target(rest) {
      const found = expression.exec(rest)?.groups;
      if (found === undefined) return undefined;
      if (found['tu'] !== undefined) return wholeUri(found['tu']);
      const { s = 'coap', hp = '', p = '', q, qq = '' } = found;
      const query = q === undefined || q === '' ? qq : `?${q}`;
      return `${s}://${hp}${p}${query}`;
    },
  };
}

/** Some clients escape what stands in a query, although nothing there need be. */
function wholeUri(text: string): string {
  if (/^[a-z+]+:\//i.test(text) || !/^[a-z]+(?:%2B[a-z]+)?%3A/i.test(text)) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
