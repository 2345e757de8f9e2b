/**
 * As whom the MQTT bridge asks the gateway's own resources.
 */
import type { PeerInfo } from 'coapsule';
import { localPeer } from '../access/local-asker.ts';
import type { Rule } from '../access/rule.ts';
import type { MqttOptions } from './mqtt-options.ts';

/** It may read the states that it publishes, and do what commands may. */
export function bridgePeer({ observe, allow }: Pick<MqttOptions, 'observe' | 'allow'>): PeerInfo {
  const reads = observe.map(
    (path): Rule => ({
      methods: new Set(['GET']),
      segments: path.slice(1).split('/').map(decodeURIComponent),
      below: false,
    }),
  );
  return localPeer({ identity: '(mqtt)', rules: [...allow, ...reads] });
}
