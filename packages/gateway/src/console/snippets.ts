/**
 * What a person needs to connect a device that was just added: where the gateway is for it, a path that it may write, and commands
 * that work as they stand.
 */
import { parseRule } from '../access/rule.ts';
import { shellWord } from '../copy-as/shell-words.ts';
import type { DeviceView, GeneratedSecret, SnippetFacts } from './api-types.ts';
import { boundAddress } from './bound-address.ts';

/** `host:port` of the endpoints that devices use; undefined where they are off. */
export interface SnippetEndpoints {
  readonly coap: string | undefined;
  readonly coaps: string | undefined;
}

/** What the gateway proves itself with where no pre-shared key does. */
export interface GatewayProof {
  /** Fingerprint of its raw public key; undefined where it has none. */
  readonly publicKey: string | undefined;
  readonly hasCertificate: boolean;
  /** Whether it takes certificates of devices (`--ca`). */
  readonly hasAuthorities: boolean;
}

/** @param requestHost The Host header: the name by which the gateway was reached, for one that listens on all addresses. */
export function snippetFacts(
  { id, rules, security }: DeviceView,
  secret: GeneratedSecret | null,
  { coap, coaps }: SnippetEndpoints,
  proof: GatewayProof,
  requestHost: string | undefined,
): SnippetFacts {
  const isSecured = security !== 'oscore';
  const scheme = isSecured ? 'coaps' : 'coap';
  const address = (isSecured ? coaps : coap) ?? `127.0.0.1:${isSecured ? 5684 : 5683}`;
  const { port, ...bound } = boundAddress(address);
  const reached = requestHost?.replace(/:\d+$/, '') || '127.0.0.1';
  const host = bound.isEveryAddress ? reached : bound.host;
  const gatewayUri = `${scheme}://${host}:${port}`;
  const path = writablePath(rules);
  const uri = `${gatewayUri}${path ?? '/.well-known/core'}`;
  const verb = path === null ? 'get' : 'put';
  return {
    ...{ gatewayUri, host, port, path },
    commands:
      secret === null ? fileCommands(id, security, proof, verb, uri) : commandsOf(id, secret, verb, uri),
    missing: missingOf(security, proof),
  };
}

/** The files are the device's own: the gateway has no private key of it. */
function fileCommands(
  id: string,
  security: DeviceView['security'],
  { publicKey, hasCertificate }: GatewayProof,
  verb: 'get' | 'put',
  uri: string,
): SnippetFacts['commands'] {
  if ((security !== 'rpk' && security !== 'x509') || publicKey === undefined) return [];
  const body = verb === 'put' ? " -e '22.5'" : '';
  const key = shellWord(`${id}.key`);
  const pinned = `--peer-rpk ${publicKey}`;
  if (security === 'rpk') {
    return [
      { tool: 'coapsule', command: `coapsule ${verb} ${shellWord(uri)}${body} -M ${key} ${pinned}` },
      // Of libcoap the builds with GnuTLS alone; its file has the private key, then the public key.
      { tool: 'coap-client', command: `coap-client-gnutls -m ${verb}${body} -M ${key} ${shellWord(uri)}` },
    ];
  }
  const own = `-c ${shellWord(`${id}.pem`)} -j ${key}`;
  const authority = hasCertificate ? '-C ca.pem' : pinned;
  return [
    { tool: 'coapsule', command: `coapsule ${verb} ${shellWord(uri)}${body} ${own} ${authority}` },
    ...(hasCertificate
      ? [
          {
            tool: 'coap-client' as const,
            command: `coap-client -m ${verb}${body} ${own} -C ca.pem ${shellWord(uri)}`,
          },
        ]
      : []),
  ];
}

function missingOf(
  security: DeviceView['security'],
  { publicKey, hasAuthorities }: GatewayProof,
): string | null {
  if (security !== 'rpk' && security !== 'x509') return null;
  if (publicKey === undefined)
    return 'this gateway has no key of its own: start it with --private-key, and --cert for a certificate';
  if (security === 'x509' && !hasAuthorities)
    return 'this gateway takes no certificates: start it with --ca and the authority of the device';
  return null;
}

function commandsOf(
  id: string,
  secret: GeneratedSecret,
  verb: 'get' | 'put',
  uri: string,
): SnippetFacts['commands'] {
  const body = verb === 'put' ? " -e '22.5'" : '';
  if (secret.kind === 'oscore') {
    return [
      {
        tool: 'coapsule',
        command: `coapsule ${verb} ${shellWord(uri)}${body} --oscore ${shellWord(`${id}.oscore`)}`,
      },
      {
        tool: 'coap-client',
        command: `coap-client -m ${verb}${body} -E ${shellWord(`${id}.oscore,${id}.seq`)} ${shellWord(uri)}`,
      },
    ];
  }
  const key = `-u ${shellWord(secret.identity)} -k ${shellWord(secret.keyText)}`;
  return [
    { tool: 'coapsule', command: `coapsule ${verb} ${shellWord(uri)}${body} ${key}` },
    { tool: 'coap-client', command: `coap-client -m ${verb}${body} ${key} ${shellWord(uri)}` },
  ];
}

/** The first path that a rule lets it PUT to. */
function writablePath(rules: readonly string[]): string | null {
  for (const text of rules) {
    const rule = parseRule(text);
    if (typeof rule === 'string' || !(rule.methods === 'any' || rule.methods.has('PUT'))) continue;
    const segments = [...rule.segments, ...(rule.below ? ['temperature'] : [])];
    return `/${segments.map(encodeURIComponent).join('/')}`;
  }
  return null;
}
