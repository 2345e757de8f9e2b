/**
 * What the gateway proves itself with and whose certificates it takes, from the files of the command line.
 */
import {
  type CertificateInfo,
  type CertificateOptions,
  Client,
  type ClientOptions,
  describeCertificates,
  describePublicKey,
  type ListenOptions,
  type RawPublicKeyOptions,
} from 'coapsule';
import type { Log } from './log.ts';

/** Certificates and keys of the gateway, read already. */
export interface GatewayCredentials {
  /** Undefined: there is only the raw public key. */
  readonly certificate: CertificateOptions | undefined;
  /** The key of the certificate stands for itself too: a device may know it without any authority. Not encrypted. */
  readonly rawPublicKey: Omit<RawPublicKeyOptions, 'passphrase'>;
  /** Authorities of device certificates; undefined: devices with a certificate cannot connect. */
  readonly authorities: Uint8Array | undefined;
}

/** Days before its end from which on a certificate is warned about. */
const warnDays = 30;
const dayMs = 24 * 60 * 60 * 1000;

/**
 * The part of the listener's options that needs no look-up.
 *
 * With authorities a client has to prove itself. A gateway with a certificate and without authorities serves everybody
 * who trusts it, and devices with a raw public key under their name; one with a raw public key alone serves those only.
 */
export function listenCredentials({
  certificate,
  rawPublicKey,
  authorities,
}: GatewayCredentials): Pick<
  ListenOptions,
  'certificate' | 'rawPublicKey' | 'clientCertificates' | 'clientAuthentication'
> {
  return {
    ...(certificate === undefined ? {} : { certificate }),
    rawPublicKey,
    ...(authorities === undefined ? {} : { clientCertificates: { trustAnchors: authorities } }),
    clientAuthentication: certificate !== undefined && authorities === undefined ? 'requested' : 'required',
  };
}

/** @throws ApiMisuseError of the library, which names what cannot be used. */
export function checkCredentials(credentials: GatewayCredentials): void {
  new Client(ownClientOptions(credentials));
}

/** The same where the gateway begins the handshake: whom it trusts there are the authorities of its devices. */
export function ownClientOptions(credentials: GatewayCredentials | undefined): ClientOptions {
  if (credentials === undefined) return {};
  const { certificate, rawPublicKey, authorities } = credentials;
  return {
    ...(certificate === undefined ? {} : { certificate }),
    rawPublicKey,
    ...(authorities === undefined ? {} : { trustAnchors: authorities }),
  };
}

/** Tells what devices need to know of the gateway, and warns of certificates that are about to end. */
export function tellCredentials(credentials: GatewayCredentials, log: Log, nowMs: number): void {
  const { certificate, rawPublicKey, authorities } = credentials;
  log.detail(
    1,
    `the raw public key of this gateway is ${describePublicKey(rawPublicKey.privateKey).fingerprint}`,
  );
  for (const one of certificate === undefined ? [] : describeCertificates(certificate.chain)) {
    warnAboutEnd(`the certificate of ${one.subject}, which this gateway shows,`, one, log, nowMs);
  }
  for (const one of authorities === undefined ? [] : describeCertificates(authorities)) {
    warnAboutEnd(`the authority ${one.subject}`, one, log, nowMs);
  }
}

function warnAboutEnd(what: string, { notBefore, notAfter }: CertificateInfo, log: Log, nowMs: number): void {
  if (notBefore.getTime() > nowMs) {
    log.warning(`${what} is not valid before ${notBefore.toISOString()}: is the clock right?`);
  }
  const ending = endingText(notAfter.getTime(), nowMs);
  if (ending !== undefined) log.warning(`${what} ${ending}`);
}

/** Half a sentence about a certificate that has ended or will within 30 days; undefined when there is time. */
export function endingText(expiresAtMs: number, nowMs: number): string | undefined {
  const date = new Date(expiresAtMs).toISOString().slice(0, 10);
  if (expiresAtMs < nowMs) return `expired on ${date}`;
  const days = Math.floor((expiresAtMs - nowMs) / dayMs);
  if (days >= warnDays) return undefined;
  return `expires on ${date}, in ${days} ${days === 1 ? 'day' : 'days'}: renew it`;
}
