/**
 * The options of `serve` that name a message broker, and what goes there and comes from there.
 *
 * @module
 */

import { type Command, Option } from 'commander';
import {
  type MqttOptions,
  type MqttPayloadForm,
  mqttDefaults,
  mqttFault,
  mqttPayloadForms,
  telemetryTopic,
} from '../bridge/mqtt-options.ts';
import { optionBounds } from '../server/serve-options.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { optionFile, optionRule, optionSecret } from './option-content.ts';
import { pathValue, repeatedText, silenceValue, sizeValue, wholeNumber } from './option-values.ts';

/** As they stand on the command line. */
export interface MqttCommandOptions {
  readonly mqtt?: string;
  readonly mqttUser?: string;
  readonly mqttPasswordFile?: string;
  readonly mqttCa?: string;
  readonly mqttCert?: string;
  readonly mqttKey?: string;
  readonly mqttClientId?: string;
  readonly mqttVersion: '5' | '3.1.1';
  readonly mqttBase: string;
  readonly mqttTopic?: string;
  readonly mqttQos: number;
  readonly mqttRetain?: boolean;
  readonly mqttFormat: MqttPayloadForm;
  readonly mqttObserve?: readonly string[];
  readonly mqttAllow?: readonly string[];
  readonly mqttQueue: number;
  readonly mqttShare: number;
  readonly mqttDevices?: number;
}

/** Adds the options. */
export function addMqttOptions(command: Command): void {
  command
    .option(
      '--mqtt <url>',
      'message broker for readings and states, mqtt://HOST[:PORT] or mqtts://HOST[:PORT]',
    )
    .option('--mqtt-user <name>', 'user at the broker')
    .option('--mqtt-password-file <file>', 'file with the password', pathValue)
    .option('--mqtt-ca <file>', 'authorities of the broker, instead of those of the system', pathValue)
    .option('--mqtt-cert <file>', 'certificate to prove oneself with to the broker', pathValue)
    .option('--mqtt-key <file>', 'its private key', pathValue)
    .option('--mqtt-client-id <id>', 'what the gateway is called at the broker; one of its own without it')
    .addOption(new Option('--mqtt-version <version>', 'version of MQTT').choices(['5', '3.1.1']).default('5'))
    .option(
      '--mqtt-base <topic>',
      'first levels of the topics of states, commands and status',
      mqttDefaults.base,
    )
    .option(
      '--mqtt-topic <template>',
      `topic of readings, with {path} and {identity}; BASE/telemetry/{path} without it`,
    )
    .option(
      '--mqtt-qos <n>',
      'quality of service of readings and states, 0 to 2',
      (text) => wholeNumber(text, ...optionBounds.mqttQos),
      mqttDefaults.qos,
    )
    .option('--mqtt-retain', 'the broker keeps the last reading of each topic for later subscribers')
    .addOption(
      new Option(
        '--mqtt-format <form>',
        'readings as they came, in JSON with path, identity, values and time, or as SenML where their values are known',
      )
        .choices(mqttPayloadForms)
        .default('raw'),
    )
    .option(
      '--mqtt-observe <path>',
      'publish the state of this resource whenever it changes, at BASE/state/PATH; repeatable',
      repeatedText,
    )
    .option(
      '--mqtt-allow <method:path>',
      'what commands at BASE/command/METHOD/PATH may do, such as PUT:/light; none without it; repeatable',
      repeatedText,
    )
    .addOption(
      new Option(
        '--mqtt-queue <size>',
        'readings that may wait for the broker on disk; more are refused with 5.03',
      )
        .argParser(sizeValue)
        .default(mqttDefaults.queueBytes, '256M'),
    )
    .option(
      '--mqtt-share <percent>',
      'how much of that the readings of one identity may take',
      (text) => wholeNumber(text, ...optionBounds.mqttShare),
      mqttDefaults.sharePercent,
    )
    .option(
      '--mqtt-devices <time>',
      'tell at BASE/device/IDENTITY who is online, and offline after so long without a reading, such as 10m',
      silenceValue,
    );
}

/**
 * What the gateway is told; undefined without `--mqtt`.
 *
 * @throws CommandFailure for options that cannot be, or that are of no use without `--mqtt`.
 */
export function mqttOptions(options: MqttCommandOptions): MqttOptions | undefined {
  const { mqtt: url, mqttBase: base, mqttObserve: observe = [], mqttAllow: allow = [] } = options;
  if (url === undefined) {
    if (observe.length === 0 && allow.length === 0) return undefined;
    const idle = observe.length > 0 ? '--mqtt-observe' : '--mqtt-allow';
    throw new CommandFailure(
      ExitCode.Usage,
      `${idle} is for a message broker, and there is none`,
      'name it with --mqtt, such as --mqtt mqtt://localhost',
    );
  }
  const made: MqttOptions = {
    url,
    protocol: options.mqttVersion === '3.1.1' ? 4 : 5,
    clientId: options.mqttClientId,
    user: options.mqttUser,
    password: optionSecret('--mqtt-password-file', options.mqttPasswordFile),
    ca: optionFile('--mqtt-ca', options.mqttCa),
    certificate: optionFile('--mqtt-cert', options.mqttCert),
    privateKey: optionFile('--mqtt-key', options.mqttKey),
    base,
    topic: options.mqttTopic ?? telemetryTopic(base),
    qos: options.mqttQos as 0 | 1 | 2,
    retain: options.mqttRetain ?? false,
    form: options.mqttFormat,
    observe,
    allow: allow.map((text) => optionRule('--mqtt-allow', text)),
    queueBytes: options.mqttQueue,
    sharePercent: options.mqttShare,
    deviceSilenceMs: options.mqttDevices,
  };
  const wrong = mqttFault(made);
  if (wrong === undefined) return made;
  throw new CommandFailure(ExitCode.Usage, `--mqtt: ${wrong}`, 'docs/mqtt.md has all options with examples');
}
