/**
 * What the routes of the console take: bounds of every member, and nothing besides. The types are those of api-types.ts.
 */
import * as z from 'zod';
import type * as api from './api-types.ts';

/** Of requests to other servers, and payloads of theirs, in bytes. */
export const mostPayloadBytes: number = 1024 * 1024;

function hex(mostBytes: number) {
  return z
    .string()
    .max(2 * mostBytes)
    .regex(/^(?:[0-9a-fA-F]{2})*$/, 'pairs of hexadecimal digits');
}

const text = (longest: number) => z.string().min(1).max(longest);

const deviceId = text(256);
const rules = z.array(text(1024)).max(1000);

/** By a link. */
export const linkLogin: z.ZodType<api.LinkLogin> = z.strictObject({ token: text(200) });

/** By name and password. */
export const passwordLogin: z.ZodType<api.PasswordLogin> = z.strictObject({
  name: text(100),
  password: text(1024),
});

const newCredential: z.ZodType<api.NewCredential> = z.union([
  z.strictObject({ kind: z.literal('psk'), keyHex: hex(64).min(2) }),
  z.strictObject({ kind: z.literal('psk'), asText: z.exactOptional(z.boolean()) }),
  z.strictObject({ kind: z.literal('oscore') }),
  z.strictObject({ kind: z.literal('rpk'), fingerprint: text(200) }),
  z.strictObject({ kind: z.literal('rpk'), publicKeyPem: text(64 * 1024) }),
  z.strictObject({ kind: z.literal('x509'), certificatePem: text(64 * 1024) }),
]);

/** A device to add. */
export const newDevice: z.ZodType<api.NewDevice> = z.strictObject({
  id: deviceId,
  credential: newCredential,
  rules: z.exactOptional(rules),
});

/** All that a device may do. */
export const deviceRules: z.ZodType<api.DeviceRules> = z.strictObject({ rules });

/** Another credential. */
export const deviceRotation: z.ZodType<api.DeviceRotation> = z.strictObject({
  credential: newCredential,
  overlapSeconds: z.exactOptional(
    z
      .number()
      .min(0)
      .max(366 * 86_400),
  ),
  untilUsed: z.exactOptional(z.boolean()),
});

/** Certificates and keys. */
const pem = text(64 * 1024);

const typedCredential = z.union([
  z.strictObject({ kind: z.literal('psk'), identity: text(256), keyHex: hex(64).min(2) }),
  z.strictObject({ kind: z.literal('rpk'), privateKeyPem: pem, serverKey: pem }),
  z.strictObject({
    kind: z.literal('x509'),
    certificatePem: z.exactOptional(pem),
    privateKeyPem: z.exactOptional(pem),
    authorityPem: pem,
  }),
]);

const oscore = z.strictObject({
  contextText: text(4096),
  firstNumber: z.int().min(0),
});

const targetMembers = {
  uri: text(4096),
  credential: z.exactOptional(
    z.union([
      z.strictObject({ kind: z.literal('none') }),
      z.strictObject({ kind: z.literal('named'), name: text(100) }),
      z.strictObject({ kind: z.literal('device'), id: deviceId }),
      z.strictObject({ kind: z.literal('proxy'), pattern: text(4096) }),
      typedCredential,
    ]),
  ),
  oscore: z.exactOptional(oscore),
  timeoutSeconds: z.exactOptional(z.number().min(1).max(120)),
};

/** A credential to keep. */
export const newNamedCredential: z.ZodType<api.NewNamedCredential> = z.strictObject({
  name: text(100).regex(/^[^\p{C}/]+$/u, 'letters without control characters and /'),
  proof: z.exactOptional(typedCredential),
  oscore: z.exactOptional(oscore),
  target: z.exactOptional(text(4096)),
  forOperators: z.exactOptional(z.boolean()),
});

/** Another server. */
export const explorerTarget: z.ZodType<api.ExplorerTarget> = z.strictObject(targetMembers);

const contentFormat = z.union([z.int().min(0).max(65_535), text(200)]);

/** What another server is asked. */
export const explorerRequest: z.ZodType<api.ExplorerRequest> = z.strictObject({
  ...targetMembers,
  method: z.enum(['GET', 'POST', 'PUT', 'DELETE', 'FETCH', 'PATCH', 'iPATCH']),
  type: z.exactOptional(z.enum(['CON', 'NON'])),
  payloadHex: z.exactOptional(hex(mostPayloadBytes)),
  contentFormat: z.exactOptional(contentFormat),
  accept: z.exactOptional(contentFormat),
  blockSize: z.exactOptional(z.int().min(16).max(1024)),
  options: z.exactOptional(
    z
      .array(
        z.strictObject({
          option: z.union([z.int().min(0).max(65_535), text(64)]),
          value: z.string().max(4096),
        }),
      )
      .max(64),
  ),
  lossRate: z.exactOptional(z.number().min(0).max(1)),
  retransmits: z.exactOptional(z.boolean()),
  duplicates: z.exactOptional(z.boolean()),
  tokenHex: z.exactOptional(hex(8)),
  listenSeconds: z.exactOptional(z.number().min(0).max(10)),
  cancelBy: z.exactOptional(z.enum(['GET', 'RST'])),
  proxy: z.exactOptional(
    z.strictObject({
      uri: text(4096),
      form: z.exactOptional(z.enum(['Proxy-Uri', 'Proxy-Scheme'])),
    }),
  ),
});

/** Which messages go into a file. */
export const trafficExport: z.ZodType<api.TrafficExport> = z.strictObject({
  filter: z.exactOptional(z.string().max(1000)),
  withSecrets: z.exactOptional(z.boolean()),
});

/** A file of requests. */
export const collectionRun: z.ZodType<api.CollectionRun> = z.strictObject({
  // It is read at once, while all others wait.
  text: text(64 * 1024),
  environmentName: z.exactOptional(text(200)),
  environment: z.exactOptional(
    z
      .record(text(100), z.string().max(4096))
      .refine((given) => Object.keys(given).length <= 200, 'at most 200 variables'),
  ),
});

/** A fleet. */
export const newSimulation: z.ZodType<api.NewSimulation> = z.strictObject({
  scenario: text(50),
  devices: z.exactOptional(z.int().min(1).max(500)),
  speed: z.exactOptional(z.number().min(0.1).max(1_000_000)),
  durationSeconds: z.exactOptional(
    z
      .number()
      .min(1)
      .max(30 * 86_400),
  ),
  seed: z.exactOptional(z.int().min(0).max(4_294_967_295)),
  linkProfile: z.exactOptional(text(50)),
  lossRate: z.exactOptional(z.number().min(0).max(1)),
  roams: z.exactOptional(z.boolean()),
  churnPerHour: z.exactOptional(z.number().min(0).max(1)),
});
