/**
 * The parameters of a registration or its update, from the queries of the request (RFC 9176 §5, §5.3.1, §9.3).
 */
import type { LinkAttribute } from 'coapsule/message';

/** What the queries say. What they leave out is undefined. */
export interface RegistrationParameters {
  readonly name: string | undefined;
  readonly sector: string | undefined;
  readonly lifetimeSeconds: number | undefined;
  /** `scheme://authority`. */
  readonly base: string | undefined;
  /** All other parameters: the directory does not know them, and keeps them (RFC 9176 §5: MUST). */
  readonly attributes: readonly LinkAttribute[];
}

/** Bytes of an endpoint name or sector (RFC 9176 §5: at most 63). */
export const longestName = 63;

const longestLifetime = 4_294_967_295;

/** Bounds of what is kept without being understood. */
const most = { attributes: 16, attributeBytes: 256 } as const;

/** Names that have another meaning where attributes are shown or looked up: nobody could find them. */
const takenNames: ReadonlySet<string> = new Set(['href', 'anchor', 'rt', 'page', 'count']);

/** A token of RFC 8288 that can stand in a query unescaped (RFC 9176 §9.3). */
const attributeName = /^[A-Za-z0-9!$&'*+\-._~]+$/;

/** RFC 9176 §5: an endpoint name or sector has none of the control characters. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it finds
const controlCharacter = /[\u0000-\u001f\u007f-\u009f]/;

/** @returns the parameters, or a sentence that says what is wrong with them. */
export function registrationParameters(queries: readonly string[]): RegistrationParameters | string {
  const known: { ep?: string; d?: string; lt?: string; base?: string } = {};
  const attributes: LinkAttribute[] = [];
  for (const query of queries) {
    const equals = query.indexOf('=');
    const name = equals < 0 ? query : query.slice(0, equals);
    const value = equals < 0 ? undefined : query.slice(equals + 1);
    if (name === 'ep' || name === 'd' || name === 'lt' || name === 'base') {
      if (known[name] !== undefined) return `${name} is there twice`;
      if (value === undefined || value === '') return `${name} has no value`;
      known[name] = value;
      continue;
    }
    if (!attributeName.test(name)) return 'a parameter has a name that is no token';
    if (takenNames.has(name))
      return `${name} cannot be a parameter of an endpoint: it means something else in a look-up`;
    if (Buffer.byteLength(query) > most.attributeBytes) {
      return `the parameter ${name} is longer than ${most.attributeBytes} bytes`;
    }
    if (attributes.length === most.attributes) return `there are more than ${most.attributes} parameters`;
    attributes.push([name, value]);
  }
  return checked(known, attributes);
}

function checked(
  {
    ep,
    d,
    lt,
    base,
  }: { readonly ep?: string; readonly d?: string; readonly lt?: string; readonly base?: string },
  attributes: readonly LinkAttribute[],
): RegistrationParameters | string {
  for (const [name, value] of [
    ['ep', ep],
    ['d', d],
  ] as const) {
    if (value === undefined) continue;
    if (Buffer.byteLength(value) > longestName) return `${name} has more than ${longestName} bytes`;
    if (controlCharacter.test(value)) return `${name} has a control character`;
  }
  const lifetimeSeconds = lt === undefined ? undefined : Number(lt);
  if (lt !== undefined && !(/^\d{1,10}$/.test(lt) && Number(lt) >= 1 && Number(lt) <= longestLifetime)) {
    return `lt is not a number of seconds from 1 to ${longestLifetime}`;
  }
  if (base !== undefined) {
    const wrong = faultOfBase(base);
    if (wrong !== undefined) return wrong;
  }
  return { name: ep, sector: d, lifetimeSeconds, base: base?.replace(/\/$/, ''), attributes };
}

/** The address literals of a base, as far as they matter: IPv6 in brackets, with or without a zone. */
const basePattern =
  /^[A-Za-z][A-Za-z0-9+.-]*:\/\/(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~%!$&'()*+,;=]+)(?::\d{1,5})?\/?$/;

function faultOfBase(base: string): string | undefined {
  // RFC 9176 §5: a link-local literal MUST NOT contain a zone identifier.
  if (/^[^/]*:\/\/\[[^\]]*%/.test(base)) return 'base has a zone, which nobody else can use';
  return basePattern.test(base) && base.length <= 256
    ? undefined
    : 'base is not scheme://authority, such as coap://[2001:db8::1]:5683, without path, query and fragment';
}
