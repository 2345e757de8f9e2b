/**
 * A request that was seen, as far as it can be made again: what its `copy as` forms are made of.
 *
 * Runs in browsers too. It never holds a key: credentials are named, and the forms say where to put them.
 *
 * @module
 */

import {
  type CoapScheme,
  composeUri,
  isDecodeFault,
  type MessageContent,
  type MessageType,
  type Method,
  methodOf,
  type OptionEntry,
  OptionNumber,
  optionDefinition,
} from 'coapsule/message';

/** What the request is protected with, by name. */
export type CredentialReference =
  /** RFC 4279: the identity as text. */
  | { readonly kind: 'psk'; readonly identity: string }
  /** A certificate, a raw public key, or trust in an authority alone, of which nothing but the file is known. */
  | { readonly kind: 'certificate' | 'raw-public-key' | 'authority' };

/** See the module comment. */
export interface SeenRequest {
  /** In normal form, percent-encoded. */
  readonly uri: string;
  readonly method: Method;
  readonly confirmable: boolean;
  /** Whether it registers for an observation (RFC 7641). */
  readonly observes: boolean;
  readonly contentFormat?: number;
  readonly accept?: number;
  /** The other ones, without those that are a part of the URI and those that every program makes for itself. */
  readonly options: readonly OptionEntry[];
  readonly payload: Uint8Array;
  readonly credentials?: CredentialReference;
  /** It is protected end to end (RFC 8613), and this is what stands inside. */
  readonly oscore?: boolean;
  /** What of the request is not in here, one sentence each. */
  readonly notes: readonly string[];
}

/** In the URI, or in a field of its own. */
const elsewhere: ReadonlySet<number> = new Set([
  OptionNumber.UriHost,
  OptionNumber.UriPort,
  OptionNumber.UriPath,
  OptionNumber.UriQuery,
  OptionNumber.ContentFormat,
  OptionNumber.Accept,
  OptionNumber.Observe,
]);

/** Of one message of a transfer: programs divide bodies for themselves (RFC 7959, RFC 9177). */
const ofTransfers: ReadonlySet<number> = new Set([
  OptionNumber.Block1,
  OptionNumber.Block2,
  OptionNumber.QBlock1,
  OptionNumber.QBlock2,
  OptionNumber.Size1,
  OptionNumber.Size2,
]);

/**
 * A request from its message.
 *
 * @param server where it went: scheme, host without brackets, port.
 * @returns a sentence where it cannot be made again.
 */
export function seenRequest(
  message: MessageContent & { readonly type?: MessageType },
  server: { readonly scheme: CoapScheme; readonly host: string; readonly port: number },
  credentials?: CredentialReference,
): SeenRequest | string {
  const { code, options, payload } = message;
  const method = methodOf(code);
  if (method === undefined) return 'it is no request';
  if (options.has(OptionNumber.Oscore))
    return 'it is protected with OSCORE: what is asked for stands inside, and nobody but its ends can read it';
  const uri = composeUri(options, server.scheme, server.host, server.port);
  if (isDecodeFault(uri)) return `it has no URI: ${uri.reason}`;
  const notes: string[] = [];
  const others: OptionEntry[] = [];
  for (const entry of options.entries()) {
    const { number } = entry;
    if (elsewhere.has(number)) continue;
    const name = optionDefinition(number)?.name ?? `option ${number}`;
    if (ofTransfers.has(number)) notes.push(`${name} is left out: each program divides bodies for itself`);
    else if (number === OptionNumber.Echo)
      notes.push('Echo is left out: it proves how fresh this one request was (RFC 9175 §2)');
    else others.push(entry);
  }
  const observe = options.uint(OptionNumber.Observe);
  if (observe !== undefined && observe > 0)
    notes.push('it ends an observation; the copy reads the resource once');
  const contentFormat = options.uint(OptionNumber.ContentFormat);
  const accept = options.uint(OptionNumber.Accept);
  return {
    ...{ uri, method, payload, options: others, notes },
    confirmable: message.type !== 'NON',
    observes: observe === 0,
    ...(contentFormat !== undefined && { contentFormat }),
    ...(accept !== undefined && { accept }),
    ...(credentials !== undefined && { credentials }),
  };
}

/** One form of a request. */
export interface CopiedRequest {
  /** To be pasted. */
  readonly text: string;
  /** What the form leaves out or needs, one sentence each. */
  readonly notes: readonly string[];
}
