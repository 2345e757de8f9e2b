/**
 * `coapsule recommend`: Confirmable or not, which protection, which protocol, how to sleep, how large a block; and all of it for a
 * deployment.
 *
 * @module
 */

import {
  blockSizeForLink,
  type DeliveryPriority,
  type LinkProfileName,
  linkProfileNames,
  linkProfiles,
  type MessagePurpose,
  messagePurposes,
} from 'coapsule/message';
import { Argument, Command, Option } from 'commander';
import { adviseSleep, associationBytes } from '../advice/deep-sleep.ts';
import {
  adviseDeployment,
  type Deployment,
  type DeploymentAdvice,
  type DeploymentDomain,
  deploymentOf,
  deploymentPresets,
} from '../advice/deployment.ts';
import { adviseMessageType, radioAssumption } from '../advice/message-type.ts';
import {
  adviseProtocol,
  type ProtocolCriterion,
  protocolCriteria,
  protocolCriterionNames,
} from '../advice/protocol-choice.ts';
import { adviseSecurity, securityFactors } from '../advice/security-mode.ts';
import { blockCount } from '../figures/message-sizes.ts';
import { type Finding, figure, marked, printFinding, table } from './advice-output.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { wholeNumber } from './option-values.ts';

/** Makes the command. */
export function recommendCommand(environment: CommandEnvironment): Command {
  const recommend = new Command('recommend');
  const add = (name: string, description: string, example: string): Command =>
    recommend
      .command(name)
      .description(description)
      .option('--json', 'one JSON object')
      .addHelpText('after', `\nExample:\n  coapsule recommend ${example}`);
  const answer =
    <O>(find: (options: O) => Finding) =>
    (options: O & { readonly json?: true }): void =>
      printFinding(find(options), options.json === true, environment);

  add('message-type', 'Confirmable or Non-confirmable', 'message-type --purpose telemetry --network-loss 20')
    .addOption(
      new Option('--purpose <purpose>', 'what the message is for')
        .choices(messagePurposes)
        .default('telemetry'),
    )
    .addOption(percentOption('--acceptable-loss <percent>', 'share that may be lost', 50, 5))
    .addOption(percentOption('--network-loss <percent>', 'share that the network loses one way', 40, 10))
    .addOption(
      new Option('--priority <priority>', 'what matters more')
        .choices(['battery', 'balanced', 'reliability'])
        .default('balanced'),
    )
    .action(answer(messageType));

  add('security', 'which protection, by five questions', 'security --sensitive --pre-provisioned')
    .option('--sensitive', 'the data are personal, medical, financial or otherwise regulated')
    .option('--pki', 'there is a public key infrastructure')
    .option('--pre-provisioned', 'keys can be given to devices safely when they are made')
    .option('--untrusted-proxies', 'messages pass proxies that must not read them')
    .option('--little-headroom', 'a message has room for fewer than 10 bytes more')
    .option('--deep-sleep', 'devices lose their memory between messages')
    .option('--factors', 'also what tells the modes apart')
    .action(answer(security));

  const protocolHelp = Object.entries(protocolCriteria)
    .map(
      ([protocol, criteria]) =>
        `\n${protocol}:\n${[...criteria].map(([name, text]) => `  ${name.padEnd(24)}${text}`).join('\n')}`,
    )
    .join('');
  recommend
    .command('protocol')
    .addArgument(
      new Argument('<criteria...>', 'what is true of the deployment').choices(protocolCriterionNames),
    )
    .description('CoAP, HTTP or MQTT')
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      `${protocolHelp}\n\nExample:\n  coapsule recommend protocol constrained low-power broker`,
    )
    .action((criteria: readonly ProtocolCriterion[], { json }: { readonly json?: true }) => {
      printFinding(protocol(criteria), json === true, environment);
    });

  add('sleep', 'how a device that sleeps stays protected', 'sleep --deep-sleep --dtls --retained 4096')
    .option('--deep-sleep', 'it loses its memory between messages')
    .option('--dtls', 'DTLS is required')
    .option(
      '--retained <bytes>',
      `memory that outlives sleep; an association needs ${associationBytes}`,
      (text) => wholeNumber(text, 0, 2 ** 31),
      0,
    )
    .option('--no-security', 'without any')
    .action(answer(sleep));

  add('block-size', 'the largest block that fits a link', 'block-size --link 6lowpan --secured --body 51200')
    .addOption(new Option('--link <link>', 'the link').choices(linkProfileNames).default('wifi'))
    .option('--secured', 'messages are in DTLS records')
    .option('--body <bytes>', 'size of what is transferred', (text) => wholeNumber(text, 0, 2 ** 40))
    .action(answer(block));

  const domains = Object.entries(deploymentPresets).map(
    ([name, { title }]) => `  ${name.padEnd(14)}${title}`,
  );
  recommend
    .command('deployment')
    .addArgument(new Argument('<domain>', 'what devices are for').choices(Object.keys(deploymentPresets)))
    .description('message types, protection, observation and block size for a deployment')
    .option('--devices <n>', 'how many', (text) => wholeNumber(text, 1, 100_000_000))
    .option('--interval <seconds>', 'between two reports', (text) => wholeNumber(text, 1, 31_536_000))
    .addOption(new Option('--power <power>', 'what feeds them').choices(['battery', 'mains']))
    .option('--deep-sleep', 'they lose their memory between reports')
    .option('--no-deep-sleep', 'they do not')
    .option('--sensitive', 'the data are sensitive')
    .option('--no-sensitive', 'they are not')
    .option('--pki', 'there is a public key infrastructure')
    .option('--no-pki', 'there is none')
    .option('--untrusted-proxies', 'messages pass proxies that must not read them')
    .addOption(new Option('--link <link>', 'the link').choices(linkProfileNames))
    .option('--payload <bytes>', 'of a report', (text) => wholeNumber(text, 1, 2 ** 31))
    .option('--config', 'a configuration file for the gateway instead')
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      `\nDomains:\n${domains.join('\n')}\n\nExample:\n  coapsule recommend deployment hospital --pki --config > gateway.yaml`,
    )
    .action(async (domain: DeploymentDomain, options: DeploymentOptions) => {
      const advice = adviseDeployment(deploymentOf(domain, changesOf(options)));
      if (options.config === true) {
        const { gatewayConfig } = await import('../advice/gateway-config.ts');
        environment.stdout.write(gatewayConfig(advice));
      } else printFinding(deployment(advice), options.json === true, environment);
    });
  return recommend;
}

function messageType(options: {
  readonly purpose: MessagePurpose;
  readonly acceptableLoss: number;
  readonly networkLoss: number;
  readonly priority: DeliveryPriority;
}): Finding {
  const { purpose, priority, acceptableLoss, networkLoss } = options;
  const value = adviseMessageType({
    ...{ purpose, priority },
    acceptableLoss: acceptableLoss / 100,
    networkLoss: networkLoss / 100,
  });
  const { odds } = value;
  return {
    value,
    lines: [
      `${value.type}: ${value.reason}`,
      ...marked('warning', value.warnings),
      `reliability: NON arrives with ${figure(100 * odds.nonConfirmableDelivered, 3)} %, CON with ${figure(100 * odds.confirmableDelivered, 5)} % and is acknowledged with ${figure(100 * odds.confirmableAcknowledged, 4)} %`,
      `messages: a CON takes ${figure(odds.transmissions, 3)} transmissions until its acknowledgement, a NON one`,
      `energy: with ${radioAssumption.sendMs} ms to send and ${radioAssumption.listenMs} ms to listen for the acknowledgement, a CON keeps the radio on for ${figure(value.radioTimeOverNonConfirmable)} times as long as a NON`,
    ],
  };
}

function security(options: {
  readonly sensitive?: true;
  readonly pki?: true;
  readonly preProvisioned?: true;
  readonly untrustedProxies?: true;
  readonly littleHeadroom?: true;
  readonly deepSleep?: true;
  readonly factors?: true;
}): Finding {
  const advice = adviseSecurity({
    sensitiveData: options.sensitive === true,
    publicKeyInfrastructure: options.pki === true,
    keysAtManufacture: options.preProvisioned === true,
    untrustedProxies: options.untrustedProxies === true,
    littleHeadroom: options.littleHeadroom === true,
    deepSleep: options.deepSleep === true,
  });
  const factors = table([
    ['', 'plain', 'DTLS, PSK', 'DTLS, certificates', 'OSCORE'],
    ...securityFactors.map(({ factor, plain, psk, certificate, oscore }) => [
      factor,
      plain,
      psk,
      certificate,
      oscore,
    ]),
  ]);
  return {
    value: { ...advice, ...(options.factors === true && { factors: securityFactors }) },
    lines: [
      ...advice.steps.map(({ question, answer }) => `${question} ${answer ? 'yes' : 'no'}`),
      `${advice.mode}: ${advice.reason}`,
      ...marked('warning', advice.warnings),
      ...(options.factors === true ? ['', ...factors] : []),
    ],
  };
}

function protocol(criteria: readonly ProtocolCriterion[]): Finding {
  const advice = adviseProtocol(criteria);
  return {
    value: advice,
    lines: [
      `${advice.protocols.join(' and ')}`,
      ...advice.scores.map(
        ({ protocol: name, share, reasons }) =>
          `${name}: ${figure(100 * share, 0)} %${reasons.length === 0 ? '' : ` (${reasons.join('; ')})`}`,
      ),
      ...marked('hint', advice.hints),
    ],
  };
}

function sleep(options: {
  readonly deepSleep?: true;
  readonly dtls?: true;
  readonly retained: number;
  readonly security: boolean;
}): Finding {
  const advice = adviseSleep({
    deepSleep: options.deepSleep === true,
    dtlsRequired: options.dtls === true,
    retainedBytes: options.retained,
    secured: options.security,
  });
  return {
    value: advice,
    lines: [`${advice.approach}${advice.isRecommended ? '' : ' (not recommended)'}: ${advice.reason}`],
  };
}

function block(options: {
  readonly link: LinkProfileName;
  readonly secured?: true;
  readonly body?: number;
}): Finding {
  const profile = linkProfiles[options.link];
  const blockBytes = blockSizeForLink(profile, options.secured === true ? 'dtls' : 'none');
  const { blockRoomBytes, messageOverheadBytes, recordOverheadBytes, advisedPayloadBytes } = profile;
  const protectionBytes = options.secured === true ? recordOverheadBytes : 0;
  const blocks = options.body === undefined ? undefined : blockCount(options.body, blockBytes);
  const isLarge = options.body !== undefined && options.body > advisedPayloadBytes;
  const warnings = isLarge
    ? [
        `${options.body} bytes are more than the ${advisedPayloadBytes} that suit ${options.link}: every block can be lost`,
      ]
    : [];
  return {
    value: { blockBytes, szx: Math.log2(blockBytes) - 4, blocks, warnings },
    lines: [
      `${blockBytes} bytes (-b ${blockBytes}): ${blockRoomBytes} on ${options.link}, less ${messageOverheadBytes} for header and options${protectionBytes === 0 ? '' : ` and ${protectionBytes} for DTLS`}`,
      ...(blocks === undefined
        ? []
        : [`${options.body} bytes are ${blocks} block${blocks === 1 ? '' : 's'}`]),
      ...marked('warning', warnings),
    ],
  };
}

interface DeploymentOptions {
  readonly json?: true;
  readonly config?: true;
  readonly devices?: number;
  readonly interval?: number;
  readonly power?: 'battery' | 'mains';
  readonly deepSleep?: boolean;
  readonly sensitive?: boolean;
  readonly pki?: boolean;
  readonly untrustedProxies?: true;
  readonly link?: LinkProfileName;
  readonly payload?: number;
}

function changesOf(options: DeploymentOptions): Partial<Omit<Deployment, 'domain'>> {
  return {
    ...(options.devices !== undefined && { devices: options.devices }),
    ...(options.interval !== undefined && { reportSeconds: options.interval }),
    ...(options.power !== undefined && { power: options.power }),
    ...(options.deepSleep !== undefined && { deepSleep: options.deepSleep }),
    ...(options.sensitive !== undefined && { sensitiveData: options.sensitive }),
    ...(options.pki !== undefined && { publicKeyInfrastructure: options.pki }),
    ...(options.untrustedProxies !== undefined && { untrustedProxies: true }),
    ...(options.link !== undefined && { link: options.link }),
    ...(options.payload !== undefined && { payloadBytes: options.payload }),
  };
}

function deployment(advice: DeploymentAdvice): Finding {
  const { deployment: what, mode, security: tree, observe, blockBytes, ackTimeoutMs } = advice;
  return {
    value: advice,
    lines: [
      `${deploymentPresets[what.domain].title}: ${what.devices} devices, a report of ${what.payloadBytes} bytes every ${what.reportSeconds} s, ${what.link}`,
      `protection: ${mode}${mode === tree.mode ? `, ${tree.reason}` : ', since devices sleep'}`,
      ...advice.messages.map(({ what: name, advice: { type, reason } }) => `${name}: ${type}, ${reason}`),
      `observation: ${observe.pattern}, ${observe.reason}`,
      `blocks: ${blockBytes} bytes`,
      `ACK_TIMEOUT: ${ackTimeoutMs / 1000} s`,
      `address: ${advice.uri}`,
      ...marked('warning', advice.warnings),
    ],
  };
}

function percentOption(flags: string, description: string, most: number, usual: number): Option {
  return new Option(flags, `${description}, 0 to ${most}`)
    .argParser((text) => wholeNumber(text, 0, most))
    .default(usual);
}
