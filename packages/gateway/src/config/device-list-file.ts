/**
 * A JSON (or YAML) list of devices for `coapsule device import`.
 */
import * as z from 'zod';
import { keys, text, texts } from './config-values.ts';
import { type DocumentFault, readDocument } from './read-document.ts';

/** A device as it stands there, with its line. */
export interface ListedDevice {
  readonly line: number;
  readonly id: string;
  readonly psk?: string | undefined;
  readonly rpk?: string | undefined;
  readonly cert?: string | undefined;
  readonly allow?: readonly string[] | undefined;
}

/** Of a list with a hundred thousand devices or so. */
const maxLength = 64 * 1024 * 1024;

const listSchema = z.array(
  keys({
    id: text('an identity'),
    psk: text('a key, or generate').optional(),
    rpk: text('a file or fingerprint').optional(),
    cert: text('a file').optional(),
    allow: texts('rules such as GET:/sensors/*').optional(),
  }),
  { error: 'expected a list of devices' },
);

/** Reads the list; what is wrong with it comes with lines. */
export function readDeviceList(
  source: string,
): { readonly devices: readonly ListedDevice[] } | { readonly faults: readonly DocumentFault[] } {
  const document = readDocument(source, listSchema, { maxLength, secretKeys: ['psk'] });
  if ('faults' in document) return document;
  return {
    devices: document.value.map((device, index) => ({ ...device, line: document.lineOf([index]) })),
  };
}
