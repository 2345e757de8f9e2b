/**
 * The value of `serve --reverse-proxy`: a path of the gateway, the URI that it stands for, and the OSCORE context for it.
 *
 * Pure; the resources are gateway/upstream-servers.ts.
 */
import { hasSerialScheme } from 'coapsule/message';
import { httpBaseProblem } from '../cross-proxy/http-base.ts';
import { isHttpUri } from '../cross-proxy/http-target-rule.ts';

/** A path of the gateway that another server serves, as it stands on the command line. */
export interface ReverseProxyRule {
  /** `/cloud`: everything below it is asked for. */
  readonly path: string;
  /** `coap://cloud.example/api`, or `https://api.example/weather`: where that is. */
  readonly uri: string;
  /** File or folder of the gateway's end of a Security Context (RFC 8613), as for `--oscore`. */
  readonly oscore: string | undefined;
  /** Nothing is kept of its answers; undefined: as other options say. */
  readonly cache?: 'off' | undefined;
}

/** First segments of paths that are the gateway's own. */
const ownSegments: ReadonlySet<string> = new Set([
  '.well-known',
  'admin',
  'config',
  'firmware',
  'lock',
  'sensor',
  'sensors',
  'serial',
  'rd',
  'rd-lookup',
  'sleepy',
  'store',
  'thermostat',
]);

/** Parse `PATH=URI[,cache=off][,oscore=FILE]`. */
export function parseReverseProxyRule(text: string): ReverseProxyRule | { readonly problem: string } {
  const [, path = '', uri = '', cache, oscore] =
    /^(\/[^=]*)=(.+?)(,cache=off)?(?:,oscore=(.+))?$/.exec(text) ?? [];
  if (uri === '') {
    return {
      problem: 'give PATH=URI[,oscore=FILE], such as /cloud=coap://cloud.example/api,oscore=cloud.oscore',
    };
  }
  const problem = reverseProxyProblem(path, uri);
  if (problem !== undefined) return { problem };
  return { path, uri, oscore, ...(cache !== undefined && { cache: 'off' as const }) };
}

/** What is wrong with a path and what it stands for, or undefined. */
export function reverseProxyProblem(path: string, uri: string): string | undefined {
  if (!/^(?:\/[^/?#*]+)+$/.test(path)) {
    return `"${path}" is no path such as /cloud; everything below it is meant`;
  }
  const [, first = ''] = path.split('/');
  if (ownSegments.has(first)) return `/${first} is the gateway's own; take another path`;
  if (isHttpUri(uri)) return httpBaseProblem(uri);
  if (hasSerialScheme(uri)) {
    return `"${uri}" is a serial line: name it with --serial, and its device is asked at /serial/…`;
  }
  return undefined;
}
