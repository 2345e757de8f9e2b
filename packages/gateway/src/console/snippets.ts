/**
 * What a person needs to connect a device that was just added: where the gateway is for it, a path that it may write, and commands
 * that work as they stand.
 */
import { parseRule } from '../access/rule.ts';
import { shellWord } from '../copy-as/shell-words.ts';
import type { DeviceView, GeneratedSecret, SnippetFacts } from './api-types.ts';
import { boundAddress } from './bound-address.ts';
import type { GatewayProof } from './gateway-proof.ts';

/** `host:port` of the endpoints that devices use; undefined where they are off. */
export interface SnippetEndpoints {
  readonly coap: string | undefined;
  readonly coaps: string | undefined;
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
  const base = fileBase(id);
  return {
    ...{ gatewayUri, host, port, path, fileBase: base, trust: proof.trust },
    commands:
      secret === null ? fileCommands(base, security, proof, verb, uri) : commandsOf(base, secret, verb, uri),
    missing: missingOf(security, proof),
  };
}

/** As `coapsule keys` calls its files: a name of a file, and no option. */
function fileBase(id: string): string {
  return id.replaceAll(/[^\w.-]/g, '_').replace(/^[.-]/, '_');
}

/** The files are the device's own: the gateway has no private key of it. */
function fileCommands(
  base: string,
  security: DeviceView['security'],
  { trust: { fingerprint }, hasCertificate }: GatewayProof,
  verb: 'get' | 'put',
  uri: string,
): SnippetFacts['commands'] {
  if ((security !== 'rpk' && security !== 'x509') || fingerprint === null) return [];
  const body = verb === 'put' ? " -e '22.5'" : '';
  const key = `${base}.key`;
  const pinned = `--peer-rpk ${fingerprint}`;
  if (security === 'rpk') {
    return [
      {
        tool: 'coapsule',
        command: `coapsule ${verb} ${shellWord(uri)}${body} -M ${key} ${pinned}`,
        note: null,
      },
      {
        tool: 'coap-client',
        command: `coap-client-gnutls -m ${verb}${body} -M ${key} ${shellWord(uri)}`,
        note: `of libcoap the builds with GnuTLS alone; ${key} has the private key, then the public key. It takes any key for that of the gateway: its own check is for programs (validate_cn_call_back)`,
      },
    ];
  }
  const own = `-c ${base}.pem -j ${key}`;
  const authority = hasCertificate ? '-C ca.pem' : pinned;
  return [
    {
      tool: 'coapsule',
      command: `coapsule ${verb} ${shellWord(uri)}${body} ${own} ${authority}`,
      note: null,
    },
    ...(hasCertificate
      ? [
          {
            tool: 'coap-client' as const,
            command: `coap-client -m ${verb}${body} ${own} -C ca.pem ${shellWord(uri)}`,
            note: 'of libcoap the builds with OpenSSL, GnuTLS or Mbed TLS',
          },
        ]
      : []),
  ];
}

function missingOf(
  security: DeviceView['security'],
  { trust: { fingerprint }, hasAuthorities }: GatewayProof,
): string | null {
  if (security !== 'rpk' && security !== 'x509') return null;
  if (fingerprint === null)
    return 'this gateway has no key of its own: start it with --private-key, and --cert for a certificate';
  if (security === 'x509' && !hasAuthorities)
    return 'this gateway takes no certificates: start it with --ca and the authority of the device';
  return null;
}

function commandsOf(
  base: string,
  secret: GeneratedSecret,
  verb: 'get' | 'put',
  uri: string,
): SnippetFacts['commands'] {
  const body = verb === 'put' ? " -e '22.5'" : '';
  const aiocoap = {
    tool: 'aiocoap-client' as const,
    command: `aiocoap-client -m ${verb.toUpperCase()}${verb === 'put' ? ' --payload 22.5' : ''} --credentials credentials.json ${shellWord(uri)}`,
  };
  if (secret.kind === 'oscore') {
    return [
      {
        tool: 'coapsule',
        command: `coapsule ${verb} ${shellWord(uri)}${body} --oscore ${base}.oscore`,
        note: null,
      },
      {
        tool: 'coap-client',
        command: `coap-client -m ${verb}${body} -E ${base}.oscore,${base}.seq ${shellWord(uri)}`,
        note: 'libcoap 4.3.2 or later, built with OSCORE',
      },
      { ...aiocoap, note: 'with credentials.json, and settings.json in the folder context' },
    ];
  }
  const identity = `-u ${shellWord(secret.identity)}`;
  const { keyText, keyHex } = secret;
  const own = keyText === null ? `0x${keyHex}` : shellWord(keyText);
  const libcoap = keyText === null ? `"$(printf '${octal(keyHex)}')"` : shellWord(keyText);
  return [
    {
      tool: 'coapsule',
      command: `coapsule ${verb} ${shellWord(uri)}${body} ${identity} -k ${own}`,
      note: null,
    },
    {
      tool: 'coap-client',
      command: `coap-client -m ${verb}${body} ${identity} -k ${libcoap} ${shellWord(uri)}`,
      note: null,
    },
    // Its DTLS is tinydtls (DTLS_PSK_MAX_KEY_LEN, DTLS_PSK_MAX_CLIENT_IDENTITY_LEN).
    ...(keyHex.length <= 32 && Buffer.byteLength(secret.identity) <= 32
      ? [{ ...aiocoap, note: 'with credentials.json' }]
      : []),
  ];
}

/** For printf: it takes no other form of bytes in every shell (POSIX.1-2017, printf). */
function octal(hex: string): string {
  return Array.from(Buffer.from(hex, 'hex'), (byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
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
