/** Requests that were seen, for the tests of their forms: what a server gets of a copy is what it got of them. */
import { type CoapScheme, Code, OptionNumber, OptionSet } from 'coapsule/message';
import { type CredentialReference, type SeenRequest, seenRequest } from '../../src/copy-as/seen-request.ts';

/** What a request is to a server, without what programs add by themselves. */
export interface ArrivedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: readonly string[];
  readonly confirmable: boolean;
  readonly contentFormat: number | undefined;
  readonly accept: number | undefined;
  /** Number and hexadecimal digits. */
  readonly options: readonly string[];
  /** Hexadecimal digits. */
  readonly payload: string;
}

/** One of the table. */
export interface RequestRow {
  readonly name: string;
  readonly arrived: ArrivedRequest;
  /** Without options that only some programs can send. */
  readonly isPlain: boolean;
  seen(scheme: CoapScheme, port: number, credentials?: CredentialReference): SeenRequest;
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

function row(
  name: string,
  method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'FETCH' | 'PATCH' | 'IPATCH',
  given: Partial<Omit<ArrivedRequest, 'method' | 'payload' | 'options'>> & {
    readonly payload?: Uint8Array;
    readonly options?: readonly (readonly [number: number, value: Uint8Array])[];
  } = {},
): RequestRow {
  const { path = '/echo', query = [], confirmable = true, payload = new Uint8Array() } = given;
  const { contentFormat, accept, options = [] } = given;
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  return {
    name,
    isPlain: options.length === 0,
    arrived: {
      ...{ method, path, query, confirmable, contentFormat, accept, payload: hex(payload) },
      options: options.map(([number, value]) => `${number} ${hex(value)}`),
    },
    seen(scheme, port, credentials) {
      const set = new OptionSet();
      for (const segment of path.slice(1).split('/'))
        set.add(OptionNumber.UriPath, decodeURIComponent(segment));
      for (const one of query) set.add(OptionNumber.UriQuery, one);
      if (contentFormat !== undefined) set.add(OptionNumber.ContentFormat, contentFormat);
      if (accept !== undefined) set.add(OptionNumber.Accept, accept);
      for (const [number, value] of options) set.add(number, value);
      const code =
        { GET: Code.Get, POST: Code.Post, PUT: Code.Put, DELETE: Code.Delete }[method as 'GET'] ??
        { FETCH: 5, PATCH: 6, IPATCH: 7 }[method as 'FETCH'];
      const token = Uint8Array.of(1);
      const type = confirmable ? 'CON' : 'NON';
      const request = seenRequest(
        { type, code, token, options: set, payload },
        { scheme, host: '127.0.0.1', port },
        credentials,
      );
      if (typeof request === 'string') throw new Error(request);
      return request;
    },
  };
}

/** All of them. */
export const requestRows: readonly RequestRow[] = [
  row('a reading', 'GET'),
  row('Non-confirmable, with a query that a shell would take apart', 'GET', {
    confirmable: false,
    query: ['u=C', "x='$(id)'", 'a b'],
  }),
  row('text with quotes, a percent sign and umlauts', 'PUT', {
    payload: utf8(`it's 100% "grün" $HOME \`id\` \\n @x`),
  }),
  row('text that begins like a file or a number', 'POST', { payload: utf8('@/etc/passwd') }),
  row('JSON', 'PATCH', { payload: utf8('{"v":[1,2]}'), contentFormat: 50, accept: 60 }),
  row('CBOR with bytes of every kind', 'FETCH', {
    payload: Uint8Array.from({ length: 256 }, (_, byte) => byte),
    contentFormat: 60,
  }),
  row('If-Match, an option without value, and one that is not known', 'IPATCH', {
    payload: utf8('x'),
    contentFormat: 0,
    options: [
      [OptionNumber.IfMatch, Uint8Array.of(0xca, 0xfe)],
      [2050, utf8('hello')],
      [2054, new Uint8Array()],
    ],
  }),
  row('If-None-Match', 'PUT', {
    payload: utf8('new'),
    options: [[OptionNumber.IfNoneMatch, new Uint8Array()]],
  }),
  row('DELETE', 'DELETE'),
  row('text that begins like an option', 'POST', { payload: utf8('-x --help $(id)') }),
  row('bytes that begin like an option', 'POST', { payload: Uint8Array.of(0x2d, 0x6e, 0, 0x31, 0x0a) }),
  row('CBOR that is a minus sign', 'PUT', { payload: Uint8Array.of(0x2d), contentFormat: 60 }),
];
