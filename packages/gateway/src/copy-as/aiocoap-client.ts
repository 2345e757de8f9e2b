/**
 * A request as a command of aiocoap-client 0.4.
 *
 * @module
 */

import { contentFormatMediaType, optionDefinition } from 'coapsule/message';
import type { CopiedRequest, SeenRequest } from './seen-request.ts';
import { plainText, printfOf, shellWord } from './shell-words.ts';

/** See the module comment. */
export function copyAsAiocoapClient(request: SeenRequest): CopiedRequest {
  const { method, uri, confirmable, observes, contentFormat, accept, options, payload, credentials } =
    request;
  const notes = [...request.notes];
  const words = ['aiocoap-client', '-m', method === 'IPATCH' ? 'iPATCH' : method];
  if (!confirmable) words.push('--non');
  if (observes) words.push('--observe');
  if (contentFormat !== undefined) words.push('--content-format', shellWord(formatText(contentFormat)));
  if (accept !== undefined) words.push('--accept', shellWord(formatText(accept)));
  for (const { number } of options)
    notes.push(`aiocoap-client cannot send ${optionDefinition(number)?.name ?? `option ${number}`}`);
  let before = '';
  if (payload.length > 0) {
    // With a content format, text on the command line may be taken for diagnostic notation; what comes from a file is sent as it is.
    const text = contentFormat === undefined ? plainText(payload) : undefined;
    // In a word of its own, what begins with - is an option to it.
    if (text?.startsWith('-')) words.push(`--payload=${shellWord(text)}`);
    else if (text !== undefined && !text.startsWith('@')) words.push('--payload', shellWord(text));
    else {
      words.push('--payload', '@-');
      before = `${printfOf(payload)} | `;
    }
  }
  if (credentials !== undefined || request.oscore === true) words.push('--credentials', 'credentials.json');
  if (request.oscore === true)
    notes.push('credentials.json: {"coap://HOST/*": {"oscore": {"basedir": "FOLDER OF THE CONTEXT"}}}');
  if (credentials !== undefined) {
    notes.push(
      credentials.kind === 'psk'
        ? `credentials.json: {"coaps://HOST/*": {"dtls": {"psk": {"ascii": "…"}, "client-identity": {"ascii": ${JSON.stringify(credentials.identity)}}}}}`
        : 'aiocoap speaks DTLS with pre-shared keys only',
    );
  }
  words.push(shellWord(uri));
  return { text: `${before}${words.join(' ')}`, notes };
}

function formatText(number: number): string {
  return contentFormatMediaType(number) ?? String(number);
}
