/**
 * Requests to the demo resources of the gateway (`coapsule serve --demo`) that are answered with a response code, as the explorer's
 * address has them. Pure function.
 *
 * Codes that take more than one request, or something broken, have none.
 *
 * @module
 */

/** The inputs of the explorer by their names in its address. */
export type Trial = Readonly<Record<string, string>>;

const server = 'coap://127.0.0.1';

const trials: Readonly<Record<string, Trial>> = {
  '2.01': { uri: `${server}/sensors`, method: 'POST', payload: '21.5' },
  '2.02': { uri: `${server}/sensors/42`, method: 'DELETE' },
  '2.04': { uri: `${server}/thermostat/setpoint`, method: 'PUT', payload: '22.5' },
  '2.05': { uri: `${server}/temperature` },
  '4.00': { uri: `${server}/config`, method: 'PUT', payload: '{ broken', format: 'application/json' },
  '4.01': { uri: `${server}/lock`, method: 'PUT', payload: 'unlock' },
  '4.02': { uri: `${server}/temperature`, options: '65001: 0x00' },
  '4.04': { uri: `${server}/sensors/999` },
  '4.05': { uri: `${server}/temperature`, method: 'DELETE' },
  '4.06': { uri: `${server}/temperature`, accept: 'application/xml' },
  '4.12': {
    uri: `${server}/config`,
    method: 'PUT',
    payload: '{}',
    format: 'application/json',
    options: 'If-Match: 0x00',
  },
  '4.15': { uri: `${server}/config`, method: 'PUT', payload: '<a/>', format: 'application/xml' },
  '5.05': { uri: `${server}/temperature`, options: 'Proxy-Uri: coap://192.0.2.1/' },
};

/** What to ask to be answered so; `undefined` where one request does not do it. */
export function trialOf(code: string): Trial | undefined {
  return trials[code];
}
