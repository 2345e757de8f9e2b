/**
 * What an operator says of the MQTT bridge.
 */
import { parsePath, type Rule } from '../access/rule.ts';
import { topicFault } from './mqtt-topics.ts';

/** How readings and states are written. */
export const mqttPayloadForms = ['raw', 'json', 'senml'] as const;

/** One of them. */
export type MqttPayloadForm = (typeof mqttPayloadForms)[number];

/** See the module comment; files are read already. */
export interface MqttOptions {
  /** `mqtt://host:1883`, or `mqtts://` for TLS; without user and password. */
  readonly url: string;
  readonly protocol: 4 | 5;
  readonly clientId: string | undefined;
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** PEM. */
  readonly ca: string | undefined;
  readonly certificate: string | undefined;
  readonly privateKey: string | undefined;
  /** The first levels of all topics but those of `topic`: `coapsule`. */
  readonly base: string;
  /** Where readings go, with `{path}` and `{identity}`. */
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly form: MqttPayloadForm;
  /** Paths of the gateway whose state goes to the broker whenever it changes. */
  readonly observe: readonly string[];
  /** What commands may do; none: there are no commands. */
  readonly allow: readonly Rule[];
  /** What may wait for the broker, on disk; readings that find no room are refused with 5.03. */
  readonly queueBytes: number;
  /** How much of it the readings of one identity may take: 1 to 100. */
  readonly sharePercent: number;
  /** Devices have a birth, and a death after so long without a reading; undefined: neither. */
  readonly deviceSilenceMs?: number | undefined;
}

/** What counts when nothing is said. */
export const mqttDefaults: Pick<MqttOptions, 'protocol' | 'base' | 'qos' | 'queueBytes' | 'sharePercent'> = {
  protocol: 5,
  base: 'coapsule',
  qos: 1,
  queueBytes: 256 * 1024 * 1024,
  sharePercent: 25,
};

/** @returns a sentence that says what is wrong with the URL of a broker; undefined when nothing is. */
export function brokerFault(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null || !['mqtt:', 'mqtts:'].includes(url.protocol) || url.hostname === '') {
    return `"${text.replace(/\/\/[^@/]*@/, '//…@')}" is not mqtt://HOST:PORT or mqtts://HOST:PORT`;
  }
  if (url.username !== '' || url.password !== '') {
    return 'a URL with a user or password ends up in logs and process lists: give --mqtt-user and --mqtt-password-file';
  }
  return url.pathname.length > 1 || url.search !== '' || url.hash !== ''
    ? `"${text}" has more than host and port: topics are given with --mqtt-topic and --mqtt-base`
    : undefined;
}

/** @returns what contradicts itself; undefined when nothing does. */
export function mqttFault({
  url,
  base,
  topic,
  ca,
  certificate,
  privateKey,
  password,
  user,
  observe,
  deviceSilenceMs,
}: MqttOptions): string | undefined {
  const wrong = brokerFault(url) ?? topicFault(base) ?? topicFault(topic);
  if (wrong !== undefined) return wrong;
  if (base.includes('{')) return `the base "${base}" has a placeholder: it is the same for all`;
  // What the bridge writes would come back as a command, for ever.
  if (`${topic}/`.startsWith(`${base}/command/`))
    return `readings would be commands at "${topic}": give another --mqtt-topic`;
  if (deviceSilenceMs !== undefined && `${topic}/`.startsWith(`${base}/device/`))
    return `readings would be births of devices at "${topic}": give another --mqtt-topic`;
  const isSecured = url.startsWith('mqtts:');
  if (!isSecured && [ca, certificate, privateKey].some((one) => one !== undefined)) {
    return 'certificates are for mqtts://: the broker is named with mqtt://';
  }
  if ((certificate === undefined) !== (privateKey === undefined))
    return 'a client certificate needs its private key, and the key it';
  if (password !== undefined && user === undefined) return 'a password needs --mqtt-user';
  for (const path of observe) {
    const parsed = parsePath(path);
    if (typeof parsed === 'string') return parsed;
    if (parsed.below) return `"${path}" is no single resource: states are published of those that are named`;
  }
  return undefined;
}

/** Where readings go when nothing is said of it. */
export function telemetryTopic(base: string): string {
  return `${base}/telemetry/{path}`;
}
