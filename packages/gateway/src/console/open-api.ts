/**
 * The document of the console's API in OpenAPI 3.1, made of the table of routes and of the schemas that check requests.
 */
import * as z from 'zod';
import { apiProblem } from './answer-schemas.ts';
import { type ConsoleRoute, routeTable } from './route-table.ts';
import { sessionCookiePrefix } from './session-cookie.ts';

type Json = Readonly<Record<string, unknown>>;

/** @param version Of the gateway. */
export function openApiDocument(version: string): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routeTable) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operation(route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Console of the coapsule gateway',
      version,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      description:
        'What the console in the browser uses. A session begins with a login, which sets a cookie; every request that is not GET carries x-csrf-token. See docs/console-api.md.',
    },
    paths,
    components: {
      securitySchemes: {
        session: {
          ...{ type: 'apiKey', in: 'cookie', name: `${sessionCookiePrefix}8080` },
          description: 'the name ends in the port that is asked, and begins with __Host- over TLS',
        },
        csrf: { type: 'apiKey', in: 'header', name: 'x-csrf-token' },
      },
      responses: {
        problem: {
          description: 'Why not',
          content: { 'application/json': { schema: jsonSchema(apiProblem, 'output') } },
        },
      },
    },
  };
}

function operation({ method, path, role, summary, query, body, answer }: ConsoleRoute): Json {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    ...{ name, in: 'path', required: true, schema: { type: 'string' } },
  }));
  const inQuery = Object.entries(query).map(([name, description]) => ({
    ...{ name, in: 'query', description, schema: { type: 'string' } },
  }));
  return {
    summary,
    'x-role': role,
    security: role === 'nobody' ? [] : [{ session: [], ...(method !== 'GET' && { csrf: [] }) }],
    ...(inPath.length + inQuery.length > 0 && { parameters: [...inPath, ...inQuery] }),
    ...(body !== undefined && {
      requestBody: {
        required: true,
        content: { 'application/json': { schema: jsonSchema(body, 'input') } },
      },
    }),
    responses: { ...success(answer), default: { $ref: '#/components/responses/problem' } },
  };
}

function success(answer: ConsoleRoute['answer']): Json {
  switch (answer.kind) {
    case 'json':
      return {
        [answer.status]: {
          description: 'Done',
          content: { 'application/json': { schema: jsonSchema(answer.schema, 'output') } },
        },
      };
    case 'empty':
      return { 204: { description: 'Done' } };
    case 'bytes':
      return { 200: { description: 'Done', content: { [answer.contentType]: {} } } };
    case 'events': {
      const events = Object.entries(answer.events).map(([name, schema]) => [
        name,
        jsonSchema(schema, 'output'),
      ]);
      return {
        200: {
          description: 'Server-Sent Events; the data of each is JSON of the schema by its name',
          content: {
            'text/event-stream': { schema: { type: 'string' }, 'x-events': Object.fromEntries(events) },
          },
        },
      };
    }
  }
}

/** In 2020-12, as OpenAPI 3.1 has it. */
function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, target: 'draft-2020-12', reused: 'inline' });
  return rest as Json;
}
