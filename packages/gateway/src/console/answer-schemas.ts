/**
 * What the routes of the console answer, for the document of the API and the tests that hold answers against it. The types are those
 * of api-types.ts; objects are strict: a member that is not documented is a fault.
 */
import * as z from 'zod';
import type * as api from './api-types.ts';

const o = z.strictObject;
const text = z.string();
const flag = z.boolean();
const count = z.int().min(0);
const amount = z.number();
const nullable = z.nullable;
const list = z.array;
const hex = z.string().regex(/^(?:[0-9a-f]{2})*$/);
const role = z.enum(['view', 'operate', 'admin']);
const severity = z.enum(['error', 'warning', 'advice']);

/** Of every answer that is not 2xx. */
export const apiProblem: z.ZodType<api.ApiProblem> = o({
  code: z.enum([
    ...(['unauthenticated', 'login-failed', 'forbidden', 'cross-site', 'invalid', 'not-found'] as const),
    ...(['unavailable', 'conflict', 'too-large', 'throttled', 'busy', 'peer-failed', 'failed'] as const),
  ]),
  message: text,
  nextStep: z.exactOptional(text),
});

const session: z.ZodType<api.SessionView> = o({
  ...{ name: text, role, csrfToken: text, idleEndsAtMs: amount, endsAtMs: amount, isByLink: flag },
});

const users: z.ZodType<api.UsersView> = o({
  users: list(o({ name: text, role, addedAtMs: amount, sessions: count })),
});

const gateway: z.ZodType<api.GatewayInfo> = o({
  ...{ version: text, startedAtMs: amount, nowMs: amount, uptimeSeconds: amount, workers: count },
  endpoints: list(o({ name: text, address: text })),
  status: z.enum(['ready', 'degraded', 'not-ready']),
  reasons: list(text),
  features: list(
    z.enum(['bridge', 'forward-proxy', 'reverse-proxy', 'sleepy', 'traffic', 'collections', 'simulations']),
  ),
});

const metrics: z.ZodType<api.MetricsView> = o({
  atMs: amount,
  families: list(
    o({
      ...{ name: text, kind: z.enum(['counter', 'gauge', 'histogram']), help: text },
      points: list(o({ labels: z.record(text, text), value: amount, sumSeconds: z.exactOptional(amount) })),
    }),
  ),
});

const security = z.enum(['psk', 'rpk', 'x509', 'oscore', 'none']);

const association: z.ZodType<api.AssociationView> = o({
  ...{ identity: text, address: text, scheme: text, security, suite: text, isResumed: flag },
  epoch: nullable(count),
  connectionId: nullable(o({ own: count, peer: count })),
  ...{ ageSeconds: amount, idleSeconds: nullable(amount) },
  ...{ bytesReceived: nullable(count), bytesSent: nullable(count) },
  ...{ roundTripMs: nullable(amount), lossRate: nullable(amount) },
  ...{ waitingMessages: count, observations: count, worker: count },
});

const device: z.ZodType<api.DeviceView> = o({
  ...{ id: text, security, isStored: flag, home: nullable(text), fingerprint: nullable(text) },
  ...{ expiresAtMs: nullable(amount), keyVersion: nullable(count), addedAtMs: nullable(amount) },
  ...{ rotatedAtMs: nullable(amount), overlapUntilMs: nullable(amount), rules: list(text) },
  ...{ association: nullable(association), lastSeenAtMs: nullable(amount) },
  ...{ isSleeping: flag, waitingCommands: count },
});

const devices: z.ZodType<api.DevicesPage> = o({ devices: list(device), next: nullable(text), total: count });

const deviceWithSecret: z.ZodType<api.DeviceWithSecret> = o({
  device,
  secret: nullable(
    z.union([
      o({ kind: z.literal('psk'), identity: text, keyHex: hex, keyText: nullable(text) }),
      o({
        kind: z.literal('oscore'),
        ...{ masterSecretHex: hex, masterSaltHex: hex, senderIdHex: hex, recipientIdHex: hex },
        ...{ aead: text, hkdf: text, file: text },
      }),
    ]),
  ),
  snippets: o({
    ...{ gatewayUri: text, host: text, port: count, path: nullable(text), missing: nullable(text) },
    fileBase: text,
    commands: list(
      o({ tool: z.enum(['coapsule', 'coap-client', 'aiocoap-client']), command: text, note: nullable(text) }),
    ),
    trust: o({ fingerprint: nullable(text), publicKeyPem: nullable(text), authorityPem: nullable(text) }),
  }),
});

const associations: z.ZodType<api.AssociationsPage> = o({
  associations: list(association),
  next: nullable(text),
});

const attributes = list(o({ name: text, value: nullable(text) }));
const link = o({ target: text, attributes });

const directory: z.ZodType<api.DirectoryPage> = o({
  registrations: list(
    o({
      ...{ id: text, location: text, endpoint: text, sector: text, base: text, owner: nullable(text) },
      ...{ lifetimeSeconds: amount, expiresAtMs: amount, attributes, links: list(link) },
    }),
  ),
  ...{ next: nullable(text), total: count, nowMs: amount },
});

const lookup: z.ZodType<api.LookupView> = o({
  ...{ kind: z.enum(['ep', 'res']), query: text, links: list(link) },
});

const observations: z.ZodType<api.ObservationsView> = o({
  total: count,
  peers: list(o({ identity: text, address: text, scheme: text, worker: count, observations: count })),
  resources: list(o({ resource: text, observers: count, sequence: nullable(count) })),
});

const bridge: z.ZodType<api.BridgeView> = o({
  ...{ isConfigured: flag, isConnected: flag, broker: nullable(text) },
  ...{ outboxEntries: count, outboxBytes: count },
  topics: nullable(o({ prefix: text, examples: list(o({ path: text, topic: text })) })),
});

const proxy: z.ZodType<api.ProxyView> = o({
  forward: nullable(o({ targets: list(text) })),
  reverse: list(o({ path: text, target: text })),
  answers: o({ cached: count, validated: count, observed: count, forwarded: count, failed: count }),
});

const ending = nullable(apiProblem);

const liveValue: z.ZodType<api.LiveValue> = o({
  ...{ path: text, name: text, value: nullable(z.union([amount, text, flag])), unit: text },
  ...{ identity: nullable(text), atMs: amount, updates: count },
});

const live: EventSchemas<api.LiveEvents> = {
  snapshot: o({ values: list(liveValue), isCut: flag, nowMs: amount }),
  values: o({ values: list(liveValue), nowMs: amount }),
  end: ending,
};

const trafficMessage: z.ZodType<api.TrafficMessage> = o({
  ...{ number: count, atMs: amount, direction: z.enum(['received', 'sent']), peer: text },
  ...{ identity: nullable(text), protocol: z.enum(['coap', 'dtls', 'oscore', 'other']), isSecure: flag },
  ...{ length: count, type: nullable(text), code: text, messageId: nullable(count) },
  ...{ tokenHex: nullable(hex), path: nullable(text), summary: text, problems: list(text) },
});

const traffic: EventSchemas<api.TrafficEvents> = {
  messages: o({ messages: list(trafficMessage), skipped: count }),
  end: ending,
};

const trafficPage: z.ZodType<api.TrafficPage> = o({
  ...{ messages: list(trafficMessage), next: nullable(count), kept: count },
});

const field: z.ZodType<api.FieldView> = o({
  ...{ name: text, value: text, start: count, end: count, problem: z.exactOptional(text) },
  get fields() {
    return z.exactOptional(list(field));
  },
}).meta({ id: 'Field' });

const trafficDetail: z.ZodType<api.TrafficDetail> = o({
  ...{ message: trafficMessage, exchange: list(count) },
  layers: list(o({ name: text, bytesHex: hex, fields: list(field), problems: list(text) })),
});

const findings: z.ZodType<api.FindingsView> = o({
  findings: list(
    o({
      ...{ kind: text, severity, where: text, messages: list(count), count, evidence: text },
      ...{ cause: text, consequence: text, fix: text, reference: text },
    }),
  ),
});

const handshakes: z.ZodType<api.HandshakesView> = o({
  handshakes: list(
    o({
      ...{ atMs: amount, address: text, scheme: text, identity: nullable(text), isOk: flag },
      ...{ cause: nullable(text), nextStep: nullable(text) },
    }),
  ),
});

const namedCredential: z.ZodType<api.NamedCredentialView> = o({
  ...{ name: text, proof: nullable(z.enum(['psk', 'rpk', 'x509'])), oscore: flag, about: text },
  ...{ target: nullable(text), forOperators: flag, addedAtMs: amount },
});

const credentials: z.ZodType<api.CredentialNames> = o({
  named: list(namedCredential),
  credentials: list(o({ id: text, kind: z.enum(['psk', 'proxy']) })),
});

const response: z.ZodType<api.ExplorerResponse> = o({
  ...{ code: text, codeName: text, explanation: text },
  options: list(o({ number: count, name: text, value: text, valueHex: hex })),
  ...{ contentFormat: nullable(count), contentFormatName: nullable(text) },
  ...{ payloadHex: hex, isPayloadCut: flag, etagHex: nullable(hex), maxAgeSeconds: count },
});

const ladder: z.ZodType<readonly api.LadderStep[]> = list(
  o({
    atMs: amount,
    kind: z.enum(['sent', 'received', 'retransmission', 'lost', 'handshake', 'note']),
    ...{ text, bytesHex: nullable(hex), fields: list(field) },
  }),
);

const result: z.ZodType<api.ExplorerResult> = o({
  ...{ response: nullable(response), problem: ending, elapsedMs: amount, ladder, isLadderCut: flag },
  commands: list(
    o({
      tool: z.enum(['coapsule', 'coap-client', 'aiocoap-client', 'typescript']),
      command: text,
      notes: list(text),
    }),
  ),
});

const explorer: EventSchemas<api.ExplorerEvents> = {
  response: result,
  notification: o({ atMs: amount, sequence: nullable(count), response, skipped: count }),
  end: ending,
};

const discovered: z.ZodType<api.DiscoverResult> = o({
  ...{ links: list(link), problem: ending, elapsedMs: amount },
});

const ping: z.ZodType<api.PingResult> = o({ roundTripMs: nullable(amount), problem: ending, ladder });

const collection: EventSchemas<api.CollectionEvents> = {
  step: o({ name: text, isOk: flag, elapsedMs: amount, failures: list(text) }),
  summary: o({ passed: count, failed: count, elapsedMs: amount }),
  end: ending,
};

const scenarios: z.ZodType<api.ScenariosView> = o({
  scenarios: list(o({ name: text, summary: text, devices: count, durationSeconds: amount })),
  linkProfiles: list(text),
  most: o({ simulations: count, devices: count }),
});

const simulation: z.ZodType<api.SimulationView> = o({
  ...{ id: text, scenario: text, devices: count, state: z.enum(['running', 'ended', 'stopped', 'failed']) },
  ...{ problem: ending, startedAtMs: amount, startedBy: text },
  ...{ durationSeconds: amount, simulatedSeconds: amount, outcomes: z.record(text, count) },
  groups: list(
    o({
      ...{ name: text, devices: count, sent: count, acknowledged: count, lost: count },
      ...{ handshakes: count, lostDatagrams: count, addressChanges: count },
    }),
  ),
  timeline: list(o({ sent: count, acknowledged: count, lost: count })),
});

const codes: z.ZodType<api.CodesView> = o({
  codes: list(
    o({
      ...{ code: count, text, name: text, http: text, description: text, example: text, isUsual: flag },
    }),
  ),
});

const explanations: z.ZodType<api.ExplanationsView> = o({
  findings: list(o({ kind: text, severity, cause: text, consequence: text, fix: text, reference: text })),
});

type EventSchemas<Events> = { readonly [Name in keyof Events]: z.ZodType<Events[Name]> };

/** What a route answers when all is well. */
export type AnswerSchema =
  | { readonly kind: 'json'; readonly status: 200 | 201; readonly schema: z.ZodType }
  | { readonly kind: 'empty' }
  | { readonly kind: 'events'; readonly events: Readonly<Record<string, z.ZodType>> }
  | { readonly kind: 'bytes'; readonly contentType: string };

type AnswerOf<Route> = Route extends { readonly events: infer Events }
  ? { readonly kind: 'events'; readonly events: EventSchemas<Events> }
  : Route extends { readonly bytes: true }
    ? { readonly kind: 'bytes'; readonly contentType: string }
    : Route extends { readonly answer: undefined }
      ? { readonly kind: 'empty' }
      : Route extends { readonly answer: infer Answer }
        ? { readonly kind: 'json'; readonly status: 200 | 201; readonly schema: z.ZodType<Answer> }
        : never;

function json<T>(schema: z.ZodType<T>, status: 200 | 201 = 200) {
  return { kind: 'json', status, schema } as const;
}

function events<T>(schemas: EventSchemas<T>) {
  return { kind: 'events', events: schemas } as const;
}

function bytes(contentType: string) {
  return { kind: 'bytes', contentType } as const;
}

/** By route; the compiler sees that each has the answer of its type. */
export const answerSchemas: { readonly [Route in keyof api.ApiRoutes]: AnswerOf<api.ApiRoutes[Route]> } = {
  'GET /api/session': json(session),
  'POST /api/session/link': json(session),
  'POST /api/session/password': json(session),
  'DELETE /api/session': { kind: 'empty' },
  'GET /api/users': json(users),
  'GET /api/gateway': json(gateway),
  'GET /api/metrics': json(metrics),
  'GET /api/devices': json(devices),
  'POST /api/devices': json(deviceWithSecret, 201),
  'GET /api/devices/{id}': json(device),
  'DELETE /api/devices/{id}': { kind: 'empty' },
  'PUT /api/devices/{id}/rules': json(device),
  'POST /api/devices/{id}/rotate': json(deviceWithSecret),
  'POST /api/devices/{id}/retire': json(device),
  'GET /api/associations': json(associations),
  'GET /api/observations': json(observations),
  'GET /api/directory': json(directory),
  'GET /api/directory/lookup': json(lookup),
  'GET /api/bridge': json(bridge),
  'GET /api/proxy': json(proxy),
  'GET /api/live': events(live),
  'GET /api/history': bytes('application/json'),
  'GET /api/traffic/live': events(traffic),
  'GET /api/traffic/messages': json(trafficPage),
  'GET /api/traffic/messages/{number}': json(trafficDetail),
  'GET /api/traffic/findings': json(findings),
  'GET /api/traffic/handshakes': json(handshakes),
  'POST /api/traffic/export': bytes('application/x-pcapng'),
  'GET /api/explorer/credentials': json(credentials),
  'POST /api/explorer/credentials': json(namedCredential, 201),
  'DELETE /api/explorer/credentials/{name}': { kind: 'empty' },
  'POST /api/explorer/request': json(result),
  'POST /api/explorer/observe': events(explorer),
  'POST /api/explorer/discover': json(discovered),
  'POST /api/explorer/ping': json(ping),
  'POST /api/collections/run': events(collection),
  'GET /api/simulations/scenarios': json(scenarios),
  'GET /api/simulations': json(o({ simulations: list(simulation) })),
  'POST /api/simulations': json(simulation, 201),
  'DELETE /api/simulations/{id}': json(simulation),
  'GET /api/simulations/{id}/events': events({ progress: simulation, end: ending }),
  'GET /api/codes': json(codes),
  'GET /api/explanations': json(explanations),
  'GET /api/openapi.json': bytes('application/json'),
};
