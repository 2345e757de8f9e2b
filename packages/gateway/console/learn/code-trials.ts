/**
 * Requests to a gateway with demo resources (`coapsule serve --demo`) that are answered with a response code, as the explorer's
 * address has them; or why a code is not to be had from it. Pure functions.
 *
 * @module
 */

import { words } from '../wording.ts';

/** The inputs of the explorer by their names in its address. */
export type TrialInputs = Readonly<Record<string, string>>;

/** What to ask. */
export interface Trial {
  readonly inputs: TrialInputs;
  /** What has to be done besides following the link; undefined where nothing has. */
  readonly hint?: string;
}

/** Where the gateway has its endpoints, such as `coap://127.0.0.1:5683`. */
export interface OwnServers {
  readonly coap: string;
  readonly coaps: string;
}

/** At the ports that CoAP has by default. */
export const usualServers: OwnServers = { coap: 'coap://127.0.0.1', coaps: 'coaps://127.0.0.1' };

/** From what the gateway says of its endpoints, as the gateway itself reaches them. */
export function ownServers(
  endpoints: readonly { readonly name: string; readonly address: string }[],
): OwnServers {
  const at = (name: 'coap' | 'coaps'): string => {
    const address = endpoints.find((one) => one.name === name)?.address;
    // Every address of the machine is no address to ask.
    return address === undefined
      ? usualServers[name]
      : `${name}://${address.replace(/^(\[::\]|0\.0\.0\.0|\*):/, '127.0.0.1:')}`;
  };
  return { coap: at('coap'), coaps: at('coaps') };
}

interface Row extends TrialInputs {
  /** Behind the server. */
  readonly path: string;
}

/** By anybody. */
const open: Readonly<Record<string, Row>> = {
  // The ETag of the configuration as the demo begins with it.
  '2.03': { path: '/config', etag: 'a7e745c11cd75b87' },
  '2.04': { path: '/thermostat/setpoint', method: 'PUT', payload: '22.5' },
  '2.05': { path: '/temperature' },
  '2.31': {
    path: '/config',
    method: 'PUT',
    payload: '{"interval": 30,',
    format: 'application/json',
    options: 'Block1: 0/16/more',
  },
  '4.00': { path: '/config', method: 'PUT', payload: '{ broken', format: 'application/json' },
  '4.01': { path: '/lock', method: 'PUT', payload: 'unlock' },
  '4.02': { path: '/temperature', options: '65001: 0x00' },
  '4.04': { path: '/sensors/999' },
  '4.05': { path: '/temperature', method: 'DELETE' },
  '4.06': { path: '/temperature', accept: 'application/xml' },
  '4.08': {
    path: '/config',
    method: 'PUT',
    payload: '"the end"}',
    format: 'application/json',
    options: 'Block1: 5/16',
  },
  '4.12': {
    path: '/config',
    method: 'PUT',
    payload: '{}',
    format: 'application/json',
    ifMatch: '00',
  },
  '4.13': { path: '/light', method: 'PUT', payload: 'on and off and '.repeat(10) },
  '4.15': { path: '/calibration', method: 'PUT', payload: '<a/>', format: 'application/xml' },
  '5.00': { path: '/adc' },
  '5.05': { path: '/temperature', options: 'Proxy-Uri: coap://192.0.2.1/' },
};

/** By a device that is known. */
const known: Readonly<Record<string, Row>> = {
  '2.01': { path: '/sensors', method: 'POST', payload: '21.5' },
  '2.02': { path: '/sensors/42', method: 'DELETE' },
  '4.03': { path: '/admin/config', method: 'PUT', payload: 'interval=1' },
  // The gateway asks the explorer for its list of resources, and the explorer has none.
  '5.04': { path: '/.well-known/rd?ep=sensor-042', method: 'POST' },
};

const { trialHints, noTrials } = words.codes;

/** What to ask to be answered so; `undefined` where nothing does it. */
export function trialOf(code: string, servers: OwnServers = usualServers): Trial | undefined {
  const row = open[code] ?? known[code];
  if (row === undefined) return undefined;
  const { path, ...inputs } = row;
  const isKnown = code in known;
  const hint = [isKnown ? words.codes.trialKey : undefined, trialHints[code]].filter(Boolean).join(' ');
  return {
    inputs: { uri: servers[isKnown ? 'coaps' : 'coap'] + path, ...inputs, ...(isKnown && { as: 'psk' }) },
    ...(hint !== '' && { hint }),
  };
}

/** Why there is no trial; `undefined` where there is one. */
export function whyNoTrial(code: string): string | undefined {
  return noTrials[code];
}
