/**
 * Options of `coapsule serve` that say where the gateway listens in the network.
 *
 * Serial lines are in `serial-options.ts`.
 *
 * @module
 */

import { type Command, InvalidArgumentError, Option } from 'commander';
import type { GatewayOptions } from '../gateway/gateway-options.ts';
import {
  type EndpointAddress,
  localPort,
  parseEndpoint,
  type StreamScheme,
} from '../server/serve-options.ts';

/** What was given. */
export interface EndpointCommandOptions {
  readonly coap: EndpointAddress | 'off';
  readonly coaps: EndpointAddress | 'off';
  /** Names of interfaces; true: all. */
  readonly multicast?: true | readonly string[];
  readonly tcp: EndpointAddress | 'off';
  readonly tls: EndpointAddress | 'off';
  readonly ws: EndpointAddress | 'off';
  readonly wss: EndpointAddress | 'off';
}

/** Adds the options to a command. */
export function addEndpointOptions(command: Command): void {
  command
    .addOption(endpointOption('coap', 'plain endpoint, or off', 5683))
    .addOption(endpointOption('coaps', 'secured endpoint, or off', 5684))
    .option(
      '--multicast [interface...]',
      'join the groups of all CoAP nodes with --coap, on all or these interfaces, so that clients find the gateway; or off, the default',
    )
    .addOption(streamOption('tcp', 'plain endpoint over TCP (coap+tcp), usual port 5683'))
    .addOption(streamOption('tls', 'secured endpoint over TCP (coaps+tcp), usual port 5684'))
    .addOption(streamOption('ws', 'plain endpoint over WebSocket (coap+ws), usual port 80'))
    .addOption(streamOption('wss', 'secured endpoint over WebSocket (coaps+ws), needs --cert'));
}

/** Which interfaces are meant; undefined for none. */
export function multicastOf({ multicast }: EndpointCommandOptions): GatewayOptions['multicast'] {
  if (multicast === undefined || (multicast !== true && multicast.includes('off'))) return undefined;
  return multicast === true ? {} : { interfaces: multicast };
}

/** Those over reliable transports that are on. */
export function streamEndpoints({
  tcp,
  tls,
  ws,
  wss,
}: EndpointCommandOptions): NonNullable<GatewayOptions['streams']> {
  return Object.entries({
    'coap+tcp': tcp,
    'coaps+tcp': tls,
    'coap+ws': ws,
    'coaps+ws': wss,
  } as const).flatMap(([scheme, address]) =>
    address === 'off' ? [] : [{ scheme: scheme as StreamScheme, address }],
  );
}

function endpointOption(scheme: string, description: string, port: number): Option {
  const everywhere: EndpointAddress = { host: '::', port };
  return new Option(`--${scheme} <[host:]port>`, description)
    .argParser(endpointValue)
    .default(everywhere, `[::]:${port}`);
}

function streamOption(name: string, description: string): Option {
  return new Option(`--${name} <[host:]port>`, description).argParser(endpointValue).default('off');
}

/** Where HTTP is unless something else is said, or "off": on this machine alone. */
export const defaultHttpEndpoint: EndpointAddress = { host: '127.0.0.1', port: 8080 };

/** HTTP, which listens on this machine alone unless a host is given. */
export function httpEndpointOption(): Option {
  const { host, port } = defaultHttpEndpoint;
  return new Option(
    '--http <[host:]port>',
    'HTTP for the console, the resources (/coap/…) and as a proxy (/hc/coap://…)',
  )
    .argParser((text) => endpointValue(localPort(text)))
    .default(defaultHttpEndpoint, `${host}:${port}`);
}

/** Metrics alone, which listen on this machine alone unless a host is given. */
export function metricsEndpointOption(): Option {
  return new Option(
    '--metrics <[host:]port>',
    'metrics, health and readiness on an HTTP endpoint of their own, usual port 9464',
  )
    .argParser((text) => endpointValue(localPort(text)))
    .default('off');
}

function endpointValue(text: string): EndpointAddress | 'off' {
  const address = parseEndpoint(text);
  if (typeof address === 'object' && 'problem' in address) throw new InvalidArgumentError(address.problem);
  return address;
}
