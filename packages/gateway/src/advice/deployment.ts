/**
 * What a deployment should use, by what it is for: types of messages, protection, observation, size of blocks, timers.
 *
 * Each domain has a preset of what is usual in it; what is known better replaces it. The rules are those of the other files of
 * this folder, put together. Pure function.
 *
 * @module
 */

import { blockSizeForLink, type LinkProfileName, linkProfiles } from 'coapsule/message';
import { serialTimeMs } from '../figures/message-sizes.ts';
import { adviseMessageType, type MessageTypeAdvice } from './message-type.ts';
import { adviseSecurity, type SecurityAdvice, type SecurityMode } from './security-mode.ts';

/** What devices are for. */
export type DeploymentDomain =
  | 'metering'
  | 'hvac'
  | 'lighting'
  | 'industrial'
  | 'hospital'
  | 'wearables'
  | 'agriculture'
  | 'lock';

/** What a deployment is. */
export interface Deployment {
  readonly domain: DeploymentDomain;
  readonly devices: number;
  readonly reportSeconds: number;
  readonly power: 'battery' | 'mains';
  /** Devices lose their memory between two reports. */
  readonly deepSleep: boolean;
  readonly sensitiveData: boolean;
  readonly publicKeyInfrastructure: boolean;
  readonly untrustedProxies: boolean;
  readonly link: LinkProfileName;
  readonly payloadBytes: number;
}

/** One kind of message that devices exchange. */
export interface DeploymentMessage {
  readonly what: string;
  readonly advice: MessageTypeAdvice;
}

/** What is observed, and by whom. */
export interface ObserveAdvice {
  readonly pattern: 'gateway-observes' | 'clients-observe' | 'none';
  /** One sentence. */
  readonly reason: string;
}

/** What to use. */
export interface DeploymentAdvice {
  readonly deployment: Deployment;
  readonly messages: readonly DeploymentMessage[];
  readonly security: SecurityAdvice;
  /** What stands in place of the five questions' answer, where the domain has a reason. */
  readonly mode: SecurityMode;
  readonly observe: ObserveAdvice;
  readonly blockBytes: number;
  /** ACK_TIMEOUT (RFC 7252 §4.8): 2 s, more on a link that is slower. */
  readonly ackTimeoutMs: number;
  /** Of the resource that takes reports. */
  readonly uri: string;
  /** One sentence each. */
  readonly warnings: readonly string[];
}

interface DomainPreset extends Omit<Deployment, 'domain'> {
  readonly title: string;
}

/** What is usual. */
export const deploymentPresets: Readonly<Record<DeploymentDomain, DomainPreset>> = {
  metering: {
    ...{
      title: 'smart energy metering',
      devices: 1000,
      reportSeconds: 900,
      power: 'mains',
      deepSleep: false,
    },
    ...{ sensitiveData: true, publicKeyInfrastructure: true, untrustedProxies: false },
    ...{ link: 'nb-iot', payloadBytes: 200 },
  },
  hvac: {
    ...{ title: 'building automation, climate', devices: 100, reportSeconds: 60, power: 'mains' },
    ...{ deepSleep: false, sensitiveData: true, publicKeyInfrastructure: false, untrustedProxies: false },
    ...{ link: 'ethernet', payloadBytes: 16 },
  },
  lighting: {
    ...{ title: 'building automation, lighting', devices: 200, reportSeconds: 600, power: 'mains' },
    ...{ deepSleep: false, sensitiveData: true, publicKeyInfrastructure: false, untrustedProxies: false },
    ...{ link: '6lowpan', payloadBytes: 16 },
  },
  industrial: {
    ...{
      title: 'industrial sensor network',
      devices: 50,
      reportSeconds: 10,
      power: 'mains',
      deepSleep: false,
    },
    ...{ sensitiveData: true, publicKeyInfrastructure: true, untrustedProxies: false },
    ...{ link: 'serial-115200', payloadBytes: 64 },
  },
  hospital: {
    ...{
      title: 'monitors of vital signs',
      devices: 200,
      reportSeconds: 30,
      power: 'battery',
      deepSleep: false,
    },
    ...{ sensitiveData: true, publicKeyInfrastructure: false, untrustedProxies: false },
    ...{ link: 'wifi', payloadBytes: 64 },
  },
  wearables: {
    ...{ title: 'wearable devices that roam', devices: 100, reportSeconds: 60, power: 'battery' },
    ...{ deepSleep: false, sensitiveData: true, publicKeyInfrastructure: false, untrustedProxies: false },
    ...{ link: 'wifi', payloadBytes: 48 },
  },
  agriculture: {
    ...{ title: 'soil sensors', devices: 500, reportSeconds: 3600, power: 'battery', deepSleep: true },
    ...{ sensitiveData: true, publicKeyInfrastructure: false, untrustedProxies: false },
    ...{ link: 'wifi', payloadBytes: 16 },
  },
  lock: {
    ...{ title: 'locks and actuators of a home', devices: 10, reportSeconds: 3600, power: 'battery' },
    ...{ deepSleep: false, sensitiveData: true, publicKeyInfrastructure: false, untrustedProxies: false },
    ...{ link: '6lowpan', payloadBytes: 8 },
  },
};

/** What a domain usually is, with what is known better. */
export function deploymentOf(
  domain: DeploymentDomain,
  changes: Partial<Omit<Deployment, 'domain'>> = {},
): Deployment {
  const { title: _, ...preset } = deploymentPresets[domain];
  return { domain, ...preset, ...changes };
}

/** What to use. */
export function adviseDeployment(deployment: Deployment): DeploymentAdvice {
  const { domain, deepSleep, link } = deployment;
  const security = adviseSecurity({
    sensitiveData: deployment.sensitiveData,
    publicKeyInfrastructure: deployment.publicKeyInfrastructure,
    keysAtManufacture: true,
    untrustedProxies: deployment.untrustedProxies,
    littleHeadroom: false,
    deepSleep,
  });
  const mode = deepSleep && security.mode === 'dtls-psk' ? 'oscore' : security.mode;
  const protection = mode === 'plain' ? 'none' : 'dtls';
  const blockBytes = blockSizeForLink(linkProfiles[link], protection);
  const scheme = mode.startsWith('dtls') ? 'coaps' : 'coap';
  return {
    deployment,
    messages: messagesOf(deployment),
    security,
    mode,
    observe: observeFor(domain, deepSleep),
    blockBytes,
    ackTimeoutMs: ackTimeoutFor(link),
    uri: link.startsWith('serial')
      ? `${scheme}+serial://DEVICE:${link.slice('serial-'.length)}/sensors/ID/${quantities[domain]}`
      : `${scheme}://GATEWAY/sensors/ID/${quantities[domain]}`,
    warnings: warningsFor(deployment, mode, blockBytes),
  };
}

/** What devices of a domain report, as a segment of a path. */
const quantities: Readonly<Record<DeploymentDomain, string>> = {
  metering: 'energy',
  hvac: 'temperature',
  lighting: 'light',
  industrial: 'pressure',
  hospital: 'vitals',
  wearables: 'vitals',
  agriculture: 'moisture',
  lock: 'state',
};

function messagesOf(deployment: Deployment): readonly DeploymentMessage[] {
  const { domain, power } = deployment;
  // Who pays for what was counted wants each count; with mains power an acknowledgement costs nothing that matters.
  const reliableReadings = domain === 'metering' || (power === 'mains' && domain !== 'industrial');
  const readings = adviseMessageType({
    purpose: 'telemetry',
    priority: reliableReadings ? 'reliability' : power === 'battery' ? 'battery' : 'balanced',
  });
  const messages: DeploymentMessage[] = [{ what: 'readings', advice: readings }];
  const add = (what: string, purpose: 'alert' | 'command' | 'configuration' | 'firmware'): void => {
    messages.push({ what, advice: adviseMessageType({ purpose }) });
  };
  if (domain === 'hospital' || domain === 'wearables' || domain === 'industrial') add('alarms', 'alert');
  if (domain === 'lighting' || domain === 'lock') add('commands', 'command');
  if (domain === 'hvac') add('setpoints', 'command');
  add('settings', 'configuration');
  add(domain === 'metering' ? 'load profiles and firmware, block-wise' : 'firmware, block-wise', 'firmware');
  return messages;
}

function observeFor(domain: DeploymentDomain, deepSleep: boolean): ObserveAdvice {
  if (deepSleep) {
    return {
      pattern: 'none',
      reason:
        'a device that sleeps cannot notify: it sends when it wakes, and clients observe what the gateway keeps',
    };
  }
  switch (domain) {
    case 'lighting':
    case 'lock':
    case 'hvac':
      return {
        pattern: 'clients-observe',
        reason: 'states change seldom, and whoever shows them wants to know at once: observe them',
      };
    case 'hospital':
    case 'wearables':
      return {
        pattern: 'gateway-observes',
        reason:
          'devices send, or the gateway observes them; nurses and programs observe the gateway, never a device',
      };
    default:
      return {
        pattern: 'none',
        reason:
          'readings are sent at their time; an observation of each device would have to be renewed for nothing',
      };
  }
}

/** The default; on a line that needs longer for the largest datagram and its answer, three times that. */
function ackTimeoutFor(link: LinkProfileName): number {
  const usual = 2000;
  if (link === 'nb-iot') return 10_000;
  if (!link.startsWith('serial')) return usual;
  const baud = Number(link.slice('serial-'.length));
  return Math.max(usual, Math.ceil((3 * serialTimeMs(linkProfiles[link].mtu, baud)) / 1000) * 1000);
}

function warningsFor(deployment: Deployment, mode: SecurityMode, blockBytes: number): readonly string[] {
  const { domain, link, payloadBytes, deepSleep, power, publicKeyInfrastructure, untrustedProxies } =
    deployment;
  const warnings: string[] = [];
  if (mode === 'plain') {
    warnings.push(
      domain === 'hospital' || domain === 'wearables'
        ? 'data of patients must not go over plain CoAP'
        : 'encrypt anyway: who can read can usually write too',
    );
  }
  if (domain === 'lock' && mode === 'plain')
    warnings.push('a door that opens over plain coap:// opens for everybody');
  if (deepSleep && mode.startsWith('dtls')) {
    warnings.push('keep the association in retained memory: without it each wake costs a handshake');
  }
  if (publicKeyInfrastructure && untrustedProxies) {
    warnings.push('certificates protect up to the next proxy only: use OSCORE inside DTLS');
  }
  if (domain === 'lighting' && mode !== 'plain') {
    warnings.push(
      'multicast cannot be protected by DTLS: switch groups over plain CoAP, or each lamp by itself',
    );
  }
  if (payloadBytes > linkProfiles[link].advisedPayloadBytes) {
    warnings.push(
      `${payloadBytes} bytes are more than ${linkProfiles[link].advisedPayloadBytes}: make payloads smaller on ${link}`,
    );
  } else if (payloadBytes > blockBytes) {
    warnings.push(
      `${payloadBytes} bytes do not go in one message on ${link}: they go in blocks of ${blockBytes}`,
    );
  }
  if (power === 'battery' && deployment.reportSeconds < 10) {
    warnings.push(
      'a battery does not last with a report every few seconds: report changes, or several readings at once (SenML)',
    );
  }
  return warnings;
}
