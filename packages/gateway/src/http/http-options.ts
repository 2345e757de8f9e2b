/**
 * What an operator says of the HTTP endpoint.
 */
import type { EndpointAddress } from '../server/serve-options.ts';
import type { HttpToken } from './http-tokens.ts';

/** See the module comment; files are read already. */
export interface HttpOptions {
  readonly address: EndpointAddress;
  readonly tokens: readonly HttpToken[];
  /** PEM; undefined: without TLS. */
  readonly tls: { readonly certificate: string; readonly privateKey: string } | undefined;
}
