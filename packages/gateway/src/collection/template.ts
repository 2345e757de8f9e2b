/**
 * Texts with variables in them: `${NAME}`. `$${` stands for `${` itself.
 *
 * @module
 */

/** What names of variables look like. */
export const variableName: RegExp = /^[A-Za-z_][A-Za-z0-9_-]*$/;

const places = /\$\$\{|\$\{([^}]*)\}/g;

/** Names in a text, each as often as it stands there. */
export function namesIn(text: string): readonly string[] {
  return [...text.matchAll(places)].flatMap(([, name]) => (name === undefined ? [] : [name]));
}

/** The text with the values of its variables. @throws UnknownVariable for one that has none. */
export function filled(text: string, values: ReadonlyMap<string, string>): string {
  return text.replace(places, (whole: string, name: string | undefined) => {
    if (name === undefined) return whole.slice(1);
    const value = values.get(name);
    if (value === undefined) throw new UnknownVariable(name);
    return value;
  });
}

/** The same for all texts of a JSON value; names of members stay. */
export function filledDeep(value: unknown, values: ReadonlyMap<string, string>): unknown {
  if (typeof value === 'string') return filled(value, values);
  if (Array.isArray(value)) return value.map((item) => filledDeep(item, values));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, filledDeep(item, values)]));
}

/** Every text below a value, with its place. */
export function* textsIn(
  value: unknown,
  path: readonly PropertyKey[] = [],
): Generator<{ readonly text: string; readonly path: readonly PropertyKey[] }> {
  if (typeof value === 'string') yield { text: value, path };
  else if (Array.isArray(value))
    for (const [index, item] of value.entries()) yield* textsIn(item, [...path, index]);
  else if (typeof value === 'object' && value !== null)
    for (const [key, item] of Object.entries(value)) yield* textsIn(item, [...path, key]);
}

/** A variable that has no value when it is needed. */
export class UnknownVariable extends Error {
  override readonly name = 'UnknownVariable';
  readonly variable: string;
  constructor(variable: string) {
    super(`the variable ${variable} has no value`);
    this.variable = variable;
  }
}
