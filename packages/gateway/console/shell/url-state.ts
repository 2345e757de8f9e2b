/**
 * What a view remembers in the query of its address: each input is one parameter, and one that has its usual value is left out.
 *
 * So every state of every view can be linked to, and an address with a wrong value shows the usual one in its place. Pure
 * functions; what the browser's address is belongs to `location.ts`.
 *
 * @module
 */

/** One input: its usual value, and how it is written in an address. */
export interface Parameter<T> {
  readonly usual: T;
  /** `undefined` where the text is no value of it. */
  parse(text: string): T | undefined;
  format(value: T): string;
}

/** Inputs by the names that they have in an address. */
export type Schema = Readonly<Record<string, Parameter<unknown>>>;

/** The values of a schema. */
export type StateOf<S extends Schema> = {
  readonly [Name in keyof S]: S[Name] extends Parameter<infer T> ? T : never;
};

/** A number in a range; what lies outside is moved to the nearest end. */
export function number(least: number, most: number, usual: number): Parameter<number> & NumberRange {
  return {
    usual,
    least,
    most,
    parse(text) {
      const value = Number(text);
      if (text.trim() === '' || !Number.isFinite(value)) return undefined;
      return Math.min(most, Math.max(least, value));
    },
    format: String,
  };
}

/** The ends of a number's range, both allowed. */
export interface NumberRange {
  readonly least: number;
  readonly most: number;
}

/** One of some words. */
export function choice<T extends string>(
  choices: readonly T[],
  usual: NoInfer<T>,
): Parameter<T> & Choices<T> {
  return {
    usual,
    choices,
    parse: (text) => choices.find((one) => one === text),
    format: (value) => value,
  };
}

/** The words of a choice. */
export interface Choices<T extends string> {
  readonly choices: readonly T[];
}

/** Yes or no. */
export function flag(usual: boolean): Parameter<boolean> {
  return {
    usual,
    parse: (text) => (text === '1' ? true : text === '0' ? false : undefined),
    format: (value) => (value ? '1' : '0'),
  };
}

/** A text of bounded length. */
export function text(usual = '', longest = 500): Parameter<string> {
  return { usual, parse: (given) => given.slice(0, longest), format: (value) => value };
}

/** Some words of a list, each once. */
export function words<T extends string>(all: readonly T[]): Parameter<readonly T[]> {
  return {
    usual: [],
    parse: (given) => all.filter((word) => given.split(' ').includes(word)),
    format: (value) => value.join(' '),
  };
}

/** The state that a query stands for. */
export function parseState<S extends Schema>(schema: S, query: URLSearchParams): StateOf<S> {
  return Object.fromEntries(
    Object.entries(schema).map(([name, parameter]) => {
      const given = query.get(name);
      return [name, (given === null ? undefined : parameter.parse(given)) ?? parameter.usual];
    }),
  ) as StateOf<S>;
}

/** The query for a state, with its question mark; empty where everything is as usual. */
export function formatState<S extends Schema>(schema: S, state: StateOf<S>): string {
  const query = new URLSearchParams();
  for (const [name, parameter] of Object.entries(schema)) {
    const written = parameter.format(state[name]);
    if (written !== parameter.format(parameter.usual)) query.set(name, written);
  }
  return query.size === 0 ? '' : `?${query}`;
}
