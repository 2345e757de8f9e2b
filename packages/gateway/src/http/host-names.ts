/**
 * By which names an HTTP endpoint may be asked: the Host header of a request (RFC 9110 §7.2).
 *
 * A page of the Internet whose name is made to lead to this machine (DNS rebinding) is of the same origin as the endpoint for a
 * browser, and could read and write what is open to everyone here. Its requests still say the name of the page: what is none
 * of ours is misdirected (RFC 9110 §15.5.20). Addresses cannot be made to lead elsewhere.
 *
 * This is the one place for that rule: every server of the gateway that browsers reach asks it, upgrades to WebSocket too.
 */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { MiddlewareHandler } from 'hono';
import { printable } from '../text/printable.ts';

/** What makes a name ours. */
export interface HostNamesParts {
  /** Where the endpoint is bound: a name or an address; of all addresses, every address is ours. */
  readonly boundHost: string;
  /** Names that the operator gives it (`--http-name`), as `hostName` returns them. */
  readonly names?: readonly string[] | undefined;
  /** PEM, first the one that the endpoint shows: its names are ours too. */
  readonly certificate?: string | undefined;
}

/** See the module comment. */
export class HostNames {
  readonly #names: ReadonlySet<string>;
  readonly #isEveryAddress: boolean;
  readonly #certificate: X509Certificate | undefined;

  constructor({ boundHost, names = [], certificate }: HostNamesParts) {
    const bound = hostName(boundHost.includes(':') ? `[${boundHost}]` : boundHost);
    this.#isEveryAddress = bound === '0.0.0.0' || bound === '[::]';
    this.#names = new Set([...names, ...(bound === undefined ? [] : [bound])]);
    this.#certificate = certificate === undefined ? undefined : new X509Certificate(certificate);
  }

  /** @param header As it stands in the request; without one (HTTP/1.0) nobody is misled. */
  isOurs(header: string | undefined): boolean {
    if (header === undefined) return true;
    const name = hostName(header.replace(/:\d*$/, ''));
    if (name === undefined) return false;
    if (isLoopbackName(name) || this.#names.has(name)) return true;
    if (isAddress(name)) return this.#isEveryAddress;
    return this.#certificate?.checkHost(name, { subject: 'never' }) !== undefined;
  }

  /**
   * A name that others reach the endpoint by, as it stands in a URI; undefined where none is known: on this machine alone, or on all
   * of its addresses.
   */
  get publicName(): string | undefined {
    return [...this.#names].find((name) => !isLoopbackName(name) && name !== '0.0.0.0' && name !== '[::]');
  }

  /** What a misdirected request is answered, with 421: cause and next step. */
  refusal(header: string): string {
    return `this endpoint is not called ${printable(header, 100)}: start the gateway with --http-name NAME if it shall be\n`;
  }
}

/**
 * A name or an address as it is compared: in lower case, without a dot at the end, IPv6 in brackets.
 *
 * @param text Without a port.
 * @returns undefined for what is neither.
 */
export function hostName(text: string): string | undefined {
  if (text === '' || /[/?#@\\\s]|:(?![^[]*\])/.test(text) || !URL.canParse(`http://${text}/`))
    return undefined;
  return new URL(`http://${text}/`).hostname.replace(/\.$/, '');
}

/** Headers of a text that stands for no resource: no browser takes it for something else, nobody keeps it. */
export const standsForNothing = { 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' } as const;

/** The rule for all paths of an endpoint; it is asked first. */
export function refuseForeignHosts(names: () => HostNames): MiddlewareHandler {
  return async (c, next) => {
    // A target in absolute form says it too, and counts instead of the header (RFC 9112 §3.2.2).
    const said = [c.req.header('host'), new URL(c.req.url).host];
    const foreign = said.find((name) => !names().isOurs(name));
    return foreign === undefined ? next() : c.text(names().refusal(foreign), 421, standsForNothing);
  };
}

/** Whether a name, as `hostName` returns it, is this machine: `localhost` is by its definition (RFC 6761 §6.3). */
export function isLoopbackName(name: string): boolean {
  return name === '[::1]' || /(^|\.)localhost$/.test(name) || (isIP(name) === 4 && name.startsWith('127.'));
}

function isAddress(name: string): boolean {
  return name.startsWith('[') || isIP(name) === 4;
}
