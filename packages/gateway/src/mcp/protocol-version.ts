/**
 * Which revision of the Model Context Protocol a client speaks: by the handshake of the older ones, or by what each request
 * says of itself.
 *
 * Revisions up to 2025-11-25 begin with `initialize` (Lifecycle, Version Negotiation). From 2026-07-28 on each request names its
 * revision in `_meta` (Versioning). This server speaks both, as that revision allows ("dual-era").
 *
 * @module
 */

import { ErrorCode, isObject, type JsonObject, type RpcError } from './json-rpc.ts';

/**
 * Revisions with a handshake, the newest first. 2025-03-26 is not among them: it alone asks for batches of messages, and who
 * speaks it speaks 2024-11-05 as well.
 */
const handshakeVersions: readonly string[] = ['2025-11-25', '2025-06-18', '2024-11-05'];

/** The revision without a handshake. */
export const statelessVersion = '2026-07-28';

/** The revision for a client that asks for `requested`: the newest that is no newer, else the newest of ours. */
export function negotiatedVersion(requested: string): string {
  // They are dates, and so in the order of their text.
  return handshakeVersions.find((version) => version <= requested) ?? (handshakeVersions[0] as string);
}

const prefix = 'io.modelcontextprotocol/';

/** What a request says of its revision. */
export type RequestEra = 'handshake' | 'stateless' | RpcError;

/** Reads it out of the parameters. */
export function eraOf(params: JsonObject): RequestEra {
  const { _meta: meta } = params;
  const version = isObject(meta) ? meta[`${prefix}protocolVersion`] : undefined;
  if (version === undefined) return 'handshake';
  if (version !== statelessVersion) {
    return {
      code: ErrorCode.UnsupportedProtocolVersion,
      message: 'Unsupported protocol version',
      // Those with a handshake are not named: nobody may choose one of them for `_meta`.
      data: {
        supported: [statelessVersion],
        requested: typeof version === 'string' ? version.slice(0, 100) : null,
      },
    };
  }
  const capabilities = (meta as JsonObject)[`${prefix}clientCapabilities`];
  return isObject(capabilities)
    ? 'stateless'
    : { code: ErrorCode.InvalidParams, message: `"_meta" lacks "${prefix}clientCapabilities"` };
}

/** What results of the revision without a handshake have besides. */
export function statelessResult(result: JsonObject, serverInfo: JsonObject): JsonObject {
  return { resultType: 'complete', ...result, _meta: { [`${prefix}serverInfo`]: serverInfo } };
}
