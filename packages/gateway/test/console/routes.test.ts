/** The routes of the console are the same wherever they stand: in the server, its document, the types of the page, and the docs. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Hono } from 'hono';
import { addConsoleApi, type Handlers, type LoginHandlers } from '../../src/console/console-api.ts';
import { openApiDocument } from '../../src/console/open-api.ts';
import { routeTable } from '../../src/console/route-table.ts';
import { SessionCookie } from '../../src/console/session-cookie.ts';
import { ConsoleSessions } from '../../src/console/sessions.ts';

const root = join(import.meta.dirname, '../../../..');

/** `GET /api/devices/{id} view`, of each route, sorted. */
const ofTable: readonly string[] = routeTable.map(({ name, role }) => `${name} ${role}`).toSorted();

function rowsOf(path: string, row: RegExp): readonly string[] {
  return [...readFileSync(join(root, path), 'utf8').matchAll(row)].map(
    ([, method = '', route = '', role = '']) =>
      `${method} ${route.replace(/\?.*$/, '').replaceAll(/:(\w+)/g, '{$1}')} ${role}`,
  );
}

const nobody = { address: '127.0.0.1', isSecure: false } as const;

/** The server with nothing behind it. */
function server(): Hono {
  const app = new Hono();
  addConsoleApi(app, {
    sessions: new ConsoleSessions(
      () => 0,
      () => true,
    ),
    ...{ cookie: new SessionCookie(() => nobody), clientOf: () => nobody },
    ...{ handlers: {} as Handlers, logins: {} as LoginHandlers, onError: () => {} },
  });
  return app;
}

test('the server has the routes of the table, each once, and none besides', () => {
  const mounted = server()
    .routes.filter(({ method }) => method !== 'ALL')
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`);
  const names = routeTable.map(({ name }) => name).toSorted();
  assert.deepEqual([...new Set(mounted)].toSorted(), names);
  assert.ok(server().routes.every(({ path }) => path.startsWith('/api/')));
});

test('the head of api-types.ts has the routes of the table with their roles, and none besides', () => {
  const rows = rowsOf(
    'packages/gateway/src/console/api-types.ts',
    /^ \* \| (GET|POST|PUT|DELETE) +(\S+) \| (\w+)[^|]* \|/gm,
  );
  assert.deepEqual(rows.toSorted(), ofTable);
});

test('docs/console-api.md has the routes of the table with their roles and what they are for, and none besides', () => {
  const rows = rowsOf('docs/console-api.md', /^\| `(GET|POST|PUT|DELETE) (\S+)` \| (\w+) \|/gm);
  assert.deepEqual(rows.toSorted(), ofTable);
  const text = readFileSync(join(root, 'docs/console-api.md'), 'utf8');
  for (const { name, role, summary } of routeTable)
    assert.ok(text.includes(`| \`${name}\` | ${role} | ${summary} |`), `${name}: ${summary}`);
});

test('the document in OpenAPI has the routes of the table with their roles, and none besides', () => {
  const { paths } = openApiDocument('0') as {
    paths: Record<string, Record<string, { 'x-role': string; security: readonly object[] }>>;
  };
  const rows = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      assert.equal(operation.security.length === 0, operation['x-role'] === 'nobody', path);
      return `${method.toUpperCase()} ${path} ${operation['x-role']}`;
    }),
  );
  assert.deepEqual(rows.toSorted(), ofTable);
});

test('the two logins are all that needs no login', () => {
  assert.deepEqual(
    routeTable.filter(({ role }) => role === 'nobody').map(({ name }) => name),
    ['POST /api/session/link', 'POST /api/session/password'],
  );
});
