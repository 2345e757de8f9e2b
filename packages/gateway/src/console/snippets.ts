/**
 * What a person needs to connect a device that was just added: where the gateway is for it, a path that it may write, and commands
 * that work as they stand.
 */
import { parseRule } from '../access/rule.ts';
import { shellWord } from '../copy-as/shell-words.ts';
import type { DeviceView, GeneratedSecret, SnippetFacts } from './api-types.ts';

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
  requestHost: string | undefined,
): SnippetFacts {
  const isSecured = security !== 'oscore';
  const scheme = isSecured ? 'coaps' : 'coap';
  const address = (isSecured ? coaps : coap) ?? `127.0.0.1:${isSecured ? 5684 : 5683}`;
  const port = Number(address.slice(address.lastIndexOf(':') + 1));
  const bound = address.slice(0, address.lastIndexOf(':'));
  const reached = requestHost?.replace(/:\d+$/, '') || '127.0.0.1';
  const host = bound === '0.0.0.0' || bound === '[::]' ? reached : bound;
  const gatewayUri = `${scheme}://${host}:${port}`;
  const path = writablePath(rules);
  const uri = `${gatewayUri}${path ?? '/.well-known/core'}`;
  const verb = path === null ? 'get' : 'put';
  return {
    ...{ gatewayUri, host, port, path },
    commands: secret === null ? [] : commandsOf(id, secret, verb, uri),
  };
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
