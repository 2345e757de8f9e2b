/**
 * A collection, read: YAML or JSON to what it says, or everything that is wrong with it, with line and key.
 *
 * @module
 */

import { type DocumentFault, readDocument } from '../config/read-document.ts';
import type { Collection } from './collection.ts';
import { collectionSchema } from './collection-schema.ts';

/** More than anybody writes by hand. */
const maxLength = 4 * 1024 * 1024;

/** What a text says, with the line of each place of it; or what is wrong. */
export type ReadCollection =
  | { readonly collection: Collection; readonly lineOf: (path: readonly PropertyKey[]) => number }
  | { readonly faults: readonly DocumentFault[] };

/** Reads a text. JSON is read as the YAML that it is. Never throws. */
export function parseCollection(text: string): ReadCollection {
  const read = readDocument(text, collectionSchema(), { maxLength, secretKeys: ['key'] });
  return 'faults' in read ? read : { collection: read.value, lineOf: read.lineOf };
}
