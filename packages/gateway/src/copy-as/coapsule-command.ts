/**
 * A request as a command of our own.
 *
 * @module
 */

import type { CopiedRequest, SeenRequest } from './seen-request.ts';
import { hexDigits, plainText, printfOf, shellWord } from './shell-words.ts';

/** `text/plain`, link-format, JSON. */
const textFormats: ReadonlySet<number> = new Set([0, 40, 50]);

/** See the module comment. */
export function copyAsCoapsule(request: SeenRequest): CopiedRequest {
  const { method, uri, confirmable, observes, contentFormat, accept, options, payload, credentials } =
    request;
  const notes = [...request.notes];
  const isObserved = observes && method === 'GET';
  if (observes && !isObserved) notes.push(`coapsule observes with GET only: this is the ${method} alone`);
  const words = ['coapsule', isObserved ? 'observe' : method.toLowerCase(), shellWord(uri)];
  if (!confirmable) words.push('-N');
  if (contentFormat !== undefined) words.push('-t', String(contentFormat));
  if (accept !== undefined) words.push('-A', String(accept));
  for (const { number, value } of options)
    words.push('-O', value.length === 0 ? String(number) : `${number},0x${hexDigits(value)}`);
  let before = '';
  if (payload.length > 0) {
    // With another content format `-e` may be diagnostic notation; a file is sent as it is.
    const isText = contentFormat === undefined || textFormats.has(contentFormat);
    const text = isText ? plainText(payload) : undefined;
    if (text === undefined) {
      words.push('-f', '-');
      before = `${printfOf(payload)} | `;
    } else words.push('-e', shellWord(text));
  }
  switch (credentials?.kind) {
    case 'psk':
      words.push('-u', shellWord(credentials.identity), '--psk-file', 'keys.psk');
      notes.push('keys.psk has the key, as a line IDENTITY:KEY');
      break;
    case 'certificate':
      words.push('-c', 'client.pem', '-j', 'client.key', '-C', 'ca.pem');
      notes.push('name the files of your certificate, its key and the authority');
      break;
    case 'raw-public-key':
      words.push('-M', 'client-rpk.pem', '--peer-rpk', 'server-rpk.pem');
      notes.push('name the files of your raw public key and of that of the server');
      break;
    case 'authority':
      words.push('-C', 'ca.pem');
      notes.push('name the file of the authority of the server');
  }
  if (request.oscore === true) {
    words.push('--oscore', 'client.oscore');
    notes.push('name the file of your end of the OSCORE context; its numbers must not be in use elsewhere');
  }
  return { text: `${before}${words.join(' ')}`, notes };
}
