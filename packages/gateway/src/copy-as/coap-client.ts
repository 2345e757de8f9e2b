/**
 * A request as a command of libcoap's coap-client 4.3.
 *
 * @module
 */

import type { CopiedRequest, SeenRequest } from './seen-request.ts';
import { hexDigits, shellWord } from './shell-words.ts';

/** Seconds of an observation. */
const observeSeconds = 60;

/** See the module comment. */
export function copyAsCoapClient(request: SeenRequest): CopiedRequest {
  const { method, uri, confirmable, observes, contentFormat, accept, options, payload, credentials } =
    request;
  const notes = [...request.notes];
  const words = ['coap-client', '-m', method.toLowerCase()];
  if (!confirmable) words.push('-N');
  if (observes) words.push('-s', String(observeSeconds));
  if (contentFormat !== undefined) words.push('-t', String(contentFormat));
  if (accept !== undefined) words.push('-A', String(accept));
  for (const { number, value } of options)
    words.push('-O', value.length === 0 ? `${number},` : `${number},0x${hexDigits(value)}`);
  if (payload.length > 0) words.push('-e', shellWord(percentEncoded(payload)));
  switch (credentials?.kind) {
    case 'psk':
      words.push('-u', shellWord(credentials.identity), '-k', '"$PSK_KEY"');
      notes.push('put the pre-shared key into the variable PSK_KEY');
      break;
    case 'certificate':
      words.push('-c', 'client.pem', '-j', 'client.key', '-C', 'ca.pem');
      notes.push('name the files of your certificate, its key and the authority');
      break;
    case 'raw-public-key':
      words.push('-M', 'client-rpk.pem');
      notes.push(
        'name the file of your raw public key; of the builds, those with GnuTLS or tinydtls have them',
      );
      break;
    case 'authority':
      words.push('-C', 'ca.pem');
      notes.push('name the file of the authority of the server');
  }
  if (request.oscore === true) {
    words.push('-E', 'client.oscore,client.seq');
    notes.push(
      'name the files of your end of the OSCORE context and of its numbers (libcoap 4.3.2 or later)',
    );
  }
  words.push(shellWord(uri));
  return { text: words.join(' '), notes };
}

/** `-e` reads percent-encoding: so any byte can stand in it. */
function percentEncoded(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) =>
    byte > 0x20 && byte < 0x7f && byte !== 0x25
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
  ).join('');
}
