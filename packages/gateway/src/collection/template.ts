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

/** How much longer texts may become by their variables, in characters: variables of variables grow without end. */
export class FillBudget {
  #left: number = mostFilled;

  /** @throws TooLong. */
  take(length: number, variable: string): void {
    this.#left -= length;
    if (this.#left < 0) throw new TooLong(variable);
  }
}

const mostFilled = 1024 * 1024;

/** The text with the values of its variables. @throws UnknownVariable for one that has none; TooLong. */
export function filled(
  text: string,
  values: ReadonlyMap<string, string>,
  budget: FillBudget = new FillBudget(),
): string {
  return text.replace(places, (whole: string, name: string | undefined) => {
    if (name === undefined) return whole.slice(1);
    const value = values.get(name);
    if (value === undefined) throw new UnknownVariable(name);
    budget.take(value.length, name);
    return value;
  });
}

/** The same for all texts of a JSON value, together; names of members stay. */
export function filledDeep(
  value: unknown,
  values: ReadonlyMap<string, string>,
  budget: FillBudget = new FillBudget(),
): unknown {
  if (typeof value === 'string') return filled(value, values, budget);
  if (Array.isArray(value)) return value.map((item) => filledDeep(item, values, budget));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, filledDeep(item, values, budget)]),
  );
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

/** A text that grows too long when its variables are filled in. */
export class TooLong extends Error {
  override readonly name = 'TooLong';
  constructor(variable: string) {
    super(`with the value of ${variable} texts become longer by more than ${mostFilled / 1024 / 1024} MiB`);
  }
}
