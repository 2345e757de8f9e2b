/**
 * What an operator says of the HTTP endpoint.
 */
import type { EndpointAddress } from '../server/serve-options.ts';
import type { HttpToken } from './http-tokens.ts';
import type { ProxyNetwork } from './trusted-proxies.ts';
import type { UriTemplate } from './uri-template.ts';

/** What can be others while the endpoint is open; files are read already. */
export interface HttpSecrets {
  readonly tokens: readonly HttpToken[];
  /** PEM; undefined: without TLS. */
  readonly tls:
    | { readonly certificate: string; readonly privateKey: string; readonly passphrase?: string | undefined }
    | undefined;
}

/** See the module comment. */
export interface HttpOptions extends HttpSecrets {
  readonly address: EndpointAddress;
  /** Nobody asked for it: where its port is not to be had, the gateway goes on without it. */
  readonly isOptional?: boolean;
  /** Origins whose pages may read answers; none by default. */
  readonly cors?: readonly string[];
  /** What the endpoint is called besides its address, loopback names and those of its certificate (host-names.ts). */
  readonly names?: readonly string[];
  /** Forms that requests for other servers may have besides that of RFC 8075 §5.3. */
  readonly templates?: readonly UriTemplate[];
  /** Servers in front of the endpoint, whose word counts for who asks and whether by TLS; none by default. */
  readonly trustedProxies?: readonly ProxyNetwork[];
}
