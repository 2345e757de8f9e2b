/**
 * Parts that the schema of the configuration file is made of, each with a message that says what is expected.
 */
import * as z from 'zod';
import { parseSize } from '../text/byte-size.ts';

/** An object with these keys and no others. */
export function keys<Shape extends z.ZodRawShape>(shape: Shape): z.ZodObject<Shape, z.core.$strict> {
  return z.strictObject(shape, {
    error: ({ code }) =>
      code === 'invalid_type' ? `expected keys with values: ${Object.keys(shape).join(', ')}` : undefined,
  });
}

/** Any text; `what` it is about. */
export function text(what: string): z.ZodString {
  return z.string(`expected ${what}`);
}

/** A text in which a check finds nothing wrong. @param problemOf says what is, or undefined. */
export function soundText(what: string, problemOf: (text: string) => string | undefined): z.ZodString {
  return text(what).superRefine((value, context) => {
    const problem = problemOf(value);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  });
}

/** A list of texts, none empty. */
export function texts(what: string): z.ZodArray<z.ZodString> {
  return z.array(z.string().min(1), { error: `expected a list of ${what}` });
}

/** The same, of texts in each of which a check finds nothing wrong. @param problemOf says what is, or undefined. */
export function soundTexts(
  what: string,
  problemOf: (text: string) => string | undefined,
): z.ZodArray<z.ZodString> {
  return texts(what).superRefine((given, context) => {
    for (const [index, one] of given.entries()) {
      const problem = problemOf(one);
      if (problem !== undefined)
        context.addIssue({ code: 'custom', message: problem, path: [index], input: one });
    }
  });
}

/** A whole number within bounds. */
export function whole(smallest: number, largest: number): z.ZodInt {
  const error = `expected a whole number, ${smallest} to ${largest}`;
  return z.int(error).min(smallest, error).max(largest, error);
}

/** True or false, with what true means. */
export function yesOrNo(description: string): z.ZodOptional<z.ZodBoolean> {
  return z.boolean('expected true or false').describe(description).optional();
}

const sizeWanted = 'expected a size such as 1048576, 512K, 256M or 2G';

/** Bytes, as a number or with K, M or G. */
export function size(): z.ZodType<number> {
  return z
    .union([z.int().min(1, sizeWanted), z.string()], { error: sizeWanted })
    .transform(
      (value, context) =>
        (typeof value === 'number' ? value : parseSize(value)) ?? refused(context, sizeWanted),
    );
}

/** Refuses what a transformation was given. @param path of the key inside of it. */
export function refused(
  context: z.core.$RefinementCtx,
  message: string,
  path: readonly string[] = [],
): never {
  context.addIssue({ code: 'custom', message, path: [...path] });
  return z.NEVER;
}
