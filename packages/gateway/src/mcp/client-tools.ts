/**
 * Tools that speak to a server: the client verbs, and the probe.
 *
 * None takes a key, a proxy or a raw option of a message: with Proxy-Uri a request would go to somebody else than its URI
 * says.
 *
 * @module
 */

import { CommandFailure, reportOf } from '../cli/command-failure.ts';
import { ExitCode } from '../cli/exit-code.ts';
import { hexBytes } from '../cli/option-values.ts';
import { type TargetUri, targetUri } from '../cli/target-uri.ts';
import { probeGroups } from '../probe/finding.ts';
import type { ArgumentSchema } from './input-schema.ts';
import type { JsonObject } from './json-rpc.ts';
import type { McpTool, ToolRefusal } from './mcp-tool.ts';
import { list, number, option, schema, text } from './tool-arguments.ts';
import { readOnly, type ToolRules } from './tool-rules.ts';

/** Longest payload that is sent, in characters. */
const longestPayload = 1_048_576;

const uri: ArgumentSchema = {
  type: 'string',
  description: 'URI with scheme, such as coap://127.0.0.1/temperature or coaps://localhost/light',
};
const timeout: ArgumentSchema = {
  type: 'number',
  description: 'give up after so many seconds; 10 by default',
  minimum: 0.1,
  maximum: 120,
};
const accept: ArgumentSchema = {
  type: 'string',
  description: 'content format that is wanted, such as application/json or 50',
  maxLength: 100,
};
const contentFormat: ArgumentSchema = {
  type: 'string',
  description: 'content format of the payload, such as application/json or 50',
  maxLength: 100,
};
const payload: ArgumentSchema = {
  type: 'string',
  description: 'payload as text',
  maxLength: longestPayload,
};
const payloadHex: ArgumentSchema = {
  type: 'string',
  description: 'payload as hexadecimal digits, instead of text',
  maxLength: 2 * longestPayload,
};
const confirmable: ArgumentSchema = {
  type: 'boolean',
  description: 'false sends Non-confirmable; true by default',
};

const defaultTimeoutSeconds = 10;

/** Those that read, then those that change. */
export function clientTools(rules: ToolRules): readonly McpTool[] {
  return [
    requestTool(rules, 'get', 'Read a resource', false),
    requestTool(rules, 'fetch', 'Read a part of a resource, which the payload names', false),
    observeTool(rules),
    discoverTool(rules),
    pingTool(rules),
    probeTool(rules),
    requestTool(rules, 'put', 'Create or replace a resource', true),
    requestTool(rules, 'post', 'Let a resource process a payload', true),
    requestTool(rules, 'patch', 'Change a part of a resource', true),
    requestTool(rules, 'ipatch', 'Change a part of a resource; repeating it does no harm', true),
    requestTool(rules, 'delete', 'Delete a resource', true),
  ];
}

/** The target, if it may be spoken to. */
function allowedTarget(given: JsonObject, { targets }: ToolRules): TargetUri | ToolRefusal {
  let target: TargetUri;
  try {
    target = targetUri(text(given, 'uri') ?? '');
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    const { cause, nextStep } = reportOf(error);
    return { refused: `${cause}; ${nextStep}` };
  }
  if (targets.allows(target)) return target;
  return {
    refused: `${target.text} is not among the targets that the user allowed; the user can start this server with --allow ${patternFor(target)} (or a network, or "private")`,
  };
}

/** The target, if the list of resources of its server may be read as well. */
function allowedServer(given: JsonObject, rules: ToolRules): TargetUri | ToolRefusal {
  const target = allowedTarget(given, rules);
  if ('refused' in target || rules.targets.allowsLinks(target)) return target;
  return {
    refused: `this looks at other paths than that of the URI, first at /.well-known/core, which is not among the targets that the user allowed; the user can start this server with --allow ${patternFor(target)}`,
  };
}

function patternFor({ scheme, host, port }: TargetUri): string {
  return `${scheme}://${host.includes(':') ? `[${host.replace('%', '%25')}]` : host}:${port}/*`;
}

/** Options that every verb with a client gets. */
function clientOptions(given: JsonObject, { credentials }: ToolRules): readonly string[] {
  return [
    '--json',
    ...option('timeout', number(given, 'timeoutSeconds') ?? defaultTimeoutSeconds),
    ...option('credentials', credentials),
  ];
}

/** 4.xx and 5.xx are what the server said. */
const responses = [ExitCode.ClientError, ExitCode.ServerError];

type RequestVerb = 'get' | 'fetch' | 'put' | 'post' | 'patch' | 'ipatch' | 'delete';

function requestTool(rules: ToolRules, verb: RequestVerb, title: string, changes: boolean): McpTool {
  const hasPayload = verb !== 'get' && verb !== 'delete';
  return {
    name: verb,
    title,
    description: `${title} (CoAP ${verb === 'ipatch' ? 'iPATCH' : verb.toUpperCase()}). Answers with the response as JSON: code, options, payload.`,
    inputSchema: schema(
      {
        uri,
        ...(hasPayload && { payload, payloadHex, contentFormat }),
        accept,
        confirmable,
        timeoutSeconds: timeout,
      },
      ['uri'],
    ),
    changes,
    isRemote: true,
    command(given) {
      const target = allowedTarget(given, rules);
      if ('refused' in target) return target;
      const body = bodyOf(given);
      if (body !== undefined && 'refused' in body) return body;
      return {
        args: [
          verb,
          target.text,
          ...clientOptions(given, rules),
          ...option('accept', text(given, 'accept')),
          ...option('content-format', text(given, 'contentFormat')),
          ...(given['confirmable'] === false ? ['--non'] : []),
          ...(body === undefined ? [] : ['--file=-']),
        ],
        ...(body !== undefined && { input: body }),
        answers: responses,
      };
    },
  };
}

function bodyOf(given: JsonObject): Uint8Array | ToolRefusal | undefined {
  const asText = text(given, 'payload');
  const asHex = text(given, 'payloadHex');
  if (asText !== undefined && asHex !== undefined) {
    return { refused: 'give the payload as text or in hexadecimal, not both' };
  }
  if (asHex === undefined) return asText === undefined ? undefined : new TextEncoder().encode(asText);
  return (
    hexBytes(asHex.replaceAll(/\s/g, '')) ?? { refused: '"payloadHex" has to be pairs of hexadecimal digits' }
  );
}

function observeTool(rules: ToolRules): McpTool {
  return {
    name: 'observe',
    title: 'Follow a resource for some seconds',
    description:
      'Observe a resource (RFC 7641) for a number of seconds, then cancel. Answers with each notification as a line of JSON.',
    inputSchema: schema(
      {
        uri,
        seconds: { type: 'number', description: 'how long; 10 by default', minimum: 0.1, maximum: 60 },
        accept,
        timeoutSeconds: timeout,
      },
      ['uri'],
    ),
    changes: false,
    isRemote: true,
    command(given) {
      const target = allowedTarget(given, rules);
      if ('refused' in target) return target;
      return {
        args: [
          'observe',
          target.text,
          ...clientOptions(given, rules),
          ...option('seconds', number(given, 'seconds') ?? 10),
          ...option('accept', text(given, 'accept')),
        ],
        answers: responses,
      };
    },
  };
}

function discoverTool(rules: ToolRules): McpTool {
  return {
    name: 'discover',
    title: 'List the resources of a server',
    description: 'Read /.well-known/core (RFC 6690). Answers with one link a line, as JSON.',
    inputSchema: schema(
      {
        uri,
        query: {
          type: 'array',
          description: 'filters such as rt=temperature or href=/sensors*',
          items: { type: 'string', maxLength: 200 },
          maxItems: 8,
        },
        timeoutSeconds: timeout,
      },
      ['uri'],
    ),
    changes: false,
    isRemote: true,
    command(given) {
      const target = allowedServer(given, rules);
      if ('refused' in target) return target;
      const queries = list(given, 'query').flatMap((query) => option('query', query));
      return {
        args: ['discover', target.text, ...clientOptions(given, rules), ...queries],
        answers: responses,
      };
    },
  };
}

function pingTool(rules: ToolRules): McpTool {
  return {
    name: 'ping',
    title: 'Is a CoAP endpoint alive',
    description: 'CoAP ping (RFC 7252 §4.3), after a handshake for coaps. Answers with the round trip.',
    inputSchema: schema({ uri, timeoutSeconds: timeout }, ['uri']),
    changes: false,
    isRemote: true,
    command(given) {
      const target = allowedTarget(given, rules);
      return 'refused' in target ? target : { args: ['ping', target.text, ...clientOptions(given, rules)] };
    },
  };
}

/** Those that look at other ports than the one of the URI. */
const otherPortGroups = ['transports', 'dtls', 'suites', 'amplification'];

function probeTool(rules: ToolRules): McpTool {
  return {
    name: 'probe',
    title: 'What a peer supports, and which rules it breaks',
    description:
      'Probe a server: methods, block sizes, Observe, OSCORE, other transports, DTLS versions and suites, amplification. Answers with one finding a line, as JSON, each with its RFC section. "malformed" and "write" need a server that may write. Takes up to a minute.',
    inputSchema: schema(
      {
        uri,
        only: {
          type: 'array',
          description: 'these groups alone',
          items: { type: 'string', enum: probeGroups },
          maxItems: probeGroups.length,
        },
        malformed: { type: 'boolean', description: 'also send malformed input' },
        write: { type: 'boolean', description: 'also try methods that change the resource of the URI' },
      },
      ['uri'],
    ),
    changes: false,
    isRemote: true,
    command(given) {
      const target = allowedServer(given, rules);
      if ('refused' in target) return target;
      const { malformed, write } = given;
      if ((malformed === true || write === true) && !rules.allowWrite) {
        return {
          refused: `"${malformed === true ? 'malformed' : 'write'}" may harm a device, and ${readOnly}`,
        };
      }
      const only = list(given, 'only');
      const isWholeHost = rules.targets.allowsWholeHost(target);
      return {
        args: [
          'probe',
          target.text,
          '--json',
          ...option('credentials', rules.credentials),
          ...option('timeout', 100),
          ...(only.length === 0 ? [] : ['--only', ...only]),
          ...(isWholeHost ? [] : ['--skip', ...otherPortGroups]),
          ...(malformed === true ? ['--malformed'] : []),
          ...(write === true ? ['--allow-write'] : []),
        ],
        answers: [ExitCode.Failure],
      };
    },
  };
}
