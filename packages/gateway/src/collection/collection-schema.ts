/**
 * The schema of collections: what may stand where, each with a message that says what is expected. The published JSON Schema
 * is made from it.
 *
 * @module
 */

import * as z from 'zod';
import { keys, text, whole, yesOrNo } from '../config/config-values.ts';
import { type JsonSchema, jsonSchemaOf } from '../config/schema-keys.ts';
import { diagnosticFaultText, encodeDiagnostic } from '../payload/cbor-diagnostic.ts';
import { nearestWord } from '../text/nearest-word.ts';
import { type Collection, type CollectionRequest, sections } from './collection.ts';
import { pointerProblem } from './json-pointer.ts';
import {
  bytesOfHex,
  codeOf,
  formatNumber,
  optionBytes,
  optionNames,
  optionNumberOf,
} from './message-values.ts';
import { namesIn, textsIn, variableName } from './template.ts';

const methods = ['GET', 'POST', 'PUT', 'DELETE', 'FETCH', 'PATCH', 'IPATCH'] as const;

/** Most requests of one part of a file. */
const mostRequests = 10_000;

/** Most notifications that are waited for. */
const mostNotifications = 1000;

/** Most variables that one response gives: the body is read for each. */
const mostCaptures = 100;

/** Names of variables that are none, at most so many are told. */
const mostFaults = 100;

/** What is published, and what `coapsule run --print-schema` prints. */
export function collectionJsonSchema(): JsonSchema {
  return { title: 'Collection of coapsule run', ...jsonSchemaOf(collectionSchema()) } as JsonSchema;
}

/** Reads what a YAML or JSON text says. */
export function collectionSchema(): z.ZodType<Collection> {
  const request = requestSchema();
  const requests = (what: string) =>
    z
      .array(request, 'expected a list of requests')
      .max(mostRequests, `expected at most ${mostRequests} requests`)
      .describe(what);
  return keys({
    $schema: text('the place of the JSON Schema')
      .describe('For editors: where the JSON Schema of this file is.')
      .optional(),
    name: text('a name').describe('What the collection is called in reports.').optional(),
    variables: variables().describe(`Values for \${NAME} in all texts.`).optional(),
    environments: named(
      keys({
        variables: variables().describe('Values that go before those of the file.').optional(),
        secrets: named(
          keys({
            env: text('the name of an environment variable')
              .min(1)
              .describe('Environment variable that holds it.')
              .optional(),
            file: text('the name of a file')
              .min(1)
              .describe('File that holds it, from the folder of this one.')
              .optional(),
          }).superRefine(({ env, file }, context) => {
            if ((env === undefined) === (file === undefined))
              context.addIssue({ code: 'custom', message: 'expected env: NAME or file: PATH' });
          }),
          'secrets by name',
        )
          .describe(`Values for \${NAME} that are never printed.`)
          .optional(),
        credentials: credentials().optional(),
      }),
      'environments by name',
    )
      .describe('Surroundings to run in, chosen with --env.')
      .optional(),
    defaults: keys(settings()).describe('For requests that do not say otherwise.').optional(),
    setup: requests('Requests before the others; when one fails those are not made.').optional(),
    requests: requests('Requests, one after the other.'),
    teardown: requests('Requests after the others, whatever came of them.').optional(),
  }).superRefine(checkNames) as z.ZodType<Collection>;
}

const variable = (): z.ZodType =>
  z.union([z.string(), z.number(), z.boolean()], { error: 'expected a text, a number, true or false' });

function variables(): z.ZodType {
  return named(variable(), 'variables by name');
}

/** An object whose names are those of variables. */
function named(value: z.ZodType, what: string): z.ZodRecord<z.ZodString, z.ZodType> {
  const name = z
    .string()
    .regex(variableName, 'names are letters, digits, _ and -, and begin with a letter or _');
  return z.record(name, value, `expected ${what}`);
}

function credentials(): z.ZodType {
  const file = (what: string) =>
    text('the name of a file').min(1).describe(`${what}; from the folder of this file.`).optional();
  return keys({
    identity: text('an identity').describe('PSK identity.').optional(),
    key: text('a key')
      .refine(
        (value) => namesIn(value).length > 0,
        `a key does not stand in a collection: expected \${NAME} of a secret`,
      )
      .describe(`PSK as \${NAME} of a secret: text, or 0x and hexadecimal digits.`)
      .optional(),
    pskFile: file('Lines identity:key'),
    cert: file('X.509 certificate'),
    privateKey: file('Its private key'),
    ca: file('Whom to trust, or "system"'),
    rpk: file('Own raw public key'),
    peerRpk: file('Raw public key of the server, or its fingerprint'),
    oscore: file('OSCORE context'),
    credentials: file('Map from URI patterns to credentials'),
  }).describe('What requests prove themselves with, as the options of the client verbs.');
}

function format(description: string): z.ZodType {
  const error = 'expected a content format: number or name, such as json, cbor, text/plain or 110';
  return z
    .union([z.int().min(0).max(65_535), z.string()], { error })
    .refine(
      (value) =>
        typeof value === 'string' && namesIn(value).length > 0 ? true : formatNumber(value) !== undefined,
      error,
    )
    .describe(description)
    .optional();
}

const blockSizes: readonly number[] = [16, 32, 64, 128, 256, 512, 1024];

function seconds(): z.ZodNumber {
  const error = 'expected seconds, more than 0 and at most 86400';
  return z.number(error).gt(0, error).max(86_400, error);
}

function settings() {
  return {
    accept: format('Content format that is wanted.'),
    non: yesOrNo('Send requests Non-confirmable.'),
    timeout: seconds().describe('Seconds to wait for a response.').optional(),
    blockSize: z
      .int(`expected ${blockSizes.join(', ')}`)
      .refine((size) => blockSizes.includes(size), `expected ${blockSizes.join(', ')}`)
      .describe('Block size in bytes.')
      .optional(),
    options: optionsSchema(
      'Further options by name or number: text, 0x and hexadecimal digits, a number, or a list.',
    ),
  };
}

function optionsSchema(description: string): z.ZodType {
  const one = z.union([z.string(), z.int().min(0)], {
    error: 'expected a text, 0x and hexadecimal digits, or a number',
  });
  return z
    .record(
      z.string(),
      z.union([one, z.array(one)], { error: 'expected a value or a list of values' }),
      'expected options by name',
    )
    .superRefine((given, context) => {
      for (const [name, values] of Object.entries(given)) {
        expectOption(name, context, [name]);
        for (const value of [values].flat()) {
          if (typeof value === 'string' && optionBytes(value) === undefined && namesIn(value).length === 0)
            context.addIssue({
              code: 'custom',
              message: 'after 0x come pairs of hexadecimal digits',
              path: [name],
            });
        }
      }
    })
    .describe(description)
    .optional();
}

function expectOption(name: string, context: z.core.$RefinementCtx, path: PropertyKey[]): void {
  if (optionNumberOf(name) !== undefined) return;
  const meant = nearestWord(name, optionNames);
  const message = `is no option: ${meant === undefined ? 'give its name, such as ETag, or its number' : `did you mean ${meant}?`}`;
  context.addIssue({ code: 'custom', message, path });
}

function requestSchema(): z.ZodType<CollectionRequest> {
  return keys({
    name: text('a name').min(1, 'expected a name').describe('What it is called in reports, and by --only.'),
    method: z
      .enum(methods, `expected ${methods.join(', ')}`)
      .describe('GET by default.')
      .optional(),
    uri: text('a URI such as coap://localhost/light')
      .min(1, 'expected a URI such as coap://localhost/light')
      .describe(`Where it goes; usually \${target}/path.`),
    contentFormat: format('Content format of the payload.'),
    payload: payloadSchema(),
    ...settings(),
    observe: keys({
      notifications: whole(1, mostNotifications).describe(
        'How many must come, the first response among them.',
      ),
      within: seconds().describe('Seconds within which they must.'),
    })
      .describe(
        'Follow the resource instead of reading it once; the last notification is the one that is looked at.',
      )
      .optional(),
    expect: expectSchema(),
    capture: named(
      z.union(
        [
          z.enum(['locationPath', 'body']),
          keys({
            json: pointer().describe('JSON pointer into the body.').optional(),
            option: text('the name of an option').describe('Name or number of an option.').optional(),
          }),
        ],
        { error: 'expected locationPath, body, {json: /pointer} or {option: NAME}' },
      ),
      'what to capture, by the name of the variable',
    )
      .superRefine((given, context) => {
        if (Object.keys(given).length > mostCaptures)
          context.addIssue({ code: 'custom', message: `expected at most ${mostCaptures} variables` });
        for (const [name, capture] of Object.entries(given as NonNullable<CollectionRequest['capture']>)) {
          if (typeof capture === 'string') continue;
          if ((capture.json === undefined) === (capture.option === undefined))
            context.addIssue({
              code: 'custom',
              message: 'expected json: /pointer or option: NAME',
              path: [name],
            });
          if (capture.option !== undefined) expectOption(capture.option, context, [name, 'option']);
        }
      })
      .describe('Variables for the requests behind it, from the response.')
      .optional(),
  }).superRefine(({ observe, method }, context) => {
    if (observe !== undefined && method !== undefined && method !== 'GET' && method !== 'FETCH')
      context.addIssue({
        code: 'custom',
        message: 'expected GET or FETCH: only they can observe',
        path: ['method'],
      });
  }) as unknown as z.ZodType<CollectionRequest>;
}

const payloadForms = ['text', 'json', 'jsonAsCbor', 'hex', 'cborDiag', 'file'] as const;

function payloadSchema(): z.ZodType {
  return z
    .union(
      [
        z.string(),
        keys({
          text: text('a text').describe('As it stands here.').optional(),
          json: z
            .json('expected JSON')
            .describe('JSON; the content format is application/json by default.')
            .optional(),
          jsonAsCbor: z.json('expected JSON').describe('JSON that is sent as CBOR.').optional(),
          hex: text('hexadecimal digits').describe('Pairs of hexadecimal digits.').optional(),
          cborDiag: text('CBOR in diagnostic notation')
            .describe('CBOR in diagnostic notation (RFC 8949 section 8).')
            .optional(),
          file: text('the name of a file')
            .min(1)
            .describe('Bytes of a file, from the folder of this one.')
            .optional(),
        }),
      ],
      { error: `expected a text, or one of ${payloadForms.join(', ')} with its value` },
    )
    .superRefine((payload, context) => {
      if (typeof payload === 'string') return;
      if (payloadForms.filter((form) => payload[form] !== undefined).length !== 1) {
        context.addIssue({ code: 'custom', message: `expected exactly one of ${payloadForms.join(', ')}` });
      }
      const { hex, cborDiag } = payload;
      if (hex !== undefined && namesIn(hex).length === 0 && bytesOfHex(hex) === undefined)
        context.addIssue({ code: 'custom', message: 'expected pairs of hexadecimal digits', path: ['hex'] });
      if (cborDiag === undefined || namesIn(cborDiag).length > 0) return;
      const encoded = encodeDiagnostic(cborDiag);
      if (!(encoded instanceof Uint8Array)) {
        const message = `is not CBOR in diagnostic notation, ${diagnosticFaultText(encoded)}`;
        context.addIssue({ code: 'custom', message, path: ['cborDiag'] });
      }
    })
    .describe('The payload: text, or one of text, json, jsonAsCbor, hex, cborDiag and file.')
    .optional();
}

function pointer(): z.ZodString {
  return text('a JSON pointer such as /0/v').superRefine((value, context) => {
    const message = pointerProblem(value);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });
}

function byPointer<Value extends z.ZodType>(value: Value, what: string): z.ZodRecord<z.ZodString, Value> {
  return z.record(pointer(), value, `expected ${what} by JSON pointer`);
}

function expectSchema(): z.ZodType {
  const textOrTexts = z.union([z.string(), z.array(z.string())], {
    error: 'expected a text or a list of texts',
  });
  const body = keys({
    equals: text('a text').describe('The whole body.').optional(),
    contains: textOrTexts.describe('Stands in it.').optional(),
    matches: text('a regular expression')
      .superRefine((value, context) => {
        try {
          new RegExp(value, 'u');
        } catch (error) {
          context.addIssue({
            code: 'custom',
            message: `is no regular expression: ${(error as Error).message}`,
          });
        }
      })
      .describe('Regular expression of JavaScript that finds something in it.')
      .optional(),
    hex: text('hexadecimal digits')
      .refine(
        (value) => namesIn(value).length > 0 || bytesOfHex(value) !== undefined,
        'expected pairs of hexadecimal digits',
      )
      .describe('The whole body in hexadecimal digits.')
      .optional(),
    json: byPointer(z.json('expected JSON'), 'values')
      .describe('Values by JSON pointer, of JSON or CBOR.')
      .optional(),
    between: byPointer(z.tuple([z.number(), z.number()], 'expected [lowest, highest]'), '[lowest, highest]')
      .describe('Lowest and highest number by JSON pointer.')
      .optional(),
    has: z
      .array(pointer(), 'expected a list of JSON pointers')
      .describe('JSON pointers to something.')
      .optional(),
  });
  return keys({
    code: codes().describe('2.05, 2.xx, or a list; any 2.xx by default.').optional(),
    contentFormat: format('Content format of the body.'),
    options: optionsSchema('Options by name with their value, or all their values.'),
    withoutOptions: z
      .array(z.string(), 'expected a list of names of options')
      .superRefine((names, context) => {
        for (const [index, name] of names.entries()) expectOption(name, context, [index]);
      })
      .describe('Options that must not be there.')
      .optional(),
    body: z
      .union([z.string(), body], { error: 'expected a text, or what must hold of the body' })
      .describe('The body: its text, or what must hold of it.')
      .optional(),
    withinMs: z
      .number('expected milliseconds')
      .gt(0, 'expected milliseconds, more than 0')
      .describe('Most milliseconds from request to response.')
      .optional(),
  })
    .describe('What must hold.')
    .optional();
}

/** YAML reads 2.05 and 4.00 as numbers; a code has two digits behind its point. */
function codes(): z.ZodType {
  const error = 'expected a response code such as 2.05 or 2.xx, or a list of them';
  const one = z
    .union([z.string(), z.number()], { error })
    .refine((value) => /^[2-57]\.(?:[0-3]\d|xx)$/.test(codeOf(value)), error);
  return z.union([one, z.array(one).min(1, error)], { error });
}

/** Names are told apart, and every variable can have a value somewhere. */
function checkNames(given: unknown, context: z.core.$RefinementCtx): void {
  const collection = given as Collection;
  const known = new Set(Object.keys(collection.variables ?? {}));
  for (const environment of Object.values(collection.environments ?? {})) {
    for (const name of Object.keys({ ...environment.variables, ...environment.secrets })) known.add(name);
    for (const name of Object.keys(environment.variables ?? {})) {
      if (environment.secrets?.[name] !== undefined)
        context.addIssue({
          code: 'custom',
          message: `${name} is a variable and a secret: expected one of them`,
          path: ['environments'],
        });
    }
  }
  checkTexts(collection.environments, ['environments'], known, context);
  checkTexts(collection.defaults, ['defaults'], known, context);
  const names = new Set<string>();
  for (const section of sections) {
    for (const [index, request] of (collection[section] ?? []).entries()) {
      const path = [section, index];
      if (names.has(request.name))
        context.addIssue({
          code: 'custom',
          message: 'is the name of another request too',
          path: [...path, 'name'],
        });
      names.add(request.name);
      const { expect, capture = {}, name: _, ...rest } = request;
      checkTexts(rest, path, known, context);
      checkTexts(expect, [...path, 'expect'], known, context, ['matches']);
      for (const name of Object.keys(capture)) known.add(name);
    }
  }
}

function checkTexts(
  value: unknown,
  at: readonly PropertyKey[],
  known: ReadonlySet<string>,
  context: z.core.$RefinementCtx,
  without: readonly string[] = [],
): void {
  for (const { text, path } of textsIn(value, at)) {
    // Each names what is known here: of many faults the first say enough.
    if (context.issues.length >= mostFaults) return;
    if (without.includes(String(path.at(-1)))) continue;
    for (const name of namesIn(text)) {
      if (known.has(name)) continue;
      const meant = nearestWord(name, [...known]);
      const hint =
        meant === undefined ? `known here: ${[...known].join(', ') || 'none'}` : `did you mean ${meant}?`;
      context.addIssue({ code: 'custom', message: `\${${name}} is no variable: ${hint}`, path: [...path] });
    }
  }
}
