/**
 * The URI on the command line: is it well formed, and is its transport one that there is.
 *
 * @module
 */

import { isMulticastAddress } from 'coapsule';
import {
  type CoapScheme,
  hasSerialScheme,
  isDecodeFault,
  parseCoapUri,
  type SerialScheme,
} from 'coapsule/message';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { serialTarget, type TargetLine } from './serial-target.ts';

/** A URI that can be asked for. */
export interface TargetUri {
  readonly text: string;
  readonly scheme: CoapScheme | SerialScheme;
  /** Whether it wants DTLS or TLS. */
  readonly secure: boolean;
  /** Empty for a serial line. */
  readonly host: string;
  /** 0 for a serial line. */
  readonly port: number;
  /** Whether the host is the address of a multicast group. */
  readonly isGroup: boolean;
  /** For the schemes of serial lines. */
  readonly line?: TargetLine;
}

/** Refuses a group where one server is expected. */
export function expectOneServer({ text, isGroup }: TargetUri, what: string): void {
  if (!isGroup) return;
  throw new CommandFailure(
    ExitCode.Usage,
    `${text} is a multicast group: ${what}`,
    'coapsule discover, get and the other verbs ask a group',
  );
}

const schemes: readonly string[] = ['coap', 'coaps', 'coap+tcp', 'coaps+tcp', 'coap+ws', 'coaps+ws'];

/**
 * Checks scheme and syntax (RFC 7252 §6). Throws a `CommandFailure` that names the character that does not fit.
 *
 * @param variables of the environment: `COAPSULE_SERIAL` is the line of a URI that names none.
 */
export function targetUri(
  text: string,
  variables: Readonly<Record<string, string | undefined>> = {},
): TargetUri {
  if (hasSerialScheme(text)) return { ...serialTarget(text, variables), host: '', port: 0, isGroup: false };
  const schemeEnd = text.indexOf('://');
  if (schemeEnd < 0) {
    const [, before = '', rest = ''] = /^(coaps?):\/?(?!\d+(?:\/|$))([^/].*)$/i.exec(text) ?? [];
    if (before !== '') {
      throw new CommandFailure(
        ExitCode.Usage,
        `"${text}" has no // after the scheme`,
        `did you mean ${before}://${rest}?`,
      );
    }
    const nextStep = /^[\w.[\]:-]+(\/.*)?$/.test(text)
      ? `did you mean coap://${text}?`
      : 'write coap://HOST[:PORT]/PATH or coaps://HOST[:PORT]/PATH';
    throw new CommandFailure(ExitCode.Usage, `"${text}" is not a URI with a scheme`, nextStep);
  }
  const scheme = text.slice(0, schemeEnd).toLowerCase();
  if (!schemes.includes(scheme)) {
    throw new CommandFailure(
      ExitCode.Usage,
      `"${scheme}" is not a CoAP scheme`,
      'use coap:// or coaps://; coap+serial:// or coaps+serial:// for a serial line',
    );
  }
  const parsed = parseCoapUri(text);
  if (isDecodeFault(parsed)) {
    // Two colons and no brackets.
    const [, address = '', rest = ''] = /^[^:]+:\/\/([\da-f]*:[\da-f]*:[\da-f:.]*)(.*)$/i.exec(text) ?? [];
    const pointer = `character ${parsed.offset + 1}: ${parsed.reason}`;
    throw new CommandFailure(
      ExitCode.Usage,
      `"${text}" is not a CoAP URI, ${pointer}`,
      address !== ''
        ? `an IPv6 address stands in brackets: ${scheme}://[${address}]${rest}`
        : 'write coap://HOST[:PORT]/PATH?QUERY; percent-encode what has no place in a URI (a space is %20), IPv6 addresses stand in brackets',
    );
  }
  const { host, port } = parsed;
  return {
    text,
    scheme: parsed.scheme,
    secure: parsed.scheme.startsWith('coaps'),
    host,
    port,
    isGroup: isMulticastAddress(host) && !scheme.includes('+'),
  };
}
