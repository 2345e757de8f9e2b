/**
 * The inputs of the explorer as its address has them, and the request that they make.
 *
 * @module
 */

import { choice, flag, number, type StateOf, text as textParameter } from '../shell/url-state.ts';
import { namedOptions, optionsOf, payloadHex, payloadNotations, tokenOf } from './explorer-input.ts';

/** All but the credential: the key of one that is typed in is in no address. */
export const explorerSchema = {
  uri: textParameter('coap://127.0.0.1/.well-known/core', 500),
  method: choice(['GET', 'POST', 'PUT', 'DELETE', 'FETCH', 'PATCH', 'iPATCH'], 'GET'),
  type: choice(['CON', 'NON'], 'CON'),
  payload: textParameter('', 4000),
  notation: choice(payloadNotations, 'text'),
  format: textParameter('', 60),
  accept: textParameter('', 60),
  block: choice(['', '16', '32', '64', '128', '256', '512', '1024'], ''),
  options: textParameter('', 2000),
  loss: number(0, 90, 0),
  timeout: number(1, 120, 30),
  as: textParameter('', 200),
  oscore: flag(false),
  ifMatch: textParameter('', 300),
  etag: textParameter('', 300),
  ifNoneMatch: flag(false),
  uriHost: textParameter('', 255),
  size1: textParameter('', 10),
  proxy: textParameter('', 500),
  proxyForm: choice(['Proxy-Uri', 'Proxy-Scheme'], 'Proxy-Uri'),
  retransmits: flag(true),
  duplicates: flag(false),
  token: textParameter('', 24),
  hasToken: flag(false),
  listen: number(0, 10, 0),
  cancelBy: choice(['GET', 'RST'], 'GET'),
};

/** All that is typed in but the credential. */
export type ExplorerState = StateOf<typeof explorerSchema>;

/** The request without its target, or what is wrong with an input. @param fileHex A file that goes in the place of the payload. */
export function requestOf(state: ExplorerState, fileHex: string | undefined) {
  const payload = fileHex === undefined ? payloadHex(state.payload, state.notation) : { value: fileHex };
  const named = namedOptions(state);
  const others = optionsOf(state.options);
  const token = tokenOf(state.token);
  const hasPayload = state.payload !== '' || fileHex !== undefined;
  if (hasPayload && 'fault' in payload) return payload;
  if ('fault' in named) return named;
  if ('fault' in others) return others;
  if (state.hasToken && 'fault' in token) return token;
  const options = [...named.value, ...others.value];
  const formatOf = (given: string): string | number => (/^\d+$/.test(given) ? Number(given) : given);
  return {
    value: {
      method: state.method,
      type: state.type,
      ...(hasPayload && 'value' in payload && { payloadHex: payload.value }),
      ...(state.format !== '' && hasPayload && { contentFormat: formatOf(state.format) }),
      ...(state.accept !== '' && { accept: formatOf(state.accept) }),
      ...(state.block !== '' && { blockSize: Number(state.block) }),
      ...(options.length > 0 && { options }),
      ...(state.loss > 0 && { lossRate: state.loss / 100 }),
      ...(!state.retransmits && { retransmits: false }),
      ...(state.duplicates && { duplicates: true }),
      ...(state.hasToken && 'value' in token && { tokenHex: token.value }),
      ...(state.listen > 0 && { listenSeconds: state.listen }),
      ...(state.cancelBy === 'RST' && { cancelBy: state.cancelBy }),
      ...(state.proxy !== '' && { proxy: { uri: state.proxy, form: state.proxyForm } }),
    },
  };
}
