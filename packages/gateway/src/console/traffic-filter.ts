/**
 * The filter of the traffic view: the language of `coapsule tap` (filter/parse-filter.ts), over messages that passed the gateway.
 */
import { matchesFilter } from '../filter/match-filter.ts';
import { parseFilter } from '../filter/parse-filter.ts';
import { ApiFailure } from './api-failure.ts';
import type { TrafficEntry } from './traffic-reader.ts';

/** Whether a message is wanted. */
export type TrafficFilter = (entry: TrafficEntry) => boolean;

/** @throws ApiFailure for a text that is no filter. */
export function trafficFilter(text: string | undefined): TrafficFilter {
  if (text === undefined || text.trim() === '') return () => true;
  const filter = parseFilter(text);
  if (filter.kind === 'fault')
    throw new ApiFailure(
      'invalid',
      `the filter makes no sense at character ${filter.offset + 1}: ${filter.reason}`,
    );
  return ({ message, coap }) => {
    const { direction, protocol, peer, type, messageId, path, length } = message;
    const [name, query] = path?.split('?', 2) ?? [];
    return matchesFilter(filter, {
      direction: direction === 'received' ? 'to-server' : 'to-device',
      protocol: protocol === 'oscore' ? 'coap' : protocol,
      ...{ peer, length },
      ...(type !== null && coap !== undefined && { type: coap.type }),
      ...(messageId !== null && { messageId }),
      ...(coap !== undefined && {
        ...{ code: coap.code, token: coap.token, options: coap.options, payload: coap.payload },
      }),
      ...(name !== undefined && { path: name }),
      ...(query !== undefined && { query }),
    });
  };
}
