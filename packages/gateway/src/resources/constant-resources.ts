/**
 * The demo resources that are always the same, open to everyone over every transport.
 */
import { content } from 'coapsule';
import type { GatewayResource } from './gateway-resource.ts';
import { ContentFormat } from './negotiation.ts';

const alphabet = Uint8Array.from({ length: 8192 }, (_, index) => 65 + (index % 26));

const constant = (path: string, resource: GatewayResource['resource']): GatewayResource => ({
  path,
  protection: 'public',
  isEverywhere: true,
  resource,
});

/** `/a`. */
export const helloWorld: GatewayResource = constant('/a', {
  get: () => content('Hello World'),
  attributes: { ct: ContentFormat.text },
});

/** `/hello`. */
export const hello: GatewayResource = constant('/hello', {
  get: () => content('Hello, world!'),
  attributes: { ct: ContentFormat.text },
  multicast: true,
});

/** `/large`: the letters A to Z over and over. */
export const large: GatewayResource = constant('/large', {
  get: () => content(alphabet, { contentFormat: ContentFormat.text }),
  attributes: { ct: ContentFormat.text, sz: alphabet.length },
});
