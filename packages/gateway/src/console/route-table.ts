/**
 * All routes of the console below `/api/`: who may ask, what is taken and what is answered. The server (console-api.ts), its document
 * (open-api.ts) and the tests of rights read this one table.
 */
import type * as z from 'zod';
import { type AnswerSchema, answerSchemas } from './answer-schemas.ts';
import type { ApiRoutes, Role } from './api-types.ts';
import {
  collectionRun,
  deviceRotation,
  deviceRules,
  explorerRequest,
  explorerTarget,
  linkLogin,
  newDevice,
  newNamedCredential,
  newSimulation,
  passwordLogin,
  trafficExport,
} from './request-schemas.ts';

/** `GET /api/devices/{id}`. */
export type RouteName = keyof ApiRoutes;

/** One route. */
export interface ConsoleRoute {
  readonly name: RouteName;
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Parameters in braces. */
  readonly path: string;
  /** The least one that may ask; `nobody`: without a login. */
  readonly role: Role | 'nobody';
  readonly summary: string;
  /** Parameters of the query with what they mean. */
  readonly query: Readonly<Record<string, string>>;
  /** Of the request; undefined where there is none. */
  readonly body: z.ZodType | undefined;
  readonly answer: AnswerSchema;
}

interface Entry {
  readonly role: Role | 'nobody';
  readonly summary: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: z.ZodType;
}

const paging = {
  after: 'the `next` of the page before',
  limit: 'how many on the page, 1 to 500; 100 without it',
} as const;

const filter = { filter: 'only messages that match, as `coapsule tap` has it' } as const;

const entries: Readonly<Record<RouteName, Entry>> = {
  'GET /api/session': { role: 'view', summary: 'Who is logged in' },
  'POST /api/session/link': { role: 'nobody', summary: 'Log in with a one-time link', body: linkLogin },
  'POST /api/session/password': {
    role: 'nobody',
    summary: 'Log in with name and password',
    body: passwordLogin,
  },
  'DELETE /api/session': { role: 'view', summary: 'Log out' },
  'GET /api/users': { role: 'admin', summary: 'Users of the console' },
  'GET /api/gateway': { role: 'view', summary: 'What the gateway is and how it fares' },
  'GET /api/metrics': { role: 'view', summary: 'What the gateway counts' },
  'GET /api/devices': {
    role: 'view',
    summary: 'Devices that are known or connected',
    query: { search: 'only devices whose id has this in it', ...paging },
  },
  'POST /api/devices': { role: 'admin', summary: 'Add a device', body: newDevice },
  'GET /api/devices/{id}': { role: 'view', summary: 'One device' },
  'DELETE /api/devices/{id}': { role: 'admin', summary: 'Remove a device and disconnect it' },
  'PUT /api/devices/{id}/rules': {
    role: 'admin',
    summary: 'Say anew what a device may do',
    body: deviceRules,
  },
  'POST /api/devices/{id}/rotate': {
    role: 'admin',
    summary: 'Give a device another credential',
    body: deviceRotation,
  },
  'POST /api/devices/{id}/retire': { role: 'admin', summary: 'End the overlap of a rotation' },
  'GET /api/associations': {
    role: 'view',
    summary: 'Secured peers that are connected',
    query: paging,
  },
  'GET /api/observations': { role: 'view', summary: 'Who observes' },
  'GET /api/directory': {
    role: 'view',
    summary: 'The Resource Directory',
    query: { search: 'only endpoints whose name or links have this in them', ...paging },
  },
  'GET /api/directory/lookup': {
    role: 'view',
    summary: 'A lookup in the Resource Directory (RFC 9176 §6)',
    query: { kind: 'ep or res', query: 'the query, such as rt=temperature&count=20' },
  },
  'GET /api/bridge': { role: 'view', summary: 'The bridge to a message broker' },
  'GET /api/proxy': { role: 'view', summary: 'The proxies' },
  'GET /api/live': {
    role: 'view',
    summary: 'Values as they come',
    query: { path: 'only at or below this path' },
  },
  'GET /api/history': {
    role: 'view',
    summary: 'Kept measurements, as /api/telemetry has them',
    query: {
      path: 'such as /sensors/7 or /sensors/*',
      identity: 'of the device',
      name: 'within the path',
      unit: 'of the value',
      from: 'ISO 8601, or a time before now such as 6h',
      to: 'the same',
      order: 'asc or desc',
      limit: 'how many',
      cursor: 'where the page before ended',
      step: 'such as 5m: figures of each step',
      aggregate: 'which figures',
      format: 'json, ndjson or csv',
    },
  },
  'GET /api/traffic/live': { role: 'operate', summary: 'Messages as they pass', query: filter },
  'GET /api/traffic/messages': {
    role: 'operate',
    summary: 'Messages that are kept, the newest first',
    query: { ...filter, before: 'only those before this number', limit: paging.limit },
  },
  'GET /api/traffic/messages/{number}': { role: 'operate', summary: 'One message with its bytes' },
  'GET /api/traffic/findings': { role: 'operate', summary: 'What is wrong in the messages that are kept' },
  'GET /api/traffic/handshakes': { role: 'operate', summary: 'Handshakes, and why they failed' },
  'POST /api/traffic/export': {
    role: 'operate',
    summary: 'Messages that are kept as a pcapng file',
    body: trafficExport,
  },
  'GET /api/explorer/credentials': { role: 'operate', summary: 'Whose credentials can be used' },
  'POST /api/explorer/credentials': {
    role: 'admin',
    summary: 'Keep a credential under a name',
    body: newNamedCredential,
  },
  'DELETE /api/explorer/credentials/{name}': { role: 'admin', summary: 'Forget a credential' },
  'POST /api/explorer/request': { role: 'operate', summary: 'Ask a CoAP server', body: explorerRequest },
  'POST /api/explorer/observe': {
    role: 'operate',
    summary: 'Observe a resource of a CoAP server',
    body: explorerRequest,
  },
  'POST /api/explorer/discover': {
    role: 'operate',
    summary: 'The resources of a CoAP server',
    body: explorerTarget,
  },
  'POST /api/explorer/ping': {
    role: 'operate',
    summary: 'Whether a CoAP server is there',
    body: explorerTarget,
  },
  'POST /api/collections/run': { role: 'operate', summary: 'Run a file of requests', body: collectionRun },
  'GET /api/simulations/scenarios': { role: 'view', summary: 'Fleets that can be simulated' },
  'GET /api/simulations': { role: 'view', summary: 'Fleets that are, or were simulated' },
  'POST /api/simulations': { role: 'admin', summary: 'Simulate a fleet', body: newSimulation },
  'DELETE /api/simulations/{id}': { role: 'admin', summary: 'End the simulation of a fleet' },
  'GET /api/simulations/{id}/events': { role: 'view', summary: 'How a fleet fares' },
  'GET /api/codes': { role: 'view', summary: 'What response codes mean' },
  'GET /api/explanations': { role: 'view', summary: 'What findings mean' },
  'GET /api/openapi.json': { role: 'view', summary: 'This document' },
};

/** See the module comment. */
export const routeTable: readonly ConsoleRoute[] = (Object.keys(entries) as RouteName[]).map((name) => {
  const [method = '', path = ''] = name.split(' ');
  const { role, summary, query = {}, body } = entries[name];
  return {
    ...{ name, path, role, summary, query, body },
    method: method as ConsoleRoute['method'],
    answer: answerSchemas[name],
  };
});
