/**
 * Why another server did not answer, and what is not right with a credential, as the console says it: the causes of the command line
 * (cli/command-failure.ts), with next steps that name what is in the explorer in the place of options.
 */
import { reportOf } from '../cli/command-failure.ts';
import { ApiFailure } from './api-failure.ts';
import type { ApiProblem } from './api-types.ts';

/** Why another server did not answer. */
export function peerProblem(error: unknown): ApiProblem {
  if (error instanceof ApiFailure) return error.problem;
  const { cause, nextStep } = reportOf(error);
  const step = explorerStep(error) ?? nextStep;
  return { code: 'peer-failed', message: cause, ...(step !== '' && { nextStep: step }) };
}

/** Does what may find something wrong with what was given. @throws ApiFailure with what was found. */
export function refused<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof ApiFailure) throw error;
    const { cause, nextStep } = reportOf(error);
    throw new ApiFailure('invalid', cause, nextStep);
  }
}

/** Of errors by their code. */
const steps: Readonly<Record<string, string>> = {
  ERR_TIMEOUT:
    'check address and port, that the server runs and that UDP gets through; a port of coaps answers nothing else; or wait longer',
  ERR_BAD_RESPONSE: 'look at the messages below',
};

/** Of answers without OSCORE, by what the server says in them (RFC 8613 §8.2). */
const oscoreSteps: readonly (readonly [said: RegExp, step: string])[] = [
  [
    /Security context not found/i,
    'the server has no context with this Sender ID: give it the other end, or correct the Sender ID and the ID Context',
  ],
  [
    /Decryption failed/i,
    'the server has another context with this Sender ID: compare Master Secret, Master Salt and the IDs of both ends',
  ],
  [
    /Replay detected/i,
    'the server has seen this number: say as first number one that nobody has used, or agree on a new context',
  ],
];

/** Of handshakes that failed, by what this side found out. */
const handshakeSteps: Readonly<Record<string, string>> = {
  'identity-or-key': 'check identity and key of the credential; the log of the server names the exact cause',
  'no-extended-master-secret': 'the server lacks RFC 7627: update it, or ask it with coapsule get --no-ems',
  'no-common-suite':
    'choose another kind of credential: pre-shared keys, raw public keys and certificates have suites of their own',
  'mtu-too-large': 'have the server send smaller datagrams, or a shorter chain of certificates',
  'client-certificate-missing': 'choose a certificate or a raw public key as credential',
  'unknown-ca': 'give the authority that issued the certificate of the server, if you trust it',
  'name-mismatch': 'use a name of the certificate in the address',
  'unknown-public-key': 'give the public key of the server, by PEM or fingerprint, if that is the right one',
  'no-common-certificate-type':
    'choose the kind of credential that the server has: a certificate, or a raw public key',
};

/** Of handshakes that the server has ended, by what it said of our credential. */
const refusedSteps: Readonly<Record<string, string>> = {
  'unknown-ca': 'have the server trust the authority of this certificate, or choose another credential',
  'unknown-public-key': 'have the server learn the public key of this credential, or choose another one',
};

function explorerStep(error: unknown): string | undefined {
  const { code, handshake } = error as {
    readonly code?: unknown;
    readonly handshake?: { readonly cause?: unknown; readonly alertReceived?: unknown };
  };
  const cause = String(handshake?.cause);
  if (code === 'ERR_OSCORE') return oscoreSteps.find(([said]) => said.test((error as Error).message))?.[1];
  if (handshake === undefined) return steps[String(code)];
  const isOurs = handshake.alertReceived !== undefined && /^certificate-|^unknown-/.test(cause);
  return isOurs ? refusedSteps[cause] : handshakeSteps[cause];
}
