/**
 * Which HTTP servers the forward-proxy may ask, in the form that those of CoAP have (`TargetRule` of the library):
 * `SCHEME://HOST[:PORT][/PATH]`, with `*` or `*.NAME` for a host, `*` for a port, and `*` as the last segment of a path.
 */
import { isIP } from 'node:net';

/** A rule that was understood. */
export interface HttpTargetPattern {
  matches(url: URL): boolean;
}

const defaultPorts: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/** Whether a rule is about HTTP. */
export function isHttpUri(uri: string): boolean {
  return /^https?:/i.test(uri);
}

/** Reads a rule. @returns it, or a sentence that says what is wrong. */
export function parseHttpTarget(text: string): HttpTargetPattern | string {
  const [, scheme = '', host = '', port, path] =
    /^(https?):\/\/(\[[0-9a-f:.]+\]|[^:/?#@[\]]+)(?::(\d{1,5}|\*))?(\/[^?#]*)?$/i.exec(text) ?? [];
  if (host === '') return 'expected SCHEME://HOST[:PORT][/PATH], such as https://api.example/weather/*';
  if (port !== undefined && port !== '*' && (Number(port) > 65_535 || Number(port) === 0))
    return `port ${port} is none`;
  if (host.includes('*') && host !== '*' && !/^\*(?:\.[^.*]+)*\.[^.*]*[^\d.*][^.*]*\.?$/.test(host))
    return 'in a host, only * and *.NAME stand for more than one';
  if ((path ?? '').replace(/\/\*$/, '').includes('*')) return 'in a path, * can be the last segment only';
  const protocol = `${scheme.toLowerCase()}:`;
  const sample = `${protocol}//${host.replaceAll('*', 'x')}${(path ?? '').replace(/\*$/, '')}`;
  if (!URL.canParse(sample)) return `${text} is no URI`;
  const wanted = { port: port ?? defaultPorts[protocol], path: new URL(sample).pathname };
  const isBelow = path?.endsWith('/*') === true;
  const name = withoutDot(new URL(`${protocol}//${host.replaceAll('*', 'x')}`).hostname);
  const suffix = host.startsWith('*.') ? name.slice(1) : undefined;
  return {
    matches(url) {
      const asked = withoutDot(url.hostname);
      const isName = isIP(asked.replace(/^\[|\]$/g, '')) === 0;
      return (
        url.protocol === protocol &&
        (host === '*' || (suffix === undefined ? asked === name : isName && asked.endsWith(suffix))) &&
        (wanted.port === '*' || (url.port === '' ? defaultPorts[protocol] : url.port) === wanted.port) &&
        (path === undefined ||
          (isBelow
            ? url.pathname.startsWith(wanted.path) &&
              (url.pathname.length > wanted.path.length || wanted.path === '/')
            : url.pathname === wanted.path))
      );
    },
  };
}

function withoutDot(name: string): string {
  return name.replace(/\.$/, '');
}
