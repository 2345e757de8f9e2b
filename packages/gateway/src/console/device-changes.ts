/**
 * What an admin changes of devices from the console: the same as `coapsule device add`, `allow`, `rotate`, `retire` and `remove`, with the
 * same checks, and each change in the audit log under the user's name. What is made here is shown once.
 */
import { randomBytes } from 'node:crypto';
import { describeCertificates, describePublicKey } from 'coapsule';
import { defaultRules, parseRule, ruleText } from '../access/rule.ts';
import { CommandFailure } from '../cli/command-failure.ts';
import { isFingerprint, storedFingerprint } from '../cli/credential-files.ts';
import { oscoreCredential } from '../cli/device-credential.ts';
import { expectUnused } from '../cli/device-store.ts';
import { newOscorePair } from '../cli/keys-oscore.ts';
import { formatOscoreConf } from '../cli/oscore-conf.ts';
import type { GatewayOperations } from '../operations/gateway-operations.ts';
import { deviceIdProblem } from '../server/serve-options.ts';
import type { WallClock } from '../server/wall-clock.ts';
import type { DeviceCredential } from '../store/device-table.ts';
import { ApiFailure } from './api-failure.ts';
import type { DeviceRotation, DeviceWithSecret, GeneratedSecret, NewCredential } from './api-types.ts';
import type { Handlers } from './console-api.ts';
import type { ConsoleAudit } from './console-audit.ts';
import type { ConsoleStore } from './console-store.ts';
import type { DeviceViews } from './device-views.ts';
import type { GatewayProof } from './gateway-proof.ts';
import { bytesOf, hexOf } from './hex.ts';
import { type SnippetEndpoints, snippetFacts } from './snippets.ts';

/** What they work with. */
export interface DeviceChangesParts {
  readonly store: ConsoleStore;
  readonly views: DeviceViews;
  readonly audit: ConsoleAudit;
  readonly clock: WallClock;
  readonly endpoints: () => SnippetEndpoints;
  /** Has the gateway look at its devices anew: the console writes over a connection of its own. */
  readonly operations: Pick<GatewayOperations, 'devicesChanged'>;
  readonly proof: GatewayProof;
}

interface MadeCredential {
  readonly credential: DeviceCredential;
  readonly secret: GeneratedSecret | null;
}

/** The handlers of devices, those that only look too. */
export function deviceHandlers(
  parts: DeviceChangesParts,
): Pick<
  Handlers,
  | 'GET /api/devices'
  | 'POST /api/devices'
  | 'GET /api/devices/{id}'
  | 'DELETE /api/devices/{id}'
  | 'PUT /api/devices/{id}/rules'
  | 'POST /api/devices/{id}/rotate'
  | 'POST /api/devices/{id}/retire'
> {
  const { views, audit, clock, operations } = parts;
  const { devices, opened } = parts.store;
  const withSecret = async (
    id: string,
    secret: GeneratedSecret | null,
    host: string | undefined,
  ): Promise<DeviceWithSecret> => {
    const device = await views.one(id);
    return { device, secret, snippets: snippetFacts(device, secret, parts.endpoints(), parts.proof, host) };
  };
  return {
    'GET /api/devices': ({ query }) => views.page(query),
    'GET /api/devices/{id}': ({ parameters: { id = '' } }) => views.one(id),
    'POST /api/devices': async ({ body, user, context }) => {
      const { id } = body;
      const problem = deviceIdProblem(id);
      if (problem !== undefined) throw new ApiFailure('invalid', problem, 'choose another id');
      const rules = checkedRules(body.rules ?? defaultRules(id).map(ruleText));
      const { credential, secret } = made(id, body.credential);
      told(() => expectUnused(devices, id, credential, opened));
      if (!devices.add({ id, credential, rules, addedAtMs: clock() }))
        throw new ApiFailure(
          'conflict',
          'there is a device of this id already',
          'give it a new credential, or remove it first',
        );
      audit.add('device-added', user, { device: id, credential: credential.kind, allow: rules });
      await operations.devicesChanged();
      return withSecret(id, secret, context.req.header('host'));
    },
    'PUT /api/devices/{id}/rules': async ({ parameters: { id = '' }, body, user }) => {
      const rules = checkedRules(body.rules);
      if (!devices.allow(id, rules)) throw unchanged(parts, id);
      audit.add('device-allowed', user, { device: id, allow: rules });
      await operations.devicesChanged();
      return views.one(id);
    },
    'POST /api/devices/{id}/rotate': async ({ parameters: { id = '' }, body, user, context }) => {
      if (devices.homeOf(id) !== '') throw unchanged(parts, id);
      const { credential, secret } = made(id, body.credential);
      told(() => expectUnused(devices, id, credential, opened));
      const overlap = overlapOf(body, credential, devices.find(id)?.credential, clock());
      if (!devices.rotate(id, credential, clock(), overlap)) throw unchanged(parts, id);
      audit.add('device-rotated', user, {
        ...{ device: id, credential: credential.kind },
        ...(overlap && {
          overlapUntil: new Date(overlap.untilMs).toISOString(),
          untilUsed: overlap.endsWithUse,
        }),
      });
      await operations.devicesChanged();
      return withSecret(id, secret, context.req.header('host'));
    },
    'POST /api/devices/{id}/retire': async ({ parameters: { id = '' }, user }) => {
      if (devices.homeOf(id) !== '') throw unchanged(parts, id);
      if (devices.retire(id)) audit.add('credential-retired', user, { device: id });
      await operations.devicesChanged();
      return views.one(id);
    },
    'DELETE /api/devices/{id}': async ({ parameters: { id = '' }, user }) => {
      if (!devices.remove(id)) throw unchanged(parts, id);
      audit.add('device-removed', user, { device: id });
      await operations.devicesChanged();
    },
  };
}

/** A command's refusal is a conflict here: the request is well formed, and the store has something against it. */
function told<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof CommandFailure) throw new ApiFailure('conflict', error.message);
    throw error;
  }
}

function unchanged({ store }: DeviceChangesParts, id: string): ApiFailure {
  return (store.devices.homeOf(id) ?? '') === ''
    ? new ApiFailure('not-found', 'there is no such device in the store')
    : new ApiFailure('conflict', 'the device was added at another gateway', 'change it there');
}

function checkedRules(texts: readonly string[]): readonly string[] {
  return texts.map((text) => {
    const rule = parseRule(text);
    if (typeof rule === 'string') throw new ApiFailure('invalid', rule);
    return ruleText(rule);
  });
}

function overlapOf(
  { overlapSeconds = 0, untilUsed = false }: DeviceRotation,
  credential: DeviceCredential,
  before: DeviceCredential | undefined,
  nowMs: number,
) {
  if (overlapSeconds === 0) return undefined;
  if (credential.kind === 'oscore' || before?.kind === 'oscore') {
    throw new ApiFailure(
      'invalid',
      'an OSCORE context has one state, and none can count beside another (RFC 8613 §7)',
      'leave the overlap out, or add the device under a second id for the time',
    );
  }
  return { untilMs: nowMs + overlapSeconds * 1000, endsWithUse: untilUsed };
}

function made(id: string, asked: NewCredential): MadeCredential {
  switch (asked.kind) {
    case 'psk': {
      if ('keyHex' in asked) return { credential: { kind: 'psk', key: bytesOf(asked.keyHex) }, secret: null };
      const keyText = asked.asText === true ? newKeyText() : null;
      const key = keyText === null ? newKeyBytes() : new TextEncoder().encode(keyText);
      return {
        credential: { kind: 'psk', key },
        secret: { kind: 'psk', identity: id, keyHex: hexOf(key), keyText },
      };
    }
    case 'oscore': {
      const { device, server } = newOscorePair(randomBytes);
      const { masterSecret, masterSalt = new Uint8Array(0), senderId, recipientId } = device;
      const credential = oscoreCredential(server);
      if (credential.kind !== 'oscore') throw new Error('a new context is no context');
      return {
        credential,
        secret: {
          kind: 'oscore',
          ...{ masterSecretHex: hexOf(masterSecret), masterSaltHex: hexOf(masterSalt) },
          ...{ senderIdHex: hexOf(senderId), recipientIdHex: hexOf(recipientId) },
          ...{ aead: credential.aead, hkdf: credential.hkdf },
          file: formatOscoreConf(device, `OSCORE Security Context, end of the device ${id}`),
        },
      };
    }
    case 'rpk': {
      if ('publicKeyPem' in asked)
        return { credential: { kind: 'rpk', fingerprint: keyFingerprint(asked.publicKeyPem) }, secret: null };
      if (!isFingerprint(asked.fingerprint))
        throw new ApiFailure('invalid', 'a fingerprint is sha256: and 64 hexadecimal digits');
      return {
        credential: { kind: 'rpk', fingerprint: storedFingerprint(asked.fingerprint) },
        secret: null,
      };
    }
    case 'x509':
      return { credential: certificateOf(id, asked.certificatePem), secret: null };
  }
}

/** As long as tinydtls takes it (DTLS_PSK_MAX_KEY_LEN), with 128 random bits but for what follows. */
function newKeyBytes(): Uint8Array {
  for (;;) {
    const key = new Uint8Array(randomBytes(16));
    // A command has it as an argument: that ends at a zero, loses line feeds at its end, and may be taken for an option or digits.
    if (!key.includes(0) && !key.includes(0x0a) && key[0] !== 0x2d && key[0] !== 0x30) return key;
  }
}

/** As text, so that it can be typed; 128 random bits. */
function newKeyText(): string {
  for (;;) {
    const text = randomBytes(16).toString('base64url');
    // What some programs take for hexadecimal digits, or for an option.
    if (!/^(?:0x|-)/i.test(text)) return text;
  }
}

function keyFingerprint(pem: string): string {
  if (pem.includes('PRIVATE KEY'))
    throw new ApiFailure(
      'invalid',
      'this is a private key, and it stays with the device',
      'paste the public key: openssl pkey -in device.key -pubout',
    );
  try {
    return describePublicKey(pem).fingerprint;
  } catch (error) {
    throw new ApiFailure('invalid', `this is no public key in PEM: ${(error as Error).message}`);
  }
}

function certificateOf(id: string, pem: string): DeviceCredential {
  let certificate: ReturnType<typeof describeCertificates>[number] | undefined;
  try {
    [certificate] = describeCertificates(new TextEncoder().encode(pem));
  } catch (error) {
    throw new ApiFailure('invalid', `this is no certificate in PEM: ${(error as Error).message}`);
  }
  if (certificate?.identity !== id)
    throw new ApiFailure(
      'invalid',
      'the certificate does not name this device',
      'have one issued with the id as common name',
    );
  return { kind: 'cert', fingerprint: certificate.fingerprint, expiresAtMs: certificate.notAfter.getTime() };
}
