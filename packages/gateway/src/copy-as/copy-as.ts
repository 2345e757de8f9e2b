/**
 * The forms in which a request can be copied.
 *
 * Pure functions that run in browsers too.
 *
 * @module
 */

import { copyAsAiocoapClient } from './aiocoap-client.ts';
import { copyAsCoapClient } from './coap-client.ts';
import { copyAsCoapsule } from './coapsule-command.ts';
import type { CopiedRequest, SeenRequest } from './seen-request.ts';
import { copyAsTypeScript } from './typescript.ts';

/** Their names. */
export type CopyForm = 'coap-client' | 'aiocoap-client' | 'coapsule' | 'typescript';

/** The functions by their names, in the order in which they are offered. */
export const copyForms: Readonly<Record<CopyForm, (request: SeenRequest) => CopiedRequest>> = {
  coapsule: copyAsCoapsule,
  'coap-client': copyAsCoapClient,
  'aiocoap-client': copyAsAiocoapClient,
  typescript: copyAsTypeScript,
};

/** The form that a word means. */
export function copyFormOf(word: string): CopyForm | undefined {
  const name = word.toLowerCase();
  const short: Readonly<Record<string, CopyForm>> = {
    libcoap: 'coap-client',
    aiocoap: 'aiocoap-client',
    ts: 'typescript',
  };
  if (Object.hasOwn(copyForms, name)) return name as CopyForm;
  return Object.hasOwn(short, name) ? short[name] : undefined;
}
