/**
 * The CoRE Link Format: text to links and back, and query filtering.
 *
 * RFC 6690 §2 to §4.1. Targets are kept as written; they are not resolved against a base URI, and values
 * are compared as strings (§3). More lenient than the ABNF in one point: white space around `,`, `;` and
 * `=` is skipped, since servers in the field break lines there.
 *
 * @module
 */

import { ApiMisuseError, type DecodeFault } from '../foundation/errors.ts';

/** One attribute of a link; `undefined` for one without `=`, such as `obs`. */
export type LinkAttribute = readonly [name: string, value: string | undefined];

/** One link (RFC 6690 §2). */
export interface Link {
  /** The URI reference between `<` and `>`. */
  readonly target: string;
  readonly attributes: readonly LinkAttribute[];
}

/** Link parameters that occur once in a link; later ones are ignored (RFC 5988 §5.3, §5.4; RFC 6690 §3). */
const onceOnly: ReadonlySet<string> = new Set(['rel', 'media', 'title', 'title*', 'type', 'rt', 'if', 'sz']);

/** Attributes whose value is a list separated by spaces (RFC 6690 §2, RFC 7252 §7.2.1). */
const listValued: ReadonlySet<string> = new Set(['rel', 'rev', 'rt', 'if', 'ct']);

/** Attributes that RFC 6690 §2 does not let be written as a bare number. */
const alwaysQuoted: ReadonlySet<string> = new Set([
  'anchor',
  'rel',
  'rev',
  'rt',
  'if',
  'title',
  'type',
  'media',
]);

/** The value of the first attribute `name`; `undefined` when absent or without a value. */
export function linkAttribute(link: Link, name: string): string | undefined {
  return link.attributes.find((attribute) => attribute[0] === name)?.[1];
}

/**
 * Decode a document in link format (RFC 6690 §2). An empty document has no links.
 *
 * @returns the links, or a fault with the offset of the character that does not fit.
 */
export function decodeLinkFormat(text: string): Link[] | DecodeFault {
  const links: Link[] = [];
  const scanner = new LinkScanner(text);
  scanner.skipSpace();
  if (scanner.atEnd) return links;
  for (;;) {
    const link = decodeLink(scanner);
    if (link === undefined) return scanner.fault();
    links.push(link);
    if (scanner.atEnd) return links;
    if (!scanner.take(',')) return scanner.fail('expected "," or ";"').fault();
  }
}

function decodeLink(scanner: LinkScanner): Link | undefined {
  if (!scanner.take('<')) return void scanner.fail('expected "<"');
  const target = scanner.match(targetPattern);
  if (!scanner.take('>')) return void scanner.fail('expected ">" at the end of a target');
  const attributes: LinkAttribute[] = [];
  const seen = new Set<string>();
  while (scanner.take(';')) {
    const name = scanner.match(namePattern);
    if (name === '') return void scanner.fail('expected the name of an attribute');
    scanner.skipSpace();
    let value: string | undefined;
    if (scanner.take('=')) {
      value = scanner.value();
      if (value === undefined) return undefined;
    }
    if (seen.has(name) && onceOnly.has(name)) continue;
    seen.add(name);
    attributes.push([name, value]);
  }
  return { target, attributes };
}

/** Characters of a URI reference; anything that could not stand between `<` and `>` ends it. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it excludes
const targetPattern = /[^\x00-\x20<>"\\\x7f]*/y;
/** parmname of RFC 5987 §3.2.1, with the star of ext-name-star. */
const namePattern = /[A-Za-z0-9!#$&+\-.^_`|~]+\*?/y;
/** ptoken of RFC 6690 §2. */
const tokenPattern = /[!#$%&'()*+\-./0-9:<=>?@A-Z[\]^_`a-z{|}~]*/y;

/** A cursor over the characters of a document. */
class LinkScanner {
  readonly #text: string;
  #offset = 0;
  #reason = '';

  constructor(text: string) {
    this.#text = text;
  }

  get atEnd(): boolean {
    return this.#offset === this.#text.length;
  }

  /** Skips `character` and the white space around it, when it is next. */
  take(character: string): boolean {
    if (this.#text.charAt(this.#offset) !== character) return false;
    this.#offset++;
    // Inside the brackets, space is not white space but a character that cannot be there.
    if (character !== '<') this.skipSpace();
    return true;
  }

  skipSpace(): void {
    while (' \t\r\n'.includes(this.#text.charAt(this.#offset)) && !this.atEnd) this.#offset++;
  }

  /** What the sticky `pattern` matches here, perhaps nothing. */
  match(pattern: RegExp): string {
    pattern.lastIndex = this.#offset;
    const matched = pattern.exec(this.#text)?.[0] ?? '';
    this.#offset += matched.length;
    return matched;
  }

  /** A ptoken or a quoted-string; `undefined` after `fail`. */
  value(): string | undefined {
    if (this.#text.charAt(this.#offset) !== '"') {
      const token = this.match(tokenPattern);
      if (token === '') return void this.fail('expected a value');
      this.skipSpace();
      return token;
    }
    const start = this.#offset;
    let value = '';
    let from = start + 1;
    for (let i = from; i < this.#text.length; i++) {
      const character = this.#text.charAt(i);
      if (character === '"') {
        this.#offset = i + 1;
        this.skipSpace();
        return value + this.#text.slice(from, i);
      }
      // RFC 2616 §2.2: a quoted-pair stands for its second character.
      if (character === '\\') {
        value += this.#text.slice(from, i);
        from = ++i;
      }
    }
    return void this.fail('quoted string is not closed', start);
  }

  fail(reason: string, offset: number = this.#offset): this {
    this.#reason = reason;
    this.#offset = offset;
    return this;
  }

  fault(): DecodeFault {
    return { kind: 'decode-fault', layer: 'link-format', offset: this.#offset, reason: this.#reason };
  }
}

/**
 * Encode links (RFC 6690 §2), without white space. Numbers are written bare where the ABNF lets them,
 * `hreflang` and names that end in `*` are bare tokens, all other values are quoted strings.
 *
 * Throws `ApiMisuseError` for a target or attribute name that cannot be written, or an attribute given
 * twice that may occur once only (§3.1 to §3.3).
 */
export function encodeLinkFormat(links: readonly Link[]): string {
  return links.map(encodeLink).join(',');
}

function encodeLink(link: Link): string {
  if (!matchesWhole(targetPattern, link.target)) {
    throw new ApiMisuseError(`link target is ${JSON.stringify(link.target)}; expected a URI reference`);
  }
  let text = `<${link.target}>`;
  const seen = new Set<string>();
  for (const [name, value] of link.attributes) {
    if (!matchesWhole(namePattern, name)) {
      throw new ApiMisuseError(`link attribute is named ${JSON.stringify(name)}; expected a token`);
    }
    if (seen.has(name) && onceOnly.has(name)) {
      throw new ApiMisuseError(`link ${link.target} has the attribute ${name} twice; expected once`);
    }
    seen.add(name);
    text += value === undefined ? `;${name}` : `;${name}=${encodeValue(name, value)}`;
  }
  return text;
}

function encodeValue(name: string, value: string): string {
  const isCardinal = /^(?:0|[1-9][0-9]*)$/.test(value);
  const bare = isCardinal ? !alwaysQuoted.has(name) : name === 'hreflang' || name.endsWith('*');
  if (bare && value !== '' && matchesWhole(tokenPattern, value)) return value;
  return `"${value.replace(/["\\]/g, '\\$&')}"`;
}

function matchesWhole(pattern: RegExp, text: string): boolean {
  pattern.lastIndex = 0;
  return pattern.exec(text)?.[0].length === text.length;
}

/**
 * The links that match all queries (RFC 6690 §4.1), in their order.
 *
 * @param queries Values of Uri-Query options, such as `rt=light*`: percent-encodings already resolved.
 *                `href` is the target; a value that ends in `*` is a prefix; of a list of values, such
 *                as `rt`, each is matched by itself. A query without `=` asks for the attribute to be there.
 */
export function filterLinks(links: readonly Link[], queries: readonly string[]): Link[] {
  return links.filter((link) => queries.every((query) => matches(link, query)));
}

function matches(link: Link, query: string): boolean {
  const equals = query.indexOf('=');
  const name = equals < 0 ? query : query.slice(0, equals);
  const wanted = equals < 0 ? '*' : query.slice(equals + 1);
  for (const candidate of candidates(link, name)) {
    if (wanted.endsWith('*') ? candidate.startsWith(wanted.slice(0, -1)) : candidate === wanted) return true;
  }
  return false;
}

/** The values of a link that a query for `name` is compared with. */
function candidates(link: Link, name: string): string[] {
  if (name === 'href') return [link.target];
  const values: string[] = [];
  for (const [attribute, value = ''] of link.attributes) {
    if (attribute !== name) continue;
    if (listValued.has(name)) values.push(...value.split(' '));
    else values.push(value);
  }
  return values;
}
