/**
 * libcoap's coap-oscore-conf(5) files: read and written.
 *
 * Lines `keyword,encoding,value`, where the value may stand in double quotes. A line that begins with # is a comment.
 * What only tells libcoap how it keeps its own numbers (`ssn_freq`, `rfc8613_b_1_2`) changes nothing here: ours are always
 * kept. Keywords that are not known are refused, since leaving one out could make another context of it.
 *
 * @module
 */

import { coseAead } from 'coapsule/oscore';
import { hexBytes, hexText } from './option-values.ts';
import { isReplayWindow, type OscoreParameters, refuseOscoreFile } from './oscore-parameters.ts';

/** A comment that says that the numbers of this context have been in use. */
export const usedMark = '# In use: keep the .sequence file with this one.';

type Value = Uint8Array | number | boolean | string;

/**
 * Reads the text of such a file.
 *
 * @param name How the file is called in messages.
 * @throws CommandFailure naming the line.
 */
export function parseOscoreConf(text: string, name: string): OscoreParameters {
  const values = new Map<string, Value>();
  let complex: string | undefined;
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const refuse = (cause: string): never => refuseOscoreFile(name, `, line ${index + 1}: ${cause}`);
    if (line === "'" && complex !== undefined) {
      complex = undefined;
      continue;
    }
    const [, keyword = '', encoding = '', rest = ''] = /^([a-z0-9_]+),([a-z0-9]+),(.*)$/.exec(line) ?? [];
    if (keyword === '') refuse('expected keyword,encoding,value');
    if (encoding === 'config') {
      if (!complexKeywords.has(keyword) || complex !== undefined || rest.trim() !== "'")
        refuse(
          `expected complex_sender,config,' or complex_recipient,config,' with lines of its own after it`,
        );
      complex = keyword;
      continue;
    }
    const expected = keywords[keyword];
    if (expected === undefined) refuse(`the keyword "${keyword}" is not known, or not for a client`);
    if (expected?.includes(encoding) === false)
      refuse(`${keyword} is given as ${expected.join(' or ')}, not as "${encoding}"`);
    const value = decoded(encoding, rest.trim().replace(/^"(.*)"$/, '$1'));
    if (value === undefined) refuse(`the value of ${keyword} is not ${encoding}`);
    // libcoap's client takes the first Recipient ID too.
    if (values.has(keyword) && keyword !== 'recipient_id') refuse(`${keyword} is given twice`);
    if (!values.has(keyword)) values.set(keyword, value as Value);
  }
  if (complex !== undefined) refuseOscoreFile(name, `: ${complex} has no closing '`);
  return parametersOf(values, name);
}

function parametersOf(values: ReadonlyMap<string, Value>, name: string): OscoreParameters {
  const bytes = (keyword: string): Uint8Array | undefined => values.get(keyword) as Uint8Array | undefined;
  const needed = (keyword: string): Uint8Array =>
    bytes(keyword) ?? refuseOscoreFile(name, ` has no ${keyword}`);
  const masterSalt = bytes('master_salt');
  const idContext = bytes('id_context');
  const algorithm = values.get('aead_alg');
  const aead = algorithm === undefined ? undefined : coseAead(algorithm as string | number)?.name;
  if (algorithm !== undefined && aead === undefined)
    refuseOscoreFile(name, `: aead_alg ${algorithm} is not one that OSCORE has here`);
  const kdf = values.get('hkdf_alg');
  const hkdf = kdf === undefined ? undefined : hkdfs.find((known) => known.includes(kdf as string));
  if (kdf !== undefined && hkdf === undefined)
    refuseOscoreFile(name, `: hkdf_alg ${kdf} is not one that OSCORE has here`);
  const replayWindow = values.get('replay_window');
  if (replayWindow !== undefined && !isReplayWindow(replayWindow))
    refuseOscoreFile(name, `: replay_window is 1 to 1024`);
  return {
    masterSecret: needed('master_secret'),
    senderId: needed('sender_id'),
    recipientId: needed('recipient_id'),
    ...(masterSalt !== undefined && { masterSalt }),
    ...(idContext !== undefined && { idContext }),
    ...(aead !== undefined && { aead }),
    ...(hkdf !== undefined && { hkdf: hkdf[0] }),
    ...(replayWindow !== undefined && { replayWindow }),
    ...(values.get('rfc8613_b_2') === true && { deriveAnew: 'client' as const }),
  };
}

/** The text of a file that libcoap and `parseOscoreConf` read. */
export function formatOscoreConf(parameters: OscoreParameters, comment: string): string {
  const { masterSecret, masterSalt, senderId, recipientId, idContext, aead } = parameters;
  const { deriveAnew, hkdf = 'SHA-256', replayWindow = 32 } = parameters;
  const lines = [
    `# ${comment}`,
    `master_secret,hex,"${hexText(masterSecret)}"`,
    ...(masterSalt === undefined ? [] : [`master_salt,hex,"${hexText(masterSalt)}"`]),
    ...(idContext === undefined ? [] : [`id_context,hex,"${hexText(idContext)}"`]),
    `sender_id,hex,"${hexText(senderId)}"`,
    `recipient_id,hex,"${hexText(recipientId)}"`,
    `replay_window,integer,${replayWindow}`,
    `aead_alg,integer,${coseAead(aead ?? 10)?.number}`,
    `hkdf_alg,integer,${hkdf === 'SHA-256' ? -10 : -11}`,
    ...(deriveAnew === undefined ? [] : ['rfc8613_b_2,bool,true']),
  ];
  return `${lines.join('\n')}\n`;
}

/** HKDF by the names and numbers of COSE (RFC 9053 §6.1.2). */
const hkdfs = [
  ['SHA-256', 'direct+HKDF-SHA-256', -10],
  ['SHA-512', 'direct+HKDF-SHA-512', -11],
] as readonly (readonly ['SHA-256' | 'SHA-512', ...(string | number)[]])[];

const complexKeywords: ReadonlySet<string> = new Set(['complex_sender', 'complex_recipient']);

const bytesEncodings = ['hex', 'ascii'];

const keywords: Readonly<Record<string, readonly string[] | undefined>> = {
  master_secret: bytesEncodings,
  master_salt: bytesEncodings,
  id_context: bytesEncodings,
  sender_id: bytesEncodings,
  recipient_id: bytesEncodings,
  replay_window: ['integer'],
  aead_alg: ['integer', 'text'],
  hkdf_alg: ['integer', 'text'],
  rfc8613_b_1_2: ['bool'],
  rfc8613_b_2: ['bool'],
  ssn_freq: ['integer'],
  silent_server: ['bool'],
};

function decoded(encoding: string, text: string): Value | undefined {
  switch (encoding) {
    case 'hex':
      return hexBytes(text);
    case 'ascii':
      return new TextEncoder().encode(text);
    case 'integer':
      return /^-?\d{1,9}$/.test(text) ? Number(text) : undefined;
    case 'bool':
      return text === 'true' || text === 'false' ? text === 'true' : undefined;
    default:
      return text;
  }
}
