/**
 * Where each option of `coapsule serve` stands in a configuration file.
 */
import type { ConfiguredOptions } from './config-schema.ts';

/** The key of an option, by the name that the command line calls it inside. */
export const configKeys: Readonly<Record<keyof ConfiguredOptions, string>> = {
  data: 'data',
  coap: 'endpoints.coap',
  coaps: 'endpoints.coaps',
  multicast: 'endpoints.multicast',
  tcp: 'endpoints.tcp',
  tls: 'endpoints.tls',
  ws: 'endpoints.ws',
  wss: 'endpoints.wss',
  cert: 'credentials.certificate',
  privateKey: 'credentials.privateKey',
  passphraseFile: 'credentials.passphraseFile',
  ca: 'credentials.authorities',
  ems: 'credentials.extendedMasterSecret',
  psk: 'psk.keys',
  pskFile: 'psk.file',
  pskHint: 'psk.hint',
  serial: 'serial.lines',
  serialCredentials: 'serial.credentials',
  serialMtu: 'serial.mtu',
  proxy: 'proxy.targets',
  proxyNetwork: 'proxy.networks',
  proxyCredentials: 'proxy.credentials',
  dangerouslyOpenProxy: 'proxy.dangerouslyOpen',
  reverseProxy: 'reverseProxy',
  access: 'access',
  keep: 'limits.keep',
  maxPaths: 'limits.maxPaths',
  maxBytes: 'limits.maxBytes',
  verbose: 'log.verbosity',
  keylog: 'log.keylog',
  dangerouslyLogOscore: 'log.dangerouslyOscore',
  demo: 'demo',
  dangerouslyAllowPlainWrites: 'dangerouslyAllowPlainWrites',
  dangerouslyUnlimitedAmplification: 'dangerouslyUnlimitedAmplification',
};

/** Options that count at once when they are read again; the others wait for a restart. */
export const liveNames: ReadonlySet<string> = new Set([
  'psk',
  'pskFile',
  'access',
  'cert',
  'privateKey',
  'passphraseFile',
  'ca',
  'keep',
  'maxPaths',
  'maxBytes',
  'reverseProxy',
  'verbose',
] satisfies (keyof ConfiguredOptions)[]);
