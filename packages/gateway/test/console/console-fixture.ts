/** A gateway with a console on a free port of the loopback address, and browsers that are logged in there. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { ApiProblem, Role, SessionView } from '../../src/console/api-types.ts';
import { hashedPassword } from '../../src/console/password.ts';
import type { GatewayOptions } from '../../src/gateway/gateway-options.ts';
import { ConsoleTable } from '../../src/store/console-table.ts';
import { openDatabase } from '../../src/store/database.ts';
import { startTestGateway, type TestGateway } from '../gateway/test-gateway.ts';

/** Somebody's browser. */
export interface Browser {
  readonly session: SessionView;
  readonly cookie: string;
  /** As the console's page asks. */
  ask(method: string, path: string, body?: unknown, init?: RequestInit): Promise<Response>;
  /** The answer of one that went well. */
  json<T>(method: string, path: string, body?: unknown): Promise<T>;
}

/** What a test holds. */
export interface TestConsole extends TestGateway {
  readonly base: string;
  /** Without a session. */
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>;
  /** A browser that was logged in by the link of the start: an admin. */
  admin(): Promise<Browser>;
  /** A browser of a user with this role. */
  as(role: Role): Promise<Browser>;
  /** The console's part of the store, as `coapsule console` has it. */
  users<T>(work: (table: ConsoleTable) => T): T;
}

/** What all test users have. */
export const password = 'a password for tests';

/** Hashed once: it takes a while. */
let hashed: Promise<string> | undefined;

export async function startTestConsole(
  t: TestContext,
  options: Partial<GatewayOptions> = {},
): Promise<TestConsole> {
  const gateway = await startTestGateway(t, {
    console: { appFolder: `${import.meta.dirname}/no-app` },
    http: { address: { host: '127.0.0.1', port: 0 }, tokens: [], tls: undefined },
    ...options,
  });
  const base = `http://${gateway.gateway.endpoints.http}`;
  const ask: TestConsole['ask'] = (method, path, body, headers = {}) =>
    fetch(`${base}${path}`, {
      method,
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  const users: TestConsole['users'] = (work) => {
    const opened = openDatabase(gateway.folder, { create: false, asGateway: false });
    try {
      return work(new ConsoleTable(opened.database));
    } finally {
      opened.close();
    }
  };
  return {
    ...{ ...gateway, base, ask, users },
    async admin() {
      const token = gateway.gateway.consoleLink?.split('#')[1] ?? assert.fail('there is no link');
      return browser(base, await ask('POST', '/api/session/link', { token }));
    },
    async as(role) {
      hashed ??= hashedPassword(password);
      const kept = await hashed;
      users((table) => table.add({ name: role, role, password: kept, addedAtMs: 1 }));
      return browser(base, await ask('POST', '/api/session/password', { name: role, password }));
    },
  };
}

/** The browser that got this answer of a login. */
export async function browser(base: string, answer: Response): Promise<Browser> {
  assert.equal(answer.status, 200, JSON.stringify(await answer.clone().json()));
  const session = (await answer.json()) as SessionView;
  const cookie = answer.headers.getSetCookie()[0]?.split(';')[0] ?? assert.fail('there is no cookie');
  const ask: Browser['ask'] = (method, path, body, init = {}) =>
    fetch(`${base}${path}`, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...init,
      headers: {
        cookie,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(method !== 'GET' && { 'x-csrf-token': session.csrfToken }),
        origin: base,
        ...(init.headers as Record<string, string>),
      },
    });
  return {
    ...{ session, cookie, ask },
    async json<T>(method: string, path: string, body?: unknown): Promise<T> {
      const response = await ask(method, path, body);
      const text = await response.text();
      assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
      return JSON.parse(text) as T;
    },
  };
}

/** Why an answer is none. */
export async function problemOf(response: Response): Promise<ApiProblem> {
  return (await response.json()) as ApiProblem;
}

/** Events of a stream, one after the other. */
export async function* eventsOf(
  response: Response,
): AsyncGenerator<{ readonly event: string; readonly data: unknown }> {
  assert.equal(response.headers.get('content-type')?.split(';')[0], 'text/event-stream');
  let rest = '';
  for await (const text of (response.body ?? assert.fail()).pipeThrough(new TextDecoderStream())) {
    rest += text;
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      const block = rest.slice(0, end);
      rest = rest.slice(end + 2);
      const [, event = ''] = /^event: (.*)$/m.exec(block) ?? [];
      const data = [...block.matchAll(/^data: (.*)$/gm)].map(([, line]) => line).join('\n');
      if (event !== '') yield { event, data: JSON.parse(data) };
    }
  }
}
