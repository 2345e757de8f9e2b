/**
 * As whom the MQTT bridge asks the gateway's own resources.
 */
import type { PeerInfo } from 'coapsule';
import { localPeer } from '../access/local-asker.ts';
import { parsePath } from '../access/rule.ts';
import type { MqttOptions } from './mqtt-options.ts';

/** It may read the states that it publishes, and do what commands may. */
export function bridgePeer({ observe, allow }: Pick<MqttOptions, 'observe' | 'allow'>): PeerInfo {
  const reads = observe.flatMap((path) => {
    const parsed = parsePath(path);
    return typeof parsed === 'string' ? [] : [{ methods: new Set(['GET' as const]), ...parsed }];
  });
  return localPeer({ identity: '(mqtt)', rules: [...allow, ...reads] });
}
