/**
 * A configuration of the gateway for a deployment, to begin with: the file that `coapsule serve --config` reads.
 *
 * It names no keys: devices are added with the command that it begins with.
 *
 * @module
 */

import { stringify } from 'yaml';
import type { DeploymentAdvice } from './deployment.ts';

/** The file, YAML. */
export function gatewayConfig({ deployment, mode, ackTimeoutMs }: DeploymentAdvice): string {
  const { domain, devices, link } = deployment;
  const isPlain = mode === 'plain' || mode === 'oscore';
  const config = {
    data: './data',
    endpoints: { coap: isPlain ? '[::]:5683' : 'off', coaps: mode.startsWith('dtls') ? '[::]:5684' : 'off' },
    ...(link.startsWith('serial') && {
      serial: {
        lines: [
          {
            device: '/dev/ttyUSB0',
            baud: Number(link.slice('serial-'.length)),
            security: isPlain ? 'plain' : 'secured',
          },
        ],
      },
    }),
    ...(mode === 'dtls-certificate' && {
      credentials: { certificate: 'gateway.pem', privateKey: 'gateway.key', authorities: 'ca.pem' },
    }),
    ...(mode === 'plain'
      ? { dangerouslyAllowPlainWrites: true }
      : {
          access: {
            resources: [{ path: '/sensors/*', requires: mode === 'oscore' ? 'oscore' : 'secured' }],
          },
        }),
  };
  const add =
    mode === 'oscore'
      ? 'coapsule device add ID --oscore generate'
      : mode === 'dtls-certificate'
        ? 'coapsule keys cert ID && coapsule device add ID --cert ID.pem'
        : 'coapsule device add ID --psk generate';
  const head = [
    `# ${domain}: ${devices} devices.`,
    ...(mode === 'plain' ? [] : [`# Devices are added with: ${add}`]),
    ...(mode === 'dtls-certificate'
      ? ['# Its files are made with: coapsule keys ca && coapsule keys cert HOST --server --out gateway']
      : []),
    ...(ackTimeoutMs === 2000 ? [] : [`# Devices on this link: ACK_TIMEOUT of ${ackTimeoutMs / 1000} s.`]),
  ];
  return `${head.join('\n')}\n${stringify(config)}`;
}
