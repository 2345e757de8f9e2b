/** How gateways reach the Redis server that they share (docs/scale-out.md). */

/** See the module comment. */
export interface RedisOptions {
  /** `redis://HOST[:PORT][/DATABASE]`, `rediss://…` with TLS, or `unix:PATH`. */
  readonly url: string;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** 32 bytes that all gateways have: it seals what they share. */
  readonly key: Uint8Array;
  /** How long devices of other gateways are let in while Redis is away. */
  readonly graceMs: number;
}
