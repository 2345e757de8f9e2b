/**
 * The section `mqtt` of the configuration file: the message broker, and what goes there and comes from there.
 */
import * as z from 'zod';
import { brokerFault, type MqttPayloadForm, mqttPayloadForms } from '../bridge/mqtt-options.ts';
import { topicFault } from '../bridge/mqtt-topics.ts';
import { optionBounds } from '../server/serve-options.ts';
import { parseSilence, silenceWanted } from '../telemetry/duration.ts';
import { keys, refused, size, soundText, text, texts, whole, yesOrNo } from './config-values.ts';

/** What the section says, by the names of the options of the command line. */
export interface ConfiguredMqtt {
  readonly mqtt?: string | undefined;
  readonly mqttUser?: string | undefined;
  readonly mqttPasswordFile?: string | undefined;
  readonly mqttCa?: string | undefined;
  readonly mqttCert?: string | undefined;
  readonly mqttKey?: string | undefined;
  readonly mqttClientId?: string | undefined;
  readonly mqttVersion?: '5' | '3.1.1' | undefined;
  readonly mqttBase?: string | undefined;
  readonly mqttTopic?: string | undefined;
  readonly mqttQos?: number | undefined;
  readonly mqttRetain?: boolean | undefined;
  readonly mqttFormat?: MqttPayloadForm | undefined;
  readonly mqttObserve?: readonly string[] | undefined;
  readonly mqttAllow?: readonly string[] | undefined;
  readonly mqttQueue?: number | undefined;
  readonly mqttShare?: number | undefined;
  readonly mqttDevices?: number | undefined;
}

/** Makes the schema of the section. @param path The schema of a path that stands in the file. */
export function mqttSection(path: z.ZodType<string>): z.ZodType<ConfiguredMqtt> {
  return keys({
    url: soundText('mqtt://HOST:PORT or mqtts://HOST:PORT', wrong(brokerFault))
      .describe('The broker, mqtt://HOST[:PORT] or mqtts://HOST[:PORT].')
      .optional(),
    user: text('a name').describe('User at the broker.').optional(),
    passwordFile: path.describe('File with the password.').optional(),
    authorities: path.describe('Authorities of the broker, instead of those of the system.').optional(),
    certificate: path.describe('Certificate to prove oneself with to the broker.').optional(),
    privateKey: path.describe('Its private key.').optional(),
    clientId: text('a name')
      .describe('What the gateway is called at the broker; one of its own without it.')
      .optional(),
    version: z.enum(['5', '3.1.1'], 'expected "5" or "3.1.1"').describe('Version of MQTT.').optional(),
    base: topic().describe('First levels of the topics of states, commands and status.').optional(),
    topic: topic()
      .describe('Topic of readings, with {path} and {identity}; BASE/telemetry/{path} without it.')
      .optional(),
    qos: whole(...optionBounds.mqttQos)
      .describe('Quality of service of readings and states.')
      .optional(),
    retain: yesOrNo('The broker keeps the last reading of each topic for later subscribers.'),
    format: z
      .enum(mqttPayloadForms, 'expected raw, json or senml')
      .describe(
        'Readings as they came, in JSON with path, identity, values and time, or as SenML where their values are known.',
      )
      .optional(),
    observe: texts('paths such as /light')
      .describe('Resources whose state is published whenever it changes, at BASE/state/PATH.')
      .optional(),
    allow: texts('permissions such as PUT:/light')
      .describe('What commands at BASE/command/METHOD/PATH may do; none without it.')
      .optional(),
    queue: size()
      .describe('Readings that may wait for the broker on disk; more are refused with 5.03.')
      .optional(),
    share: whole(...optionBounds.mqttShare)
      .describe('How much of that the readings of one identity may take, in percent.')
      .optional(),
    devices: text('a length of time')
      .transform((value, context): number => parseSilence(value) ?? refused(context, silenceWanted))
      .describe(
        'Tell at BASE/device/IDENTITY who is online, and offline after so long without a reading: 10m.',
      )
      .optional(),
  }).transform(
    (file): ConfiguredMqtt => ({
      mqtt: file.url,
      mqttUser: file.user,
      mqttPasswordFile: file.passwordFile,
      mqttCa: file.authorities,
      mqttCert: file.certificate,
      mqttKey: file.privateKey,
      mqttClientId: file.clientId,
      mqttVersion: file.version,
      mqttBase: file.base,
      mqttTopic: file.topic,
      mqttQos: file.qos,
      mqttRetain: file.retain,
      mqttFormat: file.format,
      mqttObserve: file.observe,
      mqttAllow: file.allow,
      mqttQueue: file.queue,
      mqttShare: file.share,
      mqttDevices: file.devices,
    }),
  );
}

function topic() {
  return soundText('a topic', wrong(topicFault));
}

function wrong(faultOf: (text: string) => string | undefined) {
  return (given: string): string | undefined => {
    const fault = faultOf(given);
    return fault && `is wrong: ${fault}`;
  };
}
